//! Webhooks to addresses that users give, as Standard Webhooks 1.0 has them (<https://www.standardwebhooks.com>): who
//! gets one can tell that it is from us, unchanged, new, and whether it came before.

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::crypto::{mac, random_bytes};
use crate::outbound::{Answer, Failure, Outbound, retry_after};

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret has.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How much of an answer is kept, in bytes.
const MAX_ANSWER: usize = 20_000;

/// The headers that are ours, that belong to HTTP itself, or that say where a call comes from.
const RESERVED: [&str; 18] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-real-ip",
];

/// The beginnings of more of them.
const RESERVED_BEGINNINGS: [&str; 3] = ["webhook-", "proxy-", "x-forwarded-"];

/// One call to one address.
#[derive(Clone)]
pub struct WebhookMessage {
    /// The same for every try, `msg_…`: who gets it twice can tell.
    pub id: String,
    /// Where to.
    pub url: Url,
    /// What it is signed with, each `whsec_…`: the newest first, then those that still hold after a change.
    pub secrets: Vec<SecretString>,
    /// Headers that the owner of the address wants.
    pub headers: Vec<(String, String)>,
    /// The payload, JSON. It is signed and sent byte for byte.
    pub body: String,
    /// When this try is made.
    pub timestamp: DateTime<Utc>,
}

/// Shows the id only: the address may hold a key, and so may the headers.
impl fmt::Debug for WebhookMessage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WebhookMessage")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// The status, if there was an answer. 2xx means taken; a redirect is not followed.
    pub status: Option<u16>,
    /// The answer as text, at most 20,000 bytes of it.
    pub body: String,
    /// How long the other side wants to be left alone, at most a day.
    pub retry_after: Option<Duration>,
    /// Why there was no answer.
    pub error: Option<WebhookError>,
    /// How long it took.
    pub took: Duration,
}

/// Why there was no answer. Its text holds nothing of the address and no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// There is no secret, or one that is not as [`new_secret`] makes them.
    #[error("a secret cannot be used")]
    Secret,
    /// A header is reserved or not valid.
    #[error("a header cannot be sent")]
    Header,
    /// The call failed.
    #[error(transparent)]
    Call(#[from] Failure),
}

/// Why a header of a user is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefused {
    /// It is ours, or belongs to HTTP itself.
    #[error("the header is reserved")]
    Reserved,
    /// Its name is not one (RFC 9110 section 5.1).
    #[error("the name of the header is not valid")]
    Name,
    /// Its value holds what no header can.
    #[error("the value of the header is not valid")]
    Value,
}

/// Makes a secret of 256 bits.
pub fn new_secret() -> SecretString {
    format!("{PREFIX}{}", STANDARD.encode(random_bytes::<32>())).into()
}

/// Checks a header that a user wants sent.
///
/// # Errors
/// [`HeaderRefused`], why it is not taken.
pub fn check_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderRefused> {
    let name: HeaderName = name.parse().map_err(|_| HeaderRefused::Name)?;
    let is_reserved = RESERVED.contains(&name.as_str())
        || (RESERVED_BEGINNINGS.iter()).any(|beginning| name.as_str().starts_with(beginning));
    if is_reserved {
        return Err(HeaderRefused::Reserved);
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(HeaderRefused::Value);
    }
    let mut value: HeaderValue = value.parse().map_err(|_| HeaderRefused::Value)?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Calls once. Ends after `outbound.timeout_seconds` at the latest.
pub async fn send(outbound: &Outbound, message: &WebhookMessage) -> WebhookAnswer {
    let begun = Instant::now();
    let called = match request(message) {
        Ok(request) => outbound.send_guarded(request).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    let took = begun.elapsed();
    match called {
        Ok(answer) => WebhookAnswer {
            status: Some(answer.status.as_u16()),
            body: text(&answer),
            retry_after: retry_after(&answer.headers, message.timestamp),
            error: None,
            took,
        },
        Err(error) => WebhookAnswer {
            status: None,
            body: String::new(),
            retry_after: None,
            error: Some(error),
            took,
        },
    }
}

fn request(message: &WebhookMessage) -> Result<Request, WebhookError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let (name, value) = check_header(name, value).map_err(|_| WebhookError::Header)?;
        headers.append(name, value);
    }
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| WebhookError::Header);
    let seconds = message.timestamp.timestamp().to_string();
    headers.insert("webhook-id", value(&message.id)?);
    headers.insert("webhook-timestamp", value(&seconds)?);
    headers.insert("webhook-signature", value(&signatures(message)?)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut request = Request::new(Method::POST, message.url.clone());
    *request.headers_mut() = headers;
    *request.body_mut() = Some(message.body.clone().into());
    Ok(request)
}

/// One signature for each secret: who has any of them can check.
fn signatures(message: &WebhookMessage) -> Result<String, WebhookError> {
    let signed = format!(
        "{}.{}.{}",
        message.id,
        message.timestamp.timestamp(),
        message.body
    );
    let mut signatures = Vec::new();
    for secret in &message.secrets {
        let key = key(secret).ok_or(WebhookError::Secret)?;
        let tag = STANDARD.encode(mac(&key, signed.as_bytes()));
        signatures.push(format!("v1,{tag}"));
    }
    if signatures.is_empty() {
        return Err(WebhookError::Secret);
    }
    Ok(signatures.join(" "))
}

/// The bytes of a secret.
fn key(secret: &SecretString) -> Option<Vec<u8>> {
    let text = secret.expose_secret().strip_prefix(PREFIX)?;
    let key = STANDARD.decode(text).ok()?;
    KEY_BYTES.contains(&key.len()).then_some(key)
}

/// The answer as text that can be stored: PostgreSQL takes no zero.
fn text(answer: &Answer) -> String {
    let mut text = String::from_utf8_lossy(&answer.body).replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(MAX_ANSWER));
    text
}

#[cfg(test)]
mod tests;
