//! Ordered logs that someone may follow, as `assigned:{user}`. One counter each.

use sea_orm::entity::prelude::*;

/// A row of `streams`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "streams")]
pub struct Model {
    /// The stream's name, as `assigned:0190…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The number of the newest entry; 0 when there was none yet.
    pub last_seq: i64,
    /// The number of the oldest entry that is still kept; 1 when none was pruned.
    pub min_seq: i64,
}

/// A stream refers to no other table.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
