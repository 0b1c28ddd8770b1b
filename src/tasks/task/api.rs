//! Tasks in GraphQL: the object and the queries.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::{TaskId, UserId, task};
use sea_orm::Condition;

use super::filter::{Reader, TaskFilter};
use super::order::{Sort, TaskOrder};
use super::search::Search;
use super::store::Shelf;
use super::{TaskError, service, store, subtask};
use crate::accounts::{User, load_user};
use crate::app::AppExt;
use crate::events::task_stream;
use crate::graphql::{ApiError, ContextExt, Date, ErrorCode, Kind, OpaqueCursor, PageArgs};
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
pub struct Task(pub task::Model);

/// What somebody is to do. Its assignee, the members of its project, outside projects its creator, and
/// administrators see it.
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

    /// Whether it counts. A disabled task is set aside: it leaves the lists that do not ask for such,
    /// nobody is told of it, and it takes no change but `enableTask`.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// When it should begin, if that is a point in time.
    async fn start_at(&self) -> Option<DateTime<Utc>> {
        self.0.start_at
    }

    /// When it should begin, if that is a day.
    async fn start_date(&self) -> Option<Date> {
        self.0.start_on.map(Date)
    }

    /// When it should be done, if that is a point in time.
    async fn due_at(&self) -> Option<DateTime<Utc>> {
        self.0.due_at
    }

    /// Whether it is not completed although its time, or its day in the time zone of the profile of
    /// the signed-in person, is over.
    async fn is_overdue(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        let reader = match self.0.due_on {
            Some(_) => Reader::of(ctx).await?,
            None => Reader::anywhere(ctx),
        };
        Ok(reader.is_overdue(&self.0))
    }

    /// When it should be done, if that is a day, wherever the reader is.
    async fn due_date(&self) -> Option<Date> {
        self.0.due_on.map(Date)
    }

    /// When it was finished; null while it is not.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.0.completed_at
    }

    /// When it was deleted: of tasks in `tasks(trash: true)`. It can be restored for 30 days from then.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.0.deleted_at
    }

    /// The task it is a part of; null when there is none, when that is deleted, and when the signed-in
    /// person may not see it.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Task>, ApiError> {
        subtask::parent(ctx, self).await
    }

    /// Its parts that the signed-in person may see and that are not disabled, the oldest first.
    async fn subtasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page begins.")] after: Option<String>,
    ) -> Result<Connection<OpaqueCursor, Task, TaskConnectionFields, EmptyFields>, ApiError> {
        subtask::subtasks(ctx, self, first, after).await
    }

    /// Who made it.
    async fn creator(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        required_user(ctx, self.0.creator_id).await
    }

    /// Who is to do it; null when it is nobody's.
    async fn assignee(&self, ctx: &Context<'_>) -> Option<Result<User, ApiError>> {
        Some(required_user(ctx, self.0.assignee_id?).await)
    }

    /// Its labels, by name.
    async fn labels(&self, ctx: &Context<'_>) -> Result<Vec<Label>, ApiError> {
        label::labels_of(ctx, self.0.id).await
    }

    /// What people say about it, the oldest first.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<CommentConnection, ApiError> {
        comment::comments_of(ctx, &self.0, PageArgs { first, after }).await
    }

    /// Who changed what of it, the newest first.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<TaskChangeConnection, ApiError> {
        history::history_of(ctx, self.0.id, PageArgs { first, after }).await
    }

    /// Who follows it and is told of its changes, without those who want to hear nothing; the
    /// oldest account first.
    async fn watchers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<WatcherConnection, ApiError> {
        watcher::watchers(ctx, self.0.id, PageArgs { first, after }).await
    }

    /// Whether the signed-in person follows it.
    async fn viewer_is_watching(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        watcher::viewer_is_watching(ctx, self.0.id).await
    }

    /// Whether the signed-in person wants to hear nothing of it.
    async fn viewer_has_muted(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        watcher::viewer_has_muted(ctx, self.0.id).await
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

    /// Whether the signed-in person may change it. A disabled task must be enabled first.
    async fn viewer_can_update(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.0.deleted_at.is_none() && self.viewer_can(ctx, Command::Edit).await?)
    }

    /// Whether the signed-in person may say something about it. A disabled task must be enabled first.
    async fn viewer_can_comment(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.0.deleted_at.is_none() && self.viewer_can(ctx, Command::Comment).await?)
    }

    /// The project it belongs to; null outside projects, and for an assignee who is no member of it.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>, ApiError> {
        let Some(id) = self.0.project_id else {
            return Ok(None);
        };
        if !ctx.viewer()?.is_admin() && load_role(ctx, id).await?.is_none() {
            return Ok(None);
        }
        Ok(load_project(ctx, id).await?.map(Project))
    }

    /// Its number in the project; null outside projects.
    async fn number(&self) -> Option<i32> {
        self.0.number
    }

    /// The project's key and its number, as `OPS-42`; null outside projects.
    async fn key(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        let (Some(id), Some(number)) = (self.0.project_id, self.0.number) else {
            return Ok(None);
        };
        let project = load_project(ctx, id).await?;
        Ok(project.map(|project| format!("{}-{number}", project.key)))
    }

    /// The place of the newest event in the stream that `taskChanged(taskId)` follows. Read it
    /// before the task, in an operation of its own, and subscribe with `after`: then nothing is
    /// missed in between.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        load_cursor(ctx, task_stream(self.0.id, self.0.project_id)).await
    }

    /// Whether the signed-in person may delete it.
    async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.0.deleted_at.is_none() && self.viewer_can(ctx, Command::Delete).await?)
    }

    /// Whether it is deleted and the signed-in person may restore it.
    async fn viewer_can_restore(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.0.deleted_at.is_some() && self.viewer_can(ctx, Command::Delete).await?)
    }
}

impl Task {
    /// Whether the table of the policy lets the signed-in person. In an archived project nobody may
    /// do more than see.
    pub async fn viewer_can(&self, ctx: &Context<'_>, command: Command) -> Result<bool, ApiError> {
        let role = match self.0.project_id {
            Some(project) => load_role(ctx, project).await?,
            None => None,
        };
        let mut actors = policy::actors(ctx.viewer()?, &self.0, role);
        if !actors.any(|actor| actor.may(command)) {
            return Ok(false);
        }
        let project = match self.0.project_id {
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
        .ok_or_else(|| ApiError::internal("a task refers to a user that does not exist"))
}

/// What a connection of tasks says beside its edges.
#[derive(Debug)]
pub struct TaskConnectionFields(Counted);

/// What is counted.
#[derive(Debug)]
enum Counted {
    List {
        filter: Box<TaskFilter>,
        search: Option<Search>,
        among: Shelf,
    },
    Subtasks(TaskId),
}

impl TaskConnectionFields {
    /// Of the parts of a task.
    pub fn of_subtasks(parent: TaskId) -> Self {
        Self(Counted::Subtasks(parent))
    }
}

/// The tasks of a filter and of a search as one condition.
async fn chosen(
    ctx: &Context<'_>,
    filter: &TaskFilter,
    search: Option<&Search>,
    among: Shelf,
) -> Result<Condition, ApiError> {
    let reader = if filter.speaks_of_days() {
        Reader::of(ctx).await?
    } else {
        Reader::anywhere(ctx)
    };
    let mut condition = match among {
        Shelf::Live => filter.listed(ctx.meter(), &reader)?,
        Shelf::Trash(_) => filter.condition(ctx.meter(), &reader)?,
    };
    if let Some(search) = search {
        condition = condition.add(search.condition(ctx.meter(), ctx.app().db.backend())?);
    }
    Ok(condition)
}

#[Object]
impl TaskConnectionFields {
    /// How many tasks there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let viewer = ctx.viewer()?;
        let (filter, search, among) = match &self.0 {
            Counted::List {
                filter,
                search,
                among,
            } => (filter, search, *among),
            Counted::Subtasks(parent) => return subtask::count(ctx, *parent).await,
        };
        let filter = &chosen(ctx, filter, search.as_ref(), among).await?;
        let app = ctx.app();
        Ok(app
            .db
            .read(|db| async move { store::count(&db, viewer, among, filter.clone()).await })
            .await?)
    }
}

/// Looking for tasks.
#[derive(Debug, Default)]
pub struct TaskQuery;

#[Object]
impl TaskQuery {
    /// One task, by its id or by its key: exactly one of the two.
    async fn task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: Option<ID>,
        #[graphql(desc = "The task's key, as `OPS-42`, in any case.")] key: Option<String>,
    ) -> Option<Result<Task, ApiError>> {
        Some(one_task(ctx, id, key).await)
    }

    /// The tasks the signed-in person may see: assigned to them, of their projects, or made by them
    /// outside projects; all for administrators. The newest first, or with `search` what fits best,
    /// unless asked for otherwise. Without disabled tasks, unless the filter says something about
    /// `enabled`.
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Which tasks. Disabled ones only if it says something of `enabled`.")]
        filter: Option<TaskFilter>,
        #[graphql(
            desc = "Words that all stand in the title or the description, each as the beginning of a word: at most 200 characters. A text without a letter or digit finds nothing."
        )]
        search: Option<String>,
        #[graphql(
            desc = "In which order: by the first step, among equals by the second, and so on."
        )]
        order_by: Option<Vec<TaskOrder>>,
        #[graphql(
            desc = "The deleted tasks that can still be restored, instead of those that are there.",
            default = false
        )]
        trash: bool,
    ) -> Result<Connection<OpaqueCursor, Task, TaskConnectionFields, EmptyFields>, ApiError> {
        let viewer = ctx.viewer()?;
        let filter = filter.unwrap_or_default();
        let since = service::restorable_since(ctx.app().db.clock());
        let among = if trash {
            Shelf::Trash(since)
        } else {
            Shelf::Live
        };
        let search = search.as_deref().map(Search::new).transpose()?;
        let condition = chosen(ctx, &filter, search.as_ref(), among).await?;
        let sort = Sort::new(order_by, search.clone())?;
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
            .read(|db| async move {
                store::list(&db, viewer, among, by.clone(), order, keys, limit).await
            })
            .await?;
        let has_next = page.cut(&mut tasks);
        let mut connection = Connection::with_additional_fields(
            has_previous,
            has_next,
            TaskConnectionFields(Counted::List {
                filter: Box::new(filter),
                search,
                among,
            }),
        );
        connection.edges.extend(
            tasks
                .into_iter()
                .map(|task| Edge::new(OpaqueCursor::new(&name, sort.keys(&task)), Task(task))),
        );
        Ok(connection)
    }
}

async fn one_task(
    ctx: &Context<'_>,
    id: Option<ID>,
    key: Option<String>,
) -> Result<Task, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    match (id, key) {
        (Some(id), None) => find_task(ctx, TaskId(Kind::Task.decode(&id)?)).await,
        (None, Some(key)) => {
            let (project, number) = read_key(&key)?;
            let project = &project;
            let task =
                app.db
                    .read(|db| async move {
                        store::find_visible_by_key(&db, viewer, project, number).await
                    })
                    .await?;
            Ok(Task(task.ok_or(TaskError::NotFound(Kind::Task))?))
        }
        _ => Err(ApiError::new(
            ErrorCode::BadUserInput,
            "Give either the `id` or the `key` of the task.",
        )),
    }
}

/// The two parts of a key of a task, the first in upper case.
fn read_key(key: &str) -> Result<(String, i32), ApiError> {
    let parts = key.split_once('-').filter(|(project, number)| {
        (2..=10).contains(&project.len())
            && project.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.starts_with('0')
    });
    let parts = parts
        .and_then(|(project, number)| Some((project.to_ascii_uppercase(), number.parse().ok()?)));
    parts.ok_or_else(|| {
        ApiError::new(
            ErrorCode::BadUserInput,
            "This is not the key of a task. Keys look like `OPS-42`.",
        )
    })
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
