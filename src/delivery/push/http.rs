//! One request and its answer, and what the network can do to both. No error of the library is shown: its texts hold the
//! URL, and the URL of APNS holds the device.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};

use crate::delivery::Outcome;

/// The most bytes read of an answer. The longest documented one is far below.
const MOST: usize = 64 * 1024;

/// The longest pause a service is believed to want.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// What a service answered.
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body, at most [`MOST`] bytes of it.
    pub(super) body: Vec<u8>,
    /// Whether the connection broke before all of it had come.
    pub(super) is_broken: bool,
}

impl Answer {
    /// The outcome that has the message tried again, not before the service wants it to.
    pub(super) fn retry(&self, now: DateTime<Utc>, reason: String) -> Outcome {
        Outcome::Retry {
            after: self.retry_after(now),
            reason,
        }
    }

    /// `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3).
    pub(super) fn retry_after(&self, now: DateTime<Utc>) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let pause = if let Ok(seconds) = text.parse() {
            Duration::from_secs(seconds)
        } else {
            let then = DateTime::parse_from_rfc2822(text).ok()?;
            (then.to_utc() - now).to_std().unwrap_or_default()
        };
        Some(pause.min(LONGEST_PAUSE))
    }

    /// Whether the service, or something on the way to it, fails for now.
    pub(super) fn is_passing(&self) -> bool {
        let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        self.status.is_server_error() || passing.contains(&self.status)
    }
}

/// Sends a request and reads the answer, as far as it comes.
///
/// # Errors
/// The outcome, when there is no answer. `whom` names the service in it.
pub(super) async fn ask(request: RequestBuilder, whom: &str) -> Result<Answer, Outcome> {
    let sent = request.send().await;
    let mut response = sent.map_err(|error| failure(&error, whom))?;
    let mut body = Vec::new();
    let is_broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = MOST - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break false;
                }
            }
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
        is_broken,
    })
}

/// What a vendor calls a failure, fit to be shown: one word, or nothing.
pub(super) fn word(text: Option<&str>) -> Option<&str> {
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    text.filter(|text| (1..=64).contains(&text.len()) && text.bytes().all(is_sign))
}

fn failure(error: &reqwest::Error, whom: &str) -> Outcome {
    // For us to put right: the certificates of this system, its clock, or a proxy on the way.
    if is_untrusted(error) {
        return Outcome::Refused {
            reason: format!("the certificate is not trusted of {whom}"),
        };
    }
    let what = if error.is_timeout() {
        "no answer in time from"
    } else if error.is_connect() {
        "no connection to"
    } else {
        "the connection broke to"
    };
    Outcome::Retry {
        after: None,
        reason: format!("{what} {whom}"),
    }
}

/// Whether the reason is a certificate.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return matches!(tls, rustls::Error::InvalidCertificate(_));
        }
        // An I/O error does not count what it carries as its source.
        let io = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match io {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses() {
        let now = DateTime::from_timestamp(1_445_412_420, 0).unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("99999999", Some(86_400)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:20:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let answer = Answer {
                status: StatusCode::OK,
                headers: [(RETRY_AFTER, text.parse().unwrap())].into_iter().collect(),
                body: Vec::new(),
                is_broken: false,
            };
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(answer.retry_after(now), expected, "{text}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(word(Some("UNREGISTERED")), Some("UNREGISTERED"));
        for no in [None, Some(""), Some("a b"), Some("a@b"), Some("é")] {
            assert_eq!(word(no), None);
        }
    }
}
