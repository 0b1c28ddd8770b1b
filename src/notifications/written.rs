//! What a dispatch writes: notifications, deliveries and the jobs that send them, with the end of its own job.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use entity::{EventId, JobId, UserId, delivery};

use super::inbox::{self, NewNotification};
use super::service::{
    DELIVER, DeliverPayload, MAX_DEVICE_ATTEMPTS, MAX_MAIL_ATTEMPTS, delivery_job_key, dispatch_job,
};
use super::store::{self, NewDelivery};
use super::webhook;
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::events::Log;
use crate::jobs::{self, Claimed, DEFAULT_QUEUE, NewJob};

/// What is written about one event and some people.
#[derive(Debug, Default)]
pub struct Told {
    /// What is told, and on which channels beside the list.
    pub people: Vec<(NewNotification, Vec<NewDelivery>)>,
    /// What is sent and is no notification.
    pub messages: Vec<NewDelivery>,
    /// After whom the next job goes on.
    pub next: Option<UserId>,
    /// What other systems are told.
    pub webhooks: Option<webhook::Prepared>,
}

impl Told {
    /// Whether there is nothing to write.
    pub fn is_nothing(&self) -> bool {
        self.people.is_empty()
            && self.messages.is_empty()
            && self.next.is_none()
            && self.webhooks.is_none()
    }
}

/// What a job writes about an event.
#[derive(Clone, Debug)]
pub struct Written {
    /// The job, which ends with it.
    pub claimed: Arc<Claimed>,
    /// The event.
    pub event_id: EventId,
    /// What.
    pub told: Arc<Told>,
}

/// Writes what some jobs have to write, and ends them. Of a job that another worker has by now nothing is written.
/// Answers the fences of the others. The places in streams come last.
///
/// # Errors
/// The database's failure.
pub async fn write(app: &App, tx: &Tx, all: &[Written]) -> Result<HashSet<(JobId, i64)>, DbError> {
    let jobs: Vec<_> = all.iter().map(|one| one.claimed.clone()).collect();
    let ended = jobs::finish_all(tx, &jobs).await?;
    let own = || {
        all.iter()
            .filter(|one| ended.contains(&one.claimed.fence()))
    };
    let rows = own().flat_map(|one| one.told.people.iter().map(|(row, _)| row.clone()));
    let rows = inbox::insert(tx, rows.collect()).await?;
    let new: HashMap<_, _> = rows
        .iter()
        .map(|row| ((row.event_id, row.user_id), row.id))
        .collect();
    let mut deliveries: Vec<_> = own().flat_map(|one| one.told.messages.clone()).collect();
    for (notification, wanted) in own().flat_map(|one| &one.told.people) {
        // Who was told before is told nothing.
        let Some(id) = new.get(&(notification.event_id, notification.user_id)) else {
            continue;
        };
        deliveries.extend(wanted.iter().cloned().map(|delivery| NewDelivery {
            notification_id: Some(*id),
            ..delivery
        }));
    }
    let waiting = store::insert_deliveries(tx, deliveries).await?;
    let jobs = waiting.into_iter().map(|(delivery_id, channel)| NewJob {
        queue: DEFAULT_QUEUE,
        kind: DELIVER,
        payload: serde_json::json!(DeliverPayload { delivery_id }),
        dedupe_key: delivery_job_key(delivery_id),
        max_attempts: match channel {
            delivery::Channel::Email => MAX_MAIL_ATTEMPTS,
            _ => MAX_DEVICE_ATTEMPTS,
        },
    });
    let next = own().filter_map(|one| Some(dispatch_job(app, one.event_id, Some(one.told.next?))));
    jobs::enqueue(tx, &app.bus, jobs.chain(next));
    for prepared in own().filter_map(|one| one.told.webhooks.as_ref()) {
        webhook::write(app, tx, prepared).await?;
    }
    let mut log = Log::default();
    for row in rows.iter().filter(|row| row.in_app) {
        log.place(row.event_id, inbox::notified_stream(row.user_id));
    }
    log.write(tx, &app.bus).await?;
    Ok(ended)
}
