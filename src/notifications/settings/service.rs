//! Changing how one wants to be told.

use std::collections::HashMap;

use async_graphql::MaybeUndefined;
use chrono_tz::Tz;
use entity::notified::Channel;
use entity::{Timestamp, UserId, Viewer, user};

use super::{Preference, QuietRules, Subject, Wishes, store};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::graphql::UserErrorCode;
use crate::jobs;
use crate::notifications::{NotificationError, delivery_job_key};

/// What is to change. What is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// All rules anew.
    pub quiet: Option<QuietRules>,
    /// Until when nothing is to be sent; null ends a pause.
    pub paused_until: MaybeUndefined<Timestamp>,
    /// Whether to be told; none takes back what was said before.
    pub preferences: Vec<(Subject, Channel, Option<bool>)>,
}

/// How somebody wants to be told.
///
/// # Errors
/// The database's failure.
pub async fn find(app: &App, user: UserId) -> Result<Wishes, DbError> {
    let mut wishes = app
        .db
        .read(|db| async move { store::wishes(&db, vec![user]).await })
        .await?;
    Ok(wishes.remove(&user).unwrap_or_default())
}

/// Changes how the viewer wants to be told. What waits for the end of quiet hours is looked at again.
///
/// # Errors
/// What the person can put right, and the database's failure.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    changes: Changes,
) -> Result<Wishes, NotificationError> {
    let user = viewer.user_id;
    let now = app.db.clock().now();
    if let MaybeUndefined::Value(until) = changes.paused_until
        && !(now..now + chrono::TimeDelta::days(366)).contains(&until)
    {
        let message = "A pause ends in the future, and within a year. null ends one.";
        let code = UserErrorCode::Invalid;
        return Err(NotificationError::refused(code, message, &["pausedUntil"]));
    }
    let changes = &changes;
    app.db
        .write(|tx| async move {
            let mut wishes = store::wishes(tx.conn(), vec![user]).await?;
            let wishes = wishes.remove(&user).unwrap_or_default();
            let quiet = changes.quiet.as_ref().unwrap_or(&wishes.quiet);
            let mut paused_until = wishes.paused_until;
            changes.paused_until.update_to(&mut paused_until);
            store::keep(&tx, user, quiet, paused_until).await?;
            let mut kept = Vec::new();
            for ((subject, channel), enabled) in last_said(&changes.preferences) {
                match enabled {
                    Some(enabled) => kept.push(Preference {
                        subject,
                        channel,
                        enabled,
                    }),
                    None => store::forget(&tx, user, subject, channel).await?,
                }
            }
            store::prefer(&tx, user, &kept).await?;
            look_again(app, &tx, user).await?;
            let mut wishes = store::wishes(tx.conn(), vec![user]).await?;
            Ok(wishes.remove(&user).unwrap_or_default())
        })
        .await
}

/// What was said last of each: who says two things of the same means the second.
fn last_said(
    preferences: &[(Subject, Channel, Option<bool>)],
) -> HashMap<(Subject, Channel), Option<bool>> {
    let said = preferences.iter().copied();
    said.map(|(subject, channel, enabled)| ((subject, channel), enabled))
        .collect()
}

/// Has the deliveries looked at again that wait for the end of a person's quiet hours: they, or their
/// time zone, are others now.
///
/// # Errors
/// The database's failure.
pub async fn look_again(app: &App, tx: &Tx, user: UserId) -> Result<(), DbError> {
    let held = store::held(tx.conn(), user).await?;
    let keys = held.into_iter().map(delivery_job_key).collect();
    jobs::hurry_these(tx, &app.bus, keys).await
}

/// The time zone of a person. One that this version does not know is as good as none.
pub fn zone_of(user: &user::Model) -> Tz {
    let zone = user.timezone.as_deref();
    zone.and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC)
}
