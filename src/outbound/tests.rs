//! Guarded and trusted calls against servers on this machine.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolving};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::test_server::{TestServer, broken, nobody, reply};
use super::*;

impl Outbound {
    /// One that trusts no certificate, so that none have to be read.
    pub(crate) fn untrusting(settings: &OutboundSettings) -> Self {
        Self::with(settings, RootCertStore::empty(), Arc::new(SystemResolver)).unwrap()
    }
}

fn settings(allow: &[&str]) -> OutboundSettings {
    OutboundSettings {
        allow_networks: allow.iter().map(|net| net.parse().unwrap()).collect(),
        allow_http: true,
        connect_timeout_seconds: 5,
        timeout_seconds: 5,
    }
}

/// Says another address each time it is asked; the last one for ever.
struct Fickle {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Fickle {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        let asked = AtomicUsize::new(0);
        Arc::new(Self { answers, asked })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Fickle {
    fn resolve(&self, _: Name) -> Resolving {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = &self.answers[nth.min(self.answers.len() - 1)];
        let found: Vec<SocketAddr> = answer
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
            .collect();
        Box::pin(async move { Ok::<Addrs, _>(Box::new(found.into_iter())) })
    }
}

fn outbound(allow: &[&str], resolver: &Arc<Fickle>) -> Outbound {
    Outbound::with(&settings(allow), RootCertStore::empty(), resolver.clone()).unwrap()
}

fn post(url: &str) -> Request {
    let mut request = Request::new(Method::POST, url.parse().unwrap());
    *request.body_mut() = Some("hello".into());
    request
}

/// The same port at 127.0.0.2 and at 127.0.0.1.
async fn two_listeners() -> (TcpListener, TcpListener) {
    loop {
        let other = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = other.local_addr().unwrap().port();
        if let Ok(here) = TcpListener::bind(("127.0.0.1", port)).await {
            return (other, here);
        }
    }
}

#[tokio::test]
async fn what_was_checked_is_what_is_called_though_the_name_changes_its_mind() {
    let (other, here) = two_listeners().await;
    let other = TestServer::keeping(other, |_| reply(200, &[], "fine"));
    let here = TestServer::keeping(here, |_| reply(200, &[], "reached"));
    let resolver = Fickle::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let outbound = outbound(&["127.0.0.2/32"], &resolver);
    let url = format!("http://hook.example:{}/a?b=c", other.address.port());
    outbound.check_url(&url).unwrap();
    assert_eq!(resolver.asked(), 0, "registering looks nothing up");

    let answer = outbound.send_guarded(post(&url)).await.unwrap();
    assert_eq!(answer.body, b"fine");
    assert_eq!(resolver.asked(), 1, "one look-up for one call");
    let seen = other.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/a?b=c")
    );
    assert_eq!(
        seen.header("host"),
        format!("hook.example:{}", other.address.port())
    );
    assert_eq!(seen.header("user-agent"), USER_AGENT);
    assert_eq!(seen.text(), "hello");

    // No connection was kept, though the server would, so the name is looked up and checked again.
    let again = outbound.send_guarded(post(&url)).await.unwrap_err();
    assert_eq!(again, Failure::Refused(Refused::NotPublic));
    assert_eq!((other.seen().len(), here.seen().len()), (1, 0));
}

#[tokio::test]
async fn one_address_that_is_not_public_is_enough() {
    let server = TestServer::start(|_| reply(200, &[], "")).await;
    let url = format!("http://hook.example:{}/", server.address.port());
    for answer in [
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "::ffff:169.254.169.254"],
    ] {
        let resolver = Fickle::new(&[&answer]);
        let failure = outbound(&["127.0.0.0/8"], &resolver)
            .send_guarded(post(&url))
            .await;
        assert_eq!(failure.unwrap_err(), Failure::Refused(Refused::NotPublic));
    }
    let resolver = Fickle::new(&[&[]]);
    let failure = outbound(&[], &resolver).send_guarded(post(&url)).await;
    assert_eq!(failure.unwrap_err(), Failure::NoAddress);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn literals_are_judged_though_nobody_resolves_them() {
    let server = TestServer::start(|_| reply(200, &[], "")).await;
    let resolver = Fickle::new(&[&["127.0.0.1"]]);
    let outbound = outbound(&[], &resolver);
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "[::ffff:7f00:1]",
    ] {
        let failure = outbound
            .send_guarded(post(&format!("http://{host}:{port}/")))
            .await;
        assert_eq!(failure.unwrap_err(), Failure::Refused(Refused::NotPublic));
    }
    let failure = outbound
        .send_guarded(post(&format!("http://localhost:{port}/")))
        .await;
    assert_eq!(failure.unwrap_err(), Failure::Refused(Refused::HostName));
    assert!(server.seen().is_empty());
    assert_eq!(resolver.asked(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inside = TestServer::start(|_| reply(200, &[], "secret")).await;
    let location = inside.url();
    let server =
        TestServer::start(move |_| reply(307, &[("Location", &location)], "elsewhere")).await;
    let resolver = Fickle::new(&[&["127.0.0.1"]]);
    let outbound = outbound(&["127.0.0.0/8"], &resolver);
    let guarded = outbound.send_guarded(post(&server.url())).await.unwrap();
    let trusted = Answer::of(outbound.trusted().execute(post(&server.url())).await)
        .await
        .unwrap();
    for answer in [guarded, trusted] {
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_slice()),
            (307, &b"elsewhere"[..])
        );
    }
    assert!(inside.seen().is_empty());
}

#[tokio::test]
async fn answers_are_read_up_to_the_limit() {
    let resolver = Fickle::new(&[&["127.0.0.1"]]);
    let outbound = outbound(&["127.0.0.0/8"], &resolver);
    for (bytes, length, end) in [
        (reply(200, &[], ""), 0, BodyEnd::Whole),
        (reply(200, &[], &"x".repeat(65_536)), 65_536, BodyEnd::Whole),
        (reply(200, &[], &"x".repeat(65_537)), 65_536, BodyEnd::Cut),
        (
            reply(200, &[], &"x".repeat(10_000_000)),
            65_536,
            BodyEnd::Cut,
        ),
        (broken(200, &[], "hello"), 4, BodyEnd::Broken),
    ] {
        let server = TestServer::start(move |_| bytes.clone()).await;
        let answer = outbound.send_guarded(post(&server.url())).await.unwrap();
        assert_eq!((answer.body.len(), answer.end), (length, end));
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let resolver = Fickle::new(&[&["127.0.0.1"]]);
    let mut settings = settings(&["127.0.0.0/8"]);
    settings.timeout_seconds = 1;
    settings.connect_timeout_seconds = 1;
    let outbound = Outbound::with(&settings, RootCertStore::empty(), resolver).unwrap();
    let failure = outbound.send_guarded(post(&nobody().await)).await;
    assert_eq!(failure.unwrap_err(), Failure::Connect);
    let silent = TestServer::start(|_| Vec::new()).await;
    let failure = outbound.send_guarded(post(&silent.url())).await;
    assert_eq!(failure.unwrap_err(), Failure::TimedOut);
    let alien = TestServer::start(|_| b"220 mail.example ESMTP\r\n".to_vec()).await;
    let failure = outbound.send_guarded(post(&alien.url())).await;
    assert_eq!(failure.unwrap_err(), Failure::Broken);
    // One that speaks before it is spoken to, and no TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"220 mail.example ESMTP\r\n")
            .await
            .unwrap();
        drop(stream.read_to_end(&mut Vec::new()).await);
    });
    let failure = outbound.send_guarded(post(&url)).await;
    assert_eq!(failure.unwrap_err(), Failure::Tls);
}

#[tokio::test]
async fn certificates_are_checked_and_http2_is_offered() {
    let signed = rcgen::generate_simple_self_signed(["hook.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                return stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            }
        }
    });
    let resolver = Fickle::new(&[&["127.0.0.1"]]);
    let mut trusting = RootCertStore::empty();
    trusting.add(signed.cert.der().clone()).unwrap();
    for (name, roots, failure) in [
        ("hook.example", RootCertStore::empty(), Failure::Certificate),
        ("other.example", trusting.clone(), Failure::Certificate),
        // The server hangs up as soon as it is spoken to.
        ("hook.example", trusting, Failure::Broken),
    ] {
        let outbound =
            Outbound::with(&settings(&["127.0.0.0/8"]), roots, resolver.clone()).unwrap();
        let url = format!("https://{name}:{port}/");
        assert_eq!(
            outbound.send_guarded(post(&url)).await.unwrap_err(),
            failure
        );
    }
    assert_eq!(accepted.await.unwrap().as_deref(), Some(&b"h2"[..]));
}

#[test]
fn the_clients_of_the_system_can_be_made() {
    Outbound::new(&settings(&[])).unwrap();
}
