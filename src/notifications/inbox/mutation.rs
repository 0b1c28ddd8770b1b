//! Reading and putting away what one was told, in GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::NotificationId;

use super::api::{Notification, NotificationCategory, unread};
use super::service::{self, Change};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, UserError};
use crate::notifications::error::told;

/// Which notifications were read.
#[derive(InputObject)]
pub struct MarkNotificationReadInput {
    /// Which, at most 100.
    ids: Vec<ID>,
}

/// Which notifications were read.
#[derive(InputObject)]
pub struct MarkAllNotificationsReadInput {
    /// Only those about this.
    category: Option<NotificationCategory>,
    /// Only this one and older ones: the newest that the person has seen. What came after it stays
    /// unread.
    up_to_id: Option<ID>,
}

/// Which notifications are put away.
#[derive(InputObject)]
pub struct ArchiveNotificationsInput {
    /// Which, at most 100.
    ids: Vec<ID>,
}

/// The notifications that were read.
#[derive(SimpleObject)]
pub struct MarkNotificationReadPayload {
    /// They, in the order they were named; null when there are user errors.
    notifications: Option<Vec<Notification>>,
    /// How many are unread now; null when there are user errors.
    unread_count: Option<u64>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// How many notifications were read.
#[derive(SimpleObject)]
pub struct MarkAllNotificationsReadPayload {
    /// How many were unread until now; null when there are user errors.
    marked_count: Option<u64>,
    /// How many are unread now; null when there are user errors.
    unread_count: Option<u64>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The notifications that were put away.
#[derive(SimpleObject)]
pub struct ArchiveNotificationsPayload {
    /// They, in the order they were named; null when there are user errors.
    notifications: Option<Vec<Notification>>,
    /// How many are unread now; null when there are user errors.
    unread_count: Option<u64>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Reading and putting away what one was told.
#[derive(Debug, Default)]
pub struct NotificationMutation;

#[Object]
impl NotificationMutation {
    /// Notes that these notifications were read.
    async fn mark_notification_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which were read.")] input: MarkNotificationReadInput,
    ) -> Result<MarkNotificationReadPayload, ApiError> {
        let (notifications, user_errors) = changed(ctx, &input.ids, Change::Read).await?;
        Ok(MarkNotificationReadPayload {
            notifications,
            unread_count: left_unread(ctx, &user_errors).await?,
            user_errors,
        })
    }

    /// Notes that all notifications were read that are not put away.
    async fn mark_all_notifications_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which were read.")] input: MarkAllNotificationsReadInput,
    ) -> Result<MarkAllNotificationsReadPayload, ApiError> {
        let (app, viewer) = (ctx.app(), ctx.viewer()?);
        let up_to = input
            .up_to_id
            .as_deref()
            .map(|id| Kind::Notification.decode(id));
        let up_to = up_to.transpose()?.map(NotificationId);
        let category = input.category.map(Into::into);
        Ok(MarkAllNotificationsReadPayload {
            marked_count: Some(service::read_all(app, viewer, category, up_to).await?),
            unread_count: Some(unread(app, viewer).await?),
            user_errors: Vec::new(),
        })
    }

    /// Puts notifications away: they are read, and stand only in `notifications(filter: {isArchived:
    /// true})`.
    async fn archive_notifications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which are put away.")] input: ArchiveNotificationsInput,
    ) -> Result<ArchiveNotificationsPayload, ApiError> {
        let (notifications, user_errors) = changed(ctx, &input.ids, Change::Archive).await?;
        Ok(ArchiveNotificationsPayload {
            notifications,
            unread_count: left_unread(ctx, &user_errors).await?,
            user_errors,
        })
    }
}

/// How many are unread after a change; none when nothing was changed.
async fn left_unread(
    ctx: &Context<'_>,
    user_errors: &[UserError],
) -> Result<Option<u64>, ApiError> {
    if !user_errors.is_empty() {
        return Ok(None);
    }
    Ok(Some(unread(ctx.app(), ctx.viewer()?).await?))
}

async fn changed(
    ctx: &Context<'_>,
    ids: &[ID],
    change: Change,
) -> Result<(Option<Vec<Notification>>, Vec<UserError>), ApiError> {
    let viewer = ctx.viewer()?;
    let ids = ids
        .iter()
        .map(|id| Kind::Notification.decode(id).map(NotificationId));
    let ids = ids.collect::<Result<_, _>>()?;
    let rows = service::change(ctx.app(), viewer, ids, change).await;
    told(rows.map(|rows| rows.into_iter().map(Notification).collect()))
}
