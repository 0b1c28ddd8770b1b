//! What the drivers have in common that call a vendor by HTTP: asking, and from an answer to an [`Outcome`].
//!
//! Each driver has a table of its own, by the vendor's documentation: whom an answer is about ([`Verdict`]). Where the
//! vendor says nothing more, the status decides ([`by_status`]):
//!
//! | answer | verdict |
//! |---|---|
//! | no answer at all | later; a certificate that is not trusted: us |
//! | 408, 425, 429, 5xx | later, not before `Retry-After` or `X-RateLimit-Reset` |
//! | 400, 413, 422 | the message |
//! | 2xx that is not as documented: somebody else answers | later |
//! | anything else, such as 401, 403, 404 or a redirect | us |
//!
//! A vendor that took the message and whose answer then broke off has taken it: the message is sent, without its id.
//! Nothing of what a vendor says is kept but its codes: it may repeat an address or a key.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use super::Outcome;
use crate::outbound::{Answer, BodyEnd, Failure, retry_after};

/// The longest code that is kept, in characters.
const MAX_CODE: usize = 64;

/// The longest wait that `X-RateLimit-Reset` may ask for.
const LONGEST_RESET: Duration = Duration::from_hours(1);

/// Whom an answer is about that is not "taken".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody: it may work later.
    Later,
    /// Us: keys, sender, account, quota. No other message would be taken either.
    Us,
    /// The recipient: no other message to them would be taken either.
    Recipient,
    /// This message.
    Message,
}

/// Reads the answer of a vendor that is asked. Without one there is an outcome already.
pub(super) async fn ask(
    vendor: &str,
    asked: impl Future<Output = Result<Response, reqwest::Error>>,
) -> Result<Answer, Outcome> {
    Answer::of(asked.await).await.map_err(|failure| {
        let reason = format!("{vendor}: {failure}");
        if failure == Failure::Certificate {
            Outcome::Refused { reason }
        } else {
            let after = None;
            Outcome::Retry { after, reason }
        }
    })
}

/// The outcome of an answer whose status says that the message was taken; `id` is what else it should hold.
pub(super) fn taken(vendor: &str, answer: &Answer, id: Option<String>) -> Outcome {
    let id = id.map(|id| short(&id)).filter(|id| !id.is_empty());
    if id.is_none() && answer.end != BodyEnd::Broken {
        return alien(vendor, answer);
    }
    Outcome::Sent {
        detail: Some(answer.status.as_u16().to_string()),
        id,
    }
}

/// The outcome of an answer that this vendor does not give: most likely somebody else is there.
pub(super) fn alien(vendor: &str, answer: &Answer) -> Outcome {
    let status = answer.status.as_u16();
    Outcome::Retry {
        after: None,
        reason: format!("{vendor} answered {status}, and not as it is documented"),
    }
}

/// The outcome of an answer that says that the message was not taken. `code` is the vendor's own; it may be empty.
pub(super) fn not_taken(
    vendor: &str,
    answer: &Answer,
    code: &str,
    verdict: Verdict,
    now: DateTime<Utc>,
) -> Outcome {
    if answer.status.is_success() && code.is_empty() {
        return alien(vendor, answer);
    }
    let (status, code) = (answer.status.as_u16(), short(code));
    let reason = if code.is_empty() {
        format!("{vendor} answered {status}")
    } else {
        format!("{vendor} answered {status} ({code})")
    };
    match verdict {
        Verdict::Later => later(answer, now, reason),
        Verdict::Us => Outcome::Refused { reason },
        Verdict::Recipient => Outcome::NoRecipient { reason },
        Verdict::Message => Outcome::Rejected { reason },
    }
}

/// The outcome that has the message tried again, not before the vendor wants it to.
pub(super) fn later(answer: &Answer, now: DateTime<Utc>, reason: String) -> Outcome {
    Outcome::Retry {
        after: wait(&answer.headers, now),
        reason,
    }
}

/// The verdict where the vendor's own code says nothing.
pub(super) fn by_status(status: StatusCode) -> Verdict {
    match status.as_u16() {
        408 | 425 | 429 | 500.. | 200..=299 => Verdict::Later,
        400 | 413 | 422 => Verdict::Message,
        _ => Verdict::Us,
    }
}

/// The body as JSON of this shape, if that is what it is.
pub(super) fn json<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_slice(&answer.body).ok()
}

/// A code or an id, of the characters that those have: whatever else a vendor puts there is not kept.
pub(super) fn short(code: &str) -> String {
    let is_kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    code.chars().filter(is_kept).take(MAX_CODE).collect()
}

/// What a vendor calls a failure, fit to be shown: one word, or nothing.
pub(super) fn word(text: Option<&str>) -> Option<&str> {
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    text.filter(|text| (1..=MAX_CODE).contains(&text.len()) && text.bytes().all(is_sign))
}

/// How long the vendor wants to be left alone. `X-RateLimit-Reset` is a time in seconds since 1970.
fn wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    retry_after(headers, now).or_else(|| {
        let reset = headers.get("x-ratelimit-reset")?.to_str().ok()?;
        let reset = DateTime::from_timestamp(reset.trim().parse().ok()?, 0)?;
        let wait = (reset - now).to_std().unwrap_or_default();
        Some(wait.min(LONGEST_RESET))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_hold_no_address() {
        assert_eq!(short("MessageRejected"), "MessageRejected");
        assert_eq!(short("21211"), "21211");
        assert_eq!(short("a b\r\n<x@y.example>"), "abxy.example");
        assert_eq!(short(&"x".repeat(1_000)).len(), MAX_CODE);
    }

    #[test]
    fn words() {
        assert_eq!(word(Some("UNREGISTERED")), Some("UNREGISTERED"));
        for no in [None, Some(""), Some("a b"), Some("a@b"), Some("é")] {
            assert_eq!(word(no), None);
        }
    }

    #[test]
    fn waits_by_the_time_of_the_reset() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let wait = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| {
                let name = reqwest::header::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            });
            wait(&headers.collect(), now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("x-ratelimit-reset", "1795000042")]), Some(42));
        assert_eq!(wait(&[("x-ratelimit-reset", "1794999999")]), Some(0));
        assert_eq!(wait(&[("x-ratelimit-reset", "9999999999")]), Some(3_600));
        assert_eq!(wait(&[("x-ratelimit-reset", "9999999999999999")]), None);
        assert_eq!(wait(&[("x-ratelimit-reset", "soon")]), None);
        let both = [("x-ratelimit-reset", "1795000042"), ("retry-after", "7")];
        assert_eq!(wait(&both), Some(7));
    }

    #[test]
    fn what_the_status_alone_says() {
        for (status, verdict) in [
            (200, Verdict::Later),
            (302, Verdict::Us),
            (400, Verdict::Message),
            (401, Verdict::Us),
            (403, Verdict::Us),
            (404, Verdict::Us),
            (413, Verdict::Message),
            (429, Verdict::Later),
            (500, Verdict::Later),
            (503, Verdict::Later),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(by_status(status), verdict, "{status}");
        }
    }
}
