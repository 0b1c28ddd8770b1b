//! Devices that take push messages.

use sea_orm::entity::prelude::*;

use crate::{DeviceId, Timestamp, UserId};

/// Whose service reaches a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Platform {
    /// Firebase Cloud Messaging: Android, and browsers.
    #[sea_orm(string_value = "fcm")]
    Fcm,
    /// Apple Push Notification service.
    #[sea_orm(string_value = "apns")]
    Apns,
}

/// A row of `devices`; unique by platform and token.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "devices")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeviceId,
    /// Whose it is.
    pub user_id: UserId,
    /// Whose service reaches it.
    pub platform: Platform,
    /// What that service calls it.
    pub token: String,
    /// What its owner calls it.
    pub name: Option<String>,
    /// When it was registered first.
    pub created_at: Timestamp,
    /// When it was registered last.
    pub last_seen_at: Timestamp,
    /// When its service said that there is no such device any more.
    pub invalid_at: Option<Timestamp>,
}

/// Without the token: who has it can write to the device.
impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Device")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
