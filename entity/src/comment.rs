//! Comments: what people say about a task.

use sea_orm::entity::prelude::*;

use crate::{CommentId, TaskId, Timestamp, UserId};

/// A row of `comments`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "comments")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CommentId,
    /// About which task.
    pub task_id: TaskId,
    /// Who says it.
    pub author_id: UserId,
    /// 1 to 10,000 characters.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed; none when it never was.
    pub edited_at: Option<Timestamp>,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
