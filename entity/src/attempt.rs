//! One try of a delivery.

use sea_orm::entity::prelude::*;

use crate::{AttemptId, DeliveryId, Timestamp};

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Outcome {
    /// Taken by the next server.
    #[sea_orm(string_value = "sent")]
    Sent,
    /// May succeed later.
    #[sea_orm(string_value = "retry")]
    Retry,
    /// Will never succeed.
    #[sea_orm(string_value = "failed")]
    Failed,
}

/// A row of `delivery_attempts`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_attempts")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AttemptId,
    /// Of which delivery.
    pub delivery_id: DeliveryId,
    /// How it ended.
    pub outcome: Outcome,
    /// What the other side said; never an address.
    pub detail: Option<String>,
    /// The HTTP status of the answer, where there is one.
    pub status_code: Option<i32>,
    /// The beginning of what a webhook answered.
    pub response: Option<String>,
    /// Whether a person asked for it.
    pub is_manual: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// The foreign key is the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
