//! Text messages: two vendors that carry them.

mod sns;
#[cfg(test)]
mod tests;
mod twilio;

use std::fmt;
use std::path::Path;

use chrono::{DateTime, Utc};
use url::Url;

use super::Outcome;
use super::log::LogFolder;
use crate::db::Clock;
use crate::outbound::Outbound;
use crate::settings::{EffectiveSms, SmsSettings, is_number};
use sns::Sns;
use twilio::Twilio;

/// One text message to one telephone.
#[derive(Clone, PartialEq, Eq)]
pub struct SmsMessage {
    /// What makes the message itself, for logs. No vendor takes it: a retry may come twice.
    pub id: String,
    /// The number, as E.164 has it: `+15005550006`.
    pub to: String,
    /// The text. Vendors cut it into parts and charge for each.
    pub text: String,
}

/// Shows the id only: the rest is somebody's number and, in a code, somebody's key.
impl fmt::Debug for SmsMessage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SmsMessage")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The way text messages leave this process.
pub struct SmsTransport {
    way: Way,
}

enum Way {
    Twilio(Box<Twilio>),
    Sns(Box<Sns>),
    Log(Box<LogFolder>),
    None,
}

/// Why text messages cannot be set up. Each text begins with the setting it is about; none holds a secret.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {message}")]
pub struct SmsError {
    key: &'static str,
    message: &'static str,
}

impl SmsTransport {
    /// Sets the way up, without connecting anywhere. `callback` is where the vendor tells what became of a message, if it
    /// is told so with each.
    ///
    /// # Errors
    /// [`SmsError`] names the setting that cannot be used.
    pub fn new(
        way: EffectiveSms,
        settings: &SmsSettings,
        folder: &Path,
        outbound: &Outbound,
        clock: Clock,
        callback: Option<&Url>,
    ) -> Result<Self, SmsError> {
        let way = match way {
            EffectiveSms::Twilio => {
                Way::Twilio(Box::new(Twilio::new(settings, outbound, clock, callback)?))
            }
            EffectiveSms::Sns => Way::Sns(Box::new(Sns::new(settings, outbound, clock)?)),
            EffectiveSms::Log => Way::Log(Box::new(LogFolder::new(folder.to_owned()))),
            EffectiveSms::None => Way::None,
        };
        Ok(Self { way })
    }

    /// Tries once to send the message. Ends after `outbound.timeout_seconds` at the latest.
    ///
    /// When it is dropped before it ends, the message may or may not have been sent.
    pub async fn send(&self, message: &SmsMessage, now: DateTime<Utc>) -> Outcome {
        if !is_number(&message.to) {
            let reason = "the recipient's number is not valid".to_owned();
            return Outcome::Skipped { reason };
        }
        match &self.way {
            Way::Twilio(twilio) => twilio.send(message).await,
            Way::Sns(sns) => sns.send(message).await,
            Way::Log(folder) => folder.write_sms(message, now).await,
            Way::None => Outcome::Skipped {
                reason: "sms_off".to_owned(),
            },
        }
    }

    /// Whether any text messages leave.
    pub fn sends(&self) -> bool {
        !matches!(self.way, Way::None)
    }

    /// Who takes the messages: `twilio`, `sns`, `log`.
    pub fn driver(&self) -> &'static str {
        match &self.way {
            Way::Twilio(_) => "twilio",
            Way::Sns(_) => "sns",
            Way::Log(_) => "log",
            Way::None => "none",
        }
    }

    /// The way in words, for the lines at start: `Twilio at api.twilio.com`, `none`.
    pub fn describe(&self) -> String {
        match &self.way {
            Way::Twilio(twilio) => format!("Twilio at {}", twilio.place()),
            Way::Sns(sns) => format!("SNS at {}", sns.place()),
            Way::Log(folder) => format!("files in {}", folder.path().display()),
            Way::None => "none".to_owned(),
        }
    }
}

/// Shows what [`SmsTransport::describe`] says, so that no secret can get into a log.
impl fmt::Debug for SmsTransport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("SmsTransport")
            .field(&self.describe())
            .finish()
    }
}
