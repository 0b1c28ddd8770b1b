//! APNS, played over TLS and HTTP/2.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;
use std::path::Path;

use super::*;

const DEVICE: &str = "/3/device/ab01CD";

struct Play {
    vendor: Vendor,
    transport: PushTransport,
    key: KeyPair,
    _folder: TempDir,
}

impl Play {
    async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let (certificate, tls) = tls(b"h2");
        let vendor = Vendor::start(Some(tls), answer).await;
        let client = client(Some(&certificate));
        let (transport, key, folder) = transport(vendor.port, 20, client);
        Self {
            vendor,
            transport,
            key,
            _folder: folder,
        }
    }

    async fn send(&self, minutes: i64) -> Outcome {
        let now = now() + TimeDelta::minutes(minutes);
        self.transport.send(&message(Platform::Apns), now).await
    }

    /// When the provider token of each request was made, in minutes.
    fn tokens(&self) -> Vec<i64> {
        let point = self.key.public_key_raw();
        let key = DecodingKey::from_ec_der(point);
        let mut checks = Validation::new(Algorithm::ES256);
        checks.validate_exp = false;
        checks.required_spec_claims.clear();
        self.vendor
            .seen(DEVICE)
            .iter()
            .map(|seen| {
                let token = decode::<Value>(seen.bearer(), &key, &checks).unwrap();
                assert_eq!(token.claims["iss"], "TEAMTEAM12");
                let header = decode_header(seen.bearer()).unwrap();
                assert_eq!(header.kid.as_deref(), Some("KEYKEYKEY1"));
                (token.claims["iat"].as_i64().unwrap() - now().timestamp()) / 60
            })
            .collect()
    }
}

fn transport(
    port: u16,
    timeout_seconds: u64,
    client: reqwest::Client,
) -> (PushTransport, KeyPair, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut settings = settings();
    settings.timeout_seconds = timeout_seconds;
    settings.apns.key_file = Some(write(&folder, "key.p8", &key.serialize_pem()));
    settings.apns.key_id = Some("KEYKEYKEY1".to_owned());
    settings.apns.team_id = Some("TEAMTEAM12".to_owned());
    settings.apns.topic = Some("org.example.tasks".to_owned());
    settings.apns.endpoint = Some(format!("https://localhost:{port}").parse().unwrap());
    let transport =
        PushTransport::new(&settings, only(Platform::Apns), Path::new("unused"), client).unwrap();
    (transport, key, folder)
}

fn taken() -> Reply {
    Reply::With(200, vec![], String::new())
}

fn no(code: u16, reason: &str) -> Reply {
    Reply::Json(code, json!({ "reason": reason }))
}

#[tokio::test]
async fn a_message_as_documented() {
    let play = Play::start(|seen| {
        let id = seen.header("apns-id").unwrap().to_uppercase();
        Reply::With(200, vec![("apns-id", id)], String::new())
    })
    .await;
    assert_eq!(
        play.transport.describe(),
        "APNS for org.example.tasks at localhost"
    );
    let mut message = message(Platform::Apns);
    let sent = play.transport.send(&message, now()).await;
    message.collapse_key = Some("task_1".to_owned());
    message.critical = true;
    message.expires_at = Some(now() + TimeDelta::minutes(5));
    assert_eq!(play.transport.send(&message, now()).await, sent);

    let seen = play.vendor.seen(DEVICE);
    let id = seen[0].header("apns-id").unwrap().to_owned();
    assert!(uuid::Uuid::parse_str(&id).is_ok(), "{id}");
    assert_eq!(
        sent,
        Outcome::Sent {
            detail: None,
            id: Some(id.clone())
        }
    );
    for seen in &seen {
        assert_eq!(seen.method, Method::POST);
        assert_eq!(seen.path, DEVICE);
        assert_eq!(seen.version, Version::HTTP_2);
        assert_eq!(seen.header("apns-topic"), Some("org.example.tasks"));
        assert_eq!(seen.header("apns-push-type"), Some("alert"));
        assert_eq!(seen.header("apns-id"), Some(id.as_str()));
        let alert = json!({ "title": "A task", "body": "Ann gave you \"Paint\"" });
        let expected = json!({ "aps": { "alert": alert, "sound": "default" }, "task": "task_1" });
        assert_eq!(seen.json(), expected);
    }
    let values = |name: &str| [seen[0].header(name), seen[1].header(name)];
    assert_eq!(values("apns-priority"), [Some("5"), Some("10")]);
    assert_eq!(values("apns-collapse-id"), [None, Some("task_1")]);
    let end = (now().timestamp() + 300).to_string();
    assert_eq!(values("apns-expiration"), [None, Some(end.as_str())]);
    assert_eq!(play.tokens(), [0, 0]);
}

#[tokio::test]
async fn ids_and_collapse_ids() {
    let play = Play::start(|_| taken()).await;
    let mut message = message(Platform::Apns);
    for key in [
        "x".repeat(64),
        "x".repeat(65),
        "ü".to_owned(),
        "a b".to_owned(),
    ] {
        message.collapse_key = Some(key);
        play.transport.send(&message, now()).await;
    }
    message.id = "delivery-18".to_owned();
    play.transport.send(&message, now()).await;
    let seen = play.vendor.seen(DEVICE);
    let keys: Vec<&str> = seen
        .iter()
        .map(|it| it.header("apns-collapse-id").unwrap())
        .collect();
    assert_eq!(keys[0], "x".repeat(64));
    for key in &keys[1..] {
        assert_eq!(key.len(), 64);
    }
    assert!(keys[1] != keys[2] && keys[2] != keys[3]);
    assert_ne!(seen[3].header("apns-id"), seen[4].header("apns-id"));
}

#[tokio::test]
async fn the_provider_token_is_renewed_every_forty_minutes() {
    let play = Play::start(|_| taken()).await;
    let all = (0..8).map(|_| play.send(0));
    futures_util::future::join_all(all).await;
    let tokens = play.vendor.seen(DEVICE);
    assert!(
        tokens
            .iter()
            .all(|seen| seen.bearer() == tokens[0].bearer())
    );
    for minutes in [39, 40, 79, 80, 10] {
        play.send(minutes).await;
    }
    assert_eq!(play.tokens()[8..], [0, 40, 40, 80, 10]);
}

#[tokio::test]
async fn an_expired_provider_token_is_renewed_but_not_too_often() {
    // The service's clock is half an hour ahead.
    let play = Play::start(|seen| match seen.before {
        1 | 3.. => no(403, "ExpiredProviderToken"),
        _ => taken(),
    })
    .await;
    for minutes in [0, 30] {
        let outcome = play.send(minutes).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    }
    let outcome = play.send(49).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert_eq!(play.tokens(), [0, 0, 30, 30]);
    let outcome = play.send(50).await;
    let reason = "APNS answered 403: ExpiredProviderToken".to_owned();
    assert_eq!(outcome, Outcome::Refused { reason });
    assert_eq!(play.tokens()[4..], [30, 50]);
}

#[tokio::test]
async fn whom_a_refusal_is_about() {
    let cases = [
        (410, "Unregistered", "gone"),
        (410, "ExpiredToken", "gone"),
        (400, "BadDeviceToken", "gone"),
        (400, "DeviceTokenNotForTopic", "gone"),
        (410, "a b", "rejected"),
        (403, "InvalidProviderToken", "refused"),
        (403, "Forbidden", "refused"),
        (400, "TopicDisallowed", "refused"),
        (404, "BadPath", "refused"),
        (405, "MethodNotAllowed", "refused"),
        (400, "BadMessageId", "rejected"),
        (400, "BadCollapseId", "rejected"),
        (400, "IdleTimeout", "retry"),
        (429, "TooManyRequests", "retry"),
        (429, "TooManyProviderTokenUpdates", "retry"),
        (500, "InternalServerError", "retry"),
        (503, "ServiceUnavailable", "retry"),
        (503, "Shutdown", "retry"),
    ];
    let play = Play::start(move |seen| {
        let (code, reason, _) = cases[seen.before];
        no(code, reason)
    })
    .await;
    for (code, word, expected) in cases {
        let outcome = play.send(0).await;
        let (found, reason) = match &outcome {
            Outcome::NoRecipient { reason } => ("gone", reason),
            Outcome::Rejected { reason } => ("rejected", reason),
            Outcome::Refused { reason } => ("refused", reason),
            Outcome::Retry {
                after: None,
                reason,
            } => ("retry", reason),
            _ => panic!("{word}: {outcome:?}"),
        };
        assert_eq!(found, expected, "{word}");
        let word = if word.contains(' ') {
            "no reason"
        } else {
            word
        };
        assert_eq!(reason, &format!("APNS answered {code}: {word}"));
    }
}

#[tokio::test]
async fn pauses_and_answers_without_json() {
    let answers = [
        (429, Some("20"), "{\"reason\":\"TooManyRequests\"}"),
        (503, None, "<html>"),
        (429, None, ""),
        (302, None, ""),
    ];
    let play = Play::start(move |seen| {
        let (code, pause, body) = answers[seen.before];
        let headers = pause.map(|pause| ("retry-after", pause.to_owned()));
        Reply::With(code, headers.into_iter().collect(), body.to_owned())
    })
    .await;
    for seconds in [Some(20), None, None, None] {
        let outcome = play.send(0).await;
        assert!(is_retry(&outcome, seconds), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_shortened() {
    let play = Play::start(|seen| match seen.before {
        1 | 3.. => no(413, "PayloadTooLarge"),
        _ => taken(),
    })
    .await;
    let mut message = message(Platform::Apns);
    message.body = "ü\"".repeat(4000);
    message.data.insert("aps".to_owned(), "mine".to_owned());
    for _ in 0..2 {
        let outcome = play.transport.send(&message, now()).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    }
    let outcome = play.transport.send(&message, now()).await;
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    for (seen, most) in play
        .vendor
        .seen(DEVICE)
        .iter()
        .zip([4096, 4096, 2048, 4096, 2048])
    {
        let size = seen.body.len();
        assert!((most - 12..=most).contains(&size), "{size}");
        let body = seen.json()["aps"]["alert"]["body"].clone();
        assert!(body.as_str().unwrap().ends_with('…'));
        assert_eq!(seen.json()["task"], "task_1");
    }
}

#[tokio::test]
async fn what_is_no_device_never_leaves() {
    let play = Play::start(|_| taken()).await;
    let mut message = message(Platform::Apns);
    for token in [
        "",
        "../../x",
        "ab?x",
        "ab cd",
        "zz",
        "a\r\nb",
        &"a".repeat(201),
    ] {
        token.clone_into(&mut message.token);
        let outcome = play.transport.send(&message, now()).await;
        assert!(
            matches!(outcome, Outcome::NoRecipient { .. }),
            "{token}: {outcome:?}"
        );
    }
    assert!(play.vendor.seen("").is_empty());
}

#[tokio::test]
async fn the_network_fails_without_naming_the_device() {
    let (certificate, _) = tls(b"h2");
    let port = closed_port().await;
    let (nobody, _, _folder) = transport(port, 20, client(Some(&certificate)));
    let reason = "APNS: no connection".to_owned();
    let outcome = nobody.send(&message(Platform::Apns), now()).await;
    assert_eq!(
        outcome,
        Outcome::Retry {
            after: None,
            reason
        }
    );

    // Whoever answers is not the one whose certificate is trusted.
    let (_, other) = tls(b"h2");
    let vendor = Vendor::start(Some(other), |_| taken()).await;
    let (stranger, _, _folder) = transport(vendor.port, 20, client(Some(&certificate)));
    let reason = "APNS: the certificate is not trusted".to_owned();
    let outcome = stranger.send(&message(Platform::Apns), now()).await;
    assert_eq!(outcome, Outcome::Refused { reason });

    let (certificate, acceptor) = tls(b"h2");
    let vendor = Vendor::start(Some(acceptor), |_| Reply::Silence).await;
    let (silent, _, _folder) = transport(vendor.port, 1, client(Some(&certificate)));
    let reason = "no answer within 1 s".to_owned();
    let outcome = silent.send(&message(Platform::Apns), now()).await;
    assert_eq!(
        outcome,
        Outcome::Retry {
            after: None,
            reason
        }
    );

    // Apple speaks HTTP/2.
    let (certificate, acceptor) = tls(b"http/1.1");
    let vendor = Vendor::start(Some(acceptor), |_| taken()).await;
    let (old, _, _folder) = transport(vendor.port, 20, client(Some(&certificate)));
    let outcome = old.send(&message(Platform::Apns), now()).await;
    assert!(is_retry(&outcome, None), "{outcome:?}");
    assert!(vendor.seen("").is_empty());
}
