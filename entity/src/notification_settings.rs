//! How one person wants to be told, as far as it is the same for everything.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, UserId};

/// A row of `notification_settings`. Who has none has never changed anything.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification_settings")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// When nothing is to make a noise, as a list of rules.
    pub quiet_rules: Json,
    /// Until when nothing is sent but what must be.
    pub paused_until: Option<Timestamp>,
    /// When they were changed last.
    pub updated_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
