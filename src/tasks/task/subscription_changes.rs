//! Hearing of every change of a task, or of the tasks of a project, in GraphQL.

use async_graphql::{Context, Enum, ID, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use entity::task_history::Field;
use entity::{CommentId, ProjectId, TaskId, Viewer, event, task};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::api::Task;
use super::events::{
    TaskAssigned, TaskCompleted, TaskCreated, TaskDeleted, TaskRestored, TaskUnassigned,
};
use super::field::TaskField;
use super::subscription::to_the_first_error;
use super::{TaskError, store};
use crate::accounts::{self, User};
use crate::app::{App, AppExt};
use crate::events::{Entry, Event, Start, project_stream, task_stream};
use crate::graphql::{ApiError, ContextExt, ErrorCode, Kind};
use crate::tasks::comment::{self, Comment};
use crate::tasks::project;

/// What happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum TaskChangeKind {
    /// It was made.
    Created,
    /// Fields of it have new values: `fields` says which. With no fields: read the task anew,
    /// something happened that this server has no word for.
    Updated,
    /// It was given to somebody.
    Assigned,
    /// It was taken from somebody, and is nobody's.
    Unassigned,
    /// It was finished. An event `UPDATED` with the status stands before this.
    Completed,
    /// It was deleted.
    Deleted,
    /// It was deleted, and is back.
    Restored,
    /// Somebody said something about it.
    Commented,
    /// A comment was changed.
    CommentUpdated,
    /// A comment was deleted.
    CommentDeleted,
}

/// A change of a task.
#[derive(Clone, Debug, SimpleObject)]
pub struct TaskChangedEvent {
    /// The place of this event. Keep the last one, and give it as `after` when subscribing again:
    /// nothing is missed. Drop an event whose cursor was seen before.
    cursor: String,
    /// What happened.
    kind: TaskChangeKind,
    /// Which task.
    task_id: ID,
    /// The task as it is now; null when it is deleted.
    task: Option<Task>,
    /// What was said, as it is now, when it was `COMMENTED` or `COMMENT_UPDATED`; null when the
    /// comment is deleted.
    comment: Option<Comment>,
    /// The fields that have new values, when it was `UPDATED`, `ASSIGNED` or `UNASSIGNED`.
    fields: Vec<TaskField>,
    /// Who did it; null when their account is gone.
    changed_by: Option<User>,
    /// When it was done.
    changed_at: DateTime<Utc>,
}

/// What somebody follows.
#[derive(Clone, Copy, Debug)]
enum Subject {
    /// All tasks of a project.
    Project(ProjectId),
    /// One task. When it belongs to a project, the stream has others, too.
    Task(TaskId),
}

/// Hearing of changes.
#[derive(Debug, Default)]
pub struct TaskChangeSubscription;

#[Subscription]
impl TaskChangeSubscription {
    /// Every change of the tasks of a project, or of one task, in order: exactly one of `projectId`
    /// and `taskId`. With `after`, first what happened since that cursor. Fails with
    /// `CURSOR_EXPIRED` when that is not kept any more: read what is shown anew, and go on from its
    /// `eventCursor`. Ends with `NOT_FOUND` when the signed-in person may see it no more.
    async fn task_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Follow all tasks of this project.")] project_id: Option<ID>,
        #[graphql(desc = "Follow this task.")] task_id: Option<ID>,
        #[graphql(
            desc = "The cursor after which to begin; with what happens from now on when not given."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<Box<TaskChangedEvent>, ApiError>>, ApiError> {
        let viewer = ctx.viewer()?.clone();
        let subject = match (project_id, task_id) {
            (Some(id), None) => Subject::Project(ProjectId(Kind::Project.decode(&id)?)),
            (None, Some(id)) => Subject::Task(TaskId(Kind::Task.decode(&id)?)),
            _ => {
                return Err(ApiError::new(
                    ErrorCode::BadUserInput,
                    "Give either `projectId` or `taskId`.",
                ));
            }
        };
        let start = Start::read(after.as_deref())?;
        let app = ctx.app().clone();
        let stream = Box::pin(stream_of(&app, &viewer, subject)).await?;
        let entries = Box::pin(app.feed.follow(stream, start)).await?;
        let events = entries.filter_map(move |entry| {
            let (app, viewer) = (app.clone(), viewer.clone());
            // On the heap, for the time it takes: a subscription mostly waits.
            Box::pin(async move {
                match entry {
                    Ok(entry) => {
                        let told = tell(&app, &viewer, subject, &entry).await;
                        told.map(|told| told.map(Box::new)).transpose()
                    }
                    Err(error) => Some(Err(error.into())),
                }
            })
        });
        Ok(to_the_first_error(ctx, events))
    }
}

/// The name of the stream to follow, if the viewer may.
async fn stream_of(app: &App, viewer: &Viewer, subject: Subject) -> Result<String, ApiError> {
    app.db
        .read(|db| async move {
            match subject {
                Subject::Project(id) => {
                    let project = project::find_visible(&db, viewer, id).await?;
                    let project = project.ok_or(TaskError::NotFound(Kind::Project))?;
                    Ok(project_stream(project.id))
                }
                Subject::Task(id) => {
                    let task = store::find_visible(&db, viewer, id).await?;
                    let task = task.ok_or(TaskError::NotFound(Kind::Task))?;
                    Ok(task_stream(task.id, task.project_id))
                }
            }
        })
        .await
        .map_err(|error: TaskError| error.into())
}

/// Turns an entry of the log into what this viewer may see of it at this moment; none when it is
/// about something else.
async fn tell(
    app: &App,
    viewer: &Viewer,
    subject: Subject,
    Entry { cursor, event }: &Entry,
) -> Result<Option<TaskChangedEvent>, ApiError> {
    let about = About::read(event);
    // Of other tasks of the project. What is about the project itself is looked at: it may be that
    // somebody was taken out of it.
    if let (Subject::Task(id), Some(other)) = (subject, about.task_id)
        && id != other
    {
        return Ok(None);
    }
    let (task, comment, by) = app
        .db
        .read(|db| async move {
            let task = look(&db, viewer, subject, about.task_id).await?;
            let comment = match about.comment_id {
                Some(comment) => comment::find(&db, comment).await?,
                None => None,
            };
            let by = match (about.task_id, event.actor_id) {
                (Some(_), Some(actor)) => accounts::find(&db, actor).await?,
                _ => None,
            };
            Ok::<_, TaskError>((task, comment, by))
        })
        .await?;
    let Some(task_id) = about.task_id else {
        return Ok(None);
    };
    let kind = kind(&event.topic);
    let task = task.filter(|task| task.deleted_at.is_none() && kind != TaskChangeKind::Deleted);
    Ok(Some(TaskChangedEvent {
        cursor: cursor.encode(),
        kind,
        task_id: Kind::Task.encode(task_id.0),
        comment: comment
            .zip(task.clone())
            .map(|(comment, task)| Comment::new(comment, task)),
        task: task.map(Task::new),
        fields: fields(kind, event),
        changed_by: by.map(User::new),
        changed_at: event.occurred_at,
    }))
}

/// The task of an event, deleted or not, if the viewer may still see what they follow.
async fn look(
    db: &crate::db::Conn,
    viewer: &Viewer,
    subject: Subject,
    task: Option<TaskId>,
) -> Result<Option<task::Model>, TaskError> {
    match subject {
        Subject::Project(id) => {
            let project = project::find_visible(db, viewer, id).await?;
            project.ok_or(TaskError::NotFound(Kind::Project))?;
            match task {
                Some(task) => Ok(store::find_seen(db, viewer, task).await?),
                None => Ok(None),
            }
        }
        Subject::Task(id) => {
            let task = store::find_seen(db, viewer, id).await?;
            task.map(Some).ok_or(TaskError::NotFound(Kind::Task))
        }
    }
}

/// What a payload says that every event of a task has. Newer servers may write more, and other
/// topics: during an upgrade the two are followed side by side.
struct About {
    task_id: Option<TaskId>,
    /// Of what was said.
    comment_id: Option<CommentId>,
}

impl About {
    fn read(event: &event::Model) -> Self {
        Self {
            task_id: id(event, "task_id"),
            comment_id: id(event, "comment_id"),
        }
    }
}

fn id<T: DeserializeOwned>(event: &event::Model, name: &str) -> Option<T> {
    let id = event.payload.get(name)?;
    serde_json::from_value(id.clone()).ok()
}

/// What an event is called here. A topic that this server does not know is an update without
/// fields: the client reads the task anew, and has missed nothing when it goes on elsewhere.
fn kind(topic: &str) -> TaskChangeKind {
    match topic {
        TaskCreated::TOPIC => TaskChangeKind::Created,
        TaskAssigned::TOPIC => TaskChangeKind::Assigned,
        TaskUnassigned::TOPIC => TaskChangeKind::Unassigned,
        TaskCompleted::TOPIC => TaskChangeKind::Completed,
        TaskDeleted::TOPIC => TaskChangeKind::Deleted,
        TaskRestored::TOPIC => TaskChangeKind::Restored,
        "comment.created" => TaskChangeKind::Commented,
        "comment.updated" => TaskChangeKind::CommentUpdated,
        "comment.deleted" => TaskChangeKind::CommentDeleted,
        _ => TaskChangeKind::Updated,
    }
}

/// The fields an event names; what this server does not know is left out.
fn fields(kind: TaskChangeKind, event: &event::Model) -> Vec<TaskField> {
    match kind {
        TaskChangeKind::Assigned | TaskChangeKind::Unassigned => vec![TaskField::Assignee],
        TaskChangeKind::Updated => {
            let names = event
                .payload
                .get("fields")
                .and_then(|names| names.as_array());
            let names = names.into_iter().flatten().filter_map(|name| name.as_str());
            let fields = names.filter_map(store::field_by_name);
            fields.map(<TaskField as From<Field>>::from).collect()
        }
        _ => Vec::new(),
    }
}
