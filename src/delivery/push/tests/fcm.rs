//! FCM and Google's token service, played on one port.

use std::path::Path;
use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const SEND: &str = "/v1/projects/tasks-1/messages:send";

/// The outcomes are made by one driver for one vendor; the folder has its key.
struct Play {
    vendor: Vendor,
    transport: PushTransport,
    public: String,
    _folder: TempDir,
}

impl Play {
    /// `answer` is FCM's; a request for a token gets `token-<n>`.
    async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(20, move |seen| match seen.path.as_str() {
            "/token" => Reply::Json(200, token(seen.before)),
            _ => answer(seen),
        })
        .await
    }

    async fn start_with(
        timeout_seconds: u64,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let vendor = Vendor::start(None, answer).await;
        let (transport, public, folder) = transport(vendor.port, timeout_seconds);
        Self {
            vendor,
            transport,
            public,
            _folder: folder,
        }
    }

    async fn send(&self) -> Outcome {
        self.transport.send(&message(Platform::Fcm), now()).await
    }
}

fn token(number: usize) -> Value {
    json!({ "access_token": format!("token-{number}"), "expires_in": 3599, "token_type": "Bearer" })
}

fn taken() -> Reply {
    Reply::Json(200, json!({ "name": "projects/tasks-1/messages/0:1" }))
}

/// An error as Google's services tell it.
fn error(code: u16, status: &str, message: &str, details: &Value) -> Reply {
    let error = json!({ "code": code, "message": message, "status": status, "details": details });
    Reply::Json(code, json!({ "error": error }))
}

fn fcm_error(code: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code })
}

fn violation(field: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": field, "description": "The registration token is not valid" }],
    })
}

/// The key of the service account. It takes long to make, so all tests have the same.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());

/// A driver for the vendor at the port, and the public key it is to be known by.
fn transport(port: u16, timeout_seconds: u64) -> (PushTransport, String, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let account = json!({
        "type": "service_account",
        "project_id": "tasks-1",
        "private_key_id": "key-1",
        "private_key": KEY.serialize_pem(),
        "client_email": "push@tasks-1.iam.example",
        "token_uri": format!("http://127.0.0.1:{port}/token"),
    });
    let mut settings = settings();
    settings.timeout_seconds = timeout_seconds;
    settings.fcm.service_account_file = Some(write(&folder, "a.json", &account.to_string()));
    settings.fcm.endpoint = Some(format!("http://127.0.0.1:{port}").parse().unwrap());
    let transport = PushTransport::new(
        &settings,
        only(Platform::Fcm),
        Path::new("unused"),
        client(None),
    )
    .unwrap();
    let public = pem(&KEY.subject_public_key_info());
    (transport, public, folder)
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[tokio::test]
async fn a_message_as_documented() {
    let play = Play::start(|_| taken()).await;
    assert_eq!(play.transport.describe(), "FCM for tasks-1");
    let mut message = message(Platform::Fcm);
    message.collapse_key = Some("task_1".to_owned());
    message.critical = true;
    message.expires_at = Some(now() + TimeDelta::minutes(5));
    let outcome = play.transport.send(&message, now()).await;
    let id = Some("projects/tasks-1/messages/0:1".to_owned());
    assert_eq!(outcome, Outcome::Sent { detail: None, id });

    let token = &play.vendor.seen("/token")[0];
    assert_eq!(token.method, Method::POST);
    assert_eq!(
        token.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&token.body)
        .into_owned()
        .collect();
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    let key = DecodingKey::from_rsa_pem(play.public.as_bytes()).unwrap();
    let mut checks = Validation::new(Algorithm::RS256);
    checks.validate_exp = false;
    checks.set_audience(&[format!("http://127.0.0.1:{}/token", play.vendor.port)]);
    let claims = decode::<Value>(&form["assertion"], &key, &checks)
        .unwrap()
        .claims;
    assert_eq!(claims["iss"], "push@tasks-1.iam.example");
    assert_eq!(
        claims["scope"],
        "https://www.googleapis.com/auth/firebase.messaging"
    );
    assert_eq!(claims["iat"], now().timestamp());
    assert_eq!(claims["exp"], now().timestamp() + 3600);
    let header = decode_header(&form["assertion"]).unwrap();
    assert_eq!(header.kid.as_deref(), Some("key-1"));

    let sent = &play.vendor.seen(SEND)[0];
    assert_eq!(sent.bearer(), "token-0");
    assert_eq!(sent.header("content-type"), Some("application/json"));
    let expected = json!({ "message": {
        "token": "ab01CD",
        "notification": { "title": "A task", "body": "Ann gave you \"Paint\"" },
        "data": { "task": "task_1" },
        "android": {
            "priority": "HIGH",
            "ttl": "300s",
            "collapse_key": "task_1",
            "notification": { "tag": "task_1" },
        },
    }});
    assert_eq!(sent.json(), expected);
}

#[tokio::test]
async fn all_who_send_share_one_access_token_until_shortly_before_its_end() {
    let play = Play::start(|_| taken()).await;
    let all = (0..16).map(|_| play.send());
    for outcome in futures_util::future::join_all(all).await {
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    }
    assert_eq!(play.vendor.seen("/token").len(), 1);
    let message = message(Platform::Fcm);
    for (seconds, fetched) in [(3500, 1), (3540, 2), (3541, 2), (0, 3)] {
        let now = now() + TimeDelta::seconds(seconds);
        play.transport.send(&message, now).await;
        assert_eq!(play.vendor.seen("/token").len(), fetched, "{seconds}");
    }
}

#[tokio::test]
async fn a_refused_access_token_is_replaced_once() {
    let no = || error(401, "UNAUTHENTICATED", "No", &json!([]));
    let play = Play::start(move |seen| match seen.bearer() {
        "token-0" => no(),
        _ => taken(),
    })
    .await;
    assert!(matches!(play.send().await, Outcome::Sent { .. }));
    assert!(matches!(play.send().await, Outcome::Sent { .. }));
    assert_eq!(play.vendor.seen("/token").len(), 2);

    let play = Play::start(move |_| no()).await;
    let reason = "FCM answered 401: UNAUTHENTICATED".to_owned();
    assert_eq!(play.send().await, Outcome::Refused { reason });
    assert_eq!(play.vendor.seen(SEND).len(), 2);

    let details = json!([fcm_error("THIRD_PARTY_AUTH_ERROR")]);
    let play = Play::start(move |_| error(401, "UNAUTHENTICATED", "No", &details)).await;
    let reason = "FCM answered 401: THIRD_PARTY_AUTH_ERROR".to_owned();
    assert_eq!(play.send().await, Outcome::Refused { reason });
    assert_eq!(play.vendor.seen(SEND).len(), 1);
}

#[tokio::test]
async fn devices_that_are_gone() {
    let unregistered = || json!([fcm_error("UNREGISTERED")]);
    let invalid = || json!([fcm_error("INVALID_ARGUMENT")]);
    let invalid_token = "The registration token is not a valid FCM registration token";
    let answers: [(u16, &str, &str, Value); 4] = [
        (
            404,
            "NOT_FOUND",
            "Requested entity was not found.",
            unregistered(),
        ),
        (
            403,
            "PERMISSION_DENIED",
            "No",
            json!([fcm_error("SENDER_ID_MISMATCH")]),
        ),
        (400, "INVALID_ARGUMENT", invalid_token, invalid()),
        (
            400,
            "INVALID_ARGUMENT",
            "No",
            json!([fcm_error("INVALID_ARGUMENT"), violation("message.token")]),
        ),
    ];
    for (code, status, text, details) in answers {
        let play = Play::start(move |_| error(code, status, text, &details)).await;
        let outcome = play.send().await;
        assert!(
            matches!(outcome, Outcome::NoRecipient { .. }),
            "{code} {text}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_message_is_not_the_devices_fault() {
    for (text, details) in [
        ("Invalid value", json!([violation("message.data[0].value")])),
        (
            "The registration token: no",
            json!([
                fcm_error("INVALID_ARGUMENT"),
                violation("message.data.from")
            ]),
        ),
        (
            "Android message is too big",
            json!([fcm_error("INVALID_ARGUMENT")]),
        ),
        ("The registration token", json!([])),
        ("No", json!("something else")),
    ] {
        let play = Play::start(move |_| error(400, "INVALID_ARGUMENT", text, &details)).await;
        let outcome = play.send().await;
        assert!(
            matches!(outcome, Outcome::Rejected { .. }),
            "{text}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_is_ours_to_put_right() {
    for (code, status) in [(403, "PERMISSION_DENIED"), (404, "NOT_FOUND")] {
        let play = Play::start(move |_| error(code, status, "No", &json!([]))).await;
        let reason = format!("FCM answered {code}: {status}");
        assert_eq!(play.send().await, Outcome::Refused { reason });
    }
    let page = || Reply::With(404, vec![], "<html>a@b.example</html>".to_owned());
    let play = Play::start(move |_| page()).await;
    let reason = "FCM answered 404: no reason".to_owned();
    assert_eq!(play.send().await, Outcome::Refused { reason });
}

#[tokio::test]
async fn what_may_work_later() {
    let later = |pause: &str| vec![("retry-after", pause.to_owned())];
    let answers = [
        (429, later("7"), Some(7)),
        (429, vec![], Some(60)),
        (503, later("30"), Some(30)),
        (500, vec![], None),
        (502, vec![], None),
        (408, vec![], None),
        (302, vec![], None),
    ];
    for (code, headers, seconds) in answers {
        let play = Play::start(move |_| Reply::With(code, headers.clone(), "no".to_owned())).await;
        let outcome = play.send().await;
        assert!(is_retry(&outcome, seconds), "{code}: {outcome:?}");
    }
    // Whether it was sent is not known.
    for body in ["<html>", "{}", "{\"name\":1}"] {
        let play = Play::start(move |_| Reply::With(200, vec![], body.to_owned())).await;
        assert!(is_retry(&play.send().await, None), "{body}");
    }
}

#[tokio::test]
async fn sign_ins_that_fail() {
    let cases: [(u16, &str, &str); 6] = [
        (
            400,
            "{\"error\":\"invalid_grant\",\"error_description\":\"push@x\"}",
            "refused",
        ),
        (401, "{\"error\":\"invalid_client\"}", "refused"),
        (404, "<html>", "refused"),
        (503, "", "retry"),
        (429, "", "retry"),
        (200, "<html>", "retry"),
    ];
    for (code, body, what) in cases {
        let play = Play::start_with(20, move |_| Reply::With(code, vec![], body.to_owned())).await;
        let outcome = play.send().await;
        let is_so = match what {
            "refused" => matches!(outcome, Outcome::Refused { .. }),
            _ => is_retry(&outcome, None),
        };
        assert!(is_so, "{code} {body}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains('@'), "{outcome:?}");
        assert!(play.vendor.seen(SEND).is_empty());
    }
}

#[tokio::test]
async fn no_connection_and_no_answer() {
    let (transport, _, _folder) = transport(closed_port().await, 20);
    let reason = "Google's token service: no connection".to_owned();
    let outcome = transport.send(&message(Platform::Fcm), now()).await;
    assert_eq!(
        outcome,
        Outcome::Retry {
            after: None,
            reason
        }
    );

    let play = Play::start_with(1, |_| Reply::Silence).await;
    let reason = "no answer within 1 s".to_owned();
    assert_eq!(
        play.send().await,
        Outcome::Retry {
            after: None,
            reason
        }
    );
}

/// A message that was taken is not sent again because the rest of the answer is missing.
#[tokio::test]
async fn an_answer_that_breaks_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (transport, _, _folder) = transport(listener.local_addr().unwrap().port(), 20);
    let whole = token(0).to_string();
    let answer = |length: usize, body: &str| {
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let answers = [answer(whole.len(), &whole), answer(1000, "{\"name\":")];
    let serve = async {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            // The body of either request ends its JSON or its form; the head alone says that it began.
            while !seen.windows(4).any(|it| it == b"\r\n\r\n") {
                let read = stream.read_buf(&mut seen).await.unwrap();
                assert_ne!(read, 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            // The rest of the request: closing on it unread would reset the connection.
            drop(stream.read_to_end(&mut seen).await);
        }
    };
    let message = message(Platform::Fcm);
    let (outcome, ()) = tokio::join!(transport.send(&message, now()), serve);
    let (detail, id) = (None, None);
    assert_eq!(outcome, Outcome::Sent { detail, id });
}

#[tokio::test]
async fn what_is_too_long_is_shortened() {
    let play = Play::start(|_| taken()).await;
    let mut message = message(Platform::Fcm);
    message.body = "ü\"".repeat(4000);
    let outcome = play.transport.send(&message, now()).await;
    assert!(
        matches!(outcome, Outcome::Sent { detail: None, .. }),
        "{outcome:?}"
    );
    message.data.insert("all".to_owned(), "x".repeat(5000));
    let outcome = play.transport.send(&message, now()).await;
    assert!(
        matches!(
            outcome,
            Outcome::Sent {
                detail: Some(_),
                ..
            }
        ),
        "{outcome:?}"
    );
    let sent = play.vendor.seen(SEND);
    for (sent, has_data) in sent.iter().zip([true, false]) {
        let mut message = sent.json()["message"].clone();
        assert_eq!(message.get("data").is_some(), has_data);
        assert!(
            message["notification"]["body"]
                .as_str()
                .unwrap()
                .ends_with('…')
        );
        message.as_object_mut().unwrap().remove("token");
        let size = message.to_string().len();
        assert!((4090..=4096).contains(&size), "{size}");
    }
}
