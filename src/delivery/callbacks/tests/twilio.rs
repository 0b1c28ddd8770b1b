use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use secrecy::SecretString;
use url::Url;
use url::form_urlencoded::Serializer;

use super::*;
use crate::delivery::callbacks::twilio;

const URL: &str = "https://tasks.example.org/callbacks/twilio?a=1&b=2";
const SID: &str = "SM0123456789abcdef0123456789ABCDEF";
const SIGNATURE: &str = "X-Twilio-Signature";

fn token() -> SecretString {
    "12345".into()
}

fn sign(token: &str, text: &str) -> String {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

fn form(parameters: &[(&str, &str)]) -> String {
    Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

/// Reads a call that Twilio made to `url`.
fn call(url: &str, parameters: &[(&str, &str)]) -> Result<Vec<Report>, CallbackError> {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let text: String = sorted
        .iter()
        .fold(url.to_owned(), |all, (name, value)| all + name + value);
    read(&form(parameters), &[(SIGNATURE, &sign("12345", &text))])
}

fn read(body: &str, pairs: &[(&str, &str)]) -> Result<Vec<Report>, CallbackError> {
    let url: Url = URL.parse().unwrap();
    twilio::read(&url, body.as_bytes(), &headers(pairs), &token())
}

#[test]
fn the_documented_example() {
    // "Webhooks Security" has these values and their signature.
    let url = "https://example.com/myapp.php?foo=1&bar=2".parse().unwrap();
    let body = form(&[
        ("Digits", "1234"),
        ("To", "+18005551212"),
        ("From", "+14158675310"),
        ("Caller", "+14158675310"),
        ("CallSid", "CA1234567890ABCDE"),
    ]);
    let headers = headers(&[(SIGNATURE, "L/OH5YylLD5NRKLltdqwSvS0BnU=")]);
    // Signed well, but of a telephone call.
    let found = twilio::read(&url, body.as_bytes(), &headers, &token());
    assert_eq!(found, Err(CallbackError::Unreadable));
}

#[test]
fn states_as_documented() {
    let to = Some("+15005550006");
    for (status, error, expected) in [
        ("queued", "", None),
        ("sending", "", None),
        ("sent", "", Some((What::Sent, None))),
        ("delivered", "", Some((What::Delivered, None))),
        ("read", "", Some((What::Delivered, None))),
        (
            "undelivered",
            "30003",
            Some((What::Bounced { permanent: false }, Some("30003"))),
        ),
        (
            "undelivered",
            "30005",
            Some((What::Bounced { permanent: true }, Some("30005"))),
        ),
        (
            "undelivered",
            "",
            Some((What::Bounced { permanent: false }, None)),
        ),
        ("failed", "30008", Some((What::Failed, Some("30008")))),
        (
            "failed",
            "21211",
            Some((What::Bounced { permanent: true }, Some("21211"))),
        ),
        ("failed", "21610", Some((What::Unsubscribed, Some("21610")))),
    ] {
        let mut parameters = vec![
            ("To", "+15005550006"),
            ("SmsStatus", status),
            ("MessageStatus", status),
            ("MessageSid", SID),
            ("Body", "äöü & more"),
        ];
        if !error.is_empty() {
            parameters.push(("ErrorCode", error));
        }
        let reports = call(URL, &parameters).unwrap();
        let found: Vec<_> = reports.iter().map(brief).collect();
        let expected = expected.map(|(what, code)| (SID, what, code, to));
        assert_eq!(found, Vec::from_iter(expected), "{status} {error}");
    }
}

#[test]
fn the_port_may_be_signed_or_not() {
    let parameters = [("MessageSid", SID), ("MessageStatus", "sent")];
    let with_port = URL.replace(".org/", ".org:443/");
    assert!(call(&with_port, &parameters).is_ok());
    for other in [
        URL.replace(".org/", ".org:444/"),
        URL.replace("https", "http"),
        URL.replace("b=2", "b=3"),
        "https://tasks.example.org/callbacks/twilio".to_owned(),
    ] {
        assert_eq!(
            call(&other, &parameters),
            Err(CallbackError::Forged),
            "{other}"
        );
    }
    let text = format!("https://a.example/MessageSid{SID}MessageStatussent");
    let headers = headers(&[(SIGNATURE, &sign("12345", &text))]);
    let body = form(&parameters);
    let url: Url = "https://a.example:8443/".parse().unwrap();
    assert!(twilio::read(&url, body.as_bytes(), &headers, &token()).is_ok());
}

#[test]
fn calls_of_somebody_else() {
    let body = form(&[("MessageSid", SID), ("MessageStatus", "sent")]);
    let text = format!("{URL}MessageSid{SID}MessageStatussent");
    let right = sign("12345", &text);
    assert!(read(&body, &[(SIGNATURE, &right)]).is_ok());
    assert_eq!(read(&body, &[]), Err(CallbackError::Unsigned));
    let twice = [(SIGNATURE, right.as_str()), (SIGNATURE, right.as_str())];
    assert_eq!(read(&body, &twice), Err(CallbackError::Unsigned));
    for wrong in [
        sign("12346", &text),
        String::new(),
        "x".to_owned(),
        right[4..].to_owned(),
    ] {
        let found = read(&body, &[(SIGNATURE, &wrong)]);
        assert_eq!(found, Err(CallbackError::Forged), "{wrong}");
    }
    let changed = body.replace("sent", "failed");
    assert_eq!(
        read(&changed, &[(SIGNATURE, &right)]),
        Err(CallbackError::Forged)
    );
    let more = format!("{body}&ErrorCode=21610");
    assert_eq!(
        read(&more, &[(SIGNATURE, &right)]),
        Err(CallbackError::Forged)
    );
}

#[test]
fn what_is_cut_elsewhere_is_not_taken() {
    let unreadable = Err(CallbackError::Unreadable);
    for parameters in [
        vec![],
        vec![("MessageStatus", "sent")],
        vec![("MessageSid", SID)],
        vec![("MessageSid", "SM1"), ("MessageStatus", "sent")],
        vec![("MessageSid", SID), ("MessageStatus", "sentTo+15005550006")],
        vec![
            ("MessageSid", SID),
            ("MessageStatus", "sent"),
            ("MessageStatus", "failed"),
        ],
        vec![
            ("MessageSid", SID),
            ("MessageStatus", "sent"),
            ("To", "1"),
            ("To", "2"),
        ],
        vec![
            ("ErrorCode", "30003x"),
            ("MessageSid", SID),
            ("MessageStatus", "failed"),
        ],
        vec![("x", "y"); 201],
    ] {
        assert_eq!(call(URL, &parameters), unreadable, "{parameters:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        signature in "[ -~]{0,60}",
        values in prop::collection::vec(("[A-Z]{0,3}|MessageSid|MessageStatus|ErrorCode|To", any::<String>()), 0..6),
    ) {
        let url: Url = URL.parse().unwrap();
        let headers = headers(&[(SIGNATURE, &signature)]);
        prop_assert!(twilio::read(&url, &body, &headers, &token()).is_err());
        let pairs: Vec<(&str, &str)> = values.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        prop_assert_ne!(call(URL, &pairs), Err(CallbackError::Forged));
    }
}
