//! Sending on demand: a test, a message once more, and all that were given up.

use entity::delivery::{self, Channel, State};
use entity::{DeliveryId, Timestamp, Viewer, WebhookId};
use uuid::Uuid;

use super::error::WebhookError;
use super::events::WebhookTest;
use super::prepare::{Prepared, job};
use super::service::{is_enabled, own};
use super::{checks, payload, store};
use crate::app::App;
use crate::events::{self, Event};
use crate::graphql::Kind;
use crate::jobs;
use crate::notifications::store::{NewDelivery, insert_deliveries};

/// The most messages that one command sends once more.
const MOST_RECOVERED: u64 = 1_000;

/// Tells a webhook, and no other, that somebody tests it.
pub async fn test(
    app: &App,
    viewer: &Viewer,
    id: WebhookId,
) -> Result<delivery::Model, WebhookError> {
    app.db
        .write(|tx| async move {
            let webhook = own(&tx, viewer, id).await?;
            is_enabled(&webhook, "id")?;
            let test = WebhookTest { webhook_id: id };
            let event_id = events::append(&tx, &test, Some(viewer.user_id)).await?;
            let event = events::find(tx.conn(), event_id).await?;
            let event = event.ok_or(WebhookError::NotFound(Kind::Webhook))?;
            let message = Prepared {
                event_id,
                kind: WebhookTest::TOPIC.to_owned(),
                body: payload::body(tx.conn(), &event, None).await?,
                targets: Vec::new(),
            };
            store::insert_message(&tx, &message).await?;
            let delivery = NewDelivery {
                target: id.0.to_string(),
                ..NewDelivery::new(event_id, webhook.created_by, Channel::Webhook)
            };
            let made = insert_deliveries(&tx, vec![delivery]).await?.pop();
            let (made, _) = made.ok_or(WebhookError::NotFound(Kind::Delivery))?;
            jobs::enqueue(&tx, &app.bus, [job(app, made, true)]);
            let found = store::lock_delivery(&tx, made).await?;
            found.ok_or(WebhookError::NotFound(Kind::Delivery))
        })
        .await
}

/// Sends the message of a delivery once more, however it ended.
pub async fn redeliver(
    app: &App,
    viewer: &Viewer,
    id: DeliveryId,
) -> Result<delivery::Model, WebhookError> {
    let unknown = || WebhookError::NotFound(Kind::Delivery);
    app.db
        .write(|tx| async move {
            let found = store::find_deliveries(tx.conn(), vec![id]).await?.pop();
            let webhook = webhook_of(&found.ok_or_else(unknown)?).ok_or_else(unknown)?;
            let webhook = match own(&tx, viewer, webhook).await {
                Err(WebhookError::NotFound(_)) => return Err(unknown()),
                webhook => webhook?,
            };
            is_enabled(&webhook, "deliveryId")?;
            let mut delivery = store::lock_delivery(&tx, id).await?.ok_or_else(unknown)?;
            if matches!(delivery.state, State::Queued | State::Held) {
                let message = "This message still waits to be sent.";
                return Err(WebhookError::Refused(vec![checks::problem(
                    message,
                    "deliveryId",
                )]));
            }
            store::queue_deliveries(&tx, vec![id]).await?;
            jobs::enqueue_again(&tx, &app.bus, [job(app, id, true)]).await?;
            delivery.state = State::Queued;
            delivery.reason = None;
            delivery.sent_at = None;
            delivery.delivered_at = None;
            delivery.finished_at = None;
            Ok(delivery)
        })
        .await
}

/// Sends all messages once more that were given up since then, the newest first and 1,000 at most.
/// Answers how many.
pub async fn recover(
    app: &App,
    viewer: &Viewer,
    id: WebhookId,
    since: Timestamp,
) -> Result<usize, WebhookError> {
    app.db
        .write(|tx| async move {
            let webhook = own(&tx, viewer, id).await?;
            is_enabled(&webhook, "id")?;
            let failed = store::lock_failed(&tx, id, since, MOST_RECOVERED).await?;
            if failed.is_empty() {
                return Ok(0);
            }
            store::queue_deliveries(&tx, failed.clone()).await?;
            let again = failed.iter().map(|id| job(app, *id, true));
            jobs::enqueue_again(&tx, &app.bus, again).await?;
            Ok::<_, WebhookError>(failed.len())
        })
        .await
}

/// To which webhook a delivery goes.
pub fn webhook_of(delivery: &delivery::Model) -> Option<WebhookId> {
    let id = Uuid::parse_str(&delivery.target);
    (delivery.channel == Channel::Webhook)
        .then_some(id.ok().map(WebhookId))
        .flatten()
}
