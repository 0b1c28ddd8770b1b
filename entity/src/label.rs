//! Labels: words to sort tasks by, the same for the whole server.

use sea_orm::entity::prelude::*;

use crate::task_words::folded;
use crate::{LabelId, Timestamp, UserId};

/// A row of `labels`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "labels")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LabelId,
    /// 1 to 50 characters.
    pub name: String,
    /// The name as it is compared and sorted; unique.
    pub name_norm: String,
    /// As `#rrggbb`.
    pub color: String,
    /// Who made it.
    pub creator_id: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A name as it is compared: the same however it is typed, but not without its accents.
pub fn name_norm(name: &str) -> String {
    folded(name).collect()
}
