//! Queues whose jobs nobody takes at the moment.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, UserId};

/// A row of `paused_queues`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "paused_queues")]
pub struct Model {
    /// Which queue.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Since when.
    pub paused_at: Timestamp,
    /// By whom; nobody when it was done on the command line.
    pub paused_by: Option<UserId>,
}

/// Refers to nothing: a pause outlives the account of who made it.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
