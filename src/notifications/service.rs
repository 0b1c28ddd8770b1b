//! The job that decides who is told of an event.

use entity::delivery::Channel;
use entity::{DeliveryId, EventId, UserId, event};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::store;
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::events::{self, Event};
use crate::jobs::{self, Claimed, DEFAULT_QUEUE, JobError, NewJob, Outcome};
use crate::tasks::task::TaskAssigned;

/// The job that makes the deliveries of an event.
pub const DISPATCH: &str = "dispatch";
/// The job that sends one delivery.
pub const DELIVER: &str = "deliver";

/// Trying goes on until the mail is given up by its age, so the number of attempts is only a
/// safety net.
const MAX_DELIVER_ATTEMPTS: i32 = 1_000;

#[derive(Debug, Serialize, Deserialize)]
struct DispatchPayload {
    event_id: EventId,
}

/// What the job [`DELIVER`] is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeliverPayload {
    /// Which delivery.
    pub delivery_id: DeliveryId,
}

/// The part of every event's payload this room reads.
#[derive(Debug, Deserialize)]
struct Recipients {
    recipients: Vec<UserId>,
    /// To whom a task was given.
    assignee_id: Option<UserId>,
}

/// Writes the jobs that tell people of events, in the transaction of the change.
///
/// # Errors
/// The database's failure.
pub async fn enqueue_dispatch(
    app: &App,
    tx: &Tx,
    events: impl IntoIterator<Item = EventId>,
) -> Result<(), DbError> {
    let max_attempts = i32::try_from(app.settings.jobs.max_attempts).unwrap_or(i32::MAX);
    let job = |event_id: EventId| NewJob {
        queue: DEFAULT_QUEUE,
        kind: DISPATCH,
        payload: serde_json::json!(DispatchPayload { event_id }),
        dedupe_key: format!("dispatch:{}", event_id.0),
        max_attempts,
    };
    jobs::enqueue(tx, &app.bus, events.into_iter().map(job)).await
}

/// Makes a delivery for each person who is to be told, and a job for each delivery.
///
/// # Errors
/// When the database failed or the lease was lost: nothing is written then.
pub async fn dispatch(app: &App, claimed: &Claimed) -> Result<Outcome, JobError> {
    let Some(DispatchPayload { event_id }) = payload(claimed) else {
        return bury(app, claimed, "the payload cannot be read").await;
    };
    let event = app
        .db
        .read(|db| async move { events::find(&db, event_id).await })
        .await?;
    let recipients = event.and_then(addressees);
    let Some(recipients) = recipients else {
        return bury(app, claimed, "the event is gone or names no recipients").await;
    };
    let recipients = &recipients;
    app.db
        .write(|tx| async move {
            for recipient in recipients {
                let made =
                    store::insert_delivery(&tx, event_id, *recipient, Channel::Email).await?;
                let Some(delivery_id) = made else { continue };
                let job = NewJob {
                    queue: DEFAULT_QUEUE,
                    kind: DELIVER,
                    payload: serde_json::json!(DeliverPayload { delivery_id }),
                    dedupe_key: format!("deliver:{}", delivery_id.0),
                    max_attempts: MAX_DELIVER_ATTEMPTS,
                };
                jobs::enqueue(&tx, &app.bus, [job]).await?;
            }
            jobs::finish(&tx, claimed).await
        })
        .await?;
    Ok(Outcome::Finished)
}

/// Who gets a mail of an event. Of an assignment everybody who follows the task is to be told, but
/// only whose it is now gets a mail.
fn addressees(event: event::Model) -> Option<Vec<UserId>> {
    let payload: Recipients = serde_json::from_value(event.payload).ok()?;
    let mut addressees = payload.recipients;
    if event.topic == TaskAssigned::TOPIC {
        addressees.retain(|recipient| payload.assignee_id == Some(*recipient));
    }
    Some(addressees)
}

/// Gives up a job that makes no sense.
pub(super) async fn bury(app: &App, claimed: &Claimed, error: &str) -> Result<Outcome, JobError> {
    app.db
        .write(|tx| async move { jobs::bury(&tx, claimed, error).await })
        .await?;
    Ok(Outcome::Buried)
}

/// What a job was told.
pub(super) fn payload<T: DeserializeOwned>(claimed: &Claimed) -> Option<T> {
    serde_json::from_value(claimed.job.payload.clone()).ok()
}
