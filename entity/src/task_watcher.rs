//! Who follows a task, or wants to hear nothing of it.

use sea_orm::entity::prelude::*;

use crate::{TaskId, Timestamp, UserId};

/// A row of `task_watchers`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_watchers")]
pub struct Model {
    /// Which task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: TaskId,
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Whether they want to hear nothing of it, whatever else they are to it.
    pub muted: bool,
    /// Since when.
    pub created_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
