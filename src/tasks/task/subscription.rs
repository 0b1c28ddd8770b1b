//! Hearing of tasks, in GraphQL.

use async_graphql::{Context, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use entity::{Viewer, event};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};

use super::api::Task;
use super::events::TaskAssigned;
use super::store;
use crate::accounts::{self, User};
use crate::app::{App, AppExt};
use crate::events::{Entry, Event, Start, assigned_stream};
use crate::graphql::{ApiError, ContextExt};

/// A task was assigned to the signed-in person.
#[derive(Clone, Debug, SimpleObject)]
pub struct TaskAssignedEvent {
    /// The place of this event. Keep the last one, and give it as `after` when subscribing again:
    /// nothing is missed. Drop an event whose cursor was seen before.
    cursor: String,
    /// The task as it is now; null when it is gone or was given to somebody else meanwhile.
    task: Option<Task>,
    /// Who assigned it; null when their account is gone.
    assigned_by: Option<User>,
    /// When it was assigned.
    assigned_at: DateTime<Utc>,
}

/// Hearing of tasks.
#[derive(Debug, Default)]
pub struct TaskSubscription;

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
    ) -> Result<impl Stream<Item = Result<TaskAssignedEvent, ApiError>>, ApiError> {
        let viewer = ctx.viewer()?.clone();
        let start = Start::read(after.as_deref())?;
        let app = ctx.app().clone();
        let stream = assigned_stream(viewer.user_id);
        // On the heap: what began it has its room for as long as it lasts.
        let entries = Box::pin(app.feed.follow(stream, start)).await?;
        let events = entries.then(move |entry| {
            let (app, viewer) = (app.clone(), viewer.clone());
            // On the heap, for the time it takes: a subscription mostly waits.
            async move { Box::pin(tell(&app, &viewer, entry?)).await }
        });
        Ok(to_the_first_error(events))
    }
}

/// A stream that ends with its first error: after the event behind it the client's cursor would be
/// past the one that failed.
pub fn to_the_first_error<T>(
    events: impl Stream<Item = Result<T, ApiError>>,
) -> impl Stream<Item = Result<T, ApiError>> {
    unfold(Some(Box::pin(events)), async |events| {
        let mut events = events?;
        let event = events.next().await?;
        let rest = event.is_ok().then_some(events);
        Some((event, rest))
    })
}

/// Turns an entry of the log into what this viewer may see of it at this moment.
async fn tell(app: &App, viewer: &Viewer, entry: Entry) -> Result<TaskAssignedEvent, ApiError> {
    let Entry { cursor, event } = entry;
    let assigned = read(&event)?;
    let (task, assigned_by) = app
        .db
        .read(|db| async move {
            let task = store::find_visible(&db, viewer, assigned.task_id).await?;
            let by = match event.actor_id {
                Some(actor) => accounts::find(&db, actor).await?,
                None => None,
            };
            Ok::<_, crate::db::DbError>((task, by))
        })
        .await?;
    let task = task.filter(|task| task.assignee_id == Some(viewer.user_id));
    Ok(TaskAssignedEvent {
        cursor: cursor.encode(),
        task: task.map(Task::new),
        assigned_by: assigned_by.map(User::new),
        assigned_at: event.occurred_at,
    })
}

fn read(event: &event::Model) -> Result<TaskAssigned, ApiError> {
    if event.topic != TaskAssigned::TOPIC {
        return Err(ApiError::internal("another event in the stream `assigned`"));
    }
    serde_json::from_value(event.payload.clone())
        .map_err(|error| ApiError::internal(&format!("a payload of task.assigned: {error}")))
}
