use std::fmt::Write;
use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::*;
use crate::delivery::callbacks::MOST_REPORTS;
use crate::delivery::callbacks::ses::{Call, Heard, certificate_url};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail";
const CERTIFICATE: &str =
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";

/// Amazon's key and certificate. They take long to make, so all tests have the same.
static AMAZON: LazyLock<(KeyPair, String)> = LazyLock::new(|| {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let certificate = certificate(&key);
    (key, certificate)
});

fn certificate(key: &KeyPair) -> String {
    let parameters = CertificateParams::new(["sns.amazonaws.com".to_owned()]).unwrap();
    parameters.self_signed(key).unwrap().pem()
}

/// A call of SNS before it is signed.
fn call(kind: &str, message: &str) -> Value {
    json!({
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    })
}

fn confirmation(kind: &str) -> Value {
    let mut call = call(kind, "You have chosen to subscribe\nto the topic");
    call["Token"] = "2336412f37".into();
    call["SubscribeURL"] = format!(
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
    )
    .into();
    call
}

/// Signs it as Amazon does.
fn sign(call: &mut Value) {
    let names = match call["Type"].as_str() {
        Some("Notification") => vec![
            "Message",
            "MessageId",
            "Subject",
            "Timestamp",
            "TopicArn",
            "Type",
        ],
        _ => vec![
            "Message",
            "MessageId",
            "SubscribeURL",
            "Timestamp",
            "Token",
            "TopicArn",
            "Type",
        ],
    };
    let mut text = String::new();
    for name in names {
        if let Some(value) = call.get(name).and_then(Value::as_str) {
            writeln!(text, "{name}\n{value}").unwrap();
        }
    }
    let key = RsaKeyPair::from_pkcs8(AMAZON.0.serialized_der()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .unwrap();
    call["Signature"] = STANDARD.encode(signature).into();
}

fn read(call: &Value) -> Result<Heard, CallbackError> {
    Call::read(call.to_string().as_bytes(), TOPIC, now())?.verify(AMAZON.1.as_bytes())
}

fn signed(mut call: Value) -> Result<Heard, CallbackError> {
    sign(&mut call);
    read(&call)
}

fn reports(event: &Value) -> Vec<Report> {
    match signed(call("Notification", &event.to_string())).unwrap() {
        Heard::Reports(reports) => reports,
        other => panic!("{other:?}"),
    }
}

fn mail() -> Value {
    json!({
        "timestamp": "2026-11-22T10:00:00.000Z",
        "messageId": "0102-7",
        "destination": ["ann@example.org"],
    })
}

const AT: &str = "2026-11-22T10:00:05.000Z";
const ANN: &str = "ann@example.org";

/// Both ways that SES has to tell of the same are read, and say what is expected.
fn check(kind: &str, part: &str, content: &Value, expected: &[(What, Option<&str>, &str)]) {
    for name in ["eventType", "notificationType"] {
        let reports = reports(&json!({ name: kind, "mail": mail(), part: content }));
        let found: Vec<_> = reports.iter().map(brief).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(what, code, to)| ("0102-7", *what, *code, Some(*to)))
            .collect();
        assert_eq!(found, expected, "{kind}");
        let at = content
            .get("timestamp")
            .map_or("2026-11-22T10:00:00Z", |_| AT);
        for report in reports {
            assert_eq!(report.driver, "ses");
            assert_eq!(report.at, Some(at.parse().unwrap()), "{kind}");
        }
    }
}

#[test]
fn events_as_documented() {
    check("Send", "send", &json!({}), &[(What::Sent, None, ANN)]);
    let bob = "bob@example.org";
    let delivery = json!({ "timestamp": AT, "recipients": [ANN, bob], "smtpResponse": "250 ok" });
    let delivered = [(What::Delivered, None, ANN), (What::Delivered, None, bob)];
    check("Delivery", "delivery", &delivery, &delivered);
    let reject = json!({ "reason": "Bad content" });
    check(
        "Reject",
        "reject",
        &reject,
        &[(What::Failed, Some("reject"), ANN)],
    );
    let failure = json!({ "errorMessage": ANN, "templateName": "t" });
    let failed = [(What::Failed, Some("rendering_failure"), ANN)];
    check("Rendering Failure", "failure", &failure, &failed);
    let delay = json!({ "delayType": "MailboxFull" });
    check("DeliveryDelay", "deliveryDelay", &delay, &[]);
    check("Open", "open", &json!({}), &[]);
}

#[test]
fn bounces_as_documented() {
    let bounced = |kind: &str| {
        json!({
            "bounceType": kind,
            "bounceSubType": "General",
            "timestamp": AT,
            "feedbackId": "f",
            "bouncedRecipients": [
                {
                    "emailAddress": ANN,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 <ann@example.org>",
                },
                { "emailAddress": "bob@example.org" },
                { "emailAddress": "eve@example.org", "status": "550 eve@example.org" },
            ],
        })
    };
    for (kind, permanent) in [
        ("Permanent", true),
        ("Transient", false),
        ("Undetermined", false),
    ] {
        let what = What::Bounced { permanent };
        let expected = [
            (what, Some("5.1.1"), ANN),
            (what, Some("General"), "bob@example.org"),
            (what, Some("General"), "eve@example.org"),
        ];
        check("Bounce", "bounce", &bounced(kind), &expected);
    }
    let what = What::Bounced { permanent: false };
    check("Bounce", "bounce", &json!({}), &[(what, None, ANN)]);
}

#[test]
fn who_wants_no_more() {
    let complaint = |kind: &str| {
        json!({
            "complainedRecipients": [{ "emailAddress": ANN }],
            "complaintFeedbackType": kind,
            "timestamp": AT,
        })
    };
    let complained = [(What::Complained, Some("abuse"), ANN)];
    check("Complaint", "complaint", &complaint("abuse"), &complained);
    check("Complaint", "complaint", &complaint("not-spam"), &[]);
    let leaves =
        |all: bool| json!({ "timestamp": AT, "newTopicPreferences": { "unsubscribeAll": all } });
    let left = [(What::Unsubscribed, None, ANN)];
    check("Subscription", "subscription", &leaves(true), &left);
    check("Subscription", "subscription", &leaves(false), &[]);
}

#[test]
fn notifications_that_say_nothing() {
    for text in [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "",
        "[]",
        "{}",
        "{\"eventType\":\"Bounce\"}",
        "{\"eventType\":\"Bounce\",\"mail\":{\"messageId\":\"a b\"}}",
        "{\"eventType\":7,\"mail\":{\"messageId\":\"a\"}}",
    ] {
        let found = signed(call("Notification", text));
        assert_eq!(found, Ok(Heard::Reports(vec![])), "{text}");
    }
    let many: Vec<_> = (0..5000)
        .map(|_| json!({ "emailAddress": "a@b.example" }))
        .collect();
    let bounce = json!({ "bounceType": "Permanent", "bouncedRecipients": many });
    let event = json!({ "eventType": "Bounce", "mail": mail(), "bounce": bounce });
    assert_eq!(reports(&event).len(), MOST_REPORTS);
}

#[test]
fn subscriptions() {
    let asked = confirmation("SubscriptionConfirmation");
    let url = asked["SubscribeURL"].as_str().unwrap().to_owned();
    let Ok(Heard::Subscription(found)) = signed(asked) else {
        panic!("no subscription");
    };
    assert_eq!(found.as_str(), url);
    let left = signed(confirmation("UnsubscribeConfirmation"));
    assert_eq!(left, Ok(Heard::Unsubscribed));
    for wrong in [
        "https://evil.example/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com.evil.example/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com/?Action=Publish",
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Action=Publish",
        "https://sns.eu-west-1.amazonaws.com/x?Action=ConfirmSubscription",
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "",
    ] {
        let mut asked = confirmation("SubscriptionConfirmation");
        asked["SubscribeURL"] = wrong.into();
        assert_eq!(signed(asked), Err(CallbackError::Address), "{wrong}");
    }
}

#[test]
fn certificates_are_at_amazon() {
    for right in [
        CERTIFICATE,
        "https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem",
    ] {
        assert_eq!(certificate_url(right).unwrap().as_str(), right);
    }
    for wrong in [
        "",
        "sns.eu-west-1.amazonaws.com/a.pem",
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com.cn.evil.example/a.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
        "https://evil.example#@sns.eu-west-1.amazonaws.com/a.pem",
        "https://evil.example\\@sns.eu-west-1.amazonaws.com/a.pem",
        "https://user@sns.eu-west-1.amazonaws.com/a.pem",
        "https://user:pw@sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
        "https://sns.eu-west-1.amazonaws.com:443/a.pem",
        "https://sns.evil.example.amazonaws.com/a.pem",
        "https://s3.eu-west-1.amazonaws.com/a.pem",
        "https://sns..amazonaws.com/a.pem",
        "https://sns.amazonaws.com/a.pem",
        "https://evilsns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com./a.pem",
        "https://SNS.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.crt",
        "https://sns.eu-west-1.amazonaws.com/.pem",
        "https://sns.eu-west-1.amazonaws.com/x/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a%2f.pem",
        "https://sns.eu-west-1.amazonaws.com/?Action=a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/a.pem#x",
        " https://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a\t.pem",
        "https://ѕns.eu-west-1.amazonaws.com/a.pem",
    ] {
        assert_eq!(
            certificate_url(wrong),
            Err(CallbackError::Address),
            "{wrong}"
        );
        let mut call = call("Notification", "{}");
        call["SigningCertURL"] = wrong.into();
        assert_eq!(signed(call), Err(CallbackError::Address), "{wrong}");
    }
}

#[test]
fn what_is_checked_before_anything_is_fetched() {
    let changed = |name: &str, value: &str| {
        let mut call = call("Notification", "{}");
        call[name] = value.into();
        call["Signature"] = "".into();
        Call::read(call.to_string().as_bytes(), TOPIC, now()).map(|_| ())
    };
    assert_eq!(changed("Subject", "x"), Ok(()));
    let other = "arn:aws:sns:eu-west-1:210987654321:mail";
    assert_eq!(changed("TopicArn", other), Err(CallbackError::Topic));
    assert_eq!(
        changed("SignatureVersion", "1"),
        Err(CallbackError::Version)
    );
    assert_eq!(changed("Type", "Other"), Err(CallbackError::Unreadable));
    assert_eq!(changed("Timestamp", "soon"), Err(CallbackError::Unreadable));
    for (age, expected) in [
        (3600, Ok(())),
        (3601, Err(CallbackError::Stale)),
        (-300, Ok(())),
        (-301, Err(CallbackError::Stale)),
    ] {
        let at = now() - TimeDelta::seconds(age);
        assert_eq!(changed("Timestamp", &at.to_rfc3339()), expected, "{age}");
    }
    let hint = CallbackError::Version.to_string();
    assert!(hint.contains("SignatureVersion to 2"), "{hint}");
    let call = Call::read(
        {
            let mut call = call("Notification", "ann@example.org");
            sign(&mut call);
            call
        }
        .to_string()
        .as_bytes(),
        TOPIC,
        now(),
    );
    let call = call.unwrap();
    assert_eq!(call.certificate_url().as_str(), CERTIFICATE);
    assert!(!format!("{call:?}").contains("ann@"));
    assert!(matches!(
        Call::read(b"{\"Type\":\"Notification\",\"Type\":\"x\"}", TOPIC, now()),
        Err(CallbackError::Unreadable)
    ));
}

#[test]
fn calls_of_somebody_else() {
    let mut right = call("Notification", "{}");
    right["Subject"] = "A subject".into();
    sign(&mut right);
    assert_eq!(read(&right), Ok(Heard::Reports(vec![])));
    for (name, value) in [
        ("Message", "{ }"),
        ("MessageId", "other"),
        ("Subject", "Another"),
        ("Timestamp", "2026-11-22T10:00:00Z"),
        ("Signature", ""),
        ("Signature", "AAAA"),
        ("Signature", "no base64"),
        ("Type", "UnsubscribeConfirmation"),
    ] {
        let mut call = right.clone();
        call[name] = value.into();
        let at = DateTime::parse_from_rfc3339(call["Timestamp"].as_str().unwrap()).unwrap();
        let found = Call::read(call.to_string().as_bytes(), TOPIC, at.to_utc())
            .and_then(|call| call.verify(AMAZON.1.as_bytes()));
        assert_eq!(found, Err(CallbackError::Forged), "{name} {value}");
    }
    let mut call = right.clone();
    call.as_object_mut().unwrap().remove("Subject");
    assert_eq!(read(&call), Err(CallbackError::Forged));
    call.as_object_mut().unwrap().remove("Signature");
    assert_eq!(read(&call), Err(CallbackError::Unreadable));
    // The same text, cut into other values.
    let mut call = right.clone();
    let id = call["MessageId"].as_str().unwrap().to_owned();
    call["MessageId"] = format!("{id}\nSubject\nA subject").into();
    call.as_object_mut().unwrap().remove("Subject");
    assert_eq!(read(&call), Err(CallbackError::Unreadable));
}

#[test]
fn certificates_of_somebody_else() {
    let mut call = call("Notification", "{}");
    sign(&mut call);
    let verify = |pem: &[u8]| {
        let call = Call::read(call.to_string().as_bytes(), TOPIC, now()).unwrap();
        call.verify(pem)
    };
    let other = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let forged = Err(CallbackError::Forged);
    assert_eq!(verify(certificate(&other).as_bytes()), forged);
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(verify(certificate(&other).as_bytes()), forged);
    let no = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for no in ["", "<html>", no, &other.serialize_pem()] {
        assert_eq!(
            verify(no.as_bytes()),
            Err(CallbackError::Certificate),
            "{no}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), url in any::<String>()) {
        prop_assert!(Call::read(&body, TOPIC, now()).is_err());
        prop_assert!(certificate_url(&url).is_err());
        let mut call = call("Notification", "{}");
        sign(&mut call);
        let call = Call::read(call.to_string().as_bytes(), TOPIC, now()).unwrap();
        prop_assert!(call.verify(&body).is_err());
        let text = String::from_utf8_lossy(&body);
        let event = json!({ "eventType": "Bounce", "mail": { "messageId": text, "timestamp": text, "destination": [text] }, "bounce": { "bounceSubType": text, "bouncedRecipients": [text, 1, { "status": text }] } });
        for report in reports(&event) {
            prop_assert!(report.message_id.is_ascii());
        }
    }
}
