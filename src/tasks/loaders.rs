//! What the resolvers of one answer need of tasks and projects, fetched together.

use std::collections::HashMap;

use async_graphql::Context;
use entity::project_member::Role;
use entity::{ProjectId, project, project_member};

use super::project::{self as projects, MemberKeys};
use super::task::SubtaskLoaders;
use super::{comment, history, label, watcher};
use crate::app::AppExt;
use crate::events::Cursor;
use crate::graphql::{ApiError, ContextExt, Loader};

/// A page of the members of a project: which project, after which member, how many.
type MembersPage = (ProjectId, Option<MemberKeys>, u64);

/// Loads for one answer. New for each operation.
#[derive(Debug, Default)]
pub struct Loaders {
    projects: Loader<ProjectId, project::Model, ApiError>,
    /// What the viewer is in a project.
    roles: Loader<ProjectId, Role, ApiError>,
    /// Parents and parts of tasks.
    pub(super) subtasks: SubtaskLoaders,
    members: Loader<MembersPage, Vec<project_member::Model>, ApiError>,
    member_counts: Loader<ProjectId, i64, ApiError>,
    /// The newest places of streams, by their names.
    cursors: Loader<String, Cursor, ApiError>,
    /// Of comments.
    pub(super) comments: comment::Loaders,
    /// Of labels.
    pub(super) labels: label::Loaders,
    /// Of who follows.
    pub(super) watchers: watcher::Loaders,
    /// Of the history.
    pub(super) history: history::Loaders,
}

/// The loaders of this answer.
///
/// # Errors
/// When there are none.
pub(super) fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders, ApiError> {
    ctx.data_opt()
        .ok_or_else(|| ApiError::internal("a request without loaders of tasks"))
}

/// A project by id, together with the others this answer needs.
///
/// # Errors
/// The database's failure.
pub async fn load_project(
    ctx: &Context<'_>,
    id: ProjectId,
) -> Result<Option<project::Model>, ApiError> {
    let app = ctx.app();
    let fetch = |ids: Vec<ProjectId>| async move {
        let ids = &ids;
        let found = app
            .db
            .read(|db| async move { projects::find_many(&db, ids.clone()).await })
            .await?;
        Ok(found
            .into_iter()
            .map(|project| (project.id, project))
            .collect())
    };
    loaders(ctx)?.projects.load(id, fetch).await
}

/// What the viewer is in a project, likewise.
///
/// # Errors
/// The database's failure.
pub async fn load_role(ctx: &Context<'_>, id: ProjectId) -> Result<Option<Role>, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    let fetch = |ids: Vec<ProjectId>| async move {
        let ids = &ids;
        Ok(app
            .db
            .read(|db| async move { projects::roles_of(&db, viewer.user_id, ids.clone()).await })
            .await?)
    };
    loaders(ctx)?.roles.load(id, fetch).await
}

/// A page of the members of a project, likewise: the same pages of many projects together.
///
/// # Errors
/// The database's failure.
pub async fn load_members(
    ctx: &Context<'_>,
    project: ProjectId,
    after: Option<MemberKeys>,
    limit: u64,
) -> Result<Vec<project_member::Model>, ApiError> {
    let app = ctx.app();
    let fetch = |keys: Vec<MembersPage>| async move {
        let mut pages: HashMap<_, Vec<ProjectId>> = HashMap::new();
        for (project, after, limit) in keys {
            pages.entry((after, limit)).or_default().push(project);
        }
        let mut found: HashMap<MembersPage, Vec<_>> = HashMap::new();
        for ((after, limit), ids) in pages {
            let ids = &ids;
            let members = app
                .db
                .read(|db| async move {
                    projects::members_of_many(&db, ids.clone(), after, limit).await
                })
                .await?;
            for member in members {
                let page = (member.project_id, after, limit);
                found.entry(page).or_default().push(member);
            }
        }
        Ok(found)
    };
    let page = (project, after, limit);
    let members = loaders(ctx)?.members.load(page, fetch).await?;
    Ok(members.unwrap_or_default())
}

/// How many members a project has, likewise.
///
/// # Errors
/// The database's failure.
pub async fn load_member_count(ctx: &Context<'_>, id: ProjectId) -> Result<i64, ApiError> {
    let app = ctx.app();
    let fetch = |ids: Vec<ProjectId>| async move {
        let ids = &ids;
        Ok(app
            .db
            .read(|db| async move { projects::count_members(&db, ids.clone()).await })
            .await?)
    };
    let count = loaders(ctx)?.member_counts.load(id, fetch).await?;
    Ok(count.unwrap_or_default())
}

/// The cursor of the newest event of a stream, likewise.
///
/// # Errors
/// The database's failure.
pub async fn load_cursor(ctx: &Context<'_>, stream: String) -> Result<String, ApiError> {
    let app = ctx.app();
    let fetch = |streams: Vec<String>| async move { Ok(app.feed.latest_of(streams).await?) };
    let cursor = loaders(ctx)?.cursors.load(stream, fetch).await?;
    cursor
        .map(|cursor| cursor.encode())
        .ok_or_else(|| ApiError::internal("a stream without a place"))
}
