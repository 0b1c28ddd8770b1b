//! What vendors call back with: whether a message arrived. Each file checks who says so, and reads what is said.
//!
//! Nothing here knows the database or fetches anything. A report may come twice, late, or out of order: whoever takes it
//! must not mind.

pub mod sendgrid;
pub mod ses;
#[cfg(test)]
mod tests;
pub mod twilio;

use std::fmt;

use axum::http::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};

/// The most reports read of one call. What comes after them is left alone.
pub const MOST_REPORTS: usize = 1000;
/// The longest id of a message. The vendors' have less than 100 characters.
const LONGEST_ID: usize = 200;
/// How far a vendor's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// What a vendor says of one message and one recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    /// Which vendor: `sendgrid`, `ses`, `twilio`.
    pub driver: &'static str,
    /// The vendor's name of the message, as in [`crate::delivery::Outcome::Sent`].
    pub message_id: String,
    /// What became of it.
    pub what: What,
    /// The vendor's code for that: one short word or number, never an address or a sentence.
    pub code: Option<String>,
    /// Whom it was for, when the vendor says so. Not to be stored or logged.
    pub recipient: Option<String>,
    /// When it happened, when the vendor says so.
    pub at: Option<DateTime<Utc>>,
}

/// Leaves the recipient out.
impl fmt::Debug for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Report")
            .field("driver", &self.driver)
            .field("message_id", &self.message_id)
            .field("what", &self.what)
            .field("code", &self.code)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The vendor has passed it on.
    Sent,
    /// The recipient's side has taken it.
    Delivered,
    /// The recipient's side has not taken it.
    Bounced {
        /// Whether it takes none at all: there is no such recipient.
        permanent: bool,
    },
    /// The vendor has not sent it, and will not.
    Failed,
    /// The recipient calls it spam.
    Complained,
    /// The recipient wants no more.
    Unsubscribed,
}

/// Why a call is not believed or understood. No text has anything of the call in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// There is no signature, or there are several.
    #[error("the call is not signed")]
    Unsigned,
    /// The signature is of somebody else, or of something else.
    #[error("the signature does not fit")]
    Forged,
    /// It is too old, or of the future: it may be a copy of an earlier call.
    #[error("the call is too old, or this machine's clock is wrong")]
    Stale,
    /// It is not what the vendor documents.
    #[error("the call cannot be read")]
    Unreadable,
    /// It is of another topic of SNS than the one that is set.
    #[error("the call is of another SNS topic")]
    Topic,
    /// It is signed with SHA-1.
    #[error("the SNS topic signs with SHA-1: set its attribute SignatureVersion to 2")]
    Version,
    /// The certificate, or the page that confirms a subscription, is not at Amazon.
    #[error("the call names an address that is not Amazon SNS")]
    Address,
    /// What was fetched as certificate is none.
    #[error("the certificate of Amazon SNS cannot be read")]
    Certificate,
}

/// A verification key that cannot be used; the settings have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a public key (P-256) in base64, as SendGrid shows it")]
pub struct KeyError;

/// The only value of a header. Of two, somebody on the way may have checked the other.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, CallbackError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| CallbackError::Unsigned),
        _ => Err(CallbackError::Unsigned),
    }
}

/// Whether a time is at most `age` ago, and not of the future.
fn is_recent(at: DateTime<Utc>, now: DateTime<Utc>, age: TimeDelta) -> bool {
    (-AHEAD..=age).contains(&now.signed_duration_since(at))
}

/// The text, if it can be the id of a message: visible and short.
fn message_id(text: &str) -> Option<String> {
    let is_id =
        (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    is_id.then(|| text.to_owned())
}

/// The text, if it can be a code: a word or a number. Vendors put sentences and addresses into the same fields.
fn code(text: &str) -> Option<String> {
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let is_code = (1..=40).contains(&text.len()) && text.bytes().all(is_sign);
    is_code.then(|| text.to_owned())
}
