//! What a task is a part of, and its parts: loaded together for all tasks of an answer.

use std::collections::HashMap;

use async_graphql::Context;
use async_graphql::connection::{Connection, Edge, EmptyFields};
use entity::TaskId;

use super::api::Task;
use super::query::{TaskConnectionFields, find_tasks};
use super::store::{self, SubtaskKeys};
use crate::app::AppExt;
use crate::graphql::{ApiError, AtHand, ContextExt, CursorTime, Loader, OpaqueCursor, PageArgs};
use crate::tasks::loaders::loaders;

/// The order of sub-tasks, which their cursors carry.
const ORDER: &str = "subtasks";

/// A page of the sub-tasks of one task: of which, how many, after which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubtaskPage {
    parent: TaskId,
    limit: u64,
    after: Option<SubtaskKeys>,
}

/// Loads for one answer.
#[derive(Debug, Default)]
pub struct SubtaskLoaders {
    parents: Loader<TaskId, Task, ApiError>,
    pages: Loader<SubtaskPage, Vec<Task>, ApiError>,
    counts: Loader<TaskId, u64, ApiError>,
}

/// What a task is a part of, if the viewer may see it.
pub async fn parent(ctx: &Context<'_>, task: &Task) -> Result<Option<Task>, ApiError> {
    let Some(parent) = task.row.parent_id else {
        return Ok(None);
    };
    load_visible(ctx, parent).await
}

/// A task that another one is or was a part of, if the viewer may see it.
///
/// # Errors
/// The database's failure.
pub async fn load_visible(ctx: &Context<'_>, parent: TaskId) -> Result<Option<Task>, ApiError> {
    let fetch = |ids| find_tasks(ctx, ids);
    loaders(ctx)?.subtasks.parents.load(parent, fetch).await
}

/// A page of the parts of a task.
pub async fn subtasks(
    ctx: &Context<'_>,
    task: &Task,
    first: Option<i32>,
    after: Option<String>,
) -> Result<Connection<OpaqueCursor, AtHand<Task>, TaskConnectionFields, EmptyFields>, ApiError> {
    let has_previous = after.is_some();
    let page = PageArgs { first, after }.read(ORDER)?;
    let key = SubtaskPage {
        parent: task.row.id,
        limit: page.limit(),
        after: page.after,
    };
    let fetch = |keys| fetch_pages(ctx, keys);
    let found = loaders(ctx)?.subtasks.pages.load(key, fetch).await?;
    let mut parts = found.unwrap_or_default();
    let has_next = page.cut(&mut parts);
    let fields = TaskConnectionFields::of_subtasks(task.row.id);
    let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
    connection.edges.extend(parts.into_iter().map(|part| {
        let keys: SubtaskKeys = (CursorTime::of(part.row.created_at), part.row.id);
        Edge::new(OpaqueCursor::new(ORDER, keys), AtHand(part))
    }));
    Ok(connection)
}

/// One statement for all tasks whose page has the same size and begins at the same place, as those of
/// one list do.
async fn fetch_pages(
    ctx: &Context<'_>,
    keys: Vec<SubtaskPage>,
) -> Result<HashMap<SubtaskPage, Vec<Task>>, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    let mut alike: HashMap<_, Vec<TaskId>> = HashMap::new();
    for key in keys {
        let parents = alike.entry((key.limit, key.after)).or_default();
        parents.push(key.parent);
    }
    let mut pages: HashMap<SubtaskPage, Vec<Task>> = HashMap::new();
    for ((limit, after), parents) in alike {
        let parents = &parents;
        let _turn = app.turns.take(viewer.user_id).await;
        let parts =
            app.db
                .read(|db| async move {
                    store::subtasks(&db, viewer, parents.clone(), after, limit).await
                })
                .await?;
        for part in parts {
            let Some(parent) = part.parent_id else {
                continue;
            };
            let key = SubtaskPage {
                parent,
                limit,
                after,
            };
            pages.entry(key).or_default().push(Task::new(part));
        }
    }
    Ok(pages)
}

/// How many parts a task has, of those that the pages show.
pub async fn count(ctx: &Context<'_>, parent: TaskId) -> Result<u64, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    let fetch = |parents: Vec<TaskId>| async move {
        let parents = &parents;
        let _turn = app.turns.take(viewer.user_id).await;
        Ok(app
            .db
            .read(|db| async move { store::count_subtasks(&db, viewer, parents.clone()).await })
            .await?)
    };
    let count = loaders(ctx)?.subtasks.counts.load(parent, fetch).await?;
    Ok(count.unwrap_or_default())
}
