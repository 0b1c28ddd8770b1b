//! One message to one person on one channel.

use sea_orm::entity::prelude::*;

use crate::{DeliveryId, EventId, NotificationId, Timestamp, UserId};

/// The way a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Channel {
    /// E-mail.
    #[sea_orm(string_value = "email")]
    Email,
    /// A text to a phone number.
    #[sea_orm(string_value = "sms")]
    Sms,
    /// A message to a device.
    #[sea_orm(string_value = "push")]
    Push,
    /// A request to another system.
    #[sea_orm(string_value = "webhook")]
    Webhook,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// It waits for its job.
    #[sea_orm(string_value = "queued")]
    Queued,
    /// It waits for the end of quiet hours.
    #[sea_orm(string_value = "held")]
    Held,
    /// A worker is giving it to the next system, or died while it did.
    #[sea_orm(string_value = "sending")]
    Sending,
    /// The next system has taken it over.
    #[sea_orm(string_value = "sent")]
    Sent,
    /// The next system says that it arrived.
    #[sea_orm(string_value = "delivered")]
    Delivered,
    /// The next system took it and could not deliver it.
    #[sea_orm(string_value = "bounced")]
    Bounced,
    /// It was given up.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// It was not sent, on purpose; the reason says why.
    #[sea_orm(string_value = "suppressed")]
    Suppressed,
}

impl State {
    /// Where a job is still to send it.
    pub const OPEN: [Self; 3] = [Self::Queued, Self::Held, Self::Sending];
}

/// A row of `deliveries`; unique by event, recipient, channel and target.
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
    /// Which of the recipient's addresses on this channel: a device, an endpoint; empty when there
    /// is but one.
    pub target: String,
    /// What it tells; none for mails that are no notifications, as a link to confirm an address.
    pub notification_id: Option<NotificationId>,
    /// Where it stands.
    pub state: State,
    /// Why it was suppressed or failed.
    pub reason: Option<String>,
    /// The mail as it was tried first, encrypted, so that a retry is the same; gone when it was sent or
    /// suppressed.
    pub message: Option<Vec<u8>>,
    /// When it last waited because the mail server refuses everybody: its age is counted from there.
    pub held_at: Option<Timestamp>,
    /// Until when quiet hours hold it.
    pub held_until: Option<Timestamp>,
    /// Which driver took it.
    pub driver: Option<String>,
    /// What the next system calls it, and will call it when it tells what became of it.
    pub provider_id: Option<String>,
    /// When the next system took it over.
    pub sent_at: Option<Timestamp>,
    /// When the next system said that it arrived.
    pub delivered_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was sent, suppressed or given up.
    pub finished_at: Option<Timestamp>,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
