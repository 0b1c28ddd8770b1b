//! The Apple Push Notification service: one HTTP/2 request a message, signed for with a token of our own.
//!
//! | answer | outcome |
//! |---|---|
//! | 410 Unregistered, ExpiredToken; 400 BadDeviceToken, DeviceTokenNotForTopic | no recipient |
//! | 403 ExpiredProviderToken, at first | once more with a new provider token |
//! | 403 else; 404, 405; 400 about the topic | refused: key, team, topic, endpoint |
//! | 413, at first | once more, shorter |
//! | 408, 429, 5xx, 3xx; 400 IdleTimeout | retried |
//! | any other | rejected |
//!
//! Source: "Sending notification requests to APNs", "Handling notification responses from APNs" and "Establishing a
//! token-based connection to APNs" in Apple's documentation.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Version};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::{Builder, Uuid};

use super::is_passing;
use super::payload::{self, Fitted};
use super::{PushError, PushMessage, read_key};
use crate::delivery::Outcome;
use crate::delivery::vendor::{ask, later, word};
use crate::outbound::Answer;
use crate::settings::ApnsSettings;

const PRODUCTION: &str = "https://api.push.apple.com";
const SANDBOX: &str = "https://api.sandbox.push.apple.com";
const WHOM: &str = "APNS";

/// A provider token is renewed at this age; an older one than an hour is refused.
const RENEWAL: TimeDelta = TimeDelta::minutes(40);
/// No provider token is renewed before it is so old: Apple refuses who does it more often.
const SOONEST_RENEWAL: TimeDelta = TimeDelta::minutes(20);
/// The longest `apns-collapse-id`, in bytes.
const LONGEST_COLLAPSE_ID: usize = 64;
/// What is sent where 4096 bytes were too many after all.
const SHORTER: usize = 2048;
/// The longest token of a device that is tried. Apple's have 64 digits and may get longer.
const LONGEST_TOKEN: usize = 200;

/// The Apple Push Notification service for one app.
pub(super) struct Apns {
    client: reqwest::Client,
    endpoint: Url,
    topic: String,
    team: String,
    header: Header,
    key: EncodingKey,
    token: Mutex<Option<Token>>,
}

/// A provider token.
#[derive(Clone)]
struct Token {
    value: SecretString,
    made_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
}

#[derive(Deserialize)]
struct Refused {
    reason: String,
}

impl Apns {
    pub(super) fn new(settings: &ApnsSettings, client: reqwest::Client) -> Result<Self, PushError> {
        const SETTING: &str = "push.apns.key_file";
        let of = |setting, value: &Option<String>| value.clone().ok_or(PushError::Setting(setting));
        let path = settings.key_file.as_ref();
        let path = path.ok_or(PushError::Setting(SETTING))?;
        let pem = read_key(SETTING, path)?;
        let wrong = || PushError::Key {
            setting: SETTING,
            path: path.clone(),
            what: "holds no P-256 key in PEM (PKCS #8)",
        };
        let key = EncodingKey::from_ec_pem(&pem).map_err(|_| wrong())?;
        let usual = if settings.sandbox {
            SANDBOX
        } else {
            PRODUCTION
        };
        let endpoint = match &settings.endpoint {
            Some(url) => url.clone(),
            None => Url::parse(usual).map_err(|_| PushError::Setting("push.apns.endpoint"))?,
        };
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(of("push.apns.key_id", &settings.key_id)?);
        let apns = Self {
            client,
            endpoint,
            topic: of("push.apns.topic", &settings.topic)?,
            team: of("push.apns.team_id", &settings.team_id)?,
            header,
            key,
            token: Mutex::new(None),
        };
        // A key that cannot sign is better found at start than with the first message.
        match apns.make(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(apns),
            None => Err(wrong()),
        }
    }

    /// The app and the host.
    pub(super) fn place(&self) -> String {
        let host = self.endpoint.host_str().unwrap_or_default();
        format!("{} at {host}", self.topic)
    }

    pub(super) async fn send(&self, message: &PushMessage, now: DateTime<Utc>) -> Outcome {
        let is_token = |token: &str| {
            (1..=LONGEST_TOKEN).contains(&token.len())
                && token.bytes().all(|b| b.is_ascii_hexdigit())
        };
        // It becomes a part of the URL.
        if !is_token(&message.token) {
            return Outcome::NoRecipient {
                reason: "not a device token of APNS".to_owned(),
            };
        }
        self.attempt(message, now).await.unwrap_or_else(|no| no)
    }

    /// The outcome, either way: an `Err` has come too early to have an answer of APNS.
    async fn attempt(&self, message: &PushMessage, now: DateTime<Utc>) -> Result<Outcome, Outcome> {
        let id = apns_id(message);
        let (body, mut without_data) = body(message, payload::MOST);
        let mut token = self.token(now)?;
        let mut answer = self.post(message, id, &token, body.clone()).await?;
        if reason(&answer) == "ExpiredProviderToken" {
            token = self.renewed(&token, now)?;
            answer = self.post(message, id, &token, body).await?;
        }
        if answer.status == StatusCode::PAYLOAD_TOO_LARGE {
            let (body, without) = self::body(message, SHORTER);
            without_data = without;
            answer = self.post(message, id, &token, body).await?;
        }
        Ok(outcome(&answer, id, without_data, now))
    }

    async fn post(
        &self,
        message: &PushMessage,
        id: Uuid,
        token: &Token,
        body: Vec<u8>,
    ) -> Result<Answer, Outcome> {
        let mut url = self.endpoint.clone();
        url.set_path(&format!("/3/device/{}", message.token));
        let mut request = self
            .client
            .post(url)
            // Apple speaks nothing else; whatever does is not Apple.
            .version(Version::HTTP_2)
            .bearer_auth(token.value.expose_secret())
            .header(CONTENT_TYPE, "application/json")
            .header("apns-topic", &self.topic)
            .header("apns-push-type", "alert")
            .header("apns-priority", if message.critical { "10" } else { "5" })
            .header("apns-id", id.to_string())
            .body(body);
        if let Some(end) = message.expires_at {
            request = request.header("apns-expiration", end.timestamp());
        }
        if let Some(key) = &message.collapse_key {
            request = request.header("apns-collapse-id", collapse_id(key));
        }
        ask(WHOM, request.send()).await
    }

    /// The provider token, a new one when the last is old.
    fn token(&self, now: DateTime<Utc>) -> Result<Token, Outcome> {
        self.newer(now, |token| {
            (TimeDelta::zero()..RENEWAL).contains(&(now - token.made_at))
        })
    }

    /// Another token than the one that has expired in Apple's eyes. One that is young by our clock is as young in the
    /// next token, so a new one would be refused again, and too many new ones are an offence.
    fn renewed(&self, expired: &Token, now: DateTime<Utc>) -> Result<Token, Outcome> {
        let token = self.newer(now, |token| {
            (TimeDelta::zero()..SOONEST_RENEWAL).contains(&(now - token.made_at))
        })?;
        if token.made_at == expired.made_at {
            return Err(Outcome::Refused {
                reason: "APNS answered 403: ExpiredProviderToken for a new one; is this machine's clock right?"
                    .to_owned(),
            });
        }
        Ok(token)
    }

    /// The token if it is good, or a new one.
    fn newer(&self, now: DateTime<Utc>, good: impl Fn(&Token) -> bool) -> Result<Token, Outcome> {
        // Nobody panics while holding the lock.
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = token.as_ref().filter(|token| good(token)) {
            return Ok(token.clone());
        }
        let value = self.make(now).ok_or_else(|| Outcome::Refused {
            reason: "the key for APNS cannot sign".to_owned(),
        })?;
        let new = Token {
            value: value.into(),
            made_at: now,
        };
        Ok(token.insert(new).clone())
    }

    fn make(&self, now: DateTime<Utc>) -> Option<String> {
        let claims = Claims {
            iss: &self.team,
            iat: now.timestamp(),
        };
        encode(&self.header, &claims, &self.key).ok()
    }
}

/// The same for every try of a message to a device, and for nothing else (RFC 9562 section 5.8).
fn apns_id(message: &PushMessage) -> Uuid {
    let hash = Sha256::new()
        .chain_update(&message.id)
        .chain_update([0])
        .chain_update(&message.token)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// The key, or its hash in 64 digits where it cannot be a header or is too long: two keys must not become one.
fn collapse_id(key: &str) -> String {
    let is_plain = key.bytes().all(|b| b.is_ascii_graphic());
    if is_plain && (1..=LONGEST_COLLAPSE_ID).contains(&key.len()) {
        return key.to_owned();
    }
    let hash = Sha256::digest(key);
    hash.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The request's body in at most `most` bytes, and whether the data had to be left out.
fn body(message: &PushMessage, most: usize) -> (Vec<u8>, bool) {
    let empty = BTreeMap::new();
    let json = |title: &str, body: &str, with_data: bool| {
        let data = if with_data { &message.data } else { &empty };
        let mut all: serde_json::Map<String, Value> = data
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        // After the data: this name is Apple's.
        let aps = json!({ "alert": { "title": title, "body": body }, "sound": "default" });
        all.insert("aps".to_owned(), aps);
        Value::Object(all).to_string().into_bytes()
    };
    let size = |with_data| json("", "", with_data).len();
    let Fitted {
        title,
        body,
        without_data,
    } = payload::fit(&message.title, &message.body, most, size);
    (json(&title, &body, !without_data), without_data)
}

/// Apple's word for what is wrong; empty when there is none.
fn reason(answer: &Answer) -> String {
    let said: Option<Refused> = serde_json::from_slice(&answer.body).ok();
    let said = said.map(|said| said.reason);
    word(said.as_deref()).unwrap_or_default().to_owned()
}

fn outcome(answer: &Answer, id: Uuid, without_data: bool, now: DateTime<Utc>) -> Outcome {
    if answer.status.is_success() {
        let said = answer.headers.get("apns-id");
        let said = said.and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok());
        return Outcome::Sent {
            detail: without_data.then(|| "without its data, which was too large".to_owned()),
            id: Some(said.unwrap_or(id).to_string()),
        };
    }
    let word = reason(answer);
    let number = answer.status.as_u16();
    let shown = if word.is_empty() { "no reason" } else { &word };
    let reason = format!("APNS answered {number}: {shown}");
    match (number, word.as_str()) {
        (410, "Unregistered" | "ExpiredToken")
        | (400, "BadDeviceToken" | "DeviceTokenNotForTopic") => Outcome::NoRecipient { reason },
        (403..=405, _) | (400, "BadTopic" | "MissingTopic" | "TopicDisallowed") => {
            Outcome::Refused { reason }
        }
        (400, "IdleTimeout") => later(answer, now, reason),
        _ if is_passing(answer.status) => later(answer, now, reason),
        _ => Outcome::Rejected { reason },
    }
}
