//! What happened: written in the transaction of the change it tells of.

use sea_orm::entity::prelude::*;

use crate::{EventId, Timestamp, UserId};

/// A row of `events`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    /// Primary key; the idempotency key of whoever hears of the event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    /// What kind of thing happened, as `task.assigned`.
    pub topic: String,
    /// The version of the payload's shape.
    pub schema_version: i32,
    /// The ids concerned; never names or addresses.
    pub payload: Json,
    /// Who did it.
    pub actor_id: Option<UserId>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The request that caused it, to follow it through the logs.
    pub trace: Option<String>,
}

/// Events outlive what they speak of, so they refer to nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
