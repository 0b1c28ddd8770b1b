//! The two jobs of telling people.

use std::time::Duration;

use chrono::TimeDelta;
use entity::delivery::{self, Channel, State};
use entity::{DeliveryId, EventId, UserId, attempt, event};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::message::{self, ComposeError, Decision};
use super::store;
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::delivery::{EmailMessage, Outcome as Sending};
use crate::events::{self, Event};
use crate::jobs::{self, Claimed, JobError, NewJob, Outcome};
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

#[derive(Debug, Serialize, Deserialize)]
struct DeliverPayload {
    delivery_id: DeliveryId,
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

/// Sends one delivery, if it is still wanted.
///
/// # Errors
/// When the database failed or the lease was lost: nothing is written then.
pub async fn deliver(app: &App, claimed: &Claimed) -> Result<Outcome, JobError> {
    let Some(DeliverPayload { delivery_id }) = payload(claimed) else {
        return bury(app, claimed, "the payload cannot be read").await;
    };
    let found = app
        .db
        .read(|db| async move { store::find_delivery(&db, delivery_id).await })
        .await?;
    let Some((delivery, event)) = found else {
        return bury(app, claimed, "the delivery is gone").await;
    };
    if delivery.state != State::Queued {
        app.db
            .write(|tx| async move { jobs::finish(&tx, claimed).await })
            .await?;
        return Ok(Outcome::Finished);
    }
    match message::compose(app, &delivery, &event).await {
        Ok(Decision::Skip(reason)) => {
            settle(app, claimed, &delivery, State::Skipped, Some(reason), None).await
        }
        Ok(Decision::Send {
            to_name,
            to_address,
            words,
        }) => {
            let message = EmailMessage {
                message_id: message_id(app, &delivery, &event),
                date: event.occurred_at,
                to_name,
                to_address,
                subject: words.subject,
                text: words.text,
                html: words.html,
            };
            send(app, claimed, &delivery, &message).await
        }
        Err(ComposeError::Db(error)) => Err(error.into()),
        Err(ComposeError::Broken(reason)) => {
            settle(app, claimed, &delivery, State::Failed, Some(&reason), None).await
        }
    }
}

async fn send(
    app: &App,
    claimed: &Claimed,
    delivery: &delivery::Model,
    message: &EmailMessage,
) -> Result<Outcome, JobError> {
    // The send must end before the lease does, or another worker begins the same one.
    let most = Duration::from_secs(app.settings.mail.timeout_seconds);
    if claimed.remaining() < most {
        return Ok(Outcome::Retry {
            after: Some(Duration::from_secs(1)),
            error: "the lease was too short for a send".to_owned(),
        });
    }
    let started_at = app.db.clock().now();
    let attempt = |outcome, detail| {
        Some(Attempt {
            outcome,
            detail,
            started_at,
        })
    };
    match app.mail.send(message).await {
        Sending::Sent { detail } => {
            let attempt = attempt(attempt::Outcome::Sent, detail);
            settle(app, claimed, delivery, State::Sent, None, attempt).await
        }
        Sending::Skipped { reason } => {
            settle(app, claimed, delivery, State::Skipped, Some(&reason), None).await
        }
        Sending::Rejected { reason } => {
            let attempt = attempt(attempt::Outcome::Failed, Some(reason.clone()));
            settle(
                app,
                claimed,
                delivery,
                State::Failed,
                Some(&reason),
                attempt,
            )
            .await
        }
        Sending::Retry { after, reason } => {
            retry(app, claimed, delivery, after, reason, started_at).await
        }
        // Our account or our settings are wrong, not this message: it waits for the operator.
        Sending::Refused { reason } => {
            tracing::error!(
                reason,
                "mail is refused for a reason of ours: check the settings of [mail]"
            );
            retry(app, claimed, delivery, None, reason, started_at).await
        }
    }
}

struct Attempt {
    outcome: attempt::Outcome,
    detail: Option<String>,
    started_at: entity::Timestamp,
}

/// Ends a delivery and its job in one transaction, with the attempt that did it.
async fn settle(
    app: &App,
    claimed: &Claimed,
    delivery: &delivery::Model,
    state: State,
    reason: Option<&str>,
    attempt: Option<Attempt>,
) -> Result<Outcome, JobError> {
    let attempt = &attempt;
    app.db
        .write(|tx| async move {
            if let Some(attempt) = attempt {
                let detail = attempt.detail.clone();
                store::insert_attempt(
                    &tx,
                    delivery.id,
                    attempt.outcome,
                    detail,
                    attempt.started_at,
                )
                .await?;
            }
            store::settle_delivery(&tx, delivery.id, state, reason).await?;
            if state == State::Failed {
                jobs::bury(&tx, claimed, reason.unwrap_or_default()).await
            } else {
                jobs::finish(&tx, claimed).await
            }
        })
        .await?;
    tracing::info!(delivery = %delivery.id.0, ?state, reason, "delivery settled");
    Ok(if state == State::Failed {
        Outcome::Buried
    } else {
        Outcome::Finished
    })
}

async fn retry(
    app: &App,
    claimed: &Claimed,
    delivery: &delivery::Model,
    after: Option<Duration>,
    reason: String,
    started_at: entity::Timestamp,
) -> Result<Outcome, JobError> {
    let hours = i64::try_from(app.settings.mail.give_up_hours).unwrap_or(i64::MAX / 10_000);
    let age = app.db.clock().now() - delivery.created_at;
    if claimed.is_last_attempt() || age >= TimeDelta::hours(hours) {
        let attempt = Some(Attempt {
            outcome: attempt::Outcome::Failed,
            detail: Some(reason.clone()),
            started_at,
        });
        return settle(
            app,
            claimed,
            delivery,
            State::Failed,
            Some(&reason),
            attempt,
        )
        .await;
    }
    let why = &reason;
    app.db
        .write(|tx| async move {
            let detail = Some(why.clone());
            store::insert_attempt(
                &tx,
                delivery.id,
                attempt::Outcome::Retry,
                detail,
                started_at,
            )
            .await
        })
        .await?;
    Ok(Outcome::Retry {
        after,
        error: reason,
    })
}

/// The same for every try of a delivery, so that a mail that was sent twice is seen as one:
/// RFC 5322, section 3.6.4.
fn message_id(app: &App, delivery: &delivery::Model, event: &event::Model) -> String {
    format!(
        "{}.{}.email@{}",
        event.id.0.simple(),
        delivery.recipient_id.0.simple(),
        app.settings.mail.from_domain()
    )
}

async fn bury(app: &App, claimed: &Claimed, error: &str) -> Result<Outcome, JobError> {
    app.db
        .write(|tx| async move { jobs::bury(&tx, claimed, error).await })
        .await?;
    Ok(Outcome::Buried)
}

fn payload<T: DeserializeOwned>(claimed: &Claimed) -> Option<T> {
    serde_json::from_value(claimed.job.payload.clone()).ok()
}
