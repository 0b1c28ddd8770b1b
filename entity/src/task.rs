//! Tasks: what somebody is to do.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{TaskId, Timestamp, UserId, Viewer};

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    /// Not begun.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// Begun.
    #[sea_orm(string_value = "in_progress")]
    InProgress,
    /// Done.
    #[sea_orm(string_value = "completed")]
    Completed,
}

/// How much a task matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Priority {
    /// Can wait.
    #[sea_orm(string_value = "low")]
    Low,
    /// The ordinary case.
    #[sea_orm(string_value = "medium")]
    Medium,
    /// Comes first.
    #[sea_orm(string_value = "high")]
    High,
}

/// A row of `tasks`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TaskId,
    /// 1 to 200 characters.
    pub title: String,
    /// 1 to 2,000 characters, or none.
    pub description: Option<String>,
    /// How far it has come.
    pub status: Status,
    /// How much it matters.
    pub priority: Priority,
    /// A disabled task is set aside.
    pub enabled: bool,
    /// When it should be done.
    pub due_at: Option<Timestamp>,
    /// Who made it.
    pub creator_id: UserId,
    /// Who is to do it.
    pub assignee_id: Option<UserId>,
    /// Starts at 1 and is raised by every change.
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

impl Entity {
    /// The tasks a viewer may see: those made by or assigned to them; all for admins.
    /// Every read starts here.
    pub fn visible_to(viewer: &Viewer) -> Select<Self> {
        if viewer.is_admin() {
            return Self::find();
        }
        Self::find().filter(
            Condition::any()
                .add(Column::CreatorId.eq(viewer.user_id))
                .add(Column::AssigneeId.eq(viewer.user_id)),
        )
    }
}
