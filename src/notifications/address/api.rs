//! Devices and phone numbers, in GraphQL.

use std::collections::HashMap;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{DeviceId, UserId, device, phone_number};

use super::store;
use crate::app::{App, AppExt};
use crate::db::DbError;
use crate::graphql::{ApiError, ContextExt, Kind};

/// Whose service reaches a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::device::Platform")]
pub enum DevicePlatform {
    /// Firebase Cloud Messaging: Android, and browsers.
    Fcm,
    /// Apple Push Notification service.
    Apns,
}

/// A device that takes push messages for the signed-in person. Only they see it.
#[derive(Clone, Debug)]
pub struct Device(pub device::Model);

/// A device that takes push messages for the signed-in person. Only they see it.
#[Object]
impl Device {
    /// The id, as `device_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Device.encode(self.0.id.0)
    }

    /// Whose service reaches it.
    async fn platform(&self) -> DevicePlatform {
        self.0.platform.into()
    }

    /// What the person called it.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// When it was registered first.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was registered last.
    async fn last_seen_at(&self) -> DateTime<Utc> {
        self.0.last_seen_at
    }
}

/// The phone number of a person.
#[derive(Clone, Debug, SimpleObject)]
pub struct PhoneNumber {
    /// The number that gets SMS, as +4915123456789; null until one is confirmed.
    number: Option<String>,
    /// When it was confirmed.
    verified_at: Option<DateTime<Utc>>,
    /// The number a code was sent to, for `confirmPhoneNumber`.
    pending_number: Option<String>,
}

impl From<phone_number::Model> for PhoneNumber {
    fn from(row: phone_number::Model) -> Self {
        Self {
            number: row.number,
            verified_at: row.verified_at,
            pending_number: row.pending_number,
        }
    }
}

/// The devices of a person that can be reached.
///
/// # Errors
/// The database's failure.
pub async fn devices_of(app: &App, user: UserId) -> Result<Vec<Device>, DbError> {
    let rows = app
        .db
        .read(|db| async move { store::devices_of_many(&db, vec![user]).await })
        .await?;
    Ok(rows.into_iter().map(Device).collect())
}

/// The phone number of a person.
///
/// # Errors
/// The database's failure.
pub async fn phone_of(app: &App, user: UserId) -> Result<Option<PhoneNumber>, DbError> {
    let row = app
        .db
        .read(|db| async move { store::find_phone(&db, user).await })
        .await?;
    Ok(row.map(Into::into))
}

/// Devices of the viewer by id, by one query.
///
/// # Errors
/// The database's failure.
pub async fn find_devices(
    ctx: &Context<'_>,
    ids: Vec<DeviceId>,
) -> Result<HashMap<DeviceId, Device>, ApiError> {
    let viewer = ctx.viewer()?;
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (app, ids) = (ctx.app(), &ids);
    let rows = app
        .db
        .read(|db| async move { store::find_mine(&db, viewer.user_id, ids.clone()).await })
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, Device(row))).collect())
}
