//! The job that sends one delivery.

use std::time::Duration;

use chrono::TimeDelta;
use entity::delivery::{self, State};
use entity::{Timestamp, attempt, event};

use super::message::{self, ComposeError, Decision};
use super::service::{DeliverPayload, bury, payload};
use super::{store, suppressions};
use crate::app::App;
use crate::delivery::{EmailMessage, Outcome as Sending};
use crate::failpoint::{self, Point};
use crate::jobs::{self, Claimed, JobError, Outcome};

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
    let task = Task {
        app,
        claimed,
        delivery: &delivery,
        started_at: app.db.clock().now(),
    };
    match message::compose(app, &delivery, &event).await {
        Ok(Decision::Skip(reason)) => task.skip(reason.word()).await,
        Ok(Decision::Send {
            to_name,
            to_address,
            words,
            ..
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
            task.send(message).await
        }
        Err(ComposeError::Db(error)) => Err(error.into()),
        Err(ComposeError::Broken(reason)) => task.end(End::failed(&reason)).await,
    }
}

/// A delivery in the hands of the job that has its lease.
#[derive(Clone, Copy)]
struct Task<'a> {
    app: &'a App,
    claimed: &'a Claimed,
    delivery: &'a delivery::Model,
    started_at: Timestamp,
}

/// How a delivery ends.
struct End<'a> {
    state: State,
    reason: Option<&'a str>,
    /// The try that did it, and what was said.
    attempt: Option<(attempt::Outcome, Option<String>)>,
    /// The address that takes no mail.
    suppress: Option<&'a str>,
}

impl<'a> End<'a> {
    /// Given up, without a try.
    fn failed(reason: &'a str) -> Self {
        Self {
            state: State::Failed,
            reason: Some(reason),
            attempt: None,
            suppress: None,
        }
    }

    /// The same, by what was said at a try.
    fn by(self, said: &str) -> Self {
        Self {
            attempt: Some((attempt::Outcome::Failed, Some(said.to_owned()))),
            ..self
        }
    }
}

impl Task<'_> {
    /// Tries to send, when the mail server deals with us and it is this one's turn.
    async fn send(self, message: EmailMessage) -> Result<Outcome, JobError> {
        let app = self.app;
        // The send must end before the lease does, or another worker begins the same one.
        let most = Duration::from_secs(app.settings.mail.timeout_seconds);
        let pass = match app.mail_breaker.admit(self.started_at) {
            Ok(pass) => pass,
            Err(held) => return self.hold(held.wait, &held.reason).await,
        };
        let turn = app.mail_pace.turn(self.claimed.id().0, self.started_at);
        if let Err(wait) = turn {
            return Ok(postponed(wait, "mail.max_per_minute"));
        }
        let message = self.kept(message).await?;
        if self.claimed.remaining() < most {
            let reason = "the lease was too short for a send";
            return Ok(postponed(Duration::from_secs(1), reason));
        }
        let sent = if failpoint::fails(Point::LoseMail, &"") {
            Sending::Sent { detail: None }
        } else {
            app.mail.send(&message, self.claimed.lease_ends()).await
        };
        match sent {
            Sending::Sent { detail } => {
                pass.works();
                let attempt = Some((attempt::Outcome::Sent, detail));
                let (state, reason, suppress) = (State::Sent, None, None);
                self.end(End {
                    state,
                    reason,
                    attempt,
                    suppress,
                })
                .await
            }
            Sending::Skipped { reason } => self.skip(&reason).await,
            Sending::Rejected { reason } => {
                pass.works();
                self.end(End::failed(&reason).by(&reason)).await
            }
            Sending::NoRecipient { reason } => {
                pass.works();
                let suppress = Some(message.to_address.as_str());
                let end = End::failed(&reason).by(&reason);
                self.end(End { suppress, ..end }).await
            }
            Sending::Retry { after, reason } => self.retry(after, reason).await,
            Sending::Refused { reason } => {
                let wait = pass.refused(app.db.clock().now(), &reason);
                self.hold(wait, &reason).await
            }
        }
    }

    /// Waits for a probe that succeeds. By chance up to twice as long, so that not all who wait come at
    /// the same time, and not always the same one first: of one, the mail server may have its own
    /// opinion.
    async fn hold(self, wait: Duration, reason: &str) -> Result<Outcome, JobError> {
        self.app
            .db
            .write(|tx| async move { store::note_held(&tx, self.delivery.id).await })
            .await?;
        let jitter = rand::random_range(Duration::ZERO..=wait);
        Ok(postponed(wait + jitter, reason))
    }

    /// The mail as it was when it was tried first. Before the first try it is kept: whether that try
    /// came through may stay unknown, and then the next one must be the same mail, whatever became of
    /// names and titles meanwhile and whichever process sends it. To another address it is another
    /// mail.
    async fn kept(self, message: EmailMessage) -> Result<EmailMessage, JobError> {
        let keys = self.app.tokens.mail_keys();
        let place = &format!("deliveries.message:{}", self.delivery.id.0);
        let before = self.delivery.message.as_deref();
        let kept: Option<EmailMessage> = before
            .and_then(|sealed| keys.open(place, sealed))
            .and_then(|json| serde_json::from_slice(&json).ok());
        if let Some(kept) = kept.filter(|kept| kept.to_address == message.to_address) {
            return Ok(kept);
        }
        let sealed = serde_json::to_vec(&message)
            .ok()
            .and_then(|json| keys.seal(place, &json).ok());
        let sealed = &sealed;
        let is_kept = (self.app.db)
            .write(|tx| async move {
                store::keep_message(&tx, self.delivery.id, before, sealed.clone()).await
            })
            .await?;
        // Another worker keeps its own, so it has the job.
        is_kept.then_some(message).ok_or(JobError::LeaseLost)
    }

    async fn skip(self, reason: &str) -> Result<Outcome, JobError> {
        let end = End::failed(reason);
        let state = State::Skipped;
        self.end(End { state, ..end }).await
    }

    /// Ends a delivery and its job in one transaction, with the attempt that did it.
    async fn end(self, end: End<'_>) -> Result<Outcome, JobError> {
        let (delivery, end) = (self.delivery, &end);
        self.app
            .db
            .write(|tx| async move {
                if let Some((outcome, detail)) = &end.attempt {
                    let (id, detail) = (delivery.id, detail.clone());
                    store::insert_attempt(&tx, id, *outcome, detail, self.started_at).await?;
                }
                let reason = end.reason.unwrap_or_default();
                if let Some(address) = end.suppress {
                    suppressions::add(&tx, address, reason).await?;
                }
                store::settle_delivery(&tx, delivery.id, end.state, end.reason).await?;
                if end.state == State::Failed {
                    jobs::bury(&tx, self.claimed, reason).await
                } else {
                    jobs::finish(&tx, self.claimed).await
                }
            })
            .await?;
        let (state, outcome) = match end.state {
            State::Queued => ("queued", Outcome::Finished),
            State::Sent => ("sent", Outcome::Finished),
            State::Skipped => ("skipped", Outcome::Finished),
            State::Failed => ("failed", Outcome::Buried),
        };
        metrics::counter!("deliveries_total", "channel" => "email", "state" => state).increment(1);
        tracing::info!(delivery = %delivery.id.0, state, reason = end.reason, "delivery settled");
        Ok(outcome)
    }

    /// Tries again, until it has failed for too long.
    async fn retry(self, after: Option<Duration>, reason: String) -> Result<Outcome, JobError> {
        let id = self.delivery.id;
        let hours = self.app.settings.mail.give_up_hours;
        let most = TimeDelta::try_hours(i64::try_from(hours).unwrap_or(i64::MAX));
        let first = (self.app.db)
            .read(|db| async move { store::first_attempt_at(&db, id).await })
            .await?;
        // Who had it begin anew wants it tried for as long again, and what the mail server refuses to
        // everybody is no failure of this one.
        let anew = self.claimed.job.retried_at.max(self.delivery.held_at);
        let since = first.map_or(self.started_at, |first| {
            anew.map_or(first, |it| it.max(first))
        });
        let age = self.app.db.clock().now() - since;
        if self.claimed.is_last_attempt() || most.is_some_and(|most| age >= most) {
            let given_up = format!("given up after {} hours: {reason}", age.num_hours());
            return self.end(End::failed(&given_up).by(&reason)).await;
        }
        let why = &reason;
        self.app
            .db
            .write(|tx| async move {
                jobs::hold(&tx, self.claimed).await?;
                let detail = Some(why.clone());
                store::insert_attempt(&tx, id, attempt::Outcome::Retry, detail, self.started_at)
                    .await?;
                Ok::<_, JobError>(())
            })
            .await?;
        Ok(Outcome::Retry {
            after,
            error: reason,
        })
    }
}

fn postponed(after: Duration, reason: &str) -> Outcome {
    Outcome::Postponed {
        after,
        reason: reason.to_owned(),
    }
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
