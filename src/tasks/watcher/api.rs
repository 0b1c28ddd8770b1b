//! Who follows a task, in GraphQL.

use std::collections::HashMap;

use async_graphql::Context;
use async_graphql::connection::{Connection, Edge, EmptyFields};
use entity::{TaskId, UserId};
use futures_util::future::try_join_all;

use super::store;
use crate::accounts::{CountPeople, User, UserConnectionFields};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Loader, OpaqueCursor, PageArgs};
use crate::tasks::loaders::loaders;
use crate::tasks::slice::{Slice, alike};
use crate::tasks::task::required_user;

/// The order of the list, for its cursors.
const BY_ACCOUNT: &str = "account";

/// A page of people.
pub type WatcherConnection = Connection<OpaqueCursor, User, UserConnectionFields, EmptyFields>;

/// What is loaded together of who follows tasks.
#[derive(Debug, Default)]
pub struct Loaders {
    pages: Loader<Slice<UserId>, Vec<UserId>, ApiError>,
    counts: Loader<TaskId, i64, ApiError>,
    /// Whether the viewer has muted a task; nothing of tasks they do not follow either.
    muted: Loader<TaskId, bool, ApiError>,
}

/// A page of those who follow a task.
///
/// # Errors
/// `BAD_USER_INPUT` for a page that is none; the database's failure.
pub async fn watchers(
    ctx: &Context<'_>,
    task: TaskId,
    args: PageArgs,
) -> Result<WatcherConnection, ApiError> {
    let page = args.read::<UserId>(BY_ACCOUNT)?;
    let slice = Slice {
        task,
        limit: page.limit(),
        after: page.after,
    };
    let app = ctx.app();
    let fetch = |slices: Vec<Slice<UserId>>| async move {
        let mut pages: HashMap<_, Vec<UserId>> = HashMap::new();
        for page in &alike(slices) {
            let rows = app
                .db
                .read(|db| async move { store::list(&db, page).await })
                .await?;
            for (task, user) in rows {
                pages.entry(page.of(task)).or_default().push(user);
            }
        }
        Ok(pages)
    };
    let mut ids = loaders(ctx)?.watchers.pages.load(slice, fetch).await?;
    let ids = ids.get_or_insert_default();
    let has_next = page.cut(ids);
    let users = try_join_all(ids.iter().map(|id| required_user(ctx, *id))).await?;
    let mut connection = Connection::with_additional_fields(
        args.after.is_some(),
        has_next,
        UserConnectionFields::new(WatchersOf(task)),
    );
    let edge = |(id, user): (&UserId, _)| Edge::new(OpaqueCursor::new(BY_ACCOUNT, *id), user);
    connection.edges.extend(ids.iter().zip(users).map(edge));
    Ok(connection)
}

/// Counts who follows a task.
#[derive(Debug)]
struct WatchersOf(TaskId);

#[async_trait::async_trait]
impl CountPeople for WatchersOf {
    async fn count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let app = ctx.app();
        let fetch = |tasks: Vec<TaskId>| async move {
            let tasks = &tasks;
            Ok(app
                .db
                .read(|db| async move { store::counts(&db, tasks.clone()).await })
                .await?)
        };
        let count = loaders(ctx)?.watchers.counts.load(self.0, fetch).await?;
        Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    }
}

/// Whether the signed-in person follows a task.
///
/// # Errors
/// The database's failure.
pub async fn viewer_is_watching(ctx: &Context<'_>, task: TaskId) -> Result<bool, ApiError> {
    Ok(muted(ctx, task).await? == Some(false))
}

/// Whether the signed-in person wants to hear nothing of a task.
///
/// # Errors
/// The database's failure.
pub async fn viewer_has_muted(ctx: &Context<'_>, task: TaskId) -> Result<bool, ApiError> {
    Ok(muted(ctx, task).await? == Some(true))
}

async fn muted(ctx: &Context<'_>, task: TaskId) -> Result<Option<bool>, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    let fetch = |tasks: Vec<TaskId>| async move {
        let tasks = &tasks;
        Ok(app
            .db
            .read(|db| async move { store::muted_by(&db, viewer.user_id, tasks.clone()).await })
            .await?)
    };
    loaders(ctx)?.watchers.muted.load(task, fetch).await
}
