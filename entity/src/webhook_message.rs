//! What webhooks are told of an event, byte for byte.

use sea_orm::entity::prelude::*;

use crate::{EventId, Timestamp};

/// A row of `webhook_messages`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_messages")]
pub struct Model {
    /// Of which event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: EventId,
    /// Its type, as `task.assigned`.
    pub kind: String,
    /// The body.
    pub payload: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
