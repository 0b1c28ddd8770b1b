use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData};
use serde_json::json;

use super::*;
use crate::delivery::callbacks::sendgrid::Verifier;
use crate::delivery::callbacks::{KeyError, MOST_REPORTS};

static KEY: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());

const SIGNATURE: &str = "X-Twilio-Email-Event-Webhook-Signature";
const TIMESTAMP: &str = "X-Twilio-Email-Event-Webhook-Timestamp";

fn verifier() -> Verifier {
    Verifier::new(&STANDARD.encode(KEY.subject_public_key_info())).unwrap()
}

fn sign(key: &KeyPair, timestamp: &str, body: &[u8]) -> String {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.serialized_der());
    let signed = [timestamp.as_bytes(), body].concat();
    let signature = pair.unwrap().sign(&SystemRandom::new(), &signed).unwrap();
    STANDARD.encode(signature)
}

/// Reads a call that SendGrid signed so many seconds ago.
fn read(body: &[u8], age: i64) -> Result<Vec<Report>, CallbackError> {
    let timestamp = (now().timestamp() - age).to_string();
    let signature = sign(&KEY, &timestamp, body);
    let headers = headers(&[(SIGNATURE, &signature), (TIMESTAMP, &timestamp)]);
    verifier().read(body, &headers, now())
}

#[test]
fn events_as_documented() {
    let event = |event: &str, more: serde_json::Value| {
        let mut all = json!({
            "email": "ann@example.org",
            "timestamp": 1_795_311_000,
            "sg_event_id": "c2c=",
            "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            "event": event,
        });
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        all
    };
    let body = json!([
        event("processed", json!({})),
        event(
            "deferred",
            json!({ "response": "400 try again later", "attempt": "5" })
        ),
        event("delivered", json!({ "response": "250 OK" })),
        event(
            "bounce",
            json!({ "type": "bounce", "status": "5.1.1", "reason": "550 <ann@example.org>" })
        ),
        event(
            "bounce",
            json!({ "type": "blocked", "status": "5.7.1 <ann@example.org>" })
        ),
        event("dropped", json!({ "reason": "Bounced Address" })),
        event("dropped", json!({ "reason": "ann@example.org was bad" })),
        event("open", json!({})),
        event("spamreport", json!({})),
        event("unsubscribe", json!({})),
        event("group_unsubscribe", json!({ "asm_group_id": 10 })),
        event("something new", json!({})),
    ]);
    let reports = read(body.to_string().as_bytes(), 0).unwrap();
    let ann = Some("ann@example.org");
    let expected = [
        (What::Sent, None),
        (What::Delivered, None),
        (What::Bounced { permanent: true }, Some("5.1.1")),
        (What::Bounced { permanent: false }, None),
        (What::Failed, Some("bounced_address")),
        (What::Failed, Some("dropped")),
        (What::Complained, None),
        (What::Unsubscribed, None),
        (What::Unsubscribed, None),
    ];
    let found: Vec<_> = reports.iter().map(brief).collect();
    let expected = expected.map(|(what, code)| ("14c5d75ce93", what, code, ann));
    assert_eq!(found, expected);
    assert_eq!(reports[0].driver, "sendgrid");
    assert_eq!(reports[0].at, DateTime::from_timestamp(1_795_311_000, 0));
}

#[test]
fn events_that_make_no_sense_spoil_no_others() {
    let body = json!([
        1,
        null,
        {},
        { "event": "delivered" },
        { "event": "delivered", "sg_message_id": 7 },
        { "event": "delivered", "sg_message_id": "" },
        { "event": "delivered", "sg_message_id": "a b.c" },
        { "event": ["delivered"], "sg_message_id": "a" },
        { "event": "delivered", "sg_message_id": "good", "timestamp": "soon", "email": {} },
    ]);
    let reports = read(body.to_string().as_bytes(), 0).unwrap();
    let found: Vec<_> = reports.iter().map(brief).collect();
    assert_eq!(found, [("good", What::Delivered, None, None)]);
    for no in ["", "{}", "1", "[", "[{}", "nothing", "\u{fffd}"] {
        assert_eq!(
            read(no.as_bytes(), 0),
            Err(CallbackError::Unreadable),
            "{no}"
        );
    }
}

#[test]
fn no_more_than_so_many_are_read() {
    let event = "{\"event\":\"delivered\",\"sg_message_id\":\"a.b\"}";
    let body = format!("[{}]", vec![event; 5000].join(","));
    assert_eq!(read(body.as_bytes(), 0).unwrap().len(), MOST_REPORTS);
    let deep = format!("[{}]", "[".repeat(100_000));
    assert_eq!(read(deep.as_bytes(), 0), Err(CallbackError::Unreadable));
}

#[test]
fn a_call_may_be_as_old_as_the_last_try_of_the_same() {
    for (age, is_taken) in [
        (0, true),
        (3600, true),
        (24 * 3600, true),
        (25 * 3600, true),
        (25 * 3600 + 1, false),
        (-300, true),
        (-301, false),
    ] {
        let expected = if is_taken {
            Ok(vec![])
        } else {
            Err(CallbackError::Stale)
        };
        assert_eq!(read(b"[]", age), expected, "{age}");
    }
    let verifier = verifier();
    for timestamp in ["", "soon", "1795311901 ", "9223372036854775807", "-1"] {
        let signature = sign(&KEY, timestamp, b"[]");
        let headers = headers(&[(SIGNATURE, &signature), (TIMESTAMP, timestamp)]);
        let found = verifier.read(b"[]", &headers, now());
        assert_eq!(found, Err(CallbackError::Stale), "{timestamp}");
    }
}

#[test]
fn calls_of_somebody_else() {
    let verifier = verifier();
    let timestamp = now().timestamp().to_string();
    let signature = sign(&KEY, &timestamp, b"[]");
    let read = |body: &[u8], pairs: &[(&str, &str)]| verifier.read(body, &headers(pairs), now());
    let right = [
        (SIGNATURE, signature.as_str()),
        (TIMESTAMP, timestamp.as_str()),
    ];
    assert_eq!(read(b"[]", &right), Ok(vec![]));

    let unsigned = Err(CallbackError::Unsigned);
    assert_eq!(read(b"[]", &[]), unsigned);
    assert_eq!(read(b"[]", &right[..1]), unsigned);
    assert_eq!(read(b"[]", &right[1..]), unsigned);
    assert_eq!(read(b"[]", &[right[0], right[1], right[0]]), unsigned);
    assert_eq!(read(b"[]", &[right[0], right[1], right[1]]), unsigned);

    let forged = Err(CallbackError::Forged);
    assert_eq!(read(b"[ ]", &right), forged);
    let later = (now().timestamp() + 1).to_string();
    assert_eq!(read(b"[]", &[right[0], (TIMESTAMP, &later)]), forged);
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let other = sign(&other, &timestamp, b"[]");
    for wrong in [other.as_str(), "", "AAAA", "not base64", &signature[4..]] {
        assert_eq!(
            read(b"[]", &[(SIGNATURE, wrong), right[1]]),
            forged,
            "{wrong}"
        );
    }
}

#[test]
fn keys() {
    let other = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let other = STANDARD.encode(other.subject_public_key_info());
    let mut cut = STANDARD.encode(KEY.subject_public_key_info());
    cut.truncate(80);
    for wrong in ["", "x", "AAAA", &other, &cut] {
        assert_eq!(Verifier::new(wrong).err(), Some(KeyError), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        signature in "[ -~]{0,120}",
        timestamp in "[ -~]{0,24}",
    ) {
        let headers = headers(&[(SIGNATURE, &signature), (TIMESTAMP, &timestamp)]);
        prop_assert!(verifier().read(&body, &headers, now()).is_err());
        // And signed, so that it is read.
        drop(read(&body, 0));
        let text = String::from_utf8_lossy(&body);
        let event = json!([{ "event": "bounce", "type": text, "status": text, "sg_message_id": text }]);
        for report in read(event.to_string().as_bytes(), 0).unwrap() {
            prop_assert!(report.message_id.is_ascii() && !report.message_id.is_empty());
        }
    }
}
