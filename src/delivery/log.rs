//! SMS and push messages that become files, for the page `/mailbox`: the way they leave where no vendor is set up. For
//! development, demonstrations and tests.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Outcome;
use super::folder::Folder;
use super::push::PushMessage;
use super::sms::SmsMessage;
use crate::crypto::hex;

/// The end of the name of an SMS.
pub const SMS: &str = ".sms.json";

/// The end of the name of a push message.
pub const PUSH: &str = ".push.json";

/// The longest id that is the name of a file, in bytes.
const MAX_ID: usize = 100;

/// What is in the file of an SMS.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedSms {
    /// When.
    pub at: DateTime<Utc>,
    /// The number of the phone.
    pub to: String,
    /// The text.
    pub text: String,
}

/// What is in the file of a push message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedPush {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose service it is for: `fcm`, `apns`.
    pub platform: String,
    /// The device, as that service knows it.
    pub token: String,
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// What the app gets with it.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
}

/// Shows the time only: the rest is somebody's number and perhaps a code.
impl fmt::Debug for LoggedSms {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LoggedSms")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Shows the time only: the rest is somebody's device.
impl fmt::Debug for LoggedPush {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LoggedPush")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// A folder that SMS and push messages are written to: that of the mailbox.
pub struct LogFolder(Folder);

impl LogFolder {
    /// Does not touch the folder yet.
    pub fn new(path: PathBuf) -> Self {
        Self(Folder::new(path))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// What is wrong, in words fit for a log line.
    pub async fn check(&self) -> Result<(), String> {
        self.0.check().await
    }

    /// Writes an SMS. The same id makes the same file: a repeated message overwrites it. Sent, with the name of the
    /// file, when it is written.
    pub async fn write_sms(&self, message: &SmsMessage, at: DateTime<Utc>) -> Outcome {
        let sms = LoggedSms {
            at,
            to: message.to.clone(),
            text: message.text.clone(),
        };
        self.write(format!("{}{SMS}", stem(&message.id)), &sms)
            .await
    }

    /// Writes a push message, in the same way.
    pub async fn write_push(&self, message: &PushMessage, at: DateTime<Utc>) -> Outcome {
        let push = LoggedPush {
            at,
            platform: message.platform.name().to_owned(),
            token: message.token.clone(),
            title: message.title.clone(),
            body: message.body.clone(),
            data: message.data.clone(),
        };
        self.write(format!("{}{PUSH}", stem(&message.id)), &push)
            .await
    }

    async fn write(&self, name: String, message: &impl Serialize) -> Outcome {
        match serde_json::to_vec_pretty(message) {
            Ok(bytes) => self.0.write(name, bytes).await,
            // A time beyond the year 9999, at most.
            Err(_) => Outcome::Rejected {
                reason: "the message cannot be written as JSON".to_owned(),
            },
        }
    }
}

/// The name of a file without its end: the id, or what stands for one that is no plain name.
fn stem(id: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=MAX_ID).contains(&id.len()) && id.bytes().all(is_plain) {
        id.to_owned()
    } else {
        hex(&Sha256::digest(id)[..16])
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::delivery::push::Platform;

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_795_311_901_123_456).unwrap()
    }

    fn sms(id: &str, text: &str) -> SmsMessage {
        SmsMessage {
            id: id.to_owned(),
            to: "+4915112345678".to_owned(),
            text: text.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_repeated_message_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogFolder::new(folder.path().join("mailbox"));
        assert_eq!(log.check().await, Ok(()));
        let data = BTreeMap::from([("taskId".to_owned(), "task_1".to_owned())]);
        for text in ["first", "again"] {
            let sms = log.write_sms(&sms("a_1-b", text), at()).await;
            let detail = Some("a_1-b.sms.json".to_owned());
            assert_eq!(sms, Outcome::Sent { detail, id: None });
            let message = PushMessage {
                id: "a_1-b".to_owned(),
                platform: Platform::Fcm,
                token: "token".to_owned(),
                title: "Title".to_owned(),
                body: text.to_owned(),
                data: data.clone(),
                collapse_key: None,
                critical: false,
                expires_at: None,
            };
            let detail = Some("a_1-b.push.json".to_owned());
            let push = log.write_push(&message, at()).await;
            assert_eq!(push, Outcome::Sent { detail, id: None });
        }
        assert_eq!(fs::read_dir(log.path()).unwrap().count(), 2);
        let read = |name: &str| fs::read(log.path().join(name)).unwrap();
        let sms: LoggedSms = serde_json::from_slice(&read("a_1-b.sms.json")).unwrap();
        assert_eq!(
            (sms.to.as_str(), sms.text.as_str()),
            ("+4915112345678", "again")
        );
        assert_eq!(sms.at, at());
        let push: LoggedPush = serde_json::from_slice(&read("a_1-b.push.json")).unwrap();
        assert_eq!((push.body.as_str(), push.data), ("again", data));
        assert!(!format!("{sms:?}").contains("+49"));
    }

    #[test]
    fn an_id_leads_nowhere_else() {
        assert_eq!(stem("019aa7c0-0000-7000-8000-000000000001").len(), 36);
        for id in [
            "",
            ".",
            "../x",
            "a/b",
            "a.eml",
            "ä",
            "a\0",
            &"a".repeat(101),
        ] {
            let stem = stem(id);
            assert_eq!(stem.len(), 32, "{id}");
            assert!(stem.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_told_without_the_message() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = LogFolder::new(file.path().to_owned());
        let outcome = log.write_sms(&sms("a", "123456"), at()).await;
        let Outcome::Refused { reason } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(
            !reason.contains("+49") && !reason.contains("123456"),
            "{reason}"
        );
    }
}
