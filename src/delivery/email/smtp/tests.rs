//! The driver against a mail server that says what it is told to.

mod connections;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::DateTime;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::db::Clock;
use crate::delivery::email::tests::{defaults, outbound};
use crate::delivery::email::{EmailTransport, TransportError};
use crate::delivery::{EmailMessage, Outcome};
use crate::settings::{MailSettings, MailTransport};

/// What the server says other than usual: to a command, or to `.` for the end of the mail. An empty answer is silence.
type Script = &'static [(&'static str, &'static str)];

/// A mail server on this machine.
struct Responder {
    port: u16,
    /// What it was sent, line by line; `(connected)` for each connection.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Responder {
    async fn start(script: Script) -> Self {
        Self::start_with(script, None).await
    }

    async fn start_with(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                log.lock().unwrap().push("(connected)".to_owned());
                let (log, tls) = (log.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, script, &log).await;
                            }
                        }
                        None => converse(stream, script, &log).await,
                    }
                });
            }
        });
        Self { port, seen }
    }

    fn saw(&self, line: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.starts_with(line)).count()
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    log: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    let mut word = "(greeting)".to_owned();
    let mut is_content = false;
    loop {
        if !is_content || word == "." {
            is_content = word == "DATA";
            let said = script
                .iter()
                .find(|(to, _)| *to == word)
                .map(|(_, said)| *said);
            let answer = said.unwrap_or(match word.as_str() {
                "(greeting)" => "220 hello",
                "EHLO" => "250-hello\r\n250 AUTH PLAIN LOGIN",
                "AUTH" => "235 welcome",
                "DATA" => "354 go on",
                "." => "250 2.0.0 queued as 17",
                _ => "250 fine",
            });
            is_content &= answer.starts_with("354");
            if !answer.is_empty() {
                let answer = format!("{answer}\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            if answer.starts_with("421") || answer.ends_with(", and goodbye") {
                return;
            }
        }
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return;
        }
        let line = line.trim_end();
        line.split(' ')
            .next()
            .unwrap_or_default()
            .clone_into(&mut word);
        log.lock().unwrap().push(line.to_owned());
    }
}

fn settings(url: &str) -> MailSettings {
    let mut settings = defaults();
    settings.transport = MailTransport::Smtp;
    settings.smtp_url = Some(url.to_owned().into());
    settings.smtp_pool = 2;
    settings.from = "Taskflow <taskflow@sender.example>".to_owned();
    settings.timeout_seconds = 5;
    settings
}

fn new(settings: &MailSettings) -> Result<EmailTransport, TransportError> {
    EmailTransport::new(settings, &outbound(), Clock::default())
}

fn transport(settings: &MailSettings) -> EmailTransport {
    new(settings).unwrap()
}

fn message() -> EmailMessage {
    EmailMessage {
        message_id: "event.recipient.email@host.example".to_owned(),
        date: DateTime::from_timestamp(1_795_311_901, 0).unwrap(),
        to_name: "Ann".to_owned(),
        to_address: "ann@recipient.example".to_owned(),
        subject: "A task".to_owned(),
        text: ".\n.leading dots\n".to_owned(),
        html: "<p>Hello</p>".to_owned(),
        unsubscribe: None,
    }
}

/// No lease ends within a test.
fn later() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

/// Sends one mail to a server that follows the script.
async fn send(script: Script) -> Outcome {
    let server = Responder::start(script).await;
    let url = format!("smtp://user:s3cret@127.0.0.1:{}", server.port);
    transport(&settings(&url)).send(&message(), later()).await
}

#[tokio::test]
async fn what_may_work_later_is_retried() {
    let scripts: [(Script, Option<u64>); 15] = [
        (&[("RCPT", "450 4.2.0 Greylisted")], Some(300)),
        (&[("RCPT", "451 4.7.1 Greylisted")], Some(300)),
        (&[("RCPT", "452 4.7.1 Not so fast")], Some(300)),
        (&[("(greeting)", "421 4.7.0 Not so fast")], Some(300)),
        (&[("RCPT", "452 4.2.2 Mailbox full")], None),
        (&[("(greeting)", "421 Busy")], None),
        (&[("MAIL", "421 Going down")], None),
        (&[("AUTH", "454 4.7.0 Cannot check now")], None),
        (&[("DATA", "250 What?")], None),
        (&[("RCPT", "554 5.7.1 Relay access denied")], None),
        (&[("RCPT", "503 5.5.1 MAIL first")], None),
        (&[(".", "500 Line too long")], None),
        (&[("RCPT", "530 5.7.0 Sign in first")], None),
        (&[("RCPT", "550 No")], None),
        (
            &[("RCPT", "550-5.2.1 The account\r\n550 5.2.1 is disabled")],
            None,
        ),
    ];
    for (script, seconds) in scripts {
        let outcome = send(script).await;
        let expected = seconds.map(Duration::from_secs);
        assert!(
            matches!(&outcome, Outcome::Retry { after, .. } if *after == expected),
            "{script:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn who_takes_no_mail_at_all_is_no_recipient() {
    let scripts: [Script; 6] = [
        &[("RCPT", "550 5.1.1 <ann@recipient.example>: no such user")],
        &[("RCPT", "551 5.1.6 Moved")],
        &[("RCPT", "553 Bad address")],
        &[("RCPT", "556 5.1.10 Takes no mail")],
        &[("RCPT", "554 5.1.1 No such user")],
        &[(".", "550 5.1.1 No such user")],
    ];
    for script in scripts {
        let outcome = send(script).await;
        assert!(
            matches!(outcome, Outcome::NoRecipient { .. }),
            "{script:?}: {outcome:?}"
        );
    }
    let reason = "550 5.1.1 <address>: no such user (at RCPT)".to_owned();
    assert_eq!(send(scripts[0]).await, Outcome::NoRecipient { reason });
}

#[tokio::test]
async fn what_is_wrong_with_the_mail_is_rejected() {
    let scripts: [Script; 4] = [
        &[("RCPT", "552 5.2.2 Mailbox full")],
        &[("DATA", "554 No valid recipients")],
        &[(".", "552 5.3.4 Too large")],
        &[(".", "554 5.7.1 Looks like spam")],
    ];
    for script in scripts {
        let outcome = send(script).await;
        assert!(
            matches!(outcome, Outcome::Rejected { .. }),
            "{script:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_mail_whose_lease_is_over_is_not_handed_over() {
    let server = Responder::start(&[]).await;
    let url = format!("smtp://localhost:{}", server.port);
    let transport = transport(&settings(&url));
    let outcome = transport.send(&message(), Instant::now()).await;
    let reason = "the lease ended before the mail was handed over (at DATA)".to_owned();
    let expected = Outcome::Retry {
        after: None,
        reason,
    };
    assert_eq!(outcome, expected);
    assert_eq!((server.saw("RCPT"), server.saw("DATA")), (1, 0));
}

#[tokio::test]
async fn what_is_no_smtp_is_not_repeated() {
    let outcome = send(&[("RCPT", "hello \u{1b}[2J victim@example.org")]).await;
    let reason = "the answer is no SMTP (at RCPT)".to_owned();
    let after = None;
    assert_eq!(outcome, Outcome::Retry { after, reason });
}

#[tokio::test]
async fn what_is_wrong_with_us_is_refused() {
    let scripts: [Script; 7] = [
        &[("RCPT", "550 5.1.8 No such domain")],
        &[("(greeting)", "554 5.7.1 Your host is listed")],
        &[("AUTH", "535 5.7.8 Bad password")],
        &[("AUTH", "534 5.7.9 Use another way")],
        &[("EHLO", "250 hello")],
        &[("MAIL", "530 5.7.0 Sign in first")],
        &[("MAIL", "550 5.7.1 Not as this sender")],
    ];
    for script in scripts {
        let outcome = send(script).await;
        assert!(
            matches!(outcome, Outcome::Refused { .. }),
            "{script:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_repeats_our_password_is_not_quoted() {
    // The first is "\0user\0s3cret" in Base64.
    let script: Script = &[(
        "AUTH",
        "535 Bad line: AUTH PLAIN AHVzZXIAczNjcmV0, user@host with s3cret",
    )];
    let reason = "535 Bad line: AUTH PLAIN ***, <address> with *** (at AUTH)".to_owned();
    assert_eq!(send(script).await, Outcome::Refused { reason });
}

#[tokio::test]
async fn nobody_listens() {
    // The port is free again as soon as it is known.
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let transport = transport(&settings(&format!("smtp://127.0.0.1:{port}")));
    let outcome = transport.send(&message(), later()).await;
    assert!(
        matches!(&outcome, Outcome::Retry { reason, .. } if reason.ends_with("(connecting)")),
        "{outcome:?}"
    );
    assert!(transport.check().await.is_err());
}

#[tokio::test]
async fn an_address_that_is_not_ascii_needs_a_server_that_takes_it() {
    let mut message = message();
    message.to_address = "änn@recipient.example".to_owned();
    let scripts: [(Script, bool); 2] = [
        (&[], false),
        (
            &[("EHLO", "250-hello\r\n250-8BITMIME\r\n250 SMTPUTF8")],
            true,
        ),
    ];
    for (script, is_sent) in scripts {
        let server = Responder::start(script).await;
        let transport = transport(&settings(&format!("smtp://localhost:{}", server.port)));
        let outcome = transport.send(&message, later()).await;
        assert_eq!(
            matches!(outcome, Outcome::Sent { .. }),
            is_sent,
            "{outcome:?}"
        );
        assert_eq!(
            matches!(outcome, Outcome::Rejected { .. }),
            !is_sent,
            "{outcome:?}"
        );
    }
    message.to_address = "ann@bücher.example".to_owned();
    let server = Responder::start(&[]).await;
    let transport = transport(&settings(&format!("smtp://localhost:{}", server.port)));
    assert!(matches!(
        transport.send(&message, later()).await,
        Outcome::Sent { .. }
    ));
    assert_eq!(server.saw("RCPT TO:<ann@xn--bcher-kva.example>"), 1);
}

#[tokio::test]
async fn certificates_are_checked() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, signed.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let config = config
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let server = Responder::start_with(&[], Some(TlsAcceptor::from(Arc::new(config)))).await;
    let send = async |host: &str, ca: Option<PathBuf>| {
        let mut settings = settings(&format!("smtps://u:p@{host}:{}", server.port));
        settings.smtp_ca_file = ca;
        transport(&settings).send(&message(), later()).await
    };
    let outcome = send("localhost", Some(ca.clone())).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    for outcome in [
        send("localhost", None).await,
        send("127.0.0.1", Some(ca)).await,
    ] {
        assert!(
            matches!(&outcome, Outcome::Refused { reason } if reason.contains("certificate")),
            "{outcome:?}"
        );
    }
    // TLS spoken to a server that does not.
    let server = Responder::start(&[]).await;
    let url = format!("smtps://localhost:{}", server.port);
    let outcome = transport(&settings(&url)).send(&message(), later()).await;
    assert!(
        matches!(&outcome, Outcome::Refused { reason } if reason.contains("TLS")),
        "{outcome:?}"
    );
}

#[test]
fn setting_up_needs_no_runtime_and_shows_no_password() {
    let one = transport(&settings("smtp://user:s3cret@mail.example.org"));
    assert_eq!(one.describe(), "SMTP at mail.example.org:587");
    assert_eq!(
        format!("{one:?}"),
        "EmailTransport(\"SMTP at mail.example.org:587\")"
    );
    let other = transport(&settings("smtps://u:p@[2001:db8::1]"));
    assert_eq!(other.describe(), "SMTP at [2001:db8::1]:465");
}

#[test]
fn a_wrong_ca_file_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings("smtps://mail.example.org");
    settings.smtp_ca_file = Some(folder.path().join("missing.pem"));
    let error = new(&settings).unwrap_err().to_string();
    assert!(error.ends_with("missing.pem cannot be read"), "{error}");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "nothing").unwrap();
    settings.smtp_ca_file = Some(empty);
    let error = new(&settings).unwrap_err().to_string();
    assert!(error.ends_with("holds no certificate in PEM"), "{error}");
}
