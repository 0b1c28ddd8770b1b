//! How connections are used, one mail after the other and several at once.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Responder, later, message, settings, transport};
use crate::delivery::Outcome;

#[tokio::test]
async fn connections_are_used_again_and_the_answer_is_kept() {
    let server = Responder::start(&[]).await;
    let url = format!("smtp://localhost:{}", server.port);
    let transport = transport(&settings(&url));
    assert_eq!(transport.check().await, Ok(()));
    for _ in 0..3 {
        let detail = Some("250 2.0.0 queued as 17".to_owned());
        assert_eq!(
            transport.send(&message(), later()).await,
            Outcome::Sent { detail, id: None }
        );
    }
    assert_eq!(server.saw("(connected)"), 1);
    assert_eq!(server.saw("EHLO sender.example"), 1);
    assert_eq!(server.saw("MAIL FROM:<taskflow@sender.example>"), 3);
    assert_eq!(server.saw("RCPT TO:<ann@recipient.example>"), 3);
    assert_eq!(server.saw("..leading dots"), 3);
}

/// Else the end waits for a confirmation that comes late.
#[tokio::test]
async fn a_mail_and_its_end_are_written_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = vec![0; 65_536];
        let mut content = Vec::new();
        for answer in [
            "220 hello",
            "250 hello",
            "250 fine",
            "250 fine",
            "354 go on",
            "250 kept",
        ] {
            stream
                .write_all(format!("{answer}\r\n").as_bytes())
                .await
                .unwrap();
            let length = stream.read(&mut said).await.unwrap();
            if answer == "354 go on" {
                content = said[..length].to_vec();
            }
        }
        String::from_utf8(content).unwrap()
    });
    let transport = transport(&settings(&format!("smtp://localhost:{port}")));
    let outcome = transport.send(&message(), later()).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    drop(transport);
    let content = server.await.unwrap();
    assert!(content.starts_with("Date: "), "{content}");
    assert!(content.ends_with("\r\n.\r\n"), "{content}");
}

#[tokio::test]
async fn a_connection_that_was_closed_after_a_mail_costs_the_next_one_nothing() {
    let server = Responder::start(&[(".", "250 2.0.0 kept, and goodbye")]).await;
    let transport = transport(&settings(&format!("smtp://localhost:{}", server.port)));
    for sent in 1..=3 {
        let outcome = transport.send(&message(), later()).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
        assert_eq!((server.saw("(connected)"), server.saw("NOOP")), (sent, 0));
    }
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let server = Responder::start(&[]).await;
    let url = format!("smtp://localhost:{}", server.port);
    let transport = transport(&settings(&url));
    let message = message();
    let send = || transport.send(&message, later());
    let all = tokio::join!(send(), send(), send(), send(), send(), send());
    assert!(matches!(all.5, Outcome::Sent { .. }), "{all:?}");
    assert!(server.saw("(connected)") <= 2);
    assert_eq!(server.saw("MAIL"), 6);
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_next_mails() {
    let server = Responder::start(&[(".", "")]).await;
    let mut settings = settings(&format!("smtp://localhost:{}", server.port));
    settings.timeout_seconds = 1;
    settings.smtp_pool = 1;
    let transport = transport(&settings);
    let reason = "not done within 1 s (after the content)".to_owned();
    let lost = Outcome::Retry {
        after: None,
        reason,
    };
    assert_eq!(transport.send(&message(), later()).await, lost);
    assert_eq!(transport.send(&message(), later()).await, lost);
    assert_eq!(server.saw("(connected)"), 2);
}

#[tokio::test]
async fn who_waits_for_a_connection_has_all_the_time_once_there_is_one() {
    let server = Responder::start(&[(".", "")]).await;
    let mut settings = settings(&format!("smtp://localhost:{}", server.port));
    settings.timeout_seconds = 1;
    settings.smtp_pool = 1;
    let (transport, message) = (transport(&settings), message());
    let soon = Instant::now() + Duration::from_secs(1);
    let (one, other, last) = tokio::join!(
        transport.send(&message, later()),
        transport.send(&message, later()),
        transport.send(&message, soon),
    );
    for outcome in [one, other] {
        let reason = "not done within 1 s (after the content)".to_owned();
        let after = None;
        assert_eq!(outcome, Outcome::Retry { after, reason });
    }
    // Its lease leaves no time to wait.
    assert!(
        matches!(&last, Outcome::Retry { reason, .. } if reason.ends_with("(waiting for a free connection)")),
        "{last:?}"
    );
}
