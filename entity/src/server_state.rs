//! The few values that belong to the database as a whole.

use sea_orm::entity::prelude::*;

/// The key under which the epoch of the event streams is kept: a random value, renewed after a
/// restore from a backup, which makes cursors from before the restore worthless.
pub const EPOCH: &str = "epoch";

/// A row of `server_state`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "server_state")]
pub struct Model {
    /// Which value.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// The value.
    pub value: String,
}

/// Refers to nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
