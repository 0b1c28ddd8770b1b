//! Tasks in GraphQL: the object and the queries.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::{TaskId, UserId, task};

use super::filter::TaskFilter;
use super::order::{Sort, TaskOrder};
use super::{TaskError, store};
use crate::accounts::{User, load_user};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, OpaqueCursor, PageArgs};
use crate::tasks::loaders::load_role;
use crate::tasks::policy::{self, Command};

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

/// What somebody is to do. Its creator, its assignee and administrators see and edit it.
#[derive(Clone, Debug)]
pub struct Task(pub task::Model);

/// What somebody is to do. Its creator, its assignee and administrators see and edit it.
#[Object]
impl Task {
    /// The id, as `task_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Task.encode(self.0.id.0)
    }

    /// What is to be done, in one line of 1 to 200 characters.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What is to be done, in 1 to 2,000 characters; null when the title says it all.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// How far it has come.
    async fn status(&self) -> TaskStatus {
        self.0.status.into()
    }

    /// How much it matters.
    async fn priority(&self) -> TaskPriority {
        self.0.priority.into()
    }

    /// Whether it counts; a disabled task is set aside.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// When it should be done.
    async fn due_at(&self) -> Option<DateTime<Utc>> {
        self.0.due_at
    }

    /// Who made it.
    async fn creator(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        required_user(ctx, self.0.creator_id).await
    }

    /// Who is to do it; null when it is nobody's.
    async fn assignee(&self, ctx: &Context<'_>) -> Option<Result<User, ApiError>> {
        Some(required_user(ctx, self.0.assignee_id?).await)
    }

    /// Starts at 1 and is raised by every change. Give it as `expectedVersion` to `updateTask`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// Whether the signed-in person may delete it.
    async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        self.viewer_can(ctx, Command::Delete).await
    }
}

impl Task {
    /// Whether the table of the policy lets the signed-in person.
    async fn viewer_can(&self, ctx: &Context<'_>, command: Command) -> Result<bool, ApiError> {
        let role = match self.0.project_id {
            Some(project) => load_role(ctx, project).await?,
            None => None,
        };
        let mut actors = policy::actors(ctx.viewer()?, &self.0, role);
        Ok(actors.any(|actor| actor.may(command)))
    }
}

async fn required_user(ctx: &Context<'_>, id: UserId) -> Result<User, ApiError> {
    // A foreign key keeps this from being none.
    let user = load_user(ctx, id).await?;
    user.map(User::new)
        .ok_or_else(|| ApiError::internal("a task refers to a user that does not exist"))
}

/// What a connection of tasks says beside its edges.
#[derive(Debug)]
pub struct TaskConnectionFields {
    filter: TaskFilter,
}

#[Object]
impl TaskConnectionFields {
    /// How many tasks there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let viewer = ctx.viewer()?;
        let filter = self.filter.condition(ctx.meter())?;
        let filter = &filter;
        let app = ctx.app();
        Ok(app
            .db
            .read(|db| async move { store::count(&db, viewer, filter.clone()).await })
            .await?)
    }
}

/// Looking for tasks.
#[derive(Debug, Default)]
pub struct TaskQuery;

#[Object]
impl TaskQuery {
    /// One task.
    async fn task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: ID,
    ) -> Option<Result<Task, ApiError>> {
        task_by_id(ctx, &id).await.transpose()
    }

    /// The tasks the signed-in person may see: made by or assigned to them; all for
    /// administrators. The newest first, unless asked for otherwise.
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Which tasks.")] filter: Option<TaskFilter>,
        #[graphql(
            desc = "In which order: by the first step, among equals by the second, and so on."
        )]
        order_by: Option<Vec<TaskOrder>>,
    ) -> Result<Connection<OpaqueCursor, Task, TaskConnectionFields, EmptyFields>, ApiError> {
        let viewer = ctx.viewer()?;
        let filter = filter.unwrap_or_default();
        let condition = filter.condition(ctx.meter())?;
        let sort = Sort::new(order_by)?;
        let name = sort.name();
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(&name)?;
        let limit = page.limit();
        let keys = page
            .after
            .clone()
            .map(|keys| sort.after(keys))
            .transpose()?;
        let (by, order, keys) = (&condition, &sort, keys.as_deref());
        let mut tasks = ctx
            .app()
            .db
            .read(
                |db| async move { store::list(&db, viewer, by.clone(), order, keys, limit).await },
            )
            .await?;
        let has_next = page.cut(&mut tasks);
        let mut connection = Connection::with_additional_fields(
            has_previous,
            has_next,
            TaskConnectionFields { filter },
        );
        connection.edges.extend(
            tasks
                .into_iter()
                .map(|task| Edge::new(OpaqueCursor::new(&name, sort.keys(&task)), Task(task))),
        );
        Ok(connection)
    }
}

async fn task_by_id(ctx: &Context<'_>, id: &str) -> Result<Option<Task>, ApiError> {
    ctx.viewer()?;
    find_task(ctx, TaskId(Kind::Task.decode(id)?))
        .await
        .map(Some)
}

/// A task the viewer may see.
///
/// # Errors
/// `NOT_FOUND` for what does not exist and for what is none of the viewer's business.
pub async fn find_task(ctx: &Context<'_>, id: TaskId) -> Result<Task, ApiError> {
    let viewer = ctx.viewer()?;
    let app = ctx.app();
    let task = app
        .db
        .read(|db| async move { store::find_visible(&db, viewer, id).await })
        .await?;
    Ok(Task(task.ok_or(TaskError::NotFound(Kind::Task))?))
}

/// Those of these tasks that the viewer may see, by one query.
///
/// # Errors
/// The database's failure.
pub async fn find_tasks(
    ctx: &Context<'_>,
    ids: Vec<TaskId>,
) -> Result<HashMap<TaskId, Task>, ApiError> {
    let viewer = ctx.viewer()?;
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (app, ids) = (ctx.app(), &ids);
    let tasks = app
        .db
        .read(|db| async move { store::find_all_visible(&db, viewer, ids.clone()).await })
        .await?;
    Ok(tasks
        .into_iter()
        .map(|task| (task.id, Task(task)))
        .collect())
}
