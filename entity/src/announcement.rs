//! What administrators say to people.

use sea_orm::entity::prelude::*;

use crate::notified::{Category, Priority};
use crate::{AnnouncementId, Timestamp, UserId};

/// A row of `announcements`; unique by key, where there is one.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "announcements")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AnnouncementId,
    /// Who says it.
    pub sender_id: UserId,
    /// What makes a second one the same as the first.
    pub dedupe_key: Option<String>,
    /// What it is about.
    pub category: Category,
    /// How urgent it is.
    pub priority: Priority,
    /// One line.
    pub title: String,
    /// The text, in plain words.
    pub body: String,
    /// Where more is said.
    pub url: Option<String>,
    /// The channels the sender wants, as a list; whatever each person wants when there is none.
    pub channels: Option<Json>,
    /// Whether everybody is told, or only those the event names.
    pub everyone: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When people are told.
    pub send_at: Timestamp,
    /// When it is of no use any more.
    pub expires_at: Option<Timestamp>,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
