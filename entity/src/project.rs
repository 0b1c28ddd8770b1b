//! Projects: tasks that a group of people share.

use sea_orm::entity::prelude::*;

use crate::{ProjectId, Timestamp, UserId};

/// A row of `projects`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "projects")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProjectId,
    /// What the numbers of its tasks begin with, as `OPS`.
    pub key: String,
    /// 1 to 100 characters.
    pub name: String,
    /// The name as it is compared and sorted.
    pub name_norm: String,
    /// 1 to 2,000 characters, or none.
    pub description: Option<String>,
    /// Who made it.
    pub creator_id: UserId,
    /// The number of its newest task.
    pub last_number: i32,
    /// Since when nothing in it changes any more.
    pub archived_at: Option<Timestamp>,
    /// Starts at 1 and is raised by every change of the project itself.
    pub version: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
