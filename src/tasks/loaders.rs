//! What the resolvers of one answer need of tasks and projects, fetched together.

use async_graphql::Context;
use entity::project_member::Role;
use entity::{ProjectId, project};

use super::project as projects;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Loader};

/// Loads for one answer. New for each operation.
#[derive(Debug, Default)]
pub struct Loaders {
    projects: Loader<ProjectId, project::Model, ApiError>,
    /// What the viewer is in a project.
    roles: Loader<ProjectId, Role, ApiError>,
}

fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders, ApiError> {
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
