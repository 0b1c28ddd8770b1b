//! Addresses that take no mail, so that nothing is sent there any more.

use sea_orm::entity::prelude::*;

use crate::Timestamp;
use crate::delivery::Channel;

/// A row of `suppressions`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "suppressions")]
pub struct Model {
    /// Of which channel it is an address.
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel: Channel,
    /// The address, in the one form of all its spellings.
    #[sea_orm(primary_key, auto_increment = false)]
    pub address: String,
    /// What the other side said of it; never an address.
    pub reason: String,
    /// When it said so last.
    pub created_at: Timestamp,
}

/// Addresses refer to nothing: an account may have had this one, or have it again.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
