//! The driver against a SendGrid on this machine.

use std::time::Instant;

use chrono::DateTime;

use super::*;
use crate::delivery::email::EmailTransport;
use crate::delivery::email::tests::{defaults, outbound};
use crate::outbound::test_server::{TestServer, broken, nobody, reply};
use crate::settings::MailTransport;

fn transport(url: &str) -> EmailTransport {
    let mut settings = defaults();
    settings.transport = MailTransport::Sendgrid;
    settings.from = "Taskflow <taskflow@sender.example>".to_owned();
    settings.sendgrid.endpoint = url.parse().unwrap();
    settings.sendgrid.api_key = Some("SG.s3cret".into());
    settings.timeout_seconds = 1;
    EmailTransport::new(&settings, &outbound(), Clock::default()).unwrap()
}

fn message() -> EmailMessage {
    EmailMessage {
        message_id: "event.recipient.email@host.example".to_owned(),
        date: DateTime::from_timestamp(1_795_311_901, 0).unwrap(),
        to_name: "Ann\r\nBcc: evil@example.com".to_owned(),
        to_address: "ann@bücher.example".to_owned(),
        subject: "A task\r\nis yours".to_owned(),
        text: "Hello\n".to_owned(),
        html: "<p>Hello</p>".to_owned(),
        unsubscribe: Some("https://tasks.example/end?token=abc".parse().unwrap()),
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

async fn send(bytes: Vec<u8>) -> Outcome {
    let server = TestServer::start(move |_| bytes.clone()).await;
    transport(&server.url()).send(&message(), later()).await
}

fn error(field: &str) -> String {
    json!({"errors": [{"message": "about ann@x.example and SG.s3cret", "field": field, "help": null}]})
        .to_string()
}

#[tokio::test]
async fn the_request_is_as_it_is_documented() {
    let server = TestServer::start(|_| reply(202, &[("X-Message-Id", "abc-DEF_1")], "")).await;
    let transport = transport(&server.url());
    assert_eq!(transport.describe(), "SendGrid at 127.0.0.1");
    assert_eq!(transport.check().await, Ok(()));
    let outcome = transport.send(&message(), later()).await;
    let detail = Some("202".to_owned());
    let id = Some("abc-DEF_1".to_owned());
    assert_eq!(outcome, Outcome::Sent { detail, id });
    let seen = server.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/v3/mail/send")
    );
    assert_eq!(seen.header("authorization"), "Bearer SG.s3cret");
    assert_eq!(seen.header("content-type"), "application/json");
    let expected = json!({
        "personalizations": [{"to": [
            {"email": "ann@xn--bcher-kva.example", "name": "Ann Bcc: evil@example.com"}
        ]}],
        "from": {"email": "taskflow@sender.example", "name": "Taskflow"},
        "subject": "A task is yours",
        "content": [
            {"type": "text/plain", "value": "Hello\n"},
            {"type": "text/html", "value": "<p>Hello</p>"},
        ],
        "headers": {
            "Message-ID": "<event.recipient.email@host.example>",
            "Auto-Submitted": "auto-generated",
            "List-Unsubscribe": "<https://tasks.example/end?token=abc>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "tracking_settings": {
            "click_tracking": {"enable": false, "enable_text": false},
            "open_tracking": {"enable": false},
        },
    });
    assert_eq!(seen.json(), expected);
}

#[tokio::test]
async fn a_mail_that_was_taken_is_sent_whatever_becomes_of_the_answer() {
    let id = Some("abc".to_owned());
    let detail = Some("202".to_owned());
    let sent = |id| Outcome::Sent {
        detail: detail.clone(),
        id,
    };
    let header = [("X-Message-Id", "abc")];
    for (bytes, id) in [
        (reply(202, &[], ""), None),
        (broken(202, &header, "hello"), id.clone()),
        (reply(202, &header, &"x".repeat(10_000_000)), id),
    ] {
        assert_eq!(send(bytes).await, sent(id));
    }
}

#[tokio::test]
async fn what_may_work_later_is_retried() {
    for (bytes, seconds) in [
        (reply(429, &[("Retry-After", "17")], &error("")), Some(17)),
        (reply(429, &[("X-RateLimit-Reset", "0")], ""), Some(0)),
        (reply(429, &[], "Too many"), None),
        (reply(500, &[], "<html>"), None),
        (
            reply(503, &[("Retry-After", "5")], &"x".repeat(10_000_000)),
            Some(5),
        ),
        (broken(502, &[], "hello"), None),
        // Not as it is documented.
        (reply(200, &[], "{}"), None),
        (reply(204, &[], ""), None),
        (b"220 mail.example ESMTP\r\n".to_vec(), None),
        (Vec::new(), None),
    ] {
        let outcome = send(bytes).await;
        let expected = seconds.map(Duration::from_secs);
        assert!(
            matches!(&outcome, Outcome::Retry { after, .. } if *after == expected),
            "{outcome:?}"
        );
    }
    let outcome = transport(&nobody().await).send(&message(), later()).await;
    let reason = "SendGrid: no connection".to_owned();
    assert_eq!(
        outcome,
        Outcome::Retry {
            after: None,
            reason
        }
    );
}

#[tokio::test]
async fn whom_a_refusal_is_about() {
    for (status, body, expected) in [
        (400, error("personalizations.0.to.0.email"), "NoRecipient"),
        (400, error("personalizations[0].to[0].email"), "NoRecipient"),
        (400, error("personalizations.0.subject"), "Rejected"),
        (400, error("from.email"), "Refused"),
        (400, error("content"), "Rejected"),
        (400, "no JSON".to_owned(), "Rejected"),
        (400, "{\"errors\": 7}".to_owned(), "Rejected"),
        (401, error("x"), "Refused"),
        (403, error("from"), "Refused"),
        (404, String::new(), "Refused"),
        (302, String::new(), "Refused"),
        (413, error("x"), "Rejected"),
    ] {
        let outcome = send(reply(status, &[], &body)).await;
        let shown = format!("{outcome:?}");
        assert!(shown.starts_with(expected), "{status} {body}: {shown}");
        assert!(!shown.contains("s3cret") && !shown.contains('@'), "{shown}");
    }
    let outcome = send(reply(400, &[], &error("personalizations.0.to.0.email"))).await;
    let reason = "SendGrid answered 400 (personalizations.0.to.0.email)".to_owned();
    assert_eq!(outcome, Outcome::NoRecipient { reason });
}

#[tokio::test]
async fn a_mail_whose_lease_is_over_and_one_to_nobody_do_not_leave() {
    let server = TestServer::start(|_| reply(202, &[], "")).await;
    let transport = transport(&server.url());
    let outcome = transport.send(&message(), Instant::now()).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    let mut nobody = message();
    nobody.to_address = "ann".to_owned();
    let outcome = transport.send(&nobody, later()).await;
    assert!(matches!(outcome, Outcome::Skipped { .. }), "{outcome:?}");
    assert!(server.seen().is_empty());
    assert!(!format!("{transport:?}").contains("s3cret"));
}
