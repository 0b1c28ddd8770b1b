//! Hearing of tasks, in GraphQL.

use std::sync::Arc;

use async_graphql::{Context, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use entity::{EventId, TaskId, UserId, Viewer, event};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};

use super::api::Task;
use super::events::TaskAssigned;
use super::query::PeopleAsked;
use super::store;
use crate::accounts::{self, User};
use crate::app::{App, AppExt};
use crate::db::{Conn, DbError, SharedReads};
use crate::events::{Entry, Event, Start, assigned_stream};
use crate::graphql::{ApiError, AtHand, ContextExt};

/// A task was assigned to the signed-in person.
#[derive(Clone, Debug, SimpleObject)]
pub struct TaskAssignedEvent {
    /// The place of this event. Keep the last one, and give it as `after` when subscribing again:
    /// nothing is missed. Drop an event whose cursor was seen before.
    cursor: String,
    /// The task as it is now; null when it is gone or was given to somebody else meanwhile.
    task: Option<AtHand<Task>>,
    /// Who assigned it; null when their account is gone.
    assigned_by: Option<AtHand<User>>,
    /// When it was assigned.
    assigned_at: DateTime<Utc>,
}

/// Hearing of tasks.
#[derive(Debug, Default)]
pub struct TaskSubscription {
    looks: Arc<Looks>,
}

/// What is being read for those who hear of an assignment: one person may listen many times.
type Looks = SharedReads<(EventId, Viewer, PeopleAsked), Seen>;

/// The task and who assigned it, as the viewer may see them.
type Seen = (Option<Task>, Option<User>);

#[Subscription]
impl TaskSubscription {
    /// Every task that is assigned to the signed-in person, in order; one that was disabled also when
    /// it is enabled. With `after`, first what happened since that cursor. Fails with
    /// `CURSOR_EXPIRED` when that is not kept any more: read the list anew, and go on from
    /// `viewer.eventCursor`.
    async fn task_assigned(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The cursor after which to begin; with what happens from now on when not given."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<Box<TaskAssignedEvent>, ApiError>>, ApiError> {
        let viewer = ctx.viewer()?.clone();
        let start = Start::read(after.as_deref())?;
        let app = ctx.app().clone();
        let stream = assigned_stream(viewer.user_id);
        let asked = people_asked(ctx);
        let looks = self.looks.clone();
        // On the heap: what began it has its room for as long as it lasts.
        let entries = Box::pin(app.feed.follow(stream, start)).await?;
        let events = entries.then(move |entry| {
            let (app, viewer, looks) = (app.clone(), viewer.clone(), looks.clone());
            // On the heap, for the time it takes: a subscription mostly waits.
            Box::pin(async move {
                tell(&app, &viewer, &looks, asked, &*entry?)
                    .await
                    .map(Box::new)
            })
        });
        Ok(to_the_first_error(ctx, events))
    }
}

fn people_asked(ctx: &Context<'_>) -> PeopleAsked {
    let event = ctx.look_ahead();
    let task = event.field("task");
    let people = [
        task.field("assignee"),
        task.field("creator"),
        event.field("assignedBy"),
    ];
    PeopleAsked::of(people.into_iter())
}

/// The stream of a subscription that begins here. It ends with its first error: after the event behind it
/// the client's cursor would be past the one that failed.
pub fn to_the_first_error<T>(
    ctx: &Context<'_>,
    events: impl Stream<Item = Result<T, ApiError>>,
) -> impl Stream<Item = Result<T, ApiError>> {
    ctx.begins();
    unfold(Some(Box::pin(events)), async |events| {
        let mut events = events?;
        let event = events.next().await?;
        let rest = event.is_ok().then_some(events);
        Some((event, rest))
    })
}

/// Turns an entry of the log into what this viewer may see of it at this moment.
async fn tell(
    app: &App,
    viewer: &Viewer,
    looks: &Looks,
    asked: PeopleAsked,
    Entry { cursor, event }: &Entry,
) -> Result<TaskAssignedEvent, ApiError> {
    let assigned = read(event)?;
    let look = || {
        let read = |db| look(db, viewer, asked, assigned.task_id, event.actor_id);
        app.db.read(read)
    };
    let (task, assigned_by) = looks.get((event.id, viewer.clone(), asked), look).await?;
    Ok(TaskAssignedEvent {
        cursor: cursor.encode(),
        task: task
            .filter(|task| task.row.assignee_id == Some(viewer.user_id))
            .map(AtHand),
        assigned_by: assigned_by.map(AtHand),
        assigned_at: event.occurred_at,
    })
}

async fn look(
    db: Conn,
    viewer: &Viewer,
    asked: PeopleAsked,
    task: TaskId,
    by: Option<UserId>,
) -> Result<Seen, DbError> {
    if let (PeopleAsked::Faces, Some(by)) = (asked, by)
        && let Some((task, people, by)) =
            store::find_visible_with_people(&db, viewer, task, by).await?
    {
        return Ok((Some(Task::with_people(task, people)), by.map(User::of_face)));
    }
    let task = store::find_visible(&db, viewer, task).await?;
    let by = match by.filter(|_| asked != PeopleAsked::Nothing) {
        Some(by) => accounts::find(&db, by).await?,
        None => None,
    };
    Ok((task.map(Task::new), by.map(User::new)))
}

fn read(event: &event::Model) -> Result<TaskAssigned, ApiError> {
    if event.topic != TaskAssigned::TOPIC {
        return Err(ApiError::internal("another event in the stream `assigned`"));
    }
    serde_json::from_value(event.payload.clone())
        .map_err(|error| ApiError::internal(&format!("a payload of task.assigned: {error}")))
}
