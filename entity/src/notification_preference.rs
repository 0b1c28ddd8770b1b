//! One person's wish: whether to be told of something on a channel.

use sea_orm::entity::prelude::*;

use crate::notified::Channel;
use crate::{Timestamp, UserId};

/// A row of `notification_preferences`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification_preferences")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Of what: `category:WORKFLOW` or `type:TASK_ASSIGNED`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// On which channel.
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel: Channel,
    /// Whether to be told.
    pub enabled: bool,
    /// When it was said last.
    pub updated_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
