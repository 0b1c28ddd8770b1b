//! The drivers against a Twilio and an SNS on this machine.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta};
use serde_json::json;
use url::form_urlencoded;

use super::*;
use crate::delivery::aws::tests::{KEY, KEY_ID, verify};
use crate::delivery::email::tests::outbound;
use crate::outbound::test_server::{Seen, TestServer, broken, nobody, reply};
use crate::settings::Settings;

fn settings(url: &str) -> SmsSettings {
    let nowhere = Path::new("no-such-folder");
    let mut sms = Settings::load(None, &BTreeMap::new(), nowhere).unwrap().sms;
    sms.from = Some("+15005550006".to_owned());
    sms.twilio.account_sid = Some("AC123".to_owned());
    sms.twilio.auth_token = Some("s3cret".into());
    sms.twilio.endpoint = url.parse().unwrap();
    sms.sns.region = Some("eu-west-1".to_owned());
    sms.sns.access_key_id = Some(KEY_ID.to_owned());
    sms.sns.secret_access_key = Some(KEY.into());
    sms.sns.endpoint = Some(url.parse().unwrap());
    sms
}

fn transport(way: EffectiveSms, settings: &SmsSettings) -> SmsTransport {
    SmsTransport::new(
        way,
        settings,
        Path::new("unused"),
        &outbound(),
        Clock::default(),
        None,
    )
    .unwrap()
}

fn message() -> SmsMessage {
    SmsMessage {
        id: "event.recipient.sms".to_owned(),
        to: "+4915112345678".to_owned(),
        text: "Your code is 1234 & ü+%".to_owned(),
    }
}

async fn send(way: EffectiveSms, bytes: Vec<u8>) -> Outcome {
    let server = TestServer::start(move |_| bytes.clone()).await;
    transport(way, &settings(&server.url()))
        .send(&message(), DateTime::UNIX_EPOCH)
        .await
}

fn form(seen: &Seen) -> HashMap<String, String> {
    form_urlencoded::parse(&seen.body).into_owned().collect()
}

const TAKEN_BY_TWILIO: &str =
    r#"{"sid": "SM0123", "status": "queued", "error_code": null, "error_message": null}"#;

const TAKEN_BY_SNS: &str = "<PublishResponse xmlns=\"https://sns.amazonaws.com/doc/2010-03-31/\">\
    <PublishResult><MessageId>94f20ce6-13c5</MessageId></PublishResult>\
    <ResponseMetadata><RequestId>f187a3c1</RequestId></ResponseMetadata></PublishResponse>";

fn twilio_error(status: u16, code: u32) -> Vec<u8> {
    let text = "The 'To' number +4915112345678 is not valid";
    let body = json!({"code": code, "message": text, "more_info": "https://x", "status": status});
    reply(status, &[], &body.to_string())
}

fn sns_error(status: u16, code: &str) -> Vec<u8> {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>Invalid parameter: PhoneNumber Reason: +4915112345678 is not valid to publish to</Message></Error>\
         <RequestId>9dd01905</RequestId></ErrorResponse>"
    );
    reply(status, &[("Content-Type", "text/xml")], &body)
}

#[tokio::test]
async fn twilio_is_asked_as_it_is_documented() {
    let callback: Url = "https://tasks.example/callbacks/twilio?d=1"
        .parse()
        .unwrap();
    for (service, callback) in [(None, None), (Some("MG456"), Some(&callback))] {
        let server = TestServer::start(|_| reply(201, &[], TAKEN_BY_TWILIO)).await;
        let mut settings = settings(&server.url());
        settings.twilio.messaging_service_sid = service.map(str::to_owned);
        let clock = Clock::default();
        let way = EffectiveSms::Twilio;
        let transport = SmsTransport::new(
            way,
            &settings,
            Path::new("unused"),
            &outbound(),
            clock,
            callback,
        )
        .unwrap();
        assert_eq!(transport.describe(), "Twilio at 127.0.0.1");
        assert!(!format!("{transport:?}").contains("s3cret"));
        let detail = Some("201".to_owned());
        let id = Some("SM0123".to_owned());
        assert_eq!(
            transport.send(&message(), DateTime::UNIX_EPOCH).await,
            Outcome::Sent { detail, id }
        );

        let seen = server.only();
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.target, "/2010-04-01/Accounts/AC123/Messages.json");
        let basic = seen.header("authorization").strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(basic).unwrap(), b"AC123:s3cret");
        assert_eq!(
            seen.header("content-type"),
            "application/x-www-form-urlencoded"
        );
        let mut form = form(&seen);
        let mut take = |name: &str| form.remove(name);
        assert_eq!(take("To").as_deref(), Some("+4915112345678"));
        assert_eq!(take("Body"), Some(message().text));
        assert_eq!(take("MessagingServiceSid").as_deref(), service);
        let from = service.is_none().then_some("+15005550006");
        assert_eq!(take("From").as_deref(), from);
        assert_eq!(take("StatusCallback").as_deref(), callback.map(Url::as_str));
        assert!(form.is_empty(), "{form:?}");
    }
}

#[tokio::test]
async fn sns_is_asked_as_it_is_documented_and_signed() {
    for (from, sender_id, attribute) in [
        (
            Some("+15005550006"),
            None,
            Some(("AWS.MM.SMS.OriginationNumber", "+15005550006")),
        ),
        (
            Some("Taskflow"),
            None,
            Some(("AWS.SNS.SMS.SenderID", "Taskflow")),
        ),
        (
            Some("Taskflow"),
            Some("Acme"),
            Some(("AWS.SNS.SMS.SenderID", "Acme")),
        ),
        (None, None, None),
    ] {
        let server = TestServer::start(|_| reply(200, &[], TAKEN_BY_SNS)).await;
        let mut settings = settings(&server.url());
        settings.from = from.map(str::to_owned);
        settings.sns.sender_id = sender_id.map(str::to_owned);
        settings.sns.session_token = sender_id.map(Into::into);
        let transport = transport(EffectiveSms::Sns, &settings);
        assert_eq!(transport.describe(), "SNS at 127.0.0.1");
        let detail = Some("200".to_owned());
        let id = Some("94f20ce6-13c5".to_owned());
        assert_eq!(
            transport.send(&message(), DateTime::UNIX_EPOCH).await,
            Outcome::Sent { detail, id }
        );

        let seen = server.only();
        let signed_at = verify(&seen, "eu-west-1", "sns");
        assert!((Clock::default().now() - signed_at).abs() < TimeDelta::minutes(5));
        assert_eq!(
            seen.header("x-amz-security-token"),
            sender_id.unwrap_or_default()
        );
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/"));
        assert!(
            seen.header("content-type")
                .starts_with("application/x-www-form-urlencoded")
        );
        let mut expected = HashMap::from(
            [
                ("Action", "Publish"),
                ("Version", "2010-03-31"),
                ("PhoneNumber", "+4915112345678"),
                ("Message", "Your code is 1234 & ü+%"),
                ("MessageAttributes.entry.1.Name", "AWS.SNS.SMS.SMSType"),
                ("MessageAttributes.entry.1.Value.DataType", "String"),
                (
                    "MessageAttributes.entry.1.Value.StringValue",
                    "Transactional",
                ),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        if let Some((name, value)) = attribute {
            let entry = "MessageAttributes.entry.2";
            expected.insert(format!("{entry}.Name"), name.to_owned());
            expected.insert(format!("{entry}.Value.DataType"), "String".to_owned());
            expected.insert(format!("{entry}.Value.StringValue"), value.to_owned());
        }
        assert_eq!(form(&seen), expected);
    }
}

#[tokio::test]
async fn what_was_taken_is_sent_though_the_answer_broke_off() {
    for (way, bytes, status) in [
        (
            EffectiveSms::Twilio,
            broken(201, &[], TAKEN_BY_TWILIO),
            "201",
        ),
        (
            EffectiveSms::Sns,
            broken(200, &[], "<PublishResponse>"),
            "200",
        ),
    ] {
        let detail = Some(status.to_owned());
        assert_eq!(send(way, bytes).await, Outcome::Sent { detail, id: None });
    }
}

#[tokio::test]
async fn what_may_work_later_is_retried() {
    use EffectiveSms::{Sns, Twilio};
    let long = "x".repeat(10_000_000);
    for (way, bytes, seconds) in [
        (
            Twilio,
            reply(429, &[("Retry-After", "9")], "{\"code\": 20429}"),
            Some(9),
        ),
        (Twilio, twilio_error(429, 20_429), None),
        (Twilio, twilio_error(400, 14_107), None),
        (Twilio, twilio_error(400, 21_611), None),
        (Twilio, reply(500, &[], "<html>"), None),
        (Twilio, reply(503, &[], &long), None),
        (Twilio, reply(201, &[], "no JSON"), None),
        (Twilio, reply(201, &[], &long), None),
        (Twilio, reply(200, &[], TAKEN_BY_TWILIO), None),
        (Twilio, b"220 mail.example ESMTP\r\n".to_vec(), None),
        (Twilio, Vec::new(), None),
        (Sns, sns_error(400, "Throttled"), None),
        (Sns, sns_error(400, "Throttling"), None),
        (Sns, reply(429, &[("Retry-After", "9")], ""), Some(9)),
        (Sns, sns_error(500, "InternalError"), None),
        (Sns, reply(503, &[], &long), None),
        (Sns, reply(200, &[], "no XML"), None),
        (Sns, reply(200, &[], &long), None),
        (Sns, Vec::new(), None),
    ] {
        let outcome = send(way, bytes).await;
        let expected = seconds.map(Duration::from_secs);
        assert!(
            matches!(&outcome, Outcome::Retry { after, .. } if *after == expected),
            "{outcome:?}"
        );
    }
    for (way, reason) in [
        (Twilio, "Twilio: no connection"),
        (Sns, "SNS: no connection"),
    ] {
        let outcome = transport(way, &settings(&nobody().await))
            .send(&message(), DateTime::UNIX_EPOCH)
            .await;
        let (after, reason) = (None, reason.to_owned());
        assert_eq!(outcome, Outcome::Retry { after, reason });
    }
}

#[tokio::test]
async fn whom_a_refusal_is_about() {
    use EffectiveSms::{Sns, Twilio};
    let failed = r#"{"sid": "SM0123", "status": "failed", "error_code": 30005}"#;
    for (way, bytes, expected) in [
        (Twilio, twilio_error(400, 21_211), "NoRecipient"),
        (Twilio, twilio_error(400, 21_610), "NoRecipient"),
        (Twilio, twilio_error(400, 21_614), "NoRecipient"),
        (Twilio, reply(201, &[], failed), "NoRecipient"),
        (Twilio, twilio_error(400, 30_003), "Rejected"),
        (Twilio, twilio_error(400, 21_408), "Rejected"),
        (Twilio, twilio_error(400, 21_617), "Rejected"),
        (Twilio, twilio_error(400, 99_999), "Rejected"),
        (Twilio, reply(400, &[], "no JSON"), "Rejected"),
        (Twilio, twilio_error(401, 20_003), "Refused"),
        (Twilio, twilio_error(403, 99_999), "Refused"),
        (Twilio, twilio_error(404, 20_404), "Refused"),
        (Twilio, twilio_error(400, 21_606), "Refused"),
        (Twilio, reply(401, &[], "no JSON"), "Refused"),
        (Sns, sns_error(400, "OptedOut"), "NoRecipient"),
        (Sns, sns_error(400, "InvalidParameter"), "Rejected"),
        (Sns, sns_error(400, "InvalidParameterValue"), "Rejected"),
        (Sns, reply(400, &[], "no XML"), "Rejected"),
        (Sns, sns_error(403, "AuthorizationError"), "Refused"),
        (Sns, sns_error(403, "SignatureDoesNotMatch"), "Refused"),
        (Sns, sns_error(403, "InvalidClientTokenId"), "Refused"),
        (Sns, sns_error(400, "RequestExpired"), "Refused"),
        (Sns, reply(403, &[], "no XML"), "Refused"),
    ] {
        let outcome = format!("{:?}", send(way, bytes).await);
        assert!(outcome.starts_with(expected), "{expected}: {outcome}");
        assert!(
            !outcome.contains("4915") && !outcome.contains("s3cret"),
            "{outcome}"
        );
    }
    let reason = "Twilio answered 400 (21211)".to_owned();
    let outcome = send(Twilio, twilio_error(400, 21_211)).await;
    assert_eq!(outcome, Outcome::NoRecipient { reason });
}

#[tokio::test]
async fn without_a_way_or_a_number_nothing_is_tried() {
    let server = TestServer::start(|_| reply(201, &[], TAKEN_BY_TWILIO)).await;
    let settings = settings(&server.url());
    let mut nobody = message();
    "015112345678".clone_into(&mut nobody.to);
    let outcome = transport(EffectiveSms::Twilio, &settings)
        .send(&nobody, DateTime::UNIX_EPOCH)
        .await;
    assert!(matches!(outcome, Outcome::Skipped { .. }), "{outcome:?}");
    let none = transport(EffectiveSms::None, &settings);
    assert_eq!(none.describe(), "none");
    let reason = "sms_off".to_owned();
    assert_eq!(
        none.send(&message(), DateTime::UNIX_EPOCH).await,
        Outcome::Skipped { reason }
    );
    assert!(server.seen().is_empty());
    assert!(!format!("{:?}", message()).contains("1234"));
}

#[test]
fn what_is_missing_is_named() {
    let mut settings = settings("http://127.0.0.1:1");
    settings.twilio.auth_token = None;
    settings.sns.region = None;
    let error = |way| {
        SmsTransport::new(
            way,
            &settings,
            Path::new("unused"),
            &outbound(),
            Clock::default(),
            None,
        )
        .unwrap_err()
        .to_string()
    };
    assert!(error(EffectiveSms::Twilio).starts_with("sms.twilio.auth_token:"));
    assert!(error(EffectiveSms::Sns).starts_with("sms.sns:"));
}
