//! The drivers against a server that speaks as the vendors document.

mod apns;
mod fcm;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, Method, Version};
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Platform, PushError, PushMessage, PushTransport};
use crate::delivery::Outcome;
use crate::settings::{
    ApnsSettings, EffectivePush, FcmSettings, PushSettings, PushTransportSetting, PushWay,
};

/// A request as the vendor got it.
struct Seen {
    method: Method,
    path: String,
    version: Version,
    headers: HeaderMap,
    body: Vec<u8>,
    /// How many came before it to the same path.
    before: usize,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn bearer(&self) -> &str {
        let value = self.header("authorization").unwrap();
        value.strip_prefix("Bearer ").unwrap()
    }
}

/// What the vendor answers.
enum Reply {
    Json(u16, Value),
    With(u16, Vec<(&'static str, String)>, String),
    Silence,
}

/// A vendor on this machine.
struct Vendor {
    port: u16,
    seen: Arc<Mutex<Vec<Arc<Seen>>>>,
}

impl Vendor {
    async fn start(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<Arc<Seen>>>>::default();
        let (log, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer, tls) = (log.clone(), answer.clone(), tls.clone());
                let service =
                    service_fn(move |request| serve(request, log.clone(), answer.clone()));
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        let http = hyper::server::conn::http1::Builder::new();
                        drop(http.serve_connection(TokioIo::new(stream), service).await);
                        return;
                    };
                    let Ok(stream) = tls.accept(stream).await else {
                        return;
                    };
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(http.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { port, seen }
    }

    fn seen(&self, path: &str) -> Vec<Arc<Seen>> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.path.starts_with(path))
            .cloned()
            .collect()
    }
}

async fn serve<F: Fn(&Seen) -> Reply>(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<Arc<Seen>>>>,
    answer: Arc<F>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    let path = parts.uri.path().to_owned();
    let seen = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|seen| seen.path == path).count();
        let seen = Arc::new(Seen {
            method: parts.method,
            path,
            version: parts.version,
            headers: parts.headers,
            body,
            before,
        });
        log.push(seen.clone());
        seen
    };
    let (status, headers, body) = match answer(&seen) {
        Reply::Json(status, json) => (status, Vec::new(), json.to_string()),
        Reply::With(status, headers, body) => (status, headers, body),
        Reply::Silence => std::future::pending().await,
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(body)).unwrap())
}

/// A client that trusts nobody, or `certificate`.
fn client(certificate: Option<&[u8]>) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(der) = certificate {
        roots.add(der.to_vec().into()).unwrap();
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// A certificate for `localhost` and who shows it, with HTTP/2 or without.
fn tls(protocol: &[u8]) -> (Vec<u8>, TlsAcceptor) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    (cert.der().to_vec(), TlsAcceptor::from(Arc::new(config)))
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_311_901, 0).unwrap()
}

fn message(platform: Platform) -> PushMessage {
    PushMessage {
        id: "delivery-17".to_owned(),
        platform,
        token: "ab01CD".to_owned(),
        title: "A task".to_owned(),
        body: "Ann gave you \"Paint\"".to_owned(),
        data: BTreeMap::from([("task".to_owned(), "task_1".to_owned())]),
        collapse_key: None,
        critical: false,
        expires_at: None,
    }
}

fn settings() -> PushSettings {
    PushSettings {
        transport: PushTransportSetting::Vendors,
        timeout_seconds: 20,
        fcm: FcmSettings {
            service_account_file: None,
            endpoint: None,
        },
        apns: ApnsSettings {
            key_file: None,
            key_id: None,
            team_id: None,
            topic: None,
            sandbox: false,
            endpoint: None,
        },
    }
}

fn only(platform: Platform) -> EffectivePush {
    let way = |is_it| {
        if is_it {
            PushWay::Vendor
        } else {
            PushWay::None
        }
    };
    EffectivePush {
        fcm: way(platform == Platform::Fcm),
        apns: way(platform == Platform::Apns),
    }
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A port that nobody listens at.
async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn is_retry(outcome: &Outcome, seconds: Option<u64>) -> bool {
    let expected = seconds.map(std::time::Duration::from_secs);
    matches!(outcome, Outcome::Retry { after, .. } if *after == expected)
}

#[tokio::test]
async fn without_a_way_nothing_is_sent() {
    let off = EffectivePush {
        fcm: PushWay::None,
        apns: PushWay::None,
    };
    let transport =
        PushTransport::new(&settings(), off, Path::new("unused"), client(None)).unwrap();
    assert_eq!(transport.describe(), "none");
    for platform in [Platform::Fcm, Platform::Apns] {
        let reason = "push_off".to_owned();
        let outcome = transport.send(&message(platform), now()).await;
        assert_eq!(outcome, Outcome::Skipped { reason });
        let mut late = message(platform);
        late.expires_at = Some(now());
        let reason = "expired".to_owned();
        assert_eq!(
            transport.send(&late, now()).await,
            Outcome::Skipped { reason }
        );
    }
}

#[test]
fn a_message_shows_neither_words_nor_device() {
    let shown = format!("{:?}", message(Platform::Apns));
    assert!(shown.contains("delivery-17"), "{shown}");
    assert!(
        !shown.contains("Ann") && !shown.contains("ab01CD"),
        "{shown}"
    );
}

#[test]
fn files_without_keys() {
    let folder = tempfile::tempdir().unwrap();
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let account = |key: &str, project: &str, uri: &str| {
        serde_json::json!({
            "project_id": project, "private_key": key, "client_email": "a@b", "token_uri": uri,
        })
        .to_string()
    };
    let good = rsa.serialize_pem();
    for text in [
        String::new(),
        "{}".to_owned(),
        account("x", "p", "https://a.example/t"),
        account(&good, "", "https://a.example/t"),
        account(&good, "p/../q", "https://a.example/t"),
        account(&good, "p", "http://a.example/t"),
    ] {
        let mut settings = settings();
        settings.fcm.service_account_file = Some(write(&folder, "a.json", &text));
        let made = PushTransport::new(
            &settings,
            only(Platform::Fcm),
            Path::new("unused"),
            client(None),
        );
        let error = made.unwrap_err();
        assert!(matches!(error, PushError::Key { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("push.fcm.service_account_file: ")
        );
    }
    // A key of the other vendor.
    let mut settings = settings();
    settings.apns.key_file = Some(write(&folder, "a.p8", &good));
    settings.apns.key_id = Some("ABCDE12345".to_owned());
    settings.apns.team_id = Some("ABCDE12346".to_owned());
    settings.apns.topic = Some("org.example.tasks".to_owned());
    let make = |settings: &PushSettings| {
        PushTransport::new(
            settings,
            only(Platform::Apns),
            Path::new("unused"),
            client(None),
        )
        .unwrap_err()
    };
    assert!(matches!(make(&settings), PushError::Key { .. }));
    settings.apns.key_file = Some(folder.path().join("missing.p8"));
    assert!(matches!(make(&settings), PushError::File { .. }));
    settings.apns.key_file = None;
    let error = make(&settings).to_string();
    assert_eq!(error, "push.apns.key_file: is missing or not valid");
}
