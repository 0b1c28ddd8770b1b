//! What became of everything that was told, in GraphQL.

use std::collections::BTreeMap;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};
use entity::AnnouncementId;
use entity::delivery::{Channel, State};

use super::store::{self, Range};
use crate::accounts::{self, Actor};
use crate::app::AppExt;
use crate::db::DbError;
use crate::graphql::{ApiError, ContextExt, ErrorCode, Kind};
use crate::notifications::inbox::DeliveryChannel;
use crate::upkeep::DeliveryState;

/// What is counted when no beginning is given, in days.
const USUAL_DAYS: i64 = 7;
/// The most that is counted at once, in days.
const MOST_DAYS: i64 = 92;

/// What became of what was told in a time. Of an SMS or a push message SENT is often the last that is
/// heard; DELIVERED and BOUNCED are what vendors call back.
#[derive(Debug, SimpleObject)]
pub struct NotificationStats {
    /// From then on.
    since: DateTime<Utc>,
    /// Before then.
    until: DateTime<Utc>,
    /// How many notifications stand in people's lists.
    in_app_count: u64,
    /// How many of those were read.
    in_app_read_count: u64,
    /// What became of the rest, by channel and driver.
    channels: Vec<ChannelStats>,
}

/// What became of the messages on a channel.
#[derive(Debug, SimpleObject)]
pub struct ChannelStats {
    /// The channel.
    channel: DeliveryChannel,
    /// What took them, as `smtp` or `twilio`; null for those that nothing took.
    driver: Option<String>,
    /// How many they are.
    total_count: i64,
    /// How many stand where; states without any are left out.
    states: Vec<DeliveryStateCount>,
}

/// How many deliveries stand so.
#[derive(Debug, SimpleObject)]
pub struct DeliveryStateCount {
    /// How.
    state: DeliveryState,
    /// How many.
    count: i64,
}

/// Counting what was told. For administrators.
#[derive(Debug, Default)]
pub struct StatsQuery;

#[Object]
impl StatsQuery {
    /// What became of what was told. For administrators.
    async fn notification_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From then on; the last seven days when not given.")] since: Option<
            DateTime<Utc>,
        >,
        #[graphql(desc = "Before then; until now when not given.")] until: Option<DateTime<Utc>>,
        #[graphql(desc = "Only what tells of this announcement (`sendNotification`).")]
        announcement_id: Option<ID>,
    ) -> Result<NotificationStats, ApiError> {
        accounts::says_admin(Actor::Viewer(ctx.viewer()?))?;
        let app = ctx.app();
        let announcement = announcement_id.map(|id| Kind::Announcement.decode(&id));
        let announcement = announcement.transpose()?.map(AnnouncementId);
        // What is made at this moment is counted, too.
        let to = until.unwrap_or_else(|| app.db.clock().now() + TimeDelta::seconds(1));
        let from = since.unwrap_or_else(|| to - TimeDelta::days(USUAL_DAYS));
        if from >= to || to - from > TimeDelta::days(MOST_DAYS) {
            return Err(ApiError::new(
                ErrorCode::BadUserInput,
                format!("`since` must be before `until`, and by at most {MOST_DAYS} days."),
            ));
        }
        let range = &Range {
            from,
            to,
            announcement,
        };
        let (rows, (all, read)) = app
            .db
            .read(|db| async move {
                let rows = store::deliveries(&db, range).await?;
                Ok::<_, DbError>((rows, store::notifications(&db, range).await?))
            })
            .await?;
        Ok(NotificationStats {
            since: from,
            until: to,
            in_app_count: all,
            in_app_read_count: read,
            channels: by_channel(rows),
        })
    }
}

fn by_channel(rows: Vec<(Channel, Option<String>, State, i64)>) -> Vec<ChannelStats> {
    let mut channels: BTreeMap<(Channel, Option<String>), BTreeMap<State, i64>> = BTreeMap::new();
    for (channel, driver, state, count) in rows {
        *channels
            .entry((channel, driver))
            .or_default()
            .entry(state)
            .or_default() += count;
    }
    let channels = channels.into_iter();
    channels
        .map(|((channel, driver), states)| ChannelStats {
            channel: channel.into(),
            driver,
            total_count: states.values().sum(),
            states: states
                .into_iter()
                .map(|(state, count)| DeliveryStateCount {
                    state: state.into(),
                    count,
                })
                .collect(),
        })
        .collect()
}
