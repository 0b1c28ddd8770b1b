//! While the mail server refuses us, mail waits: nothing is lost and no attempt is counted.

use chrono::TimeDelta;
use entity::{delivery, job};
use rstest::rstest;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use super::{ada_assigns_to_bob, attempts, deliveries, over_smtp};
use crate::end_to_end::{assign, register};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;
use crate::support::process::free_port;
use crate::support::server::Site;
use crate::support::smtp::{Behaviour, Fault, SmtpOptions, SmtpServer, Step};

async fn mail_jobs(app: &TestApp) -> Vec<job::Model> {
    let query = job::Entity::find().filter(job::Column::Kind.eq("deliver"));
    query.all(&app.sql().await).await.unwrap()
}

#[rstest]
#[case::password(Behaviour::Fail535)]
#[case::sender(Behaviour::At(Step::Mail, Fault::Say(550, "5.7.1 not you")))]
#[case::network(Behaviour::At(Step::Greeting, Fault::Say(554, "5.7.1 listed")))]
#[tokio::test]
async fn while_the_server_refuses_us_no_attempt_is_counted_and_then_all_leave(
    #[case] refusal: Behaviour,
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave_by_default(refusal);
    let (ada, bob, _) = ada_assigns_to_bob(&app).await;
    for title in ["Two", "Three", "Four"] {
        ada.creates(json!({"title": title, "assigneeId": bob.id}))
            .await;
    }
    // Longer than a mail that fails by itself is tried.
    for round in 1..=25 {
        app.work().await;
        assert_eq!(smtp.failures(), round, "one is tried at a time");
        app.clock.advance(TimeDelta::hours(4));
    }
    assert!(smtp.mails().is_empty());
    for job in mail_jobs(&app).await {
        assert_eq!((job.state, job.attempt), (job::State::Ready, 0));
        assert!(job.last_error.is_some());
    }
    assert!(attempts(&app).await.is_empty());

    smtp.behave_by_default(Behaviour::Accept);
    app.work().await;
    assert_eq!(smtp.mails().len(), 4);
    let sent = deliveries(&app).await;
    assert!(sent.iter().all(|row| row.state == delivery::State::Sent));
    let jobs = mail_jobs(&app).await;
    assert!(jobs.iter().all(|job| job.attempt == 1), "{jobs:?}");
}

/// The days on which nobody's mail was taken are not those of a mail.
#[rstest]
#[tokio::test]
async fn a_mail_does_not_grow_old_while_the_server_refuses_us(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::Greylist(1));
    ada_assigns_to_bob(&app).await;
    app.work().await;
    smtp.behave_by_default(Behaviour::Fail535);
    for _ in 0..25 {
        app.clock.advance(TimeDelta::hours(4));
        app.work().await;
    }
    smtp.behave_by_default(Behaviour::Greylist(usize::MAX));
    app.clock.advance(TimeDelta::hours(1));
    app.work().await;
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Queued);
    assert_eq!(attempts(&app).await.len(), 2);
    // From here on it does.
    app.clock.advance(TimeDelta::hours(73));
    app.work().await;
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Failed);
}

/// Not the mail of one recipient, whatever the server says of it.
#[tokio::test]
async fn who_is_refused_alone_stops_nobody_else() {
    let (app, smtp) = over_smtp(Embedded).await;
    smtp.behave(Behaviour::RejectRcpt(554, "5.7.1 Access denied"));
    let (ada, bob, _) = ada_assigns_to_bob(&app).await;
    ada.creates(json!({"title": "Two", "assigneeId": bob.id}))
        .await;
    app.work().await;
    assert_eq!(smtp.mails().len(), 1);
    app.clock.advance(TimeDelta::hours(1));
    app.work().await;
    assert_eq!(smtp.mails().len(), 2);
}

#[tokio::test]
async fn a_server_that_offers_no_way_to_sign_in_gets_no_mail_and_no_attempt_is_counted() {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://user:s3cret-w0rd@{}", smtp.address());
    let app = TestApp::with(Embedded, &[("SMTP_URL", &url)]).await;
    ada_assigns_to_bob(&app).await;
    app.work().await;
    let waiting = mail_jobs(&app).await.remove(0);
    assert_eq!((waiting.state, waiting.attempt), (job::State::Ready, 0));
    assert!(attempts(&app).await.is_empty());
}

/// What an operator sees of it, in the log and in the numbers.
#[rstest]
#[tokio::test]
async fn a_refusal_is_told_once_and_the_end_of_it(#[values(Embedded, Full)] mode: Mode) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    smtp.behave_by_default(Behaviour::Fail535);
    let (url, port) = (
        format!("smtp://{}", smtp.address()),
        free_port().to_string(),
    );
    let settings = [
        ("SMTP_URL", url.as_str()),
        ("METRICS_PORT", &port),
        ("TASKFLOW_MAIL__PROBE_BASE_SECONDS", "1"),
        ("TASKFLOW_MAIL__PROBE_CAP_SECONDS", "1"),
        ("TASKFLOW_JOBS__POLL_MIN_MS", "50"),
        ("TASKFLOW_JOBS__POLL_MAX_MS", "100"),
    ];
    let site = Site::new(mode, &settings).await;
    let (mut server, address) = site.serve(&["serve"]).await;
    let metrics = async || {
        let page = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await;
        page.unwrap().text().await.unwrap()
    };
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    for title in ["One", "Two", "Three"] {
        assign(address, &ada, &bob, title).await;
    }
    server
        .wait_for_line(|line| line.contains("refused still"))
        .await;
    let gauge = "delivery_breaker_open{channel=\"email\"}";
    assert!(metrics().await.contains(&format!("{gauge} 1")));
    smtp.behave_by_default(Behaviour::Accept);
    for _ in 0..3 {
        smtp.next_mail().await;
    }
    server
        .wait_for_line(|line| line.contains("taken again"))
        .await;
    assert!(metrics().await.contains(&format!("{gauge} 0")));
    let said = server.output();
    let told = said.matches("refused for a reason of ours").count();
    assert_eq!(told, 1, "{said}");
    assert_eq!(smtp.mails().len(), 3);
}
