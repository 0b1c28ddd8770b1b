//! A task in GraphQL.

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::{UserId, task};

use super::filter::Reader;
use super::query::TaskConnectionFields;
use super::store::People;
use super::subtask;
use crate::accounts::{User, load_user};
use crate::events::task_stream;
use crate::graphql::{ApiError, AtHand, ContextExt, Date, HasAtHand, Kind, OpaqueCursor, PageArgs};
use crate::tasks::comment::{self, CommentConnection};
use crate::tasks::history::{self, TaskChangeConnection};
use crate::tasks::label::{self, Label};
use crate::tasks::loaders::{load_cursor, load_project, load_role};
use crate::tasks::policy::{self, Command};
use crate::tasks::project::Project;
use crate::tasks::watcher::{self, WatcherConnection};

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "task::Status")]
pub enum TaskStatus {
    /// Not begun.
    Pending,
    /// Begun.
    InProgress,
    /// Done.
    Completed,
}

/// How much a task matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "task::Priority")]
pub enum TaskPriority {
    /// Can wait.
    Low,
    /// The ordinary case.
    Medium,
    /// Comes first.
    High,
}

/// What somebody is to do. Its assignee, the members of its project, outside projects its creator, and
/// administrators see it.
#[derive(Clone, Debug)]
pub struct Task {
    /// As it is kept.
    pub row: task::Model,
    /// Whose it is and who made it, where they were read with it.
    people: Option<Box<People>>,
}

impl Task {
    /// A task by itself.
    pub fn new(row: task::Model) -> Self {
        Self { row, people: None }
    }

    /// A task of whose people nothing is asked but what is in [`User::FACE`].
    pub fn with_people(row: task::Model, people: People) -> Self {
        Self {
            row,
            people: Some(Box::new(people)),
        }
    }
}

/// What somebody is to do. Its assignee, the members of its project, outside projects its creator, and
/// administrators see it.
// What waits is on the heap: each field of each task has room for the largest of them otherwise.
#[Object]
impl Task {
    /// The id, as `task_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Task.encode(self.row.id.0)
    }

    /// What is to be done, in one line of 1 to 200 characters.
    async fn title(&self) -> &str {
        &self.row.title
    }

    /// What is to be done, in 1 to 2,000 characters; null when the title says it all.
    async fn description(&self) -> Option<&str> {
        self.row.description.as_deref()
    }

    /// How far it has come.
    async fn status(&self) -> TaskStatus {
        self.row.status.into()
    }

    /// How much it matters.
    async fn priority(&self) -> TaskPriority {
        self.row.priority.into()
    }

    /// Whether it counts. A disabled task is set aside: it leaves the lists that do not ask for such,
    /// nobody is told of it, and it takes no change but `enableTask`.
    async fn enabled(&self) -> bool {
        self.row.enabled
    }

    /// When it should begin, if that is a point in time.
    async fn start_at(&self) -> Option<DateTime<Utc>> {
        self.row.start_at
    }

    /// When it should begin, if that is a day.
    async fn start_date(&self) -> Option<Date> {
        self.row.start_on.map(Date)
    }

    /// When it should be done, if that is a point in time.
    async fn due_at(&self) -> Option<DateTime<Utc>> {
        self.row.due_at
    }

    /// Whether it is not completed although its time, or its day in the time zone of the profile of
    /// the signed-in person, is over.
    async fn is_overdue(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        let reader = match self.row.due_on {
            Some(_) => Box::pin(Reader::of(ctx)).await?,
            None => Reader::anywhere(ctx),
        };
        Ok(reader.is_overdue(&self.row))
    }

    /// When it should be done, if that is a day, wherever the reader is.
    async fn due_date(&self) -> Option<Date> {
        self.row.due_on.map(Date)
    }

    /// When it was finished; null while it is not.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.row.completed_at
    }

    /// When it was deleted: of tasks in `tasks(trash: true)`. It can be restored for 30 days from then.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.row.deleted_at
    }

    /// The task it is a part of; null when there is none, when that is deleted, and when the signed-in
    /// person may not see it.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Task>, ApiError> {
        Box::pin(subtask::parent(ctx, self)).await
    }

    /// Its parts that the signed-in person may see and that are not disabled, the oldest first.
    async fn subtasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page begins.")] after: Option<String>,
    ) -> Result<Connection<OpaqueCursor, AtHand<Task>, TaskConnectionFields, EmptyFields>, ApiError>
    {
        Box::pin(subtask::subtasks(ctx, self, first, after)).await
    }

    /// Who made it.
    async fn creator(&self, ctx: &Context<'_>) -> Result<AtHand<User>, ApiError> {
        if let Some(people) = &self.people {
            return Ok(AtHand(User::of_face(people.creator.clone())));
        }
        let creator = Box::pin(required_user(ctx, self.row.creator_id)).await;
        creator.map(AtHand)
    }

    /// Who is to do it; null when it is nobody's.
    async fn assignee(&self, ctx: &Context<'_>) -> Option<Result<AtHand<User>, ApiError>> {
        if let Some(people) = &self.people {
            let face = people.assignee.clone()?;
            return Some(Ok(AtHand(User::of_face(face))));
        }
        let assignee = Box::pin(required_user(ctx, self.row.assignee_id?)).await;
        Some(assignee.map(AtHand))
    }

    /// Its labels, by name.
    async fn labels(&self, ctx: &Context<'_>) -> Result<Vec<Label>, ApiError> {
        Box::pin(label::labels_of(ctx, self.row.id)).await
    }

    /// What people say about it, the oldest first.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<CommentConnection, ApiError> {
        Box::pin(comment::comments_of(
            ctx,
            &self.row,
            PageArgs { first, after },
        ))
        .await
    }

    /// Who changed what of it, the newest first.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<TaskChangeConnection, ApiError> {
        Box::pin(history::history_of(
            ctx,
            self.row.id,
            PageArgs { first, after },
        ))
        .await
    }

    /// Who follows it and is told of its changes, without those who want to hear nothing and those
    /// who cannot see it any more; the oldest account first.
    async fn watchers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<WatcherConnection, ApiError> {
        Box::pin(watcher::watchers(
            ctx,
            self.row.id,
            PageArgs { first, after },
        ))
        .await
    }

    /// Whether the signed-in person follows it.
    async fn viewer_is_watching(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Box::pin(watcher::viewer_is_watching(ctx, self.row.id)).await
    }

    /// Whether the signed-in person wants to hear nothing of it.
    async fn viewer_has_muted(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Box::pin(watcher::viewer_has_muted(ctx, self.row.id)).await
    }

    /// Starts at 1 and is raised by every change. Give it as `expectedVersion` to `updateTask`.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.row.updated_at
    }

    /// Whether the signed-in person may change it. A disabled task must be enabled first.
    async fn viewer_can_update(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.row.deleted_at.is_none() && Box::pin(self.viewer_can(ctx, Command::Edit)).await?)
    }

    /// Whether the signed-in person may say something about it. A disabled task must be enabled first.
    async fn viewer_can_comment(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.row.deleted_at.is_none()
            && Box::pin(self.viewer_can(ctx, Command::Comment)).await?)
    }

    /// The project it belongs to; null outside projects, and for an assignee who is no member of it.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>, ApiError> {
        let Some(id) = self.row.project_id else {
            return Ok(None);
        };
        if !ctx.viewer()?.is_admin() && Box::pin(load_role(ctx, id)).await?.is_none() {
            return Ok(None);
        }
        Ok(Box::pin(load_project(ctx, id)).await?.map(Project))
    }

    /// Its number in the project; null outside projects.
    async fn number(&self) -> Option<i32> {
        self.row.number
    }

    /// The project's key and its number, as `OPS-42`; null outside projects.
    async fn key(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        let (Some(id), Some(number)) = (self.row.project_id, self.row.number) else {
            return Ok(None);
        };
        let project = Box::pin(load_project(ctx, id)).await?;
        Ok(project.map(|project| format!("{}-{number}", project.key)))
    }

    /// The place of the newest event in the stream that `taskChanged(taskId)` follows. Read it
    /// before the task, in an operation of its own, and subscribe with `after`: then nothing is
    /// missed in between.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        let stream = task_stream(self.row.id, self.row.project_id);
        Box::pin(load_cursor(ctx, stream)).await
    }

    /// Whether the signed-in person may delete it.
    async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(
            self.row.deleted_at.is_none()
                && Box::pin(self.viewer_can(ctx, Command::Delete)).await?,
        )
    }

    /// Whether it is deleted and the signed-in person may restore it.
    async fn viewer_can_restore(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(
            self.row.deleted_at.is_some()
                && Box::pin(self.viewer_can(ctx, Command::Delete)).await?,
        )
    }
}

impl HasAtHand for Task {
    fn has_at_hand(&self, field: &str) -> bool {
        const COLUMNS: [&str; 16] = [
            "id",
            "title",
            "description",
            "status",
            "priority",
            "enabled",
            "startAt",
            "startDate",
            "dueAt",
            "dueDate",
            "completedAt",
            "deletedAt",
            "version",
            "createdAt",
            "updatedAt",
            "number",
        ];
        COLUMNS.contains(&field)
            || (self.people.is_some() && matches!(field, "assignee" | "creator"))
    }
}

impl Task {
    /// Whether the table of the policy lets the signed-in person. In an archived project nobody may
    /// do more than see.
    pub async fn viewer_can(&self, ctx: &Context<'_>, command: Command) -> Result<bool, ApiError> {
        let role = match self.row.project_id {
            Some(project) => load_role(ctx, project).await?,
            None => None,
        };
        let mut actors = policy::actors(ctx.viewer()?, &self.row, role);
        if !actors.any(|actor| actor.may(command)) {
            return Ok(false);
        }
        let project = match self.row.project_id {
            Some(project) if command != Command::See => load_project(ctx, project).await?,
            _ => None,
        };
        Ok(project.is_none_or(|project| project.archived_at.is_none()))
    }
}

/// Somebody a task refers to.
pub async fn required_user(ctx: &Context<'_>, id: UserId) -> Result<User, ApiError> {
    // A foreign key keeps this from being none.
    let user = load_user(ctx, id).await?;
    user.map(User::new)
        .ok_or_else(|| ApiError::internal("a row refers to a user that does not exist"))
}
