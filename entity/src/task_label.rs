//! Which tasks have which labels.

use sea_orm::entity::prelude::*;

use crate::{LabelId, TaskId};

/// A row of `task_labels`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_labels")]
pub struct Model {
    /// Which task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: TaskId,
    /// Which label.
    #[sea_orm(primary_key, auto_increment = false)]
    pub label_id: LabelId,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
