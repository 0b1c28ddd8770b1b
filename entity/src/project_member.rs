//! Who belongs to a project, and as what.

use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{ProjectId, Timestamp, UserId};

/// What a member may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter, DeriveActiveEnum, Serialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Role {
    /// See.
    #[sea_orm(string_value = "viewer")]
    Viewer,
    /// See and comment.
    #[sea_orm(string_value = "commenter")]
    Commenter,
    /// Also make, change and delete tasks.
    #[sea_orm(string_value = "editor")]
    Editor,
    /// Also change the project and who belongs to it.
    #[sea_orm(string_value = "owner")]
    Owner,
}

/// A row of `project_members`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "project_members")]
pub struct Model {
    /// Which project.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
