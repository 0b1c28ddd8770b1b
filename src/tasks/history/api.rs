//! The history of a task in GraphQL.

use std::collections::{HashMap, HashSet};

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::{TaskChangeId, TaskId, task_history};

use super::store;
use crate::accounts::User;
use crate::app::AppExt;
use crate::db::DbError;
use crate::graphql::{ApiError, ContextExt, Kind, Loader, OpaqueCursor, PageArgs};
use crate::tasks::loaders::loaders;
use crate::tasks::slice::{Slice, alike};
use crate::tasks::task::{TaskField, find_all_visible, load_visible, required_user};

/// The order of the list, for its cursors.
const NEWEST_FIRST: &str = "newest";

/// A page of a history.
pub type TaskChangeConnection =
    Connection<OpaqueCursor, TaskChange, TaskChangeConnectionFields, EmptyFields>;

/// What is loaded together of histories.
#[derive(Debug, Default)]
pub struct Loaders {
    pages: Loader<Slice<TaskChangeId>, Vec<task_history::Model>, ApiError>,
    counts: Loader<TaskId, i64, ApiError>,
}

/// A change of one field of a task. Who sees the task sees it.
#[derive(Clone, Debug)]
pub struct TaskChange(task_history::Model);

impl TaskChange {
    /// A value, if the viewer may know it: who sees a task need not see what it is a part of.
    async fn shown<'a>(
        &self,
        ctx: &Context<'_>,
        value: Option<&'a str>,
    ) -> Result<Option<&'a str>, ApiError> {
        let Some(id) = value.filter(|_| self.0.field == task_history::Field::Parent) else {
            return Ok(value);
        };
        let id = TaskId(Kind::Task.decode(id)?);
        Ok(load_visible(ctx, id).await?.and(value))
    }
}

/// A change of one field of a task. Who sees the task sees it. Values are texts: ids and enum
/// values as they stand elsewhere, points in time and days as RFC 3339 has them, `true` and
/// `false`; of labels their names at that time, one a line. A parent that one may not see is null.
#[Object]
impl TaskChange {
    /// The id, as `change_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Change.encode(self.0.id.0)
    }

    /// Which field.
    async fn field(&self) -> TaskField {
        self.0.field.into()
    }

    /// What it was before; null when it was empty.
    async fn from(&self, ctx: &Context<'_>) -> Result<Option<&str>, ApiError> {
        self.shown(ctx, self.0.old_value.as_deref()).await
    }

    /// What it was after that; null when it was emptied.
    async fn to(&self, ctx: &Context<'_>) -> Result<Option<&str>, ApiError> {
        self.shown(ctx, self.0.new_value.as_deref()).await
    }

    /// Who changed it.
    async fn by(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        required_user(ctx, self.0.actor_id).await
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// What a connection of changes says beside its edges.
#[derive(Debug)]
pub struct TaskChangeConnectionFields {
    task: TaskId,
}

#[Object]
impl TaskChangeConnectionFields {
    /// How many changes there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let app = ctx.app();
        let fetch = |tasks: Vec<TaskId>| async move {
            let tasks = &tasks;
            Ok(app
                .db
                .read(|db| async move { store::counts(&db, tasks.clone()).await })
                .await?)
        };
        let count = loaders(ctx)?.history.counts.load(self.task, fetch).await?;
        Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    }
}

/// A page of the history of a task.
///
/// # Errors
/// `BAD_USER_INPUT` for a page that is none; the database's failure.
pub async fn history_of(
    ctx: &Context<'_>,
    task: TaskId,
    args: PageArgs,
) -> Result<TaskChangeConnection, ApiError> {
    let page = args.read::<TaskChangeId>(NEWEST_FIRST)?;
    let slice = Slice {
        task,
        limit: page.limit(),
        after: page.after,
    };
    let app = ctx.app();
    let fetch = |slices: Vec<Slice<TaskChangeId>>| async move {
        let mut pages: HashMap<_, Vec<task_history::Model>> = HashMap::new();
        for page in &alike(slices) {
            let rows = app
                .db
                .read(|db| async move { store::list(&db, page).await })
                .await?;
            for row in rows {
                pages.entry(page.of(row.task_id)).or_default().push(row);
            }
        }
        Ok(pages)
    };
    let rows = loaders(ctx)?.history.pages.load(slice, fetch).await?;
    let mut rows = rows.unwrap_or_default();
    let has_next = page.cut(&mut rows);
    let mut connection = Connection::with_additional_fields(
        args.after.is_some(),
        has_next,
        TaskChangeConnectionFields { task },
    );
    let edge = |row: task_history::Model| {
        Edge::new(OpaqueCursor::new(NEWEST_FIRST, row.id), TaskChange(row))
    };
    connection.edges.extend(rows.into_iter().map(edge));
    Ok(connection)
}

/// Those of these changes that the viewer may see, by two queries.
///
/// # Errors
/// The database's failure.
pub async fn find_changes(
    ctx: &Context<'_>,
    ids: Vec<TaskChangeId>,
) -> Result<HashMap<TaskChangeId, TaskChange>, ApiError> {
    let viewer = ctx.viewer()?;
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (app, ids) = (ctx.app(), &ids);
    let (rows, tasks) = app
        .db
        .read(|db| async move {
            let rows = store::find_many(&db, ids.clone()).await?;
            let tasks = rows.iter().map(|row| row.task_id).collect();
            let tasks = find_all_visible(&db, viewer, tasks).await?;
            Ok::<_, DbError>((rows, tasks))
        })
        .await?;
    let seen: HashSet<TaskId> = tasks.into_iter().map(|task| task.id).collect();
    let rows = rows.into_iter().filter(|row| seen.contains(&row.task_id));
    Ok(rows.map(|row| (row.id, TaskChange(row))).collect())
}
