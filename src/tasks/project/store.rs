//! The statements about projects and their members.

use std::collections::HashMap;

use entity::project_member::Role;
use entity::{ProjectId, UserId, project, project_member};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::db::DbError;

/// Projects by id, whoever asks: what the viewer sees is decided before.
///
/// # Errors
/// The database's failure.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: Vec<ProjectId>,
) -> Result<Vec<project::Model>, DbError> {
    Ok(project::Entity::find()
        .filter(project::Column::Id.is_in(ids))
        .all(db)
        .await?)
}

/// What somebody is in a project.
///
/// # Errors
/// The database's failure.
pub async fn role(
    db: &impl ConnectionTrait,
    project: ProjectId,
    user: UserId,
) -> Result<Option<Role>, DbError> {
    let member = project_member::Entity::find_by_id((project, user))
        .one(db)
        .await?;
    Ok(member.map(|member| member.role))
}

/// What somebody is in those of these projects they belong to.
///
/// # Errors
/// The database's failure.
pub async fn roles_of(
    db: &impl ConnectionTrait,
    user: UserId,
    projects: Vec<ProjectId>,
) -> Result<HashMap<ProjectId, Role>, DbError> {
    let members = project_member::Entity::find()
        .filter(project_member::Column::UserId.eq(user))
        .filter(project_member::Column::ProjectId.is_in(projects))
        .all(db)
        .await?;
    Ok(members
        .into_iter()
        .map(|member| (member.project_id, member.role))
        .collect())
}
