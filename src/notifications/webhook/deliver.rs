//! One try to tell a webhook.

use std::time::Duration;

use chrono::TimeDelta;
use entity::webhook_endpoint::Model;
use entity::{EventId, Timestamp, delivery, webhook_message};
use rand::random_range;
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::commands::webhook_of;
use super::secrets::{self, Opened};
use super::settle::{Tried, tried};
use super::store;
use crate::accounts;
use crate::app::App;
use crate::db::DbError;
use crate::delivery::webhook::{WebhookAnswer, WebhookError, WebhookMessage, send};
use crate::graphql::type_id;
use crate::jobs::{Claimed, JobError, Outcome};
use crate::limits::{Bucket, Key, Quota};
use crate::outbound::Failure;

/// By how much messages that wait for a slow webhook are spread, so that not all of them come back at
/// the same moment.
const SPREAD: Duration = Duration::from_secs(10);

/// What the job of a delivery to a webhook says beside which delivery it is.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// Whether a person asked for it.
    #[serde(default)]
    is_manual: bool,
}

/// A delivery in the hands of the job that has its lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub app: &'a App,
    pub claimed: &'a Claimed,
    pub delivery: &'a delivery::Model,
    pub started_at: Timestamp,
}

/// Tells a webhook what a delivery is of, if it is still to be told.
///
/// # Errors
/// When the database failed or the lease was lost: nothing is written then.
pub async fn deliver(
    app: &App,
    claimed: &Claimed,
    delivery: &delivery::Model,
) -> Result<Outcome, JobError> {
    let started_at = app.db.clock().now();
    let task = Task {
        app,
        claimed,
        delivery,
        started_at,
    };
    let (webhook, message) = match task.look().await? {
        Found::Wanted(webhook, message) => (webhook, message),
        Found::Unwanted(reason) => return task.suppress(reason).await,
        Found::Broken(reason) => return task.fail(reason).await,
    };
    if let Some(wait) = webhook
        .slow_until
        .and_then(|until| after(until, started_at))
    {
        return Ok(postponed(wait, "the webhook asked to be left alone"));
    }
    let Some(opened) = secrets::open_all(app, &webhook, started_at) else {
        return task.disable_unreadable(webhook.id).await;
    };
    let Ok(url) = Url::parse(&webhook.url) else {
        return task.fail("the address cannot be read").await;
    };
    let (of_webhooks, of_calls) = (&app.settings.webhooks, &app.settings.outbound);
    let most = of_webhooks.timeout_seconds.min(of_calls.timeout_seconds);
    let most = Duration::from_secs(most);
    if claimed.remaining() < most {
        let wait = Duration::from_secs(1);
        return Ok(postponed(wait, "the lease was too short for a request"));
    }
    let rate = u32::try_from(webhook.rate_per_minute).unwrap_or(1).max(1);
    let (quota, key) = (Quota::new(rate, 60), Key::webhook(webhook.id));
    let bucket = Bucket::WebhookEndpoint;
    if let Err(refused) = app.limiter.take_one_of(quota, bucket, key).await {
        let wait = refused.retry_after.unwrap_or(SPREAD);
        return Ok(postponed(wait, "the rate of the webhook"));
    }
    let message = signed(delivery.event_id, started_at, url, message, opened);
    let answer = timeout(most, send(&app.outbound, &message)).await;
    let answer = answer.unwrap_or_else(|_| late(most));
    let asked: Asked = serde_json::from_value(claimed.job.payload.clone()).unwrap_or_default();
    let tried = Tried {
        // What follows a try that a person asked for is on the schedule.
        is_manual: asked.is_manual && claimed.job.attempt <= 1,
        ..tried(answer)
    };
    task.settle(&webhook, tried).await
}

/// Whether a delivery is still wanted.
enum Found {
    Wanted(Box<Model>, webhook_message::Model),
    Unwanted(&'static str),
    Broken(&'static str),
}

impl Task<'_> {
    async fn look(self) -> Result<Found, DbError> {
        let Some(id) = webhook_of(self.delivery) else {
            return Ok(Found::Broken("the delivery names no webhook"));
        };
        let event = self.delivery.event_id;
        self.app
            .db
            .read(|db| async move {
                let Some(webhook) = store::find(&db, id).await? else {
                    return Ok(Found::Unwanted("webhook_gone"));
                };
                if !webhook.enabled {
                    return Ok(Found::Unwanted("webhook_disabled"));
                }
                if let Some(person) = webhook.user_id {
                    let active = accounts::active_among(&db, vec![person]).await?;
                    if active.is_empty() {
                        return Ok(Found::Unwanted("account_inactive"));
                    }
                }
                let message = store::find_message(&db, event).await?;
                Ok(match message {
                    Some(message) => Found::Wanted(Box::new(webhook), message),
                    None => Found::Broken("the message is gone"),
                })
            })
            .await
    }
}

/// The same message for every try and for every webhook, signed for this one.
fn signed(
    event: EventId,
    now: Timestamp,
    url: Url,
    message: webhook_message::Model,
    opened: Opened,
) -> WebhookMessage {
    WebhookMessage {
        id: type_id("msg", event.0),
        timestamp: now,
        url,
        body: message.payload,
        secrets: opened.secrets,
        headers: opened.headers,
    }
}

/// What is known of an answer that did not come in time.
fn late(took: Duration) -> WebhookAnswer {
    WebhookAnswer {
        status: None,
        body: String::new(),
        retry_after: None,
        error: Some(WebhookError::Call(Failure::TimedOut)),
        took,
    }
}

fn after(until: Timestamp, now: Timestamp) -> Option<Duration> {
    let wait = until - now;
    (wait > TimeDelta::zero()).then_some(wait.to_std().unwrap_or_default())
}

/// Comes again after this span, or a little later.
fn postponed(after: Duration, reason: &str) -> Outcome {
    Outcome::Postponed {
        after: after + random_range(Duration::ZERO..=SPREAD),
        reason: reason.to_owned(),
    }
}
