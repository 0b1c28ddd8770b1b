//! A process that is killed between the mail server's yes and its own note of it.

use rstest::rstest;
use sea_orm::{ConnectOptions, ConnectionTrait, Database};

use crate::end_to_end::{assign, register};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::server::Site;
use crate::support::smtp::{Behaviour, SmtpOptions, SmtpServer};

/// A lock keeps the note from being written: the answer was read, and then the process is killed. The
/// mail is sent again, and is the same.
#[rstest]
#[tokio::test]
async fn a_kill_after_the_answer_sends_the_same_mail_again(#[values(Embedded, Full)] mode: Mode) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    let site = Site::new(mode, &[("SMTP_URL", &url)]).await;
    smtp.behave(Behaviour::StallAfterDot);
    let (mut server, address) = site.serve(&[]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    assign(address, &ada, &bob, "Write the notes").await;
    assert_eq!(smtp.next_attempt().await.reason, "stalled");
    let url = site.env.iter().find(|(name, _)| name == "DATABASE_URL");
    let mut options = ConnectOptions::new(&url.unwrap().1);
    options.max_connections(1);
    let db = Database::connect(options).await.unwrap();
    let lock = match mode {
        Embedded => "BEGIN IMMEDIATE",
        Full => "BEGIN; LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE",
    };
    db.execute_unprepared(lock).await.unwrap();
    smtp.release();
    assert_eq!(smtp.next_attempt().await.reason, "released");
    server.kill9();
    assert!(!server.wait().await.success());
    db.execute_unprepared("ROLLBACK").await.unwrap();
    if mode == Full {
        let over = "UPDATE jobs SET lease_until = created_at WHERE state = 'running'";
        db.execute_unprepared(over).await.unwrap();
    }
    db.close().await.unwrap();

    let (mut server, _) = site.serve(&[]).await;
    let (first, again) = (smtp.next_mail().await, smtp.next_mail().await);
    assert_eq!(first.data, again.data);
    server
        .wait_for_line(|line| line.contains("delivery settled"))
        .await;
    assert_eq!(smtp.mails().len(), 2);
}
