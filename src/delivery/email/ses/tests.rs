//! The driver against an SES on this machine.

use std::time::Instant;

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::delivery::EmailMessage;
use crate::delivery::aws::tests::{KEY, KEY_ID, verify};
use crate::delivery::email::tests::{defaults, outbound};
use crate::delivery::email::{EmailTransport, message};
use crate::outbound::test_server::{TestServer, broken, nobody, reply};
use crate::settings::{MailSettings, MailTransport};

const SENDER: &str = "Taskflow <taskflow@sender.example>";

fn settings(url: &str) -> MailSettings {
    let mut settings = defaults();
    settings.transport = MailTransport::Ses;
    settings.from = SENDER.to_owned();
    settings.timeout_seconds = 1;
    settings.ses.endpoint = Some(url.parse().unwrap());
    settings.ses.region = Some("eu-west-1".to_owned());
    settings.ses.access_key_id = Some(KEY_ID.to_owned());
    settings.ses.secret_access_key = Some(KEY.into());
    settings
}

fn transport(settings: &MailSettings) -> EmailTransport {
    EmailTransport::new(settings, &outbound(), Clock::default()).unwrap()
}

fn mail() -> EmailMessage {
    EmailMessage {
        message_id: "event.recipient.email@host.example".to_owned(),
        date: DateTime::from_timestamp(1_795_311_901, 0).unwrap(),
        to_name: "Ann".to_owned(),
        to_address: "ann@recipient.example".to_owned(),
        subject: "A task".to_owned(),
        text: "Hello\n".to_owned(),
        html: "<p>Hello</p>".to_owned(),
        unsubscribe: None,
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

async fn send(bytes: Vec<u8>) -> Outcome {
    let server = TestServer::start(move |_| bytes.clone()).await;
    let transport = transport(&settings(&server.url()));
    transport.send(&mail(), later()).await
}

fn error(status: u16, code: &str, text: &str) -> Vec<u8> {
    let kind = format!("{code}:http://internal.amazon.com/coral/com.amazonaws.ses/");
    let body = json!({"message": text}).to_string();
    reply(status, &[("x-amzn-ErrorType", &kind)], &body)
}

const TAKEN: &str = r#"{"MessageId": "0102018f-abc-000000"}"#;

#[tokio::test]
async fn the_request_is_as_it_is_documented_and_signed() {
    for (token, configuration_set) in [(None, None), (Some("t0ken=="), Some("events"))] {
        let server = TestServer::start(|_| reply(200, &[], TAKEN)).await;
        let mut settings = settings(&server.url());
        settings.ses.session_token = token.map(Into::into);
        settings.ses.configuration_set = configuration_set.map(str::to_owned);
        let transport = transport(&settings);
        assert_eq!(transport.describe(), "SES at 127.0.0.1");
        let outcome = transport.send(&mail(), later()).await;
        let id = Some("0102018f-abc-000000".to_owned());
        let detail = Some("200".to_owned());
        assert_eq!(outcome, Outcome::Sent { detail, id });

        let seen = server.only();
        let signed_at = verify(&seen, "eu-west-1", "ses");
        assert!((Clock::default().now() - signed_at).abs() < TimeDelta::minutes(5));
        assert_eq!(
            seen.header("x-amz-security-token"),
            token.unwrap_or_default()
        );
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.target, "/v2/email/outbound-emails");
        assert_eq!(seen.header("content-type"), "application/json");
        let body = seen.json();
        let sender = message::sender(SENDER).unwrap();
        let bytes = message::build(&sender, &mail()).unwrap().formatted();
        let data = body["Content"]["Raw"]["Data"].as_str().unwrap();
        assert_eq!(STANDARD.decode(data).unwrap(), bytes);
        let to = json!({"ToAddresses": ["ann@recipient.example"]});
        assert_eq!(body["Destination"], to);
        assert_eq!(body["ConfigurationSetName"].as_str(), configuration_set);
    }
}

#[tokio::test]
async fn a_mail_that_was_taken_is_sent_though_the_answer_broke_off() {
    let outcome = send(broken(200, &[], TAKEN)).await;
    let detail = Some("200".to_owned());
    assert_eq!(outcome, Outcome::Sent { detail, id: None });
}

#[tokio::test]
async fn what_may_work_later_is_retried() {
    let throttled = r#"{"__type": "com.amazonaws.ses#TooManyRequestsException", "message": "x"}"#;
    for (bytes, seconds) in [
        (reply(429, &[("Retry-After", "17")], throttled), Some(17)),
        (error(429, "TooManyRequestsException", ""), None),
        (error(400, "ThrottlingException", ""), None),
        (error(500, "InternalFailure", ""), None),
        (reply(503, &[], "<html>"), None),
        (reply(500, &[], &"x".repeat(10_000_000)), None),
        // Somebody else.
        (reply(200, &[], "welcome"), None),
        (reply(200, &[], "{}"), None),
        (reply(200, &[], &"x".repeat(10_000_000)), None),
        (b"220 mail.example ESMTP\r\n".to_vec(), None),
        (Vec::new(), None),
        // The account may send to few.
        (
            error(
                400,
                "MessageRejected",
                "Email address is not verified. The following identities failed the check: ann@recipient.example",
            ),
            None,
        ),
    ] {
        let outcome = send(bytes).await;
        let expected = seconds.map(Duration::from_secs);
        assert!(
            matches!(&outcome, Outcome::Retry { after, .. } if *after == expected),
            "{outcome:?}"
        );
        assert!(!format!("{outcome:?}").contains('@'), "{outcome:?}");
    }
    let transport = transport(&settings(&nobody().await));
    let outcome = transport.send(&mail(), later()).await;
    let reason = "SES: no connection".to_owned();
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
    let unverified = "Email address is not verified. The following identities failed the check in region EU-WEST-1: Taskflow <Taskflow@sender.example>, ann@recipient.example";
    for (bytes, expected) in [
        (error(400, "MessageRejected", unverified), "Refused"),
        (error(400, "MessageRejected", "Virus"), "Rejected"),
        (
            error(400, "BadRequestException", "Missing final '@domain'"),
            "Rejected",
        ),
        (error(400, "ValidationException", ""), "Rejected"),
        (error(400, "AccountSuspendedException", ""), "Refused"),
        (error(400, "SendingPausedException", ""), "Refused"),
        (error(400, "LimitExceededException", ""), "Refused"),
        (
            error(400, "MailFromDomainNotVerifiedException", ""),
            "Refused",
        ),
        (error(404, "NotFoundException", ""), "Refused"),
        (error(403, "SignatureDoesNotMatch", ""), "Refused"),
        (error(403, "InvalidSignatureException", ""), "Refused"),
        (error(400, "UnrecognizedClientException", ""), "Refused"),
        (error(400, "ExpiredTokenException", ""), "Refused"),
        (error(403, "AccessDeniedException", ""), "Refused"),
        (reply(403, &[], "no JSON"), "Refused"),
        (reply(400, &[], "no JSON"), "Rejected"),
        (
            reply(307, &[("Location", "http://127.0.0.1:1/")], ""),
            "Refused",
        ),
    ] {
        let outcome = format!("{:?}", send(bytes).await);
        assert!(outcome.starts_with(expected), "{expected}: {outcome}");
        assert!(!outcome.contains('@'), "{outcome}");
    }
    let reason = "SES answered 400 (SendingPausedException)".to_owned();
    let outcome = send(error(400, "SendingPausedException", "paused")).await;
    assert_eq!(outcome, Outcome::Refused { reason });
}

#[tokio::test]
async fn keys_that_no_header_can_hold_are_our_fault() {
    let server = TestServer::start(|_| reply(200, &[], TAKEN)).await;
    let mut settings = settings(&server.url());
    settings.ses.session_token = Some("a\nb".into());
    let outcome = transport(&settings).send(&mail(), later()).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert!(server.seen().is_empty());
}
