//! Sending to telephones and devices: a few tries within an hour, since nobody wants to be told of
//! yesterday by a buzz.

use std::time::Duration;

use entity::notified::{Priority, Type};
use entity::{DeviceId, device};
use uuid::Uuid;

use super::{End, Sending, Task, postponed};
use crate::delivery::breaker::Breaker;
use crate::delivery::pace::Pace;
use crate::delivery::push::{Platform, PushMessage};
use crate::delivery::sms::SmsMessage;
use crate::graphql::Kind;
use crate::jobs::{JobError, Outcome};
use crate::notifications::address::{self, PhoneCodeIssued};
use crate::notifications::message::{self, Skip};
use crate::notifications::suppressions;

/// The first pause between two tries; each one is four times as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// How much by chance is added or taken, in percent.
const JITTER: u32 = 20;
/// The longest pause that is kept because a vendor asks for it.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// Sends an SMS, if it is still wanted.
pub async fn sms(task: Task<'_>) -> Result<Outcome, JobError> {
    let app = task.app;
    let words = match task.found.notification {
        Some(_) => task.notified_number().await?,
        None => task.code().await?,
    };
    let (to, text) = match words {
        Ok(words) => words,
        Err(skip) => return task.skip(skip.word()).await,
    };
    let number = &to;
    let takes_none = app
        .db
        .read(|db| async move { suppressions::is_number_suppressed(&db, number).await })
        .await?;
    // A code is asked for: with it the owner of the number comes back.
    if takes_none && task.found.notification.is_some() {
        return task.skip(Skip::Suppressed.word()).await;
    }
    let id = task.found.delivery.id.0.to_string();
    let message = SmsMessage {
        id,
        to: to.clone(),
        text,
    };
    let limits = (&app.sms_breaker, &app.sms_pace);
    let send = app.sms.send(&message, task.started_at);
    task.send_to(limits, app.sms.driver(), Gone::Number(&to), send)
        .await
}

/// Sends a push message, if it is still wanted.
pub async fn push(task: Task<'_>) -> Result<Outcome, JobError> {
    let app = task.app;
    let (device, row) = match task.device().await? {
        Ok(found) => found,
        Err(skip) => return task.skip(skip.word()).await,
    };
    let mut data = std::collections::BTreeMap::from([
        (
            "notificationId".to_owned(),
            Kind::Notification.encode(row.id.0).0,
        ),
        ("type".to_owned(), row.kind.name().to_owned()),
    ]);
    if let Some(task) = row.task_id {
        data.insert("taskId".to_owned(), Kind::Task.encode(task.0).0);
    }
    let message = PushMessage {
        id: task.found.delivery.id.0.to_string(),
        platform: match device.platform {
            device::Platform::Fcm => Platform::Fcm,
            device::Platform::Apns => Platform::Apns,
        },
        token: device.token.clone(),
        title: row.title.clone(),
        body: row.body.clone(),
        data,
        // What changed last of a task stands for what changed before.
        collapse_key: (row.kind == Type::TaskUpdated)
            .then_some(row.task_id)
            .flatten()
            .map(|task| task.0.simple().to_string()),
        critical: row.priority == Priority::Critical,
        expires_at: row.expires_at,
    };
    let limits = (&app.push_breaker, &app.push_pace);
    let send = app.push.send(&message, task.started_at);
    let driver = app.push.driver(message.platform);
    task.send_to(limits, driver, Gone::Device(device.id), send)
        .await
}

/// What is not there when the vendor says that there is no such recipient.
enum Gone<'a> {
    Number(&'a str),
    Device(DeviceId),
}

impl Task<'_> {
    /// The number and the words of a notification.
    async fn notified_number(self) -> Result<Result<(String, String), Skip>, JobError> {
        let Some(row) = &self.found.notification else {
            return Ok(Err(Skip::NoPhoneNumber));
        };
        if let Some(skip) = self.stale(row.kind) {
            return Ok(Err(skip));
        }
        let user = row.user_id;
        let phone = self
            .app
            .db
            .read(|db| async move { address::find_phone(&db, user).await })
            .await?;
        let number = phone.and_then(|phone| phone.number);
        let text = if row.kind == Type::Announcement {
            row.body.clone()
        } else {
            format!("Taskflow: {}", row.body)
        };
        let text = match &row.url {
            Some(url) => format!("{text} {url}"),
            None => text,
        };
        Ok(number
            .map(|number| (number, text))
            .ok_or(Skip::NoPhoneNumber))
    }

    /// The number and the words of a code, while it is good.
    async fn code(self) -> Result<Result<(String, String), Skip>, JobError> {
        let payload = serde_json::from_value(self.found.event.payload.clone());
        let Ok(PhoneCodeIssued {
            user_id, code_id, ..
        }) = payload
        else {
            return Ok(Err(Skip::CodeGone));
        };
        let phone = self
            .app
            .db
            .read(|db| async move { address::find_phone(&db, user_id).await })
            .await?;
        let phone = phone.filter(|phone| {
            let is_good = phone
                .code_expires_at
                .is_some_and(|until| until > self.started_at);
            phone.code_id == Some(code_id) && is_good
        });
        let number = phone.and_then(|phone| phone.pending_number);
        let (Some(number), Some(recipient)) = (number, self.found.recipient()) else {
            return Ok(Err(Skip::CodeGone));
        };
        let code = self.app.tokens.mail_keys().phone_code(code_id);
        let text = message::phone_code(self.app, recipient, &code);
        Ok(text.map(|text| (number, text)).map_err(|_| Skip::CodeGone))
    }

    /// The device of a push message, and what it is told.
    async fn device(
        &self,
    ) -> Result<Result<(device::Model, &entity::notification::Model), Skip>, JobError> {
        let Some(row) = &self.found.notification else {
            return Ok(Err(Skip::DeviceGone));
        };
        if let Some(skip) = self.stale(row.kind) {
            return Ok(Err(skip));
        }
        let Ok(id) = Uuid::parse_str(&self.found.delivery.target) else {
            return Ok(Err(Skip::DeviceGone));
        };
        let device = self
            .app
            .db
            .read(|db| async move { address::find_device(&db, DeviceId(id)).await })
            .await?;
        // Somebody else may have it by now.
        let device = device.filter(|it| it.user_id == row.user_id && it.invalid_at.is_none());
        Ok(device.map(|device| (device, row)).ok_or(Skip::DeviceGone))
    }

    fn stale(&self, kind: Type) -> Option<Skip> {
        if self.found.recipient().is_none() {
            return Some(Skip::AccountInactive);
        }
        self.found.unwanted(kind, false)
    }

    /// Tries to send, when the vendor deals with us and it is this one's turn.
    async fn send_to(
        self,
        (breaker, pace): (&Breaker, &Pace),
        driver: &'static str,
        gone: Gone<'_>,
        send: impl Future<Output = Sending> + Send,
    ) -> Result<Outcome, JobError> {
        let pass = match breaker.admit(self.started_at) {
            Ok(pass) => pass,
            Err(held) => return self.hold(held.wait, &held.reason).await,
        };
        if let Err(wait) = pace.turn(self.claimed.id().0, self.started_at) {
            return Ok(postponed(wait, "so many a minute"));
        }
        self.note_sending().await?;
        let settings = &self.app.settings;
        let most = settings
            .push
            .timeout_seconds
            .max(settings.outbound.timeout_seconds);
        if self.claimed.remaining() < Duration::from_secs(most) {
            let reason = "the lease was too short for a send";
            return Ok(postponed(Duration::from_secs(1), reason));
        }
        match send.await {
            Sending::Sent { detail, id } => {
                pass.works();
                self.sent(driver, id, detail).await
            }
            Sending::Skipped { reason } => self.skip(&reason).await,
            Sending::Rejected { reason } => {
                pass.works();
                self.end(End::failed(&reason).by(&reason)).await
            }
            Sending::NoRecipient { reason } => {
                pass.works();
                let end = End::failed(&reason).by(&reason);
                self.end(match gone {
                    Gone::Number(number) => End {
                        suppress: Some(number),
                        ..end
                    },
                    Gone::Device(device) => End {
                        invalid: Some(device),
                        ..end
                    },
                })
                .await
            }
            Sending::Retry { after, reason } => self.retry_soon(after, reason).await,
            Sending::Refused { reason } => {
                let wait = pass.refused(self.app.db.clock().now(), &reason);
                self.hold(wait, &reason).await
            }
        }
    }

    async fn retry_soon(
        self,
        after: Option<Duration>,
        reason: String,
    ) -> Result<Outcome, JobError> {
        if self.claimed.is_last_attempt() {
            let tries = self.claimed.job.attempt;
            let given_up = format!("given up after {tries} tries: {reason}");
            return self.end(End::failed(&given_up).by(&reason)).await;
        }
        self.note_retry(&reason).await?;
        let pause = pause_after(self.claimed.job.attempt, rand::random_range(0..=2 * JITTER));
        let asked = after.unwrap_or_default().min(LONGEST_PAUSE);
        Ok(Outcome::RetryIn {
            after: pause.max(asked),
            error: reason,
        })
    }
}

/// The pause after this try: 30 s, 2 min, 8 min, 32 min, by `luck` (0 to 40) up to a fifth shorter or
/// longer.
fn pause_after(attempt: i32, luck: u32) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(5);
    let pause = FIRST_PAUSE * 4_u32.pow(doublings);
    pause * (100 - JITTER + luck) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_four_times_as_long() {
        let seconds = |attempt, luck| pause_after(attempt, luck).as_secs();
        assert_eq!([1, 2, 3, 4].map(|n| seconds(n, 20)), [30, 120, 480, 1_920]);
        assert_eq!((seconds(1, 0), seconds(1, 40)), (24, 36));
    }
}
