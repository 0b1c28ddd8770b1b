//! Messages to phones: one message, and for each platform a way for it to leave.
//!
//! `fcm` speaks to Firebase Cloud Messaging (`google` has its sign-in), `apns` to the Apple Push Notification service.
//! `payload` cuts texts to what a vendor takes. Which way is taken is a setting, decided at
//! start, for each platform by itself.

mod apns;
mod fcm;
mod google;
mod payload;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Outcome;
use super::log::LogFolder;
use super::vendor::{Verdict, by_status};
use crate::settings::{EffectivePush, PushSettings, PushWay};
use apns::Apns;
use fcm::Fcm;

/// Whose service reaches a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Firebase Cloud Messaging.
    Fcm,
    /// The Apple Push Notification service.
    Apns,
}

impl Platform {
    /// Its name, as in settings and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fcm => "fcm",
            Self::Apns => "apns",
        }
    }
}

/// One message to one device. The same message makes the same request, so that a retry is seen as one with the first try.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushMessage {
    /// What makes the message itself. A retry carries the same.
    pub id: String,
    /// Whose service reaches the device.
    pub platform: Platform,
    /// The device, as the app got it from that service.
    pub token: String,
    /// The first line.
    pub title: String,
    /// The text. It is shortened when the message is larger than the service takes.
    pub body: String,
    /// What the app is given with it, not shown. Names that a service keeps for itself (`from`, `google.…`) have it refused.
    pub data: BTreeMap<String, String>,
    /// A message takes the place of an earlier one with the same key.
    pub collapse_key: Option<String>,
    /// Whether it must arrive at once, whatever that costs the battery.
    pub critical: bool,
    /// From then on it is not worth showing, and is not sent. None: the service keeps it as long as it likes, some weeks.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Shows the id and the platform only: the rest is somebody's device and somebody's words.
impl fmt::Debug for PushMessage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PushMessage")
            .field("id", &self.id)
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

/// The ways push messages leave this process.
pub struct PushTransport {
    fcm: Way,
    apns: Way,
    timeout: Duration,
}

enum Way {
    Fcm(Box<Fcm>),
    Apns(Box<Apns>),
    Log(Box<LogFolder>),
    None,
}

impl Way {
    fn without_vendor(way: PushWay, folder: &Path) -> Self {
        match way {
            PushWay::Log => Self::Log(Box::new(LogFolder::new(folder.to_owned()))),
            PushWay::Vendor | PushWay::None => Self::None,
        }
    }
}

/// Why push messages cannot be set up. Each text begins with the setting it is about; none holds a key.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// A file with a key cannot be read.
    #[error("{setting}: {} cannot be read", .path.display())]
    File {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds something else than the vendor's key.
    #[error("{setting}: {} {what}", .path.display())]
    Key {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A vendor is to be used, and this is missing or useless.
    #[error("{0}: is missing or not valid")]
    Setting(&'static str),
}

impl PushTransport {
    /// Sets the ways up, without connecting anywhere. Reads the files with keys; relative paths start at the current
    /// folder. The client should follow no redirects.
    ///
    /// # Errors
    /// [`PushError`] names the setting that cannot be used.
    pub fn new(
        settings: &PushSettings,
        ways: EffectivePush,
        folder: &Path,
        client: reqwest::Client,
    ) -> Result<Self, PushError> {
        let fcm = match ways.fcm {
            PushWay::Vendor => Way::Fcm(Box::new(Fcm::new(&settings.fcm, client.clone())?)),
            way => Way::without_vendor(way, folder),
        };
        let apns = match ways.apns {
            PushWay::Vendor => Way::Apns(Box::new(Apns::new(&settings.apns, client)?)),
            way => Way::without_vendor(way, folder),
        };
        let timeout = Duration::from_secs(settings.timeout_seconds);
        Ok(Self { fcm, apns, timeout })
    }

    /// Tries once to send the message; once more only where the service asks for a new proof of who we are. Ends after
    /// `push.timeout_seconds` at the latest.
    ///
    /// When it is dropped before it ends, the message may or may not have been sent.
    pub async fn send(&self, message: &PushMessage, now: DateTime<Utc>) -> Outcome {
        if message.expires_at.is_some_and(|end| end <= now) {
            return Outcome::Skipped {
                reason: "expired".to_owned(),
            };
        }
        let way = self.way(message.platform);
        let sent = async {
            match way {
                Way::Fcm(fcm) => fcm.send(message, now).await,
                Way::Apns(apns) => apns.send(message, now).await,
                Way::Log(folder) => folder.write_push(message, now).await,
                Way::None => Outcome::Skipped {
                    reason: "push_off".to_owned(),
                },
            }
        };
        timeout(self.timeout, sent)
            .await
            .unwrap_or_else(|_| Outcome::Retry {
                after: None,
                reason: format!("no answer within {} s", self.timeout.as_secs()),
            })
    }

    fn way(&self, platform: Platform) -> &Way {
        match platform {
            Platform::Fcm => &self.fcm,
            Platform::Apns => &self.apns,
        }
    }

    /// Whether any push messages leave.
    pub fn sends(&self) -> bool {
        let ways = [&self.fcm, &self.apns];
        ways.into_iter().any(|way| !matches!(way, Way::None))
    }

    /// Who takes the messages to a platform: `fcm`, `apns`, `log`.
    pub fn driver(&self, platform: Platform) -> &'static str {
        match self.way(platform) {
            Way::Fcm(_) => "fcm",
            Way::Apns(_) => "apns",
            Way::Log(_) => "log",
            Way::None => "none",
        }
    }

    /// The ways in words, for the lines at start: `FCM for my-project, APNS for org.example.tasks`, `none`.
    pub fn describe(&self) -> String {
        let ways = [&self.fcm, &self.apns].map(|way| match way {
            Way::Fcm(fcm) => Some(format!("FCM for {}", fcm.project())),
            Way::Apns(apns) => Some(format!("APNS for {}", apns.place())),
            Way::Log(folder) => Some(format!("files in {}", folder.path().display())),
            Way::None => None,
        });
        let ways: Vec<String> = ways.into_iter().flatten().collect();
        if ways.is_empty() {
            return "none".to_owned();
        }
        ways.join(", ")
    }
}

/// Shows what [`PushTransport::describe`] says, so that no key can get into a log.
impl fmt::Debug for PushTransport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("PushTransport")
            .field(&self.describe())
            .finish()
    }
}

/// Reads a file that holds a key.
fn read_key(setting: &'static str, path: &Path) -> Result<Vec<u8>, PushError> {
    std::fs::read(path).map_err(|source| PushError::File {
        setting,
        path: path.to_owned(),
        source,
    })
}

/// Whether a service, or something on the way to it, fails for now.
fn is_passing(status: StatusCode) -> bool {
    status.is_redirection() || by_status(status) == Verdict::Later
}
