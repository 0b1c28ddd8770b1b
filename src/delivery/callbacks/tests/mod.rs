//! Calls as the vendors document them, signed with keys made here, and calls that somebody else made.

mod sendgrid;
mod ses;
mod twilio;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::{DateTime, TimeDelta, Utc};

use super::{CallbackError, Report, What};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_311_901, 0).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// What became of which message, why, and for whom.
fn brief(report: &Report) -> (&str, What, Option<&str>, Option<&str>) {
    let Report {
        message_id,
        what,
        code,
        recipient,
        ..
    } = report;
    (message_id, *what, code.as_deref(), recipient.as_deref())
}

#[test]
fn a_report_does_not_show_the_recipient() {
    let report = Report {
        driver: "ses",
        message_id: "m".to_owned(),
        what: What::Sent,
        code: None,
        recipient: Some("ann@example.org".to_owned()),
        at: None,
    };
    let shown = format!("{report:?}");
    assert!(!shown.contains("ann"), "{shown}");
}
