//! Firebase Cloud Messaging, its HTTP v1 API.
//!
//! | answer | outcome |
//! |---|---|
//! | 404 UNREGISTERED, 403 SENDER_ID_MISMATCH, 400 INVALID_ARGUMENT about the token | no recipient |
//! | 401, at first | once more with a new access token |
//! | 401, 403 and 404 else | refused: account, project, endpoint |
//! | 408, 429, 5xx, 3xx, 200 without the message's name | retried |
//! | any other | rejected |
//!
//! A device that counts as gone is never written to again, so a 400 must say that it is about the token: the same code
//! stands for a message that is too big and for a name of data that is reserved.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::google::{self, Account};
use super::is_passing;
use super::payload::{self, Fitted};
use super::{PushError, PushMessage, read_key};
use crate::delivery::Outcome;
use crate::delivery::vendor::{ask, later, word};
use crate::outbound::{Answer, BodyEnd, retry_after};
use crate::settings::FcmSettings;

/// The service. Source: "REST Resource: projects.messages".
const ENDPOINT: &str = "https://fcm.googleapis.com";
const WHOM: &str = "FCM";
/// The longest a message is kept for a device that is away, in seconds: four weeks.
const LONGEST_TTL: i64 = 2_419_200;
/// The pause after a 429 that names none. Source: "FCM error codes", QUOTA_EXCEEDED.
const QUOTA_PAUSE: Duration = Duration::from_mins(1);

/// Firebase Cloud Messaging for one project.
pub(super) struct Fcm {
    client: reqwest::Client,
    account: Account,
    url: Url,
}

#[derive(Serialize)]
struct Request<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    #[serde(flatten)]
    payload: Payload<'a>,
}

/// What counts as the size of a message.
#[derive(Serialize)]
struct Payload<'a> {
    notification: Notification<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a BTreeMap<String, String>>,
    android: Android<'a>,
}

#[derive(Serialize)]
struct Notification<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Android<'a> {
    priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<AndroidNotification<'a>>,
}

#[derive(Serialize)]
struct AndroidNotification<'a> {
    tag: &'a str,
}

#[derive(Deserialize)]
struct Taken {
    name: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Fault,
}

/// Google's model of errors, as far as it decides anything.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    status: String,
    message: String,
    details: Vec<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    error_code: Option<String>,
    field_violations: Vec<Violation>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Violation {
    field: String,
}

impl Fcm {
    pub(super) fn new(settings: &FcmSettings, client: reqwest::Client) -> Result<Self, PushError> {
        let path = settings.service_account_file.as_ref();
        let path = path.ok_or(PushError::Setting(google::SETTING))?;
        let json = read_key(google::SETTING, path)?;
        let account = Account::new(path, &json, client.clone())?;
        let endpoint = settings.endpoint.as_ref().map_or(ENDPOINT, Url::as_str);
        let url = format!(
            "{}/v1/projects/{}/messages:send",
            endpoint.trim_end_matches('/'),
            account.project()
        );
        let url = Url::parse(&url).map_err(|_| PushError::Setting("push.fcm.endpoint"))?;
        Ok(Self {
            client,
            account,
            url,
        })
    }

    /// The project messages are sent for.
    pub(super) fn project(&self) -> &str {
        self.account.project()
    }

    pub(super) async fn send(&self, message: &PushMessage, now: DateTime<Utc>) -> Outcome {
        self.attempt(message, now).await.unwrap_or_else(|no| no)
    }

    /// The outcome, either way: an `Err` has come too early to have an answer of FCM.
    async fn attempt(&self, message: &PushMessage, now: DateTime<Utc>) -> Result<Outcome, Outcome> {
        let (body, without_data) = body(message, now).ok_or_else(|| Outcome::Rejected {
            reason: "the message cannot be written".to_owned(),
        })?;
        let token = self.account.token(None, now).await?;
        let mut answer = self.post(&token, body.clone()).await?;
        if answer.status == StatusCode::UNAUTHORIZED && !is_about_another_key(&answer) {
            let token = self.account.token(Some(&token), now).await?;
            answer = self.post(&token, body).await?;
        }
        Ok(outcome(&answer, without_data, now))
    }

    async fn post(&self, token: &SecretString, body: Vec<u8>) -> Result<Answer, Outcome> {
        let request = self
            .client
            .post(self.url.clone())
            .bearer_auth(token.expose_secret())
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        ask(WHOM, request.send()).await
    }
}

/// The request's body, and whether the data had to be left out.
fn body(message: &PushMessage, now: DateTime<Utc>) -> Option<(Vec<u8>, bool)> {
    let ttl = message.expires_at.map(|end| {
        let left = (end - now).num_seconds().clamp(0, LONGEST_TTL);
        format!("{left}s")
    });
    let key = message.collapse_key.as_deref();
    let payload = |title, body, with_data: bool| Payload {
        notification: Notification { title, body },
        data: (with_data && !message.data.is_empty()).then_some(&message.data),
        android: Android {
            priority: if message.critical { "HIGH" } else { "NORMAL" },
            ttl: ttl.clone(),
            collapse_key: key,
            notification: key.map(|tag| AndroidNotification { tag }),
        },
    };
    let size = |with_data| {
        serde_json::to_vec(&payload("", "", with_data)).map_or(usize::MAX, |json| json.len())
    };
    let Fitted {
        title,
        body,
        without_data,
    } = payload::fit(&message.title, &message.body, payload::MOST, size);
    let request = Request {
        message: Message {
            token: &message.token,
            payload: payload(&title, &body, !without_data),
        },
    };
    Some((serde_json::to_vec(&request).ok()?, without_data))
}

/// FCM also answers 401 when the key it has of ours for another service is bad: our access token is good then.
fn is_about_another_key(answer: &Answer) -> bool {
    fault(answer).code() == Some("THIRD_PARTY_AUTH_ERROR")
}

fn fault(answer: &Answer) -> Fault {
    serde_json::from_slice(&answer.body).map_or_else(|_| Fault::default(), |it: Refused| it.error)
}

impl Fault {
    /// The code of FCM itself.
    fn code(&self) -> Option<&str> {
        self.details
            .iter()
            .find_map(|detail| word(detail.error_code.as_deref()))
    }

    /// Whether it is the token that is not valid.
    fn is_about_token(&self) -> bool {
        let mut violations = self
            .details
            .iter()
            .flat_map(|detail| &detail.field_violations)
            .peekable();
        if violations.peek().is_none() {
            let says_so = self
                .message
                .to_ascii_lowercase()
                .contains("registration token");
            return self.code() == Some("INVALID_ARGUMENT") && says_so;
        }
        violations.any(|violation| violation.field == "message.token")
    }
}

fn outcome(answer: &Answer, without_data: bool, now: DateTime<Utc>) -> Outcome {
    if answer.status.is_success() {
        let taken: Option<Taken> = serde_json::from_slice(&answer.body).ok();
        // What broke off after the status was sent all the same; what is whole and says no name is not of FCM.
        if taken.is_none() && answer.end != BodyEnd::Broken {
            return later(answer, now, "FCM gave an answer without a name".to_owned());
        }
        let name = taken.map(|taken| taken.name);
        return Outcome::Sent {
            detail: without_data.then(|| "without its data, which was too large".to_owned()),
            id: name.filter(|name| name.len() <= 256),
        };
    }
    let fault = fault(answer);
    let code = fault.code().or(word(Some(&fault.status)));
    let number = answer.status.as_u16();
    let reason = format!("FCM answered {number}: {}", code.unwrap_or("no reason"));
    match (number, fault.code()) {
        (404, Some("UNREGISTERED")) | (403, Some("SENDER_ID_MISMATCH")) => {
            Outcome::NoRecipient { reason }
        }
        (400, _) if fault.is_about_token() => Outcome::NoRecipient { reason },
        (401 | 403 | 404, _) => Outcome::Refused { reason },
        (429, _) => Outcome::Retry {
            after: Some(retry_after(&answer.headers, now).unwrap_or(QUOTA_PAUSE)),
            reason,
        },
        _ if is_passing(answer.status) => later(answer, now, reason),
        _ => Outcome::Rejected { reason },
    }
}
