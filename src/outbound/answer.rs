//! What came of a call.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::guard::NoAddress;
use super::rules::Refused;

/// How much of an answer is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The longest wait that another server can ask of us.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// What the other side said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most 64 KiB of it.
    pub body: Vec<u8>,
    /// Whether that is all of it.
    pub end: BodyEnd,
}

/// How the reading of a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// It is all there.
    Whole,
    /// There was more than is read.
    Cut,
    /// The connection ended, or the time, before all of it had come.
    Broken,
}

/// Why there is no answer. Its text holds nothing of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was not called.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The name of the host leads nowhere.
    #[error("the name of the host cannot be resolved")]
    NoAddress,
    /// Nobody is there.
    #[error("no connection")]
    Connect,
    /// It could not show that it is the one that was meant.
    #[error("the certificate is not trusted")]
    Certificate,
    /// TLS failed otherwise.
    #[error("TLS failed")]
    Tls,
    /// The time was over. The other side may have got the call.
    #[error("not done in time")]
    TimedOut,
    /// The connection ended, or what came was no HTTP. The other side may have got the call.
    #[error("the connection broke off")]
    Broken,
}

impl Answer {
    /// Reads an answer, up to the limit.
    ///
    /// # Errors
    /// [`Failure`], when there is none.
    pub async fn of(sent: Result<Response, reqwest::Error>) -> Result<Self, Failure> {
        let mut response = sent.map_err(|error| Failure::of(&error))?;
        let mut body = Vec::new();
        let end = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = MAX_BODY - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        break BodyEnd::Cut;
                    }
                }
                Ok(None) => break BodyEnd::Whole,
                Err(_) => break BodyEnd::Broken,
            }
        };
        Ok(Self {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body,
            end,
        })
    }
}

impl Failure {
    fn of(error: &reqwest::Error) -> Self {
        let mut next: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(refused) = error.downcast_ref::<Refused>() {
                return Self::Refused(*refused);
            }
            if error.is::<NoAddress>() {
                return Self::NoAddress;
            }
            match error.downcast_ref::<rustls::Error>() {
                Some(rustls::Error::InvalidCertificate(_)) => return Self::Certificate,
                Some(_) => return Self::Tls,
                None => {}
            }
            // An I/O error does not count what it carries as its source.
            next = match error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
            {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_connect() {
            Self::Connect
        } else {
            Self::Broken
        }
    }
}

/// How long the other side wants to be left alone (`Retry-After`, RFC 9110 section 10.2.3), as seconds or as a time; at
/// most a day.
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        let at = httpdate::parse_http_date(text).ok()?;
        at.duration_since(SystemTime::from(now)).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_as_seconds_and_as_times() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T12:00:00Z").unwrap();
        let wait = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now.into()).map(|wait| wait.as_secs())
        };
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 22 Nov 2026 12:01:40 GMT", Some(100)),
            ("Sunday, 22-Nov-26 12:01:40 GMT", Some(100)),
            ("Sun Nov 22 12:01:40 2026", Some(100)),
            ("Sun, 22 Nov 2026 11:00:00 GMT", Some(0)),
            ("Fri, 22 Nov 2999 11:00:00 GMT", Some(86_400)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(text), seconds, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now.into()), None);
    }
}
