//! SendGrid's Event Webhook. Source: "Event Webhook Reference" and "Event Webhook Security Features" in its documentation.
//!
//! How old a signed call may be is not documented. A call that we did not answer with 2xx is made again for 24 hours, and
//! nothing says that it is signed anew. Were it refused after minutes, all bounces of a short failure of ours would be lost
//! for good. What a copy of an old call can do is little: it says of the same message what is known already. So calls are
//! taken for as long as SendGrid makes them, and an hour more.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use super::{
    CallbackError, KeyError, MOST_REPORTS, Report, What, code, is_recent, message_id, single,
};

/// The name in [`Report::driver`].
const DRIVER: &str = "sendgrid";
const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";
const OLDEST: TimeDelta = TimeDelta::hours(25);

/// The key that SendGrid's calls are checked with.
pub struct Verifier {
    key: ParsedPublicKey,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// `key` is what SendGrid shows as the verification key: a public key (RFC 5280 section 4.1) in base64.
    ///
    /// # Errors
    /// When it is something else.
    pub fn new(key: &str) -> Result<Self, KeyError> {
        let der = STANDARD.decode(key.trim()).map_err(|_| KeyError)?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der).map_err(|_| KeyError)?;
        Ok(Self { key })
    }

    /// Checks a call and reads what it says. `body` is as it came, byte for byte. What is not about the fate of a message
    /// (opened, clicked, put off) is left out.
    ///
    /// # Errors
    /// [`CallbackError`] says why the call is not believed.
    pub fn read(
        &self,
        body: &[u8],
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) -> Result<Vec<Report>, CallbackError> {
        let signature = single(headers, SIGNATURE)?;
        let timestamp = single(headers, TIMESTAMP)?;
        let signature = STANDARD
            .decode(signature)
            .map_err(|_| CallbackError::Forged)?;
        let signed = [timestamp.as_bytes(), body].concat();
        self.key
            .verify_sig(&signed, &signature)
            .map_err(|_| CallbackError::Forged)?;
        let at = timestamp
            .parse()
            .ok()
            .and_then(|at| DateTime::from_timestamp(at, 0));
        if !at.is_some_and(|at| is_recent(at, now, OLDEST)) {
            return Err(CallbackError::Stale);
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let events = json
            .deserialize_seq(Events)
            .map_err(|_| CallbackError::Unreadable)?;
        Ok(events.iter().filter_map(report).collect())
    }
}

/// The first [`MOST_REPORTS`] events of an array.
struct Events;

impl<'de> Visitor<'de> for Events {
    type Value = Vec<Value>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while events.len() < MOST_REPORTS {
            match array.next_element()? {
                Some(event) => events.push(event),
                None => return Ok(events),
            }
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(events)
    }
}

/// What an event says, if that is the fate of a message.
fn report(event: &Value) -> Option<Report> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let status = || text("status").and_then(code);
    let (what, code) = match text("event")? {
        "processed" => (What::Sent, None),
        "delivered" => (What::Delivered, None),
        // The other types are `blocked` and `expired`: about us, or for now.
        "bounce" => {
            let permanent = text("type") == Some("bounce");
            (What::Bounced { permanent }, status())
        }
        "dropped" => (What::Failed, text("reason").map(dropped)),
        "spamreport" => (What::Complained, None),
        "unsubscribe" | "group_unsubscribe" => (What::Unsubscribed, None),
        _ => return None,
    };
    // Before the first dot it is what SendGrid said when it took the message (X-Message-Id).
    let id = text("sg_message_id")?.split('.').next()?;
    let at = event.get("timestamp").and_then(Value::as_i64);
    Some(Report {
        driver: DRIVER,
        message_id: message_id(id)?,
        what,
        code,
        recipient: text("email").map(str::to_owned),
        at: at.and_then(|at| DateTime::from_timestamp(at, 0)),
    })
}

/// A word for why SendGrid did not send a message: it gives a sentence.
fn dropped(reason: &str) -> String {
    let known = [
        ("Bounced Address", "bounced_address"),
        ("Unsubscribed Address", "unsubscribed_address"),
        ("Spam Reporting Address", "spam_reporting_address"),
        ("Spam Content", "spam_content"),
        ("Invalid SMTPAPI header", "invalid_header"),
        ("Invalid", "invalid_address"),
        ("Recipient List over Package Quota", "quota"),
    ];
    let found = known
        .iter()
        .find(|(beginning, _)| reason.starts_with(beginning));
    found.map_or("dropped", |(_, word)| word).to_owned()
}
