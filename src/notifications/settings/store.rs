//! The statements about how people want to be told.

use std::collections::HashMap;

use entity::notified::Channel;
use entity::{
    DeliveryId, Timestamp, UserId, delivery, notification_preference, notification_settings,
};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Set,
};
use serde_json::Value;

use super::{Preference, QuietRules, Subject, Wishes};
use crate::db::{DbError, Tx, padded};

/// How people want to be told. Who is not among the keys never said anything.
///
/// # Errors
/// The database's failure.
pub async fn wishes(
    db: &impl ConnectionTrait,
    users: Vec<UserId>,
) -> Result<HashMap<UserId, Wishes>, DbError> {
    let users = padded(users);
    let rows = notification_settings::Entity::find()
        .filter(notification_settings::Column::UserId.is_in(users.iter().copied()))
        .all(db)
        .await?;
    let mut wishes: HashMap<UserId, Wishes> = HashMap::new();
    for row in rows {
        let wish = wishes.entry(row.user_id).or_default();
        // They were read when they were set: what cannot be read by now holds nothing up.
        wish.quiet = QuietRules::try_from(row.quiet_rules).unwrap_or_default();
        wish.paused_until = row.paused_until;
        wish.updated_at = Some(row.updated_at);
    }
    let rows = notification_preference::Entity::find()
        .filter(notification_preference::Column::UserId.is_in(users))
        .all(db)
        .await?;
    for row in rows {
        // A newer version may know more of them.
        let Ok(subject) = row.subject.parse::<Subject>() else {
            continue;
        };
        let channel = row.channel;
        wishes
            .entry(row.user_id)
            .or_default()
            .preferences
            .push(Preference {
                subject,
                channel,
                enabled: row.enabled,
            });
    }
    Ok(wishes)
}

/// Keeps what is the same for everything: rules and a pause.
pub async fn keep(
    tx: &Tx,
    user: UserId,
    quiet: &QuietRules,
    paused_until: Option<Timestamp>,
) -> Result<(), DbError> {
    let row = notification_settings::Model {
        user_id: user,
        quiet_rules: Value::from(quiet.clone()),
        paused_until,
        updated_at: tx.clock().now(),
    };
    let again = OnConflict::column(notification_settings::Column::UserId)
        .update_columns([
            notification_settings::Column::QuietRules,
            notification_settings::Column::PausedUntil,
            notification_settings::Column::UpdatedAt,
        ])
        .to_owned();
    notification_settings::Entity::insert(row.into_active_model())
        .on_conflict(again)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Keeps whether somebody wants to be told of something on a channel.
///
/// # Errors
/// The database's failure.
pub async fn prefer(tx: &Tx, user: UserId, preferences: &[Preference]) -> Result<(), DbError> {
    if preferences.is_empty() {
        return Ok(());
    }
    let now = tx.clock().now();
    let rows = preferences
        .iter()
        .map(|preference| notification_preference::ActiveModel {
            user_id: Set(user),
            subject: Set(preference.subject.to_string()),
            channel: Set(preference.channel),
            enabled: Set(preference.enabled),
            updated_at: Set(now),
        });
    let again = OnConflict::columns([
        notification_preference::Column::UserId,
        notification_preference::Column::Subject,
        notification_preference::Column::Channel,
    ])
    .update_columns([
        notification_preference::Column::Enabled,
        notification_preference::Column::UpdatedAt,
    ])
    .to_owned();
    notification_preference::Entity::insert_many(rows)
        .on_conflict(again)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Forgets what somebody said of something on a channel: the default counts again.
pub async fn forget(
    tx: &Tx,
    user: UserId,
    subject: Subject,
    channel: Channel,
) -> Result<(), DbError> {
    let key = (user, subject.to_string(), channel);
    notification_preference::Entity::delete_by_id(key)
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Forgets that somebody wants to be told of some subjects on a channel. That they do not want to is
/// kept.
///
/// # Errors
/// The database's failure.
pub async fn forget_enabled(
    tx: &Tx,
    user: UserId,
    subjects: Vec<Subject>,
    channel: Channel,
) -> Result<(), DbError> {
    if subjects.is_empty() {
        return Ok(());
    }
    let subjects = subjects.iter().map(ToString::to_string);
    notification_preference::Entity::delete_many()
        .filter(notification_preference::Column::UserId.eq(user))
        .filter(notification_preference::Column::Channel.eq(channel))
        .filter(notification_preference::Column::Enabled.eq(true))
        .filter(notification_preference::Column::Subject.is_in(subjects))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The deliveries that wait for the end of a person's quiet hours; at most a thousand.
pub async fn held(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<DeliveryId>, DbError> {
    Ok(delivery::Entity::find()
        .select_only()
        .column(delivery::Column::Id)
        .filter(delivery::Column::RecipientId.eq(user))
        // A literal, which the partial index has as well.
        .filter(Expr::cust("state = 'held'"))
        .limit(1_000)
        .into_tuple()
        .all(db)
        .await?)
}
