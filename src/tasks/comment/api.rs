//! Comments in GraphQL.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::{CommentId, TaskId, UserId, comment, task};
use futures_util::future::try_join_all;

use super::store;
use crate::accounts::User;
use crate::app::AppExt;
use crate::db::DbError;
use crate::graphql::{ApiError, ContextExt, Kind, Loader, OpaqueCursor, PageArgs};
use crate::tasks::loaders::loaders;
use crate::tasks::policy::Command;
use crate::tasks::slice::{Slice, alike};
use crate::tasks::task::{Task, find_all_visible, required_user};

/// The order of the list, for its cursors.
const BY_AGE: &str = "age";

/// A page of comments.
pub type CommentConnection =
    Connection<OpaqueCursor, Comment, CommentConnectionFields, EmptyFields>;

/// What is loaded together of comments.
#[derive(Debug, Default)]
pub struct Loaders {
    pages: Loader<Slice<CommentId>, Vec<comment::Model>, ApiError>,
    counts: Loader<TaskId, i64, ApiError>,
    mentions: Loader<CommentId, Vec<UserId>, ApiError>,
}

/// What somebody says about a task. Who sees the task sees it.
#[derive(Clone, Debug)]
pub struct Comment {
    row: comment::Model,
    task: Box<task::Model>,
}

impl Comment {
    /// A comment, and the task it is about, which the viewer may see.
    pub fn new(row: comment::Model, task: task::Model) -> Self {
        Self {
            row,
            task: Box::new(task),
        }
    }

    async fn may(&self, ctx: &Context<'_>, command: Command) -> Result<bool, ApiError> {
        let is_there = self.task.deleted_at.is_none();
        Ok(is_there
            && Task::new((*self.task).clone())
                .viewer_can(ctx, command)
                .await?)
    }

    fn is_own(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(ctx.viewer()?.user_id == self.row.author_id)
    }
}

/// What somebody says about a task. Who sees the task sees it.
#[Object]
impl Comment {
    /// The id, as `comment_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Comment.encode(self.row.id.0)
    }

    /// What it is about.
    async fn task(&self) -> Task {
        Task::new((*self.task).clone())
    }

    /// Who says it.
    async fn author(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        required_user(ctx, self.row.author_id).await
    }

    /// What is said, in 1 to 10,000 characters.
    async fn body(&self) -> &str {
        &self.row.body
    }

    /// When it was said.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it was last changed; null when it never was.
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        self.row.edited_at
    }

    /// Who is mentioned in it, by `mentionIds` or by `@username`. Only people who could see the
    /// task when it was written.
    async fn mentions(&self, ctx: &Context<'_>) -> Result<Vec<User>, ApiError> {
        let app = ctx.app();
        let fetch = |ids: Vec<CommentId>| async move {
            let ids = &ids;
            Ok(app
                .db
                .read(|db| async move { store::mentions(&db, ids.clone()).await })
                .await?)
        };
        let loader = &loaders(ctx)?.comments.mentions;
        let users = loader.load(self.row.id, fetch).await?.unwrap_or_default();
        try_join_all(users.into_iter().map(|id| required_user(ctx, id))).await
    }

    /// Whether the signed-in person may change it: its author, who may still comment on the task.
    async fn viewer_can_update(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        Ok(self.is_own(ctx)? && self.may(ctx, Command::Comment).await?)
    }

    /// Whether the signed-in person may delete it: its author, who may still comment on the task,
    /// and who may delete the task.
    async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool, ApiError> {
        let command = if self.is_own(ctx)? {
            Command::Comment
        } else {
            Command::Delete
        };
        self.may(ctx, command).await
    }
}

/// What a connection of comments says beside its edges.
#[derive(Debug)]
pub struct CommentConnectionFields {
    task: TaskId,
}

#[Object]
impl CommentConnectionFields {
    /// How many comments there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let app = ctx.app();
        let fetch = |tasks: Vec<TaskId>| async move {
            let tasks = &tasks;
            Ok(app
                .db
                .read(|db| async move { store::counts(&db, tasks.clone()).await })
                .await?)
        };
        let count = loaders(ctx)?.comments.counts.load(self.task, fetch).await?;
        Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    }
}

/// A page of the comments on a task.
///
/// # Errors
/// `BAD_USER_INPUT` for a page that is none; the database's failure.
pub async fn comments_of(
    ctx: &Context<'_>,
    task: &task::Model,
    args: PageArgs,
) -> Result<CommentConnection, ApiError> {
    let page = args.read::<CommentId>(BY_AGE)?;
    let slice = Slice {
        task: task.id,
        limit: page.limit(),
        after: page.after,
    };
    let app = ctx.app();
    let fetch = |slices: Vec<Slice<CommentId>>| async move {
        let mut pages: HashMap<_, Vec<comment::Model>> = HashMap::new();
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
    let rows = loaders(ctx)?.comments.pages.load(slice, fetch).await?;
    let mut rows = rows.unwrap_or_default();
    let has_next = page.cut(&mut rows);
    let mut connection = Connection::with_additional_fields(
        args.after.is_some(),
        has_next,
        CommentConnectionFields { task: task.id },
    );
    connection.edges.extend(rows.into_iter().map(|row| {
        let cursor = OpaqueCursor::new(BY_AGE, row.id);
        Edge::new(cursor, Comment::new(row, task.clone()))
    }));
    Ok(connection)
}

/// Those of these comments that the viewer may see, by two queries.
///
/// # Errors
/// The database's failure.
pub async fn find_comments(
    ctx: &Context<'_>,
    ids: Vec<CommentId>,
) -> Result<HashMap<CommentId, Comment>, ApiError> {
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
    let tasks: HashMap<TaskId, task::Model> =
        tasks.into_iter().map(|task| (task.id, task)).collect();
    let seen = |row: comment::Model| {
        let task = tasks.get(&row.task_id)?.clone();
        Some((row.id, Comment::new(row, task)))
    };
    Ok(rows.into_iter().filter_map(seen).collect())
}
