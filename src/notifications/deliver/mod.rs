//! The job that sends one delivery: looks once more whether it is wanted, and whether now, gives it to
//! the driver of its channel, and writes what came of that.

mod device;
mod email;

use std::time::Duration;

use entity::delivery::{self, Channel, State};
use entity::{Timestamp, attempt, event, notification, notified};
use sea_orm::ActiveEnum;

use super::message::Skip;
use super::service::{DeliverPayload, bury, payload};
use super::settings::{self, Answer, Notice, Reason, Recipient, decide, holds, quiet_until};
use super::{inbox, store, suppressions, webhook};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::delivery::Outcome as Sending;
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
        .read(|db| async move {
            let Some((delivery, event)) = store::find_delivery(&db, delivery_id).await? else {
                return Ok(None);
            };
            let notification = match delivery.notification_id {
                Some(id) => inbox::find(&db, id).await?,
                None => None,
            };
            Ok::<_, DbError>(Some((delivery, event, notification)))
        })
        .await?;
    let Some((delivery, event, notification)) = found else {
        return bury(app, claimed, "the delivery is gone").await;
    };
    if !State::OPEN.contains(&delivery.state) {
        return Ok(Outcome::Done);
    }
    if delivery.channel == Channel::Webhook {
        return webhook::deliver(app, claimed, &delivery).await;
    }
    let task = Task {
        app,
        claimed,
        delivery: &delivery,
        event: &event,
        notification: notification.as_ref(),
        started_at: app.db.clock().now(),
    };
    if delivery.notification_id.is_some() && notification.is_none() {
        return task.skip(Skip::Expired.word()).await;
    }
    match task.gate().await? {
        Gate::Open => {}
        Gate::Closed(reason) => return task.skip(reason).await,
        Gate::Until(at) => return task.wait_until(at).await,
    }
    match delivery.channel {
        Channel::Email => email::send(task).await,
        Channel::Sms => device::sms(task).await,
        Channel::Push => device::push(task).await,
        Channel::Webhook => Ok(Outcome::Done),
    }
}

/// A delivery in the hands of the job that has its lease.
#[derive(Clone, Copy)]
struct Task<'a> {
    app: &'a App,
    claimed: &'a Claimed,
    delivery: &'a delivery::Model,
    event: &'a event::Model,
    notification: Option<&'a notification::Model>,
    started_at: Timestamp,
}

/// Whether a delivery may go now, by what its recipient wants.
enum Gate {
    Open,
    Closed(&'static str),
    Until(Timestamp),
}

/// How a delivery ends.
struct End<'a> {
    state: State,
    reason: Option<&'a str>,
    /// The try that did it, and what was said.
    attempt: Option<(attempt::Outcome, Option<String>)>,
    /// What the driver calls itself, and the message.
    sent: Option<(&'static str, Option<String>)>,
    /// The address that takes nothing.
    suppress: Option<&'a str>,
    /// The device that is gone.
    invalid: Option<entity::DeviceId>,
}

impl<'a> End<'a> {
    /// Given up, without a try.
    fn failed(reason: &'a str) -> Self {
        Self {
            state: State::Failed,
            reason: Some(reason),
            attempt: None,
            sent: None,
            suppress: None,
            invalid: None,
        }
    }

    /// The same, by what was said at a try.
    fn by(self, said: &str) -> Self {
        Self {
            attempt: Some((attempt::Outcome::Failed, Some(said.to_owned()))),
            ..self
        }
    }

    /// The next system has it.
    fn sent(driver: &'static str, id: Option<String>, detail: Option<String>) -> Self {
        Self {
            state: State::Sent,
            reason: None,
            attempt: Some((attempt::Outcome::Sent, detail)),
            sent: Some((driver, id)),
            suppress: None,
            invalid: None,
        }
    }
}

impl Task<'_> {
    /// Asks the recipient's settings once more: they may be others than when the delivery was made.
    async fn gate(self) -> Result<Gate, DbError> {
        let (Some(row), Some(channel)) = (self.notification, channel(self.delivery.channel)) else {
            return Ok(Gate::Open);
        };
        let now = self.started_at;
        if row.expires_at.is_some_and(|at| at <= now) {
            return Ok(Gate::Closed(Skip::Expired.word()));
        }
        // What is urgent is told whatever is set.
        if !holds(row.category, row.priority, channel) {
            return Ok(Gate::Open);
        }
        let user_id = row.user_id;
        let (user, mut wishes) = self
            .app
            .db
            .read(|db| async move {
                let user = crate::accounts::find(&db, user_id).await?;
                let wishes = settings::wishes(&db, vec![user_id]).await?;
                Ok::<_, DbError>((user, wishes))
            })
            .await?;
        let Some(user) = user else {
            return Ok(Gate::Closed(Skip::AccountInactive.word()));
        };
        let Some(wishes) = wishes.remove(&user_id) else {
            return Ok(Gate::Open);
        };
        let notice = Notice {
            kind: row.kind,
            category: row.category,
            priority: row.priority,
            channels: None,
        };
        let recipient = Recipient {
            preferences: &wishes.preferences,
            paused_until: wishes.paused_until,
            reachable: &[channel],
        };
        let answers = decide(notice, recipient, now);
        let answer = answers.into_iter().find(|(of, _)| *of == channel);
        if let Some((_, Answer::No(reason))) = answer
            && reason != Reason::NotAskedFor
        {
            return Ok(Gate::Closed(reason.word()));
        }
        Ok(quiet_until(&wishes.quiet, settings::zone_of(&user), now)
            .map_or(Gate::Open, Gate::Until))
    }

    /// Waits for the end of quiet hours. The job is the only timer: when its time comes, all is asked
    /// anew.
    async fn wait_until(self, at: Timestamp) -> Result<Outcome, JobError> {
        let (id, claimed) = (self.delivery.id, self.claimed);
        self.app
            .db
            .write(|tx| async move {
                jobs::hold(&tx, claimed).await?;
                store::hold(&tx, id, at).await?;
                Ok::<_, JobError>(())
            })
            .await?;
        let wait = at - self.app.db.clock().now();
        Ok(postponed(wait.to_std().unwrap_or_default(), "quiet hours"))
    }

    async fn skip(self, reason: &str) -> Result<Outcome, JobError> {
        let end = End::failed(reason);
        let state = State::Suppressed;
        self.end(End { state, ..end }).await
    }

    /// Ends a delivery and its job in one transaction, with the attempt that did it.
    async fn end(self, end: End<'_>) -> Result<Outcome, JobError> {
        let end = &end;
        self.app
            .db
            .write(|tx| async move { self.write_end(&tx, end).await })
            .await?;
        let (channel, state) = (self.delivery.channel.to_value(), end.state.to_value());
        tracing::info!(delivery = %self.delivery.id.0, channel, state, reason = end.reason, "delivery settled");
        metrics::counter!("deliveries_total", "channel" => channel, "state" => state).increment(1);
        Ok(if end.state == State::Failed {
            Outcome::Buried
        } else {
            Outcome::Finished
        })
    }

    async fn write_end(self, tx: &Tx, end: &End<'_>) -> Result<(), JobError> {
        let delivery = self.delivery;
        if let Some((outcome, detail)) = &end.attempt {
            let (id, detail) = (delivery.id, detail.clone());
            store::insert_attempt(tx, id, *outcome, detail, self.started_at).await?;
        }
        let reason = end.reason.unwrap_or_default();
        if let Some(address) = end.suppress {
            suppressions::add(tx, delivery.channel, address, reason).await?;
        }
        if let Some(device) = end.invalid {
            super::address::invalidate(tx, device).await?;
        }
        if let Some((driver, id)) = &end.sent {
            store::note_sent(tx, delivery.id, driver, id.as_deref()).await?;
        }
        store::settle_delivery(tx, delivery.id, end.state, end.reason).await?;
        if end.state == State::Failed {
            jobs::bury(tx, self.claimed, reason).await
        } else {
            jobs::finish(tx, self.claimed).await
        }
    }

    /// Notes that the next system is being given it.
    async fn note_sending(self) -> Result<(), DbError> {
        let id = self.delivery.id;
        self.app
            .db
            .write(|tx| async move { store::note_sending(&tx, id).await })
            .await
    }

    /// Notes a try that is not the last.
    async fn note_retry(self, said: &str) -> Result<(), JobError> {
        let id = self.delivery.id;
        self.app
            .db
            .write(|tx| async move {
                jobs::hold(&tx, self.claimed).await?;
                let detail = Some(said.to_owned());
                let outcome = attempt::Outcome::Retry;
                store::insert_attempt(&tx, id, outcome, detail, self.started_at).await?;
                store::note_queued(&tx, id).await?;
                Ok(())
            })
            .await
    }

    /// Waits for a probe that succeeds. By chance up to twice as long, so that not all who wait come at
    /// the same time, and not always the same one first: of one, the other side may have its own
    /// opinion.
    async fn hold(self, wait: Duration, reason: &str) -> Result<Outcome, JobError> {
        self.app
            .db
            .write(|tx| async move { store::note_held(&tx, self.delivery.id).await })
            .await?;
        let jitter = rand::random_range(Duration::ZERO..=wait);
        Ok(postponed(wait + jitter, reason))
    }
}

/// The channel as settings know it; none for what nobody sets.
fn channel(channel: Channel) -> Option<notified::Channel> {
    match channel {
        Channel::Email => Some(notified::Channel::Email),
        Channel::Sms => Some(notified::Channel::Sms),
        Channel::Push => Some(notified::Channel::Push),
        Channel::Webhook => None,
    }
}

fn postponed(after: Duration, reason: &str) -> Outcome {
    Outcome::Postponed {
        after,
        reason: reason.to_owned(),
    }
}
