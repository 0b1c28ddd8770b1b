//! Wrong passwords, counted by account and by the network they came from.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// The `network` of the row that counts an account from everywhere.
pub const EVERYWHERE: &str = "*";

/// A row of `login_failures`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_failures")]
pub struct Model {
    /// The user's id; of a name that is nobody's, the beginning of its hash.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: Uuid,
    /// As `192.0.2.0/24` or `2001:db8::/64`, or [`EVERYWHERE`].
    #[sea_orm(primary_key, auto_increment = false)]
    pub network: String,
    /// How many in this window, those included that are being checked at this moment.
    pub failures: i32,
    /// When counting begins anew.
    pub window_ends_at: Timestamp,
    /// When the last of them began.
    pub last_at: Timestamp,
    /// Until when nothing is checked.
    pub locked_until: Option<Timestamp>,
}

/// An account that does not exist is counted, too.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
