//! Looking for tasks, in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, ID, Lookahead, Object, SelectionField};
use entity::TaskId;
use sea_orm::Condition;

use super::api::Task;
use super::filter::{Reader, Sight, TaskFilter};
use super::order::{Sort, TaskOrder};
use super::search::Search;
use super::store::{List, Shelf};
use super::{TaskError, service, store, subtask};
use crate::accounts::User;
use crate::app::AppExt;
use crate::db::DbError;
use crate::graphql::{ApiError, AtHand, ContextExt, ErrorCode, Kind, OpaqueCursor, PageArgs};

/// What a connection of tasks says beside its edges.
#[derive(Debug)]
pub struct TaskConnectionFields(Counted);

/// What is counted.
#[derive(Debug)]
enum Counted {
    List(Condition, Shelf),
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
    let (meter, sight) = (ctx.meter(), Sight::of(ctx)?);
    let mut condition = match among {
        Shelf::Live => filter.listed(meter, &reader, &sight)?,
        Shelf::Trash(_) => filter.condition(meter, &reader, &sight)?,
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
        let (condition, among) = match &self.0 {
            Counted::List(condition, among) => (condition, *among),
            Counted::Subtasks(parent) => return subtask::count(ctx, *parent).await,
        };
        let app = ctx.app();
        let _turn = app.turns.take(viewer.user_id).await;
        Ok(app
            .db
            .read(|db| async move { store::count(&db, viewer, among, condition.clone()).await })
            .await?)
    }
}

/// Looking for tasks.
#[derive(Debug, Default)]
pub struct TaskQuery;

#[expect(
    clippy::too_many_arguments,
    reason = "each is an argument of a field in GraphQL"
)]
#[Object]
impl TaskQuery {
    /// One task, by its id or by its key: exactly one of the two.
    async fn task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task's id.")] id: Option<ID>,
        #[graphql(desc = "The task's key, as `OPS-42`, in any case.")] key: Option<String>,
    ) -> Option<Result<AtHand<Task>, ApiError>> {
        Some(one_task(ctx, id, key).await.map(AtHand))
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
    ) -> Result<Connection<OpaqueCursor, AtHand<Task>, TaskConnectionFields, EmptyFields>, ApiError>
    {
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
        let sort = Sort::new(order_by, search)?;
        let name = sort.name();
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(&name)?;
        let limit = page.limit();
        let keys = page
            .after
            .clone()
            .map(|keys| sort.after(keys))
            .transpose()?;
        let list = List {
            among,
            filter: &condition,
            sort: &sort,
            after: keys.as_deref(),
            limit,
        };
        let with_faces = people_asked(ctx) == PeopleAsked::Faces && !sort.is_of_a_search();
        let turn = ctx.app().turns.take(viewer.user_id).await;
        let mut tasks = ctx
            .app()
            .db
            .read(|db| async move {
                if with_faces {
                    let rows = store::list_with_people(&db, viewer, list).await?;
                    let rows = rows.into_iter();
                    let tasks = rows.map(|(task, people)| Task::with_people(task, people));
                    return Ok::<_, DbError>(tasks.collect::<Vec<_>>());
                }
                let rows = store::list(&db, viewer, list).await?;
                Ok(rows.into_iter().map(Task::new).collect())
            })
            .await?;
        drop(turn);
        let has_next = page.cut(&mut tasks);
        let mut connection = Connection::with_additional_fields(
            has_previous,
            has_next,
            TaskConnectionFields(Counted::List(condition.clone(), among)),
        );
        let name: Arc<str> = name.into();
        let edges = tasks.into_iter().map(|task| {
            let cursor = OpaqueCursor::new(name.clone(), sort.keys(&task.row));
            Edge::new(cursor, AtHand(task))
        });
        connection.edges.extend(edges);
        Ok(connection)
    }
}

/// What is asked of the people of these tasks.
fn people_asked(ctx: &Context<'_>) -> PeopleAsked {
    let page = ctx.look_ahead();
    let tasks = [page.field("nodes"), page.field("edges").field("node")];
    PeopleAsked::of(
        tasks
            .iter()
            .flat_map(|tasks| [tasks.field("assignee"), tasks.field("creator")]),
    )
}

/// How much of people an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeopleAsked {
    /// There are none in it.
    Nothing,
    /// What can be read together with tasks.
    Faces,
    /// Something else.
    More,
}

impl PeopleAsked {
    /// By what is selected where people stand.
    pub fn of<'a>(people: impl Iterator<Item = Lookahead<'a>>) -> Self {
        let is_face = |field: SelectionField<'_>| User::FACE.contains(&field.name());
        let mut asked = Self::Nothing;
        for person in people.flat_map(|people| people.selection_fields()) {
            if !person.selection_set().all(is_face) {
                return Self::More;
            }
            asked = Self::Faces;
        }
        asked
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
            Ok(Task::new(task.ok_or(TaskError::NotFound(Kind::Task))?))
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
    Ok(Task::new(task.ok_or(TaskError::NotFound(Kind::Task))?))
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
        .map(|task| (task.id, Task::new(task)))
        .collect())
}
