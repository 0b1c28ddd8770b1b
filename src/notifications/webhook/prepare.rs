//! Which webhooks are told of an event, and the message that they are told.

use std::collections::BTreeSet;

use entity::delivery::Channel;
use entity::{EventId, ProjectId, UserId, WebhookId, event};
use serde::Deserialize;
use serde_json::Value;

use super::{checks, payload, store};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::jobs::{self, NewJob, WEBHOOK_QUEUE};
use crate::notifications::service::DELIVER;
use crate::notifications::store::{NewDelivery, insert_deliveries};
use crate::tasks::watcher::Audience;

/// A message, and the webhooks it goes to.
#[derive(Debug)]
pub struct Prepared {
    /// Of which event.
    pub(super) event_id: EventId,
    /// Its type.
    pub(super) kind: String,
    /// The body, byte for byte.
    pub(super) body: String,
    /// To which webhooks, and who registered them.
    pub(super) targets: Vec<(WebhookId, UserId)>,
}

#[derive(Debug, Deserialize)]
struct Place {
    project_id: Option<ProjectId>,
}

/// Looks which webhooks are to be told of an event: those of its project, and those of the people who
/// are told of it. None when there is none; then it costs one statement at most.
///
/// # Errors
/// The database's failure.
pub async fn prepare(
    app: &App,
    event: &event::Model,
    recipients: &[UserId],
) -> Result<Option<Prepared>, DbError> {
    if !checks::tells(&event.topic) {
        return Ok(None);
    }
    let place = serde_json::from_value(event.payload.clone());
    let project = place.ok().and_then(|place: Place| place.project_id);
    app.db
        .read(|db| async move {
            let mut webhooks = store::listening(&db, project, recipients).await?;
            webhooks.retain(|webhook| wants(webhook.event_types.as_ref(), &event.topic));
            if webhooks.is_empty() {
                return Ok(None);
            }
            let subject = payload::subject(&db, event).await?;
            if let Some(task) = &subject {
                // The message has the task as it is now: who sees it no more does not get it.
                let people = webhooks.iter().filter_map(|webhook| webhook.user_id);
                let people: BTreeSet<_> = people.collect();
                let audience = Audience::load(&db, &[task], &people).await?;
                webhooks.retain(|it| it.user_id.is_none_or(|user| audience.sees(task, user)));
            }
            if webhooks.is_empty() {
                return Ok(None);
            }
            let targets = webhooks.iter().map(|it| (it.id, it.created_by));
            Ok(Some(Prepared {
                event_id: event.id,
                kind: event.topic.clone(),
                body: payload::body(&db, event, subject.as_ref()).await?,
                targets: targets.collect(),
            }))
        })
        .await
}

/// Whether a list of types has this topic; none has all.
fn wants(types: Option<&Value>, topic: &str) -> bool {
    let Some(types) = types.and_then(Value::as_array) else {
        return true;
    };
    let mut patterns = types.iter().filter_map(Value::as_str);
    patterns.any(|pattern| checks::means(pattern, topic))
}

/// Writes the message, a delivery for each webhook and the jobs that deliver. Written twice, it is
/// there once.
///
/// # Errors
/// The database's failure.
pub async fn write(app: &App, tx: &Tx, prepared: &Prepared) -> Result<(), DbError> {
    store::insert_message(tx, prepared).await?;
    let deliveries = prepared
        .targets
        .iter()
        .map(|(webhook, registrar)| NewDelivery {
            target: webhook.0.to_string(),
            ..NewDelivery::new(prepared.event_id, *registrar, Channel::Webhook)
        });
    let made = insert_deliveries(tx, deliveries.collect()).await?;
    let jobs = made.into_iter().map(|(id, _)| job(app, id, false));
    jobs::enqueue(tx, &app.bus, jobs);
    Ok(())
}

/// The job that sends a delivery; `is_manual` when a person asked for it.
pub(super) fn job(app: &App, id: entity::DeliveryId, is_manual: bool) -> NewJob {
    NewJob {
        queue: WEBHOOK_QUEUE,
        kind: DELIVER,
        payload: serde_json::json!({"delivery_id": id, "is_manual": is_manual}),
        dedupe_key: format!("deliver:{}", id.0),
        max_attempts: app.settings.webhooks.attempts(),
    }
}
