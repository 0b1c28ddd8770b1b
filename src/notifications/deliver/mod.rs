//! The job that sends one delivery: looks once more whether it is wanted, and whether now, gives it to
//! the driver of its channel, and writes what came of that.

mod device;
mod email;

use std::sync::Arc;
use std::time::Duration;

use entity::delivery::{Channel, State};
use entity::{Timestamp, attempt, notified};
use sea_orm::ActiveEnum;

use super::message::{Found, Skip};
use super::service::{DeliverPayload, bury, payload};
use super::settings::{self, Answer, Notice, Reason, Recipient, decide, holds, quiet_until};
use super::store::together::Taken;
use super::{store, suppressions, together, webhook};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::delivery::Outcome as Sending;
use crate::jobs::{self, Claimed, JobError, Outcome};

/// Sends one delivery, if it is still wanted.
///
/// # Errors
/// When the database failed or the lease was lost: nothing is written then.
pub async fn deliver(app: &App, claimed: &Arc<Claimed>) -> Result<Outcome, JobError> {
    let Some(DeliverPayload { delivery_id }) = payload(claimed) else {
        return bury(app, claimed, "the payload cannot be read").await;
    };
    let Some(found) = together::find(app, delivery_id).await? else {
        return bury(app, claimed, "the delivery is gone").await;
    };
    let delivery = &found.delivery;
    if !State::OPEN.contains(&delivery.state) {
        return Ok(Outcome::Done);
    }
    if delivery.channel == Channel::Webhook {
        return webhook::deliver(app, claimed, delivery).await;
    }
    let task = Task {
        app,
        claimed,
        found: &found,
        started_at: app.db.clock().now(),
    };
    if delivery.notification_id.is_some() && found.notification.is_none() {
        return task.skip(Skip::Expired.word()).await;
    }
    match task.gate() {
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
    claimed: &'a Arc<Claimed>,
    found: &'a Found,
    started_at: Timestamp,
}

/// Whether a delivery may go now, by what its recipient wants.
enum Gate {
    Open,
    Closed(&'static str),
    Until(Timestamp),
}

/// How a delivery ends that the next system has not taken.
struct End<'a> {
    state: State,
    reason: Option<&'a str>,
    /// The try that did it, and what was said.
    attempt: Option<(attempt::Outcome, Option<String>)>,
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
}

impl Task<'_> {
    /// Asks the recipient's settings once more: they may be others than when the delivery was made.
    fn gate(self) -> Gate {
        let found = self.found;
        let Some(row) = &found.notification else {
            return Gate::Open;
        };
        let Some(channel) = channel(found.delivery.channel) else {
            return Gate::Open;
        };
        let now = self.started_at;
        if row.expires_at.is_some_and(|at| at <= now) {
            return Gate::Closed(Skip::Expired.word());
        }
        // What is urgent is told whatever is set.
        if !holds(row.category, row.priority, channel) {
            return Gate::Open;
        }
        let Some(user) = &found.user else {
            return Gate::Closed(Skip::AccountInactive.word());
        };
        let Some(wishes) = &found.wishes else {
            return Gate::Open;
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
            return Gate::Closed(reason.word());
        }
        quiet_until(&wishes.quiet, settings::zone_of(user), now).map_or(Gate::Open, Gate::Until)
    }

    /// Waits for the end of quiet hours. The job is the only timer: when its time comes, all is asked
    /// anew.
    async fn wait_until(self, at: Timestamp) -> Result<Outcome, JobError> {
        let (id, claimed) = (self.found.delivery.id, self.claimed);
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
        self.tell(end.state, end.reason);
        Ok(if end.state == State::Failed {
            Outcome::Buried
        } else {
            Outcome::Finished
        })
    }

    /// Ends a delivery that the next system has taken, and its job.
    async fn sent(
        self,
        driver: &'static str,
        provider_id: Option<String>,
        detail: Option<String>,
    ) -> Result<Outcome, JobError> {
        let taken = Taken {
            id: self.found.delivery.id,
            driver,
            provider_id,
            detail,
            started_at: self.started_at,
        };
        together::note_sent(self.app, self.claimed, taken).await?;
        self.tell(State::Sent, None);
        Ok(Outcome::Finished)
    }

    fn tell(self, state: State, reason: Option<&str>) {
        let delivery = &self.found.delivery;
        let (channel, state) = (delivery.channel.to_value(), state.to_value());
        tracing::info!(delivery = %delivery.id.0, channel, state, reason, "delivery settled");
        metrics::counter!("deliveries_total", "channel" => channel, "state" => state).increment(1);
    }

    async fn write_end(self, tx: &Tx, end: &End<'_>) -> Result<(), JobError> {
        let delivery = &self.found.delivery;
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
        store::settle_delivery(tx, delivery.id, end.state, end.reason).await?;
        if end.state == State::Failed {
            jobs::bury(tx, self.claimed, reason).await
        } else {
            jobs::finish(tx, self.claimed).await
        }
    }

    /// Notes that the next system is being given it.
    async fn note_sending(self) -> Result<(), DbError> {
        let id = self.found.delivery.id;
        self.app
            .db
            .write(|tx| async move { store::note_sending(&tx, id).await })
            .await
    }

    /// Notes a try that is not the last.
    async fn note_retry(self, said: &str) -> Result<(), JobError> {
        let id = self.found.delivery.id;
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
            .write(|tx| async move { store::note_held(&tx, self.found.delivery.id).await })
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
