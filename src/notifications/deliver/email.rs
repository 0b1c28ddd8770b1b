//! Sending a mail. It goes on for days: mail servers have long memories and long outages.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{delivery, event};

use super::{End, Sending, Task, postponed};
use crate::app::App;
use crate::delivery::EmailMessage;
use crate::failpoint::{self, Point};
use crate::jobs::{JobError, Outcome};
use crate::notifications::message::{self, ComposeError, Decision};
use crate::notifications::{store, together};

/// Sends a mail, if it is still wanted.
pub async fn send(task: Task<'_>) -> Result<Outcome, JobError> {
    let Task { app, found, .. } = task;
    match message::compose(app, found).await {
        Ok(Decision::Skip(reason)) => task.skip(reason.word()).await,
        Ok(Decision::Send {
            to_name,
            to_address,
            words,
            unsubscribe,
            ..
        }) => {
            let message = EmailMessage {
                message_id: message_id(app, &found.delivery, &found.event),
                date: found.event.occurred_at,
                to_name,
                to_address,
                subject: words.subject,
                text: words.text,
                html: words.html,
                unsubscribe,
            };
            task.send_mail(message).await
        }
        Err(ComposeError::Db(error)) => Err(error.into()),
        Err(ComposeError::Broken(reason)) => task.end(End::failed(&reason)).await,
    }
}

impl Task<'_> {
    /// Tries to send, when the mail server deals with us and it is this one's turn.
    async fn send_mail(self, message: EmailMessage) -> Result<Outcome, JobError> {
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
            Sending::Sent {
                detail: None,
                id: None,
            }
        } else {
            app.mail.send(&message, self.claimed.lease_ends()).await
        };
        match sent {
            Sending::Sent { detail, id } => {
                pass.works();
                self.sent(app.mail.driver(), id, detail).await
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

    /// The mail as it was when it was tried first. Before the first try it is kept: whether that try
    /// came through may stay unknown, and then the next one must be the same mail, whatever became of
    /// names and titles meanwhile and whichever process sends it. To another address it is another
    /// mail.
    async fn kept(self, message: EmailMessage) -> Result<EmailMessage, JobError> {
        let keys = self.app.tokens.mail_keys();
        let place = &format!("deliveries.message:{}", self.found.delivery.id.0);
        let before = self.found.delivery.message.as_deref();
        let kept: Option<EmailMessage> = before
            .and_then(|sealed| keys.open(place, sealed))
            .and_then(|json| serde_json::from_slice(&json).ok());
        if let Some(kept) = kept.filter(|kept| kept.to_address == message.to_address) {
            self.note_sending().await?;
            return Ok(kept);
        }
        let sealed = serde_json::to_vec(&message)
            .ok()
            .and_then(|json| keys.seal(place, &json).ok());
        let id = self.found.delivery.id;
        let is_kept = match before {
            None => together::keep(self.app, (id, sealed)).await?,
            Some(before) => {
                let sealed = &sealed;
                (self.app.db)
                    .write(|tx| async move {
                        store::keep_again(&tx, id, before, sealed.clone()).await
                    })
                    .await?
            }
        };
        // Another worker keeps its own, so it has the job.
        is_kept.then_some(message).ok_or(JobError::LeaseLost)
    }

    /// Tries again, until it has failed for too long.
    async fn retry(self, after: Option<Duration>, reason: String) -> Result<Outcome, JobError> {
        let id = self.found.delivery.id;
        let hours = self.app.settings.mail.give_up_hours;
        let most = TimeDelta::try_hours(i64::try_from(hours).unwrap_or(i64::MAX));
        let first = (self.app.db)
            .read(|db| async move { store::first_attempt_at(&db, id).await })
            .await?;
        // Who had it begin anew wants it tried for as long again, and what the mail server refuses to
        // everybody is no failure of this one.
        let anew = self.claimed.job.retried_at.max(self.found.delivery.held_at);
        let since = first.map_or(self.started_at, |first| {
            anew.map_or(first, |it| it.max(first))
        });
        let age = self.app.db.clock().now() - since;
        if self.claimed.is_last_attempt() || most.is_some_and(|most| age >= most) {
            let given_up = format!("given up after {} hours: {reason}", age.num_hours());
            return self.end(End::failed(&given_up).by(&reason)).await;
        }
        self.note_retry(&reason).await?;
        Ok(Outcome::Retry {
            after,
            error: reason,
        })
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
