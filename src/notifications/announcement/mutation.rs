//! Saying something to people, in GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::UserId;
use entity::notified::{Category, Priority};

use super::service::{self, New};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, UserError};
use crate::notifications::error::told;
use crate::notifications::inbox::{NotificationCategory, NotificationPriority};
use crate::notifications::settings::NotificationChannel;

/// What is to be said, and to whom.
#[derive(InputObject)]
pub struct SendNotificationInput {
    /// To whom: at most 100 people. Give these, or `everyone`.
    user_ids: Option<Vec<ID>>,
    /// To all active people.
    #[graphql(default)]
    everyone: bool,
    /// One line of at most 200 characters.
    title: String,
    /// The text, of at most 5,000 characters. Line breaks are kept; nothing else means anything in it.
    body: String,
    /// Where more is said.
    url: Option<String>,
    /// What it is about. MARKETING goes only to those who asked for it.
    category: Option<NotificationCategory>,
    /// How urgent it is. CRITICAL is told at any hour, whatever people turned off.
    priority: Option<NotificationPriority>,
    /// Only on these channels; on those that each person wants when not given.
    channels: Option<Vec<NotificationChannel>>,
    /// What makes it the same as one before: a second one with this key says nothing.
    dedupe_key: Option<String>,
    /// When; now when not given.
    send_at: Option<DateTime<Utc>>,
    /// When it is of no use any more: who was not told by then is not.
    expires_at: Option<DateTime<Utc>>,
}

/// What is said.
#[derive(SimpleObject)]
pub struct SendNotificationPayload {
    /// What `notificationStats` knows it by; null when there are user errors.
    announcement_id: Option<ID>,
    /// When it is said; null when there are user errors.
    send_at: Option<DateTime<Utc>>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// Saying something to people.
#[derive(Debug, Default)]
pub struct AnnouncementMutation;

#[Object]
impl AnnouncementMutation {
    /// Says something to people, once, on the channels each of them wants. For administrators.
    async fn send_notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be said, and to whom.")] input: SendNotificationInput,
    ) -> Result<SendNotificationPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let ids = input.user_ids.unwrap_or_default();
        let users = ids.iter().map(|id| Kind::User.decode(id).map(UserId));
        let new = New {
            users: users.collect::<Result<_, _>>()?,
            everyone: input.everyone,
            title: input.title,
            body: input.body,
            url: input.url,
            category: input.category.map_or(Category::System, Into::into),
            priority: input.priority.map_or(Priority::Normal, Into::into),
            channels: input
                .channels
                .map(|channels| channels.into_iter().map(Into::into).collect()),
            dedupe_key: input.dedupe_key,
            send_at: input.send_at,
            expires_at: input.expires_at,
        };
        let (row, user_errors) = told(service::announce(ctx.app(), viewer, new).await)?;
        Ok(SendNotificationPayload {
            announcement_id: row.as_ref().map(|row| Kind::Announcement.encode(row.id.0)),
            send_at: row.map(|row| row.send_at),
            user_errors,
        })
    }
}
