//! Webhooks to a server on this machine.

use super::*;
use crate::outbound::test_server::{Seen, TestServer, broken, nobody, reply};
use crate::outbound::{BodyEnd, Refused};
use crate::settings::OutboundSettings;

fn outbound(allow: &[&str]) -> Outbound {
    Outbound::untrusting(&OutboundSettings {
        allow_networks: allow.iter().map(|net| net.parse().unwrap()).collect(),
        allow_http: true,
        connect_timeout_seconds: 1,
        timeout_seconds: 1,
    })
}

/// The id, time, secret and payload of the specification's own example.
fn message(url: &str) -> WebhookMessage {
    WebhookMessage {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
        url: url.parse().unwrap(),
        secrets: vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()],
        headers: Vec::new(),
        body: r#"{"test": 2432232314}"#.to_owned(),
        timestamp: DateTime::from_timestamp(1_614_265_330, 0).unwrap(),
    }
}

const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

async fn answer(bytes: Vec<u8>) -> WebhookAnswer {
    let server = TestServer::start(move |_| bytes.clone()).await;
    send(&outbound(&["127.0.0.0/8"]), &message(&server.url())).await
}

/// Whether somebody who has this secret finds the call to be ours.
fn verifies(seen: &Seen, secret: &str) -> bool {
    use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
    let key = STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .unwrap();
    let key = Key::new(HMAC_SHA256, &key);
    let (id, time) = (seen.header("webhook-id"), seen.header("webhook-timestamp"));
    let signed = [format!("{id}.{time}.").into_bytes(), seen.body.clone()].concat();
    seen.header("webhook-signature").split(' ').any(|one| {
        let tag = STANDARD.decode(one.strip_prefix("v1,").unwrap()).unwrap();
        verify(&key, &signed, &tag).is_ok()
    })
}

#[tokio::test]
async fn the_call_is_as_the_specification_has_it() {
    let server = TestServer::start(|_| reply(200, &[], "thanks")).await;
    let mut message = message(&format!("{}/hook?a=b", server.url()));
    message.headers = vec![("Authorization".to_owned(), "Bearer mine".to_owned())];
    let answer = send(&outbound(&["127.0.0.0/8"]), &message).await;
    assert_eq!((answer.status, answer.body.as_str()), (Some(200), "thanks"));
    assert_eq!((answer.retry_after, answer.error), (None, None));
    let seen = server.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/hook?a=b")
    );
    for (name, value) in [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", SIGNATURE),
        ("content-type", "application/json"),
        (
            "user-agent",
            concat!("Taskflow/", env!("CARGO_PKG_VERSION")),
        ),
        ("authorization", "Bearer mine"),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert_eq!(seen.text(), message.body);
}

#[tokio::test]
async fn each_secret_signs_and_another_does_not() {
    let server = TestServer::start(|_| reply(204, &[], "")).await;
    let mut message = message(&server.url());
    let (new, other) = (new_secret(), new_secret());
    assert_ne!(new.expose_secret(), other.expose_secret());
    message.secrets.insert(0, new.clone());
    "{\"ü\": 1}".clone_into(&mut message.body);
    let answer = send(&outbound(&["127.0.0.0/8"]), &message).await;
    assert_eq!(answer.status, Some(204));
    let mut seen = server.only();
    assert!(verifies(&seen, new.expose_secret()));
    assert!(verifies(&seen, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert!(!verifies(&seen, other.expose_secret()));
    seen.body.push(b' ');
    assert!(!verifies(&seen, new.expose_secret()));
}

#[test]
fn secrets_have_24_to_64_bytes() {
    assert_eq!(key(&new_secret()).unwrap().len(), 32);
    let secret = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for bytes in [24, 64] {
        assert!(key(&secret(bytes).into()).is_some(), "{bytes}");
    }
    let bare = STANDARD.encode([7; 32]);
    for wrong in [
        secret(23),
        secret(65),
        bare,
        "whsec_?".to_owned(),
        String::new(),
    ] {
        assert!(key(&wrong.as_str().into()).is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_not() {
    let server = TestServer::start(|_| reply(200, &[], "")).await;
    let outbound = outbound(&["127.0.0.0/8"]);
    let good = message(&server.url());
    let with = |name: &str| vec![(name.to_owned(), "x".to_owned())];
    for (message, error) in [
        (
            WebhookMessage {
                secrets: Vec::new(),
                ..good.clone()
            },
            WebhookError::Secret,
        ),
        (
            WebhookMessage {
                secrets: vec!["whsec_short".into()],
                ..good.clone()
            },
            WebhookError::Secret,
        ),
        (
            WebhookMessage {
                headers: with("Webhook-Id"),
                ..good.clone()
            },
            WebhookError::Header,
        ),
        (
            WebhookMessage {
                headers: with("a b"),
                ..good.clone()
            },
            WebhookError::Header,
        ),
        (
            WebhookMessage {
                id: "a\nb".to_owned(),
                ..good.clone()
            },
            WebhookError::Header,
        ),
    ] {
        assert_eq!(send(&outbound, &message).await.error, Some(error));
    }
    assert!(server.seen().is_empty());
}

#[test]
fn headers_of_users() {
    for name in [
        "Host",
        "content-length",
        "Content-Type",
        "Transfer-Encoding",
        "connection",
        "User-Agent",
        "webhook-signature",
        "WEBHOOK-ANYTHING",
        "Proxy-Connection",
        "X-Forwarded-For",
        "Forwarded",
    ] {
        assert_eq!(
            check_header(name, "x"),
            Err(HeaderRefused::Reserved),
            "{name}"
        );
    }
    for name in ["", "a b", "a:b", "a\r\nb", "ä"] {
        assert_eq!(check_header(name, "x"), Err(HeaderRefused::Name), "{name}");
    }
    for value in ["a\r\nHost: b", "a\nb", "ä", "\0", "a\tb"] {
        assert_eq!(
            check_header("X-Mine", value),
            Err(HeaderRefused::Value),
            "{value:?}"
        );
    }
    let (name, value) = check_header("X-Mine", "yes, this").unwrap();
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("x-mine", "yes, this")
    );
    assert!(value.is_sensitive());
}

#[tokio::test]
async fn answers_of_every_kind() {
    for (bytes, status, body, wait) in [
        (reply(200, &[], ""), 200, "", None),
        (
            reply(301, &[("Location", "http://127.0.0.1:1/")], "moved"),
            301,
            "moved",
            None,
        ),
        (reply(410, &[], "gone"), 410, "gone", None),
        (
            reply(429, &[("Retry-After", "30")], "slow"),
            429,
            "slow",
            Some(30),
        ),
        (
            reply(503, &[("Retry-After", "Thu, 25 Feb 2021 15:02:20 GMT")], ""),
            503,
            "",
            Some(10),
        ),
        (reply(500, &[], "a\0b"), 500, "a\u{fffd}b", None),
        (broken(200, &[], "hello"), 200, "hell", None),
    ] {
        let answer = answer(bytes).await;
        assert_eq!((answer.status, answer.body.as_str()), (Some(status), body));
        assert_eq!(answer.retry_after, wait.map(Duration::from_secs));
        assert_eq!(answer.error, None);
    }
}

#[tokio::test]
async fn long_answers_and_those_that_are_no_text_are_cut() {
    let long = answer(reply(200, &[], &"x".repeat(10_000_000))).await;
    assert_eq!((long.status, long.body.len()), (Some(200), MAX_ANSWER));
    let letters = answer(reply(200, &[], &"日".repeat(10_000))).await;
    assert_eq!(letters.body.len(), 19_998);
    let answer = Answer {
        status: reqwest::StatusCode::OK,
        headers: HeaderMap::new(),
        body: vec![0xff; 64 * 1024],
        end: BodyEnd::Whole,
    };
    assert_eq!(text(&answer).len(), 19_998);
}

#[tokio::test]
async fn without_an_answer_there_is_an_error() {
    let inside = TestServer::start(|_| reply(200, &[], "secret")).await;
    let silent = TestServer::start(|_| Vec::new()).await;
    let alien = TestServer::start(|_| b"220 mail.example ESMTP\r\n".to_vec()).await;
    for (url, allow, failure) in [
        (inside.url(), &[][..], Failure::Refused(Refused::NotPublic)),
        (nobody().await, &["127.0.0.0/8"], Failure::Connect),
        (silent.url(), &["127.0.0.0/8"], Failure::TimedOut),
        (alien.url(), &["127.0.0.0/8"], Failure::Broken),
    ] {
        let answer = send(&outbound(allow), &message(&url)).await;
        assert_eq!((answer.status, answer.body.as_str()), (None, ""));
        assert_eq!(answer.error, Some(WebhookError::Call(failure)));
    }
    assert!(inside.seen().is_empty());
}

#[test]
fn nothing_shows_a_secret() {
    let mut message = message("https://hook.example/s3cret");
    message.headers = vec![("Authorization".to_owned(), "s3cret".to_owned())];
    let shown = format!("{message:?}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("whsec"),
        "{shown}"
    );
    let shown = format!("{:?}", request(&message).unwrap().headers());
    assert!(!shown.contains("s3cret"), "{shown}");
}
