//! One message to one person on one channel.

use sea_orm::entity::prelude::*;

use crate::{DeliveryId, EventId, Timestamp, UserId};

/// The way a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Channel {
    /// Electronic mail.
    #[sea_orm(string_value = "email")]
    Email,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Not sent yet; its job says when it is tried next.
    #[sea_orm(string_value = "queued")]
    Queued,
    /// Taken by the next server on the way.
    #[sea_orm(string_value = "sent")]
    Sent,
    /// Not wanted any more when its time came; `reason` says why.
    #[sea_orm(string_value = "skipped")]
    Skipped,
    /// Given up; `reason` says why.
    #[sea_orm(string_value = "failed")]
    Failed,
}

/// A row of `deliveries`; unique by event, recipient and channel.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliveryId,
    /// The event it tells of.
    pub event_id: EventId,
    /// Whom it tells.
    pub recipient_id: UserId,
    /// How.
    pub channel: Channel,
    /// Where it stands.
    pub state: State,
    /// Why it was skipped or failed.
    pub reason: Option<String>,
    /// The mail as it was tried first, encrypted, so that a retry is the same; gone when it was sent or
    /// skipped.
    pub message: Option<Vec<u8>>,
    /// When it last waited because the mail server refuses everybody: its age is counted from there.
    pub held_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was sent, skipped or given up.
    pub finished_at: Option<Timestamp>,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
