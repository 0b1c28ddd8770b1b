//! What becomes of a delivery after a try, and of the webhook.

use std::time::Duration;

use chrono::TimeDelta;
use entity::delivery::State;
use entity::webhook_endpoint::Model;
use entity::{AttemptId, WebhookId, attempt};
use rand::random_range;
use url::Url;

use super::deliver::Task;
use super::events::WebhookDisabled;
use super::store;
use crate::app::App;
use crate::db::{DbError, Tx, new_id};
use crate::delivery::webhook::{WebhookAnswer, WebhookError};
use crate::events;
use crate::jobs::{self, JobError, Outcome};
use crate::notifications::service::enqueue_dispatch;
use crate::notifications::store::settle_delivery;
use crate::outbound::Failure;

/// For how long one answer has all messages to a webhook wait at most.
const LONGEST_SLOW: Duration = Duration::from_mins(5);
/// By how much a pause is prolonged at most, by chance: a fifth of it.
const JITTER: u32 = 5;

/// Why the server turned a webhook off: the words of the column `disabled_reason`.
pub const GONE: &str = "gone";
pub const FAILING: &str = "failing";
pub const SECRET_UNREADABLE: &str = "secret_unreadable";

/// A try, and what came of it.
#[derive(Debug)]
pub(super) struct Tried {
    pub verdict: Verdict,
    pub status_code: Option<i32>,
    pub response: Option<String>,
    /// What went wrong; never an address.
    pub detail: Option<String>,
    pub retry_after: Option<Duration>,
    pub took: Duration,
    pub is_manual: bool,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has the message.
    Delivered,
    /// It wants no messages any more.
    Gone,
    /// It may not be called at all.
    Refused,
    /// It has not taken the message.
    Failed,
    /// The same, and it has too much to do.
    Slow,
}

/// Reads an answer.
pub(super) fn tried(answer: WebhookAnswer) -> Tried {
    let status_code = answer.status.map(i32::from);
    let (verdict, detail) = match (answer.status, answer.error) {
        (Some(200..=299), _) => (Verdict::Delivered, None),
        (Some(410), _) => (Verdict::Gone, Some(said(410))),
        (Some(code @ (429 | 502 | 504)), _) => (Verdict::Slow, Some(said(code))),
        (Some(code @ 300..=399), _) => {
            let detail = format!("the answer was {code}; redirects are not followed");
            (Verdict::Failed, Some(detail))
        }
        (Some(code), _) => (Verdict::Failed, Some(said(code))),
        // Who lets us wait holds up what is for others.
        (None, Some(WebhookError::Call(error @ Failure::TimedOut))) => {
            (Verdict::Slow, Some(error.to_string()))
        }
        (None, Some(WebhookError::Call(error))) if !matches!(error, Failure::Refused(_)) => {
            (Verdict::Failed, Some(error.to_string()))
        }
        // Nobody was called, and nobody will be.
        (None, Some(error)) => (Verdict::Refused, Some(error.to_string())),
        (None, None) => (Verdict::Failed, Some("there was no answer".to_owned())),
    };
    Tried {
        verdict,
        status_code,
        response: (!answer.body.is_empty()).then_some(answer.body),
        detail,
        retry_after: answer.retry_after,
        took: answer.took,
        is_manual: false,
    }
}

fn said(code: u16) -> String {
    format!("the answer was {code}")
}

impl Task<'_> {
    /// Writes what came of a try: the attempt, what it means for the webhook, and the end of the
    /// delivery or its next try.
    pub(super) async fn settle(self, webhook: &Model, tried: Tried) -> Result<Outcome, JobError> {
        let (app, tried) = (self.app, &tried);
        let again = self.again(tried);
        let (state, outcome) = app
            .db
            .write(|tx| async move {
                // The webhook first, then the delivery, then the job, as everybody who has more than one.
                let enabled = self.note(&tx, webhook, tried, again).await?;
                let again = again.filter(|_| enabled);
                let ended = self.end(&tx, tried, again).await?;
                Ok::<_, JobError>(ended)
            })
            .await?;
        count(state);
        let detail = tried.detail.as_deref();
        tracing::info!(delivery = %self.delivery.id.0, state, detail, "webhook called");
        Ok(outcome)
    }

    /// After which pause it is tried again; none when it is not.
    fn again(self, tried: &Tried) -> Option<Duration> {
        if !matches!(tried.verdict, Verdict::Failed | Verdict::Slow) {
            return None;
        }
        let schedule = &self.app.settings.webhooks.retry_schedule_seconds;
        let place = usize::try_from(self.claimed.job.attempt).unwrap_or(0);
        let step = schedule.get(place.saturating_sub(1));
        let step = step.filter(|_| !self.claimed.is_last_attempt());
        Some(pause(Duration::from_secs(*step?), tried.retry_after))
    }

    /// Notes at the webhook whether it works. Answers whether it is still enabled.
    async fn note(
        self,
        tx: &Tx,
        webhook: &Model,
        tried: &Tried,
        again: Option<Duration>,
    ) -> Result<bool, DbError> {
        if tried.verdict == Verdict::Delivered {
            if webhook.first_failure_at.is_some() {
                store::note_success(tx, webhook.id).await?;
            }
            return Ok(true);
        }
        let Some(mut webhook) = store::lock(tx, webhook.id).await? else {
            return Ok(false);
        };
        if !webhook.enabled {
            return Ok(false);
        }
        let now = tx.clock().now();
        let since = *webhook.first_failure_at.get_or_insert(now);
        let hours = self.app.settings.webhooks.disable_after_hours;
        let most = TimeDelta::hours(i64::try_from(hours).unwrap_or(i64::MAX / 3_600_000));
        let reason = if tried.verdict == Verdict::Gone {
            Some(GONE)
        } else {
            (now - since >= most).then_some(FAILING)
        };
        if let Some(reason) = reason {
            disable(self.app, tx, webhook, reason).await?;
            return Ok(false);
        }
        if tried.verdict == Verdict::Slow {
            let wait = again.unwrap_or(LONGEST_SLOW).min(LONGEST_SLOW);
            let until = now + TimeDelta::from_std(wait).unwrap_or_default();
            webhook.slow_until = webhook.slow_until.max(Some(until));
        }
        store::save(tx, webhook).await?;
        Ok(true)
    }

    /// Writes the attempt, and ends the delivery and its job or keeps them for the next try.
    async fn end(
        self,
        tx: &Tx,
        tried: &Tried,
        again: Option<Duration>,
    ) -> Result<(&'static str, Outcome), JobError> {
        let outcome = match (tried.verdict, again) {
            (Verdict::Delivered, _) => attempt::Outcome::Sent,
            (_, Some(_)) => attempt::Outcome::Retry,
            (_, None) => attempt::Outcome::Failed,
        };
        let took = TimeDelta::from_std(tried.took).unwrap_or_default();
        let row = attempt::Model {
            id: AttemptId(new_id(tx.clock())),
            delivery_id: self.delivery.id,
            outcome,
            detail: tried.detail.clone(),
            status_code: tried.status_code,
            response: tried.response.clone(),
            is_manual: tried.is_manual,
            started_at: self.started_at,
            finished_at: self.started_at + took,
        };
        store::insert_attempt(tx, row).await?;
        let error = || tried.detail.clone().unwrap_or_default();
        if let Some(after) = again {
            jobs::hold(tx, self.claimed).await?;
            let error = error();
            return Ok(("retry", Outcome::RetryIn { after, error }));
        }
        let state = if tried.verdict == Verdict::Delivered {
            store::settle_delivered(tx, self.delivery.id).await?;
            "delivered"
        } else {
            settle_delivery(tx, self.delivery.id, State::Failed, Some(&error())).await?;
            "failed"
        };
        // A failure is no dead job: its owner has it sent again, no administrator.
        jobs::finish(tx, self.claimed).await?;
        Ok((state, Outcome::Finished))
    }

    /// Ends a delivery that is not wanted any more.
    pub(super) async fn suppress(self, reason: &str) -> Result<Outcome, JobError> {
        self.end_untried(State::Suppressed, reason).await
    }

    /// Gives a delivery up that can never be tried.
    pub(super) async fn fail(self, reason: &str) -> Result<Outcome, JobError> {
        self.end_untried(State::Failed, reason).await
    }

    async fn end_untried(self, state: State, reason: &str) -> Result<Outcome, JobError> {
        self.app
            .db
            .write(|tx| async move {
                settle_delivery(&tx, self.delivery.id, state, Some(reason)).await?;
                jobs::finish(&tx, self.claimed).await
            })
            .await?;
        let word = if state == State::Failed {
            "failed"
        } else {
            "suppressed"
        };
        count(word);
        tracing::info!(delivery = %self.delivery.id.0, state = word, reason, "webhook not called");
        Ok(Outcome::Finished)
    }

    /// Turns a webhook off that nothing can be signed for.
    pub(super) async fn disable_unreadable(self, id: WebhookId) -> Result<Outcome, JobError> {
        self.app
            .db
            .write(|tx| async move {
                if let Some(webhook) = store::lock(&tx, id).await?.filter(|it| it.enabled) {
                    disable(self.app, &tx, webhook, SECRET_UNREADABLE).await?;
                }
                Ok::<_, JobError>(())
            })
            .await?;
        self.suppress(SECRET_UNREADABLE).await
    }
}

/// Turns a webhook off, which must be locked, and has whoever registered it told.
async fn disable(app: &App, tx: &Tx, mut webhook: Model, reason: &str) -> Result<(), DbError> {
    let host = Url::parse(&webhook.url);
    let host = host.ok().and_then(|url| url.host_str().map(str::to_owned));
    let event = WebhookDisabled {
        webhook_id: webhook.id,
        project_id: webhook.project_id,
        recipients: vec![webhook.created_by],
        host: host.unwrap_or_default(),
        reason: reason.to_owned(),
    };
    webhook.enabled = false;
    webhook.disabled_reason = Some(reason.to_owned());
    webhook.updated_at = tx.clock().now();
    store::save(tx, webhook).await?;
    let event = events::append(tx, &event, None).await?;
    enqueue_dispatch(app, tx, [event]);
    Ok(())
}

/// A step of the schedule: as long as was asked for, at most twice as long, and a little more by
/// chance, so that not all who failed together come again together.
fn pause(step: Duration, retry_after: Option<Duration>) -> Duration {
    let most = step * 2;
    let wait = retry_after.map_or(step, |asked| asked.clamp(step, most));
    (wait + random_range(Duration::ZERO..=wait / JITTER)).min(most)
}

fn count(state: &'static str) {
    metrics::counter!("deliveries_total", "channel" => "webhook", "state" => state).increment(1);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;

    #[test]
    fn a_pause_is_one_to_two_steps() {
        let seconds = Duration::from_secs;
        for (asked, least, most) in [
            (None, 300, 360),
            (Some(0), 300, 360),
            (Some(400), 400, 480),
            (Some(550), 550, 600),
            (Some(86_400), 600, 600),
        ] {
            for _ in 0..100 {
                let found = pause(seconds(300), asked.map(seconds));
                assert!(
                    (seconds(least)..=seconds(most)).contains(&found),
                    "{asked:?} {found:?}"
                );
            }
        }
    }
}
