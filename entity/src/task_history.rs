//! Which field of a task was changed by whom, from what to what.

use sea_orm::entity::prelude::*;

use crate::{TaskChangeId, TaskId, Timestamp, UserId};

/// A field of a task whose changes are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Field {
    /// The title.
    #[sea_orm(string_value = "title")]
    Title,
    /// The description.
    #[sea_orm(string_value = "description")]
    Description,
    /// How far it has come.
    #[sea_orm(string_value = "status")]
    Status,
    /// How much it matters.
    #[sea_orm(string_value = "priority")]
    Priority,
    /// Whether it counts.
    #[sea_orm(string_value = "enabled")]
    Enabled,
    /// When it should begin.
    #[sea_orm(string_value = "start")]
    Start,
    /// When it should be done.
    #[sea_orm(string_value = "due")]
    Due,
    /// Who is to do it.
    #[sea_orm(string_value = "assignee")]
    Assignee,
    /// What it is a part of.
    #[sea_orm(string_value = "parent")]
    Parent,
    /// Its labels.
    #[sea_orm(string_value = "labels")]
    Labels,
    /// Whether it is deleted.
    #[sea_orm(string_value = "deleted")]
    Deleted,
}

/// A row of `task_history`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_history")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TaskChangeId,
    /// Of which task.
    pub task_id: TaskId,
    /// Who changed it.
    pub actor_id: UserId,
    /// Which field.
    pub field: Field,
    /// What it was, as clients see it: ids as at the edge, times as RFC 3339.
    pub old_value: Option<String>,
    /// What it is since.
    pub new_value: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
