//! Twilio SendGrid: `POST /v3/mail/send`.
//!
//! | answer | outcome |
//! |---|---|
//! | 202 | sent; `X-Message-Id` is its name, with which the `sg_message_id` of each event begins |
//! | 400 about a field below `personalizations` that is an address (`…to…email`) | no recipient |
//! | 400 about the field `from` | refused |
//! | any other 400, 413 | rejected |
//! | 401 (no or wrong key, no credits), 403 (sender not verified, key may not send), 404, 405, 406, 415 | refused |
//! | 429, 500, 503 | retried, not before `X-RateLimit-Reset` |
//! | 200 (checked, but not sent: sandbox), other 2xx | retried |

use std::time::Duration;

use lettre::message::Mailbox;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{TransportError, message};
use crate::db::Clock;
use crate::delivery::vendor::{self, Verdict};
use crate::delivery::{EmailMessage, Outcome};
use crate::outbound::{Answer, Outbound};
use crate::settings::MailSettings;

/// Its name in reasons.
const VENDOR: &str = "SendGrid";

/// An account of SendGrid.
pub(super) struct Sendgrid {
    client: Client,
    url: Url,
    authorization: HeaderValue,
    timeout: Duration,
    clock: Clock,
}

/// What SendGrid says of a request it does not take.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<FieldError>,
}

#[derive(Deserialize)]
struct FieldError {
    /// As `personalizations.0.to.0.email`.
    field: Option<String>,
}

impl Sendgrid {
    /// Reads `[mail.sendgrid]`.
    pub(super) fn new(
        settings: &MailSettings,
        outbound: &Outbound,
        clock: Clock,
    ) -> Result<Self, TransportError> {
        let wrong = |key, message| TransportError::Vendor { key, message };
        let key = settings.sendgrid.api_key.as_ref();
        let key = key.ok_or(wrong("mail.sendgrid.api_key", "is not set"))?;
        let value = format!("Bearer {}", key.expose_secret());
        let mut authorization = HeaderValue::from_str(&value)
            .map_err(|_| wrong("mail.sendgrid.api_key", "cannot stand in a header"))?;
        authorization.set_sensitive(true);
        let url = settings.sendgrid.endpoint.join("/v3/mail/send");
        Ok(Self {
            client: outbound.trusted(),
            url: url.map_err(|_| wrong("mail.sendgrid.endpoint", "is not a valid address"))?,
            authorization,
            timeout: Duration::from_secs(settings.timeout_seconds),
            clock,
        })
    }

    /// The host.
    pub(super) fn place(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Sends the mail, once.
    pub(super) async fn send(
        &self,
        from: &Mailbox,
        to: &Mailbox,
        message: &EmailMessage,
    ) -> Outcome {
        let mut request = Request::new(Method::POST, self.url.clone());
        let json = HeaderValue::from_static("application/json");
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, json.clone());
        headers.insert(ACCEPT, json);
        *request.timeout_mut() = Some(self.timeout);
        *request.body_mut() = Some(body(from, to, message).to_string().into());
        match vendor::ask(VENDOR, self.client.execute(request)).await {
            Ok(answer) => self.outcome(&answer),
            Err(outcome) => outcome,
        }
    }

    /// See the table above.
    fn outcome(&self, answer: &Answer) -> Outcome {
        if answer.status == StatusCode::ACCEPTED {
            // All that is said is in the headers, so it does not matter how the body ends.
            let id = answer.headers.get("x-message-id");
            let id = id.and_then(|id| id.to_str().ok()).map(vendor::short);
            return Outcome::Sent {
                detail: Some("202".to_owned()),
                id: id.filter(|id| !id.is_empty()),
            };
        }
        let errors: Option<Errors> = vendor::json(answer);
        let field = errors
            .and_then(|errors| errors.errors.into_iter().next())
            .and_then(|error| error.field)
            .unwrap_or_default();
        let verdict = match answer.status {
            StatusCode::BAD_REQUEST if is_recipient(&field) => Verdict::Recipient,
            StatusCode::BAD_REQUEST if field.split('.').next() == Some("from") => Verdict::Us,
            status => vendor::by_status(status),
        };
        vendor::not_taken(VENDOR, answer, &field, verdict, self.clock.now())
    }
}

/// Whether a field is the address of a recipient.
fn is_recipient(field: &str) -> bool {
    let mut parts = field.split(['.', '[', ']']);
    parts.next() == Some("personalizations") && parts.any(|part| part == "to" || part == "email")
}

/// The mail, of the same parts as the one that goes to a mail server. Links stay as they are and nothing reports that a
/// mail was opened: the links are keys, and what people read is their own business.
fn body(from: &Mailbox, to: &Mailbox, message: &EmailMessage) -> Value {
    let person = |mailbox: &Mailbox| match &mailbox.name {
        Some(name) => json!({"email": mailbox.email.to_string(), "name": name}),
        None => json!({"email": mailbox.email.to_string()}),
    };
    let texts = [("text/plain", &message.text), ("text/html", &message.html)];
    // An empty part is refused.
    let content: Vec<Value> = texts
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(kind, text)| json!({"type": kind, "value": text}))
        .collect();
    let id = format!("<{}>", message::id(message));
    let mut headers = Map::from_iter([("Message-ID".to_owned(), id.into())]);
    for (name, value) in message::extra_headers(message) {
        headers.insert(name.to_string(), value.into());
    }
    json!({
        "personalizations": [{"to": [person(to)]}],
        "from": person(from),
        "subject": message::subject(message),
        "content": content,
        "headers": headers,
        "tracking_settings": {
            "click_tracking": {"enable": false, "enable_text": false},
            "open_tracking": {"enable": false},
        },
    })
}

#[cfg(test)]
mod tests;
