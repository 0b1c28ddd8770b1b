//! The mail of an assignment: what it says, when it is not sent, and that it is never lost. The
//! worker runs when a test says so, and time passes when a test turns the clock.

mod breaker;
mod crash;
mod faults;
mod queue;
mod suppressions;
mod together;
mod wanted;

use chrono::TimeDelta;
use entity::{attempt, delivery, event, job, user};
use mail_parser::{Header, Message, MessageParser};
use rstest::rstest;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;
use taskflow::jobs;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::free_port;
use crate::support::smtp::{Behaviour, SmtpOptions, SmtpServer, SmtpTls};
use crate::support::{Person, TestApp};

/// A failed job pauses for up to an hour, so that none is due again by chance.
const LONG_PAUSES: (&str, &str) = ("TASKFLOW_JOBS__BACKOFF_BASE_SECONDS", "3600");

async fn over_smtp(mode: Mode) -> (TestApp, SmtpServer) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    let app = TestApp::with(mode, &[("SMTP_URL", &url), LONG_PAUSES]).await;
    (app, smtp)
}

/// Ada gives Bob a task.
async fn ada_assigns_to_bob(app: &TestApp) -> (Person, Person, String) {
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = json!({"title": "Write the notes", "assigneeId": bob.id});
    let task = ada.creates(task).await;
    (ada, bob, task)
}

async fn deliveries(app: &TestApp) -> Vec<delivery::Model> {
    let query = delivery::Entity::find().order_by_asc(delivery::Column::Id);
    query.all(&app.sql().await).await.unwrap()
}

async fn attempts(app: &TestApp) -> Vec<attempt::Model> {
    let query = attempt::Entity::find().order_by_asc(attempt::Column::Id);
    query.all(&app.sql().await).await.unwrap()
}

/// The only job of its kind.
async fn only_job(app: &TestApp, kind: &str) -> job::Model {
    let query = job::Entity::find().filter(job::Column::Kind.eq(kind));
    let mut jobs = query.all(&app.sql().await).await.unwrap();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

fn read(mail: &[u8]) -> Message<'_> {
    MessageParser::default().parse(mail).unwrap()
}

#[rstest]
#[tokio::test]
async fn the_mail_says_who_gave_what_to_whom_and_when(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    ada_assigns_to_bob(&app).await;
    app.work().await;

    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    let mail = read(mails[0].as_bytes());
    let sender = mail.from().unwrap().first().unwrap();
    assert_eq!(sender.name(), Some("Taskflow"));
    assert_eq!(sender.address(), Some("taskflow@localhost"));
    let recipient = mail.to().unwrap().first().unwrap();
    assert_eq!(recipient.name(), Some("Name of bob"));
    assert_eq!(recipient.address(), Some("bob@example.org"));
    let subject = "Name of ada assigned you a task: Write the notes";
    assert_eq!(mail.subject(), Some(subject));
    assert_eq!(
        mail.header_raw("Auto-Submitted").unwrap().trim(),
        "auto-generated"
    );
    for body in [mail.body_text(0).unwrap(), mail.body_html(0).unwrap()] {
        assert!(body.contains("Write the notes"), "{body}");
        assert!(body.contains("Name of ada assigned you a task"), "{body}");
    }
    let told = &deliveries(&app).await[0];
    let query = event::Entity::find_by_id(told.event_id);
    let event = query.one(&app.sql().await).await.unwrap().unwrap();
    let date = mail.date().unwrap().to_timestamp();
    assert_eq!(date, event.occurred_at.timestamp());
    let id = format!(
        "{}.{}.email@localhost",
        event.id.0.simple(),
        told.recipient_id.0.simple()
    );
    assert_eq!(mail.message_id(), Some(id.as_str()));
}

#[rstest]
#[tokio::test]
async fn assigning_to_oneself_makes_no_job(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "Mine"})).await;
    assert!(ada.assigns(&task, &ada).await.data()["assignTask"]["task"].is_object());
    assert_eq!(
        app.number("SELECT count(*) FROM stream_entries WHERE stream LIKE 'assigned:%'")
            .await,
        1
    );
    assert_eq!(app.number("SELECT count(*) FROM jobs").await, 0);
}

#[rstest]
#[tokio::test]
async fn assigning_whom_it_is_assigned_to_already_tells_nobody_again(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob, task) = ada_assigns_to_bob(&app).await;
    ada.assigns(&task, &bob).await.data();
    assert_eq!(
        app.number("SELECT count(*) FROM stream_entries WHERE stream LIKE 'assigned:%'")
            .await,
        1
    );
    assert_eq!(app.number("SELECT count(*) FROM jobs").await, 1);
    app.work().await;
    assert_eq!(app.mails().len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_dispatch_that_runs_twice_makes_one_delivery(#[values(Embedded, Full)] mode: Mode) {
    let (app, smtp) = over_smtp(mode).await;
    ada_assigns_to_bob(&app).await;
    app.work().await;
    let again = "UPDATE jobs SET state = 'ready'";
    app.sql().await.execute_unprepared(again).await.unwrap();
    assert_eq!(app.work().await, 2, "both jobs run again");
    assert_eq!(deliveries(&app).await.len(), 1);
    assert_eq!(attempts(&app).await.len(), 1);
    assert_eq!(smtp.mails().len(), 1);
}

#[rstest]
#[case::line_break("x\r\nBcc: evil@example.com")]
#[case::end_of_the_headers("x\r\n\r\nAnother body")]
#[case::unicode_line_ends("x\u{85}\u{2028}\u{2029}Bcc: evil@example.com")]
#[case::another_mailbox("Bob\" <evil@example.com>, \"x")]
#[case::encoded_word("=?utf-8?q?x=0D=0ABcc:_evil@example.com?=")]
#[case::turned_around("\u{202e}gro.elpmaxe@bob\u{2066}\u{200f}")]
#[tokio::test]
async fn hostile_names_and_titles_reach_one_recipient_and_add_no_header(#[case] hostile: &str) {
    let (app, smtp) = over_smtp(Embedded).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    // Behind the API, which takes no control characters: older data may hold anything.
    let name = Expr::value(hostile);
    let update = user::Entity::update_many().col_expr(user::Column::Name, name);
    update.exec(&app.sql().await).await.unwrap();
    let title: String = hostile.chars().filter(|c| !c.is_control()).collect();
    let task = json!({"title": title, "assigneeId": bob.id});
    ada.creates(task).await;
    app.work().await;

    let mails = smtp.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["bob@example.org"]);
    let mail = read(&mails[0].data);
    let recipients: Vec<_> = mail.to().unwrap().iter().map(|to| to.address()).collect();
    assert_eq!(recipients, [Some("bob@example.org")]);
    let names: Vec<&str> = mail.headers().iter().map(Header::name).collect();
    let expected = [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "Auto-Submitted",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "MIME-Version",
        "Content-Type",
    ];
    assert_eq!(names, expected);
    let shown = mail.subject().unwrap();
    assert!(
        !shown.contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{shown:?}"
    );
}

#[rstest]
#[case::plain_on_this_machine("smtp", SmtpTls::None)]
#[case::starttls("smtp", SmtpTls::StartTls)]
#[case::tls_from_the_start("smtps", SmtpTls::Implicit)]
#[tokio::test]
async fn mail_leaves_with_user_and_password(#[case] scheme: &str, #[case] tls: SmtpTls) {
    let auth = Some(("task@flow".to_owned(), "pass:wörd/1".to_owned()));
    let smtp = SmtpServer::start(SmtpOptions { tls, auth }).await;
    let url = format!(
        "{scheme}://task%40flow:pass%3Aw%C3%B6rd%2F1@{}",
        smtp.address()
    );
    let ca = smtp.ca_pem_path().display().to_string();
    let settings = [
        ("SMTP_URL", url.as_str()),
        ("TASKFLOW_MAIL__SMTP_CA_FILE", &ca),
    ];
    let app = TestApp::with(Embedded, &settings).await;
    assert_eq!(app.app.mail.check().await, Ok(()));
    ada_assigns_to_bob(&app).await;
    app.work().await;

    let mails = smtp.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].user.as_deref(), Some("task@flow"));
    assert_eq!(mails[0].tls, tls != SmtpTls::None);
    assert_eq!(mails[0].from, "taskflow@localhost");
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Sent);
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_signed_gets_no_mail() {
    let tls = SmtpTls::Implicit;
    let smtp = SmtpServer::start(SmtpOptions { tls, auth: None }).await;
    let url = format!("smtps://{}", smtp.address());
    let app = TestApp::with(Embedded, &[("SMTP_URL", &url), LONG_PAUSES]).await;
    ada_assigns_to_bob(&app).await;
    app.work().await;
    assert!(smtp.mails().is_empty());
    let waiting = only_job(&app, "deliver").await;
    assert_eq!((waiting.state, waiting.attempt), (job::State::Ready, 0));
    let reason = waiting.last_error.unwrap();
    assert!(reason.contains("mail.smtp_ca_file"), "{reason}");
}

/// One try fails so, and the next succeeds once its time has come.
#[rstest]
#[case::greylisted(Embedded, Behaviour::Greylist(1))]
#[case::greylisted_full(Full, Behaviour::Greylist(1))]
#[case::busy(Embedded, Behaviour::RejectData(452, "4.3.1 no room"))]
#[case::unavailable(Embedded, Behaviour::Unavailable)]
#[case::dropped_before_the_mail(Embedded, Behaviour::DropBeforeData)]
#[case::dropped_after_the_mail(Embedded, Behaviour::DropAfterDot)]
#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_later(
    #[case] mode: Mode,
    #[case] failure: Behaviour,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(failure.clone());
    let (_, bob, _) = ada_assigns_to_bob(&app).await;
    app.work().await;

    assert!(smtp.mails().is_empty());
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Queued);
    let first = attempts(&app).await.remove(0);
    assert_eq!(first.outcome, attempt::Outcome::Retry);
    let reason = first.detail.unwrap();
    assert!(!reason.contains(&bob.name), "no address in {reason}");
    let waiting = only_job(&app, "deliver").await;
    assert_eq!(waiting.state, job::State::Ready);
    assert_eq!(waiting.last_error, Some(reason));
    assert!(waiting.run_at > first.started_at);
    if matches!(failure, Behaviour::Greylist(_)) {
        assert!(waiting.run_at >= first.finished_at + TimeDelta::minutes(5));
    }
    assert_eq!(app.work().await, 0, "its time has not come");

    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(app.work().await, 1);
    assert_eq!(smtp.mails().len(), 1);
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Sent);
    assert_eq!(attempts(&app).await[1].outcome, attempt::Outcome::Sent);
    assert_eq!(only_job(&app, "deliver").await.state, job::State::Done);
}

#[rstest]
#[tokio::test]
async fn a_refused_recipient_ends_the_delivery_and_the_job_lies_among_the_dead(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::RejectRcpt(
        550,
        "5.1.1 <bob@example.org> unknown",
    ));
    ada_assigns_to_bob(&app).await;
    app.work().await;
    let told = deliveries(&app).await.remove(0);
    assert_eq!(told.state, delivery::State::Failed);
    let reason = told.reason.unwrap();
    assert!(
        reason.contains("550") && !reason.contains("bob@"),
        "{reason}"
    );
    let dead = jobs::list_dead(&app.app.db, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].kind.as_str(), dead[0].attempt), ("deliver", 1));
    assert_eq!(dead[0].last_error, Some(reason));
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!(app.work().await, 0);
    assert_eq!(attempts(&app).await[0].outcome, attempt::Outcome::Failed);
}

#[rstest]
#[tokio::test]
async fn an_unreachable_server_is_tried_until_the_mail_is_three_days_old(
    #[values(Embedded, Full)] mode: Mode,
) {
    let url = format!("smtp://127.0.0.1:{}", free_port());
    let app = TestApp::with(mode, &[("SMTP_URL", &url), LONG_PAUSES]).await;
    ada_assigns_to_bob(&app).await;
    app.work().await;
    app.clock.advance(TimeDelta::hours(70));
    assert_eq!(app.work().await, 1);
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Queued);
    app.clock.advance(TimeDelta::hours(3));
    assert_eq!(app.work().await, 1);
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Failed);
    assert_eq!(jobs::list_dead(&app.app.db, 10).await.unwrap().len(), 1);
    let outcomes: Vec<_> = attempts(&app)
        .await
        .into_iter()
        .map(|row| row.outcome)
        .collect();
    let (retry, failed) = (attempt::Outcome::Retry, attempt::Outcome::Failed);
    assert_eq!(outcomes, [retry, retry, failed]);
}

/// Between the two everything that it says was changed, and where there can be one another process sends it.
#[rstest]
#[tokio::test]
async fn a_mail_that_has_to_be_sent_twice_is_the_same_mail(#[values(Embedded, Full)] mode: Mode) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::AcceptThenDrop);
    let (ada, _, task) = ada_assigns_to_bob(&app).await;
    app.work().await;
    let kept = deliveries(&app).await.remove(0).message.unwrap();
    assert!(!String::from_utf8_lossy(&kept).contains("Write the notes"));
    let query = "mutation($id: ID!) { updateTask(input: {id: $id, title: \"Changed\",
        description: \"too\"}) { userErrors { code } } }";
    ada.graphql(query, json!({"id": task})).await.data();
    app.execute("UPDATE users SET name = 'Somebody else'").await;
    app.clock.advance(TimeDelta::hours(1));
    if mode == Full {
        app.replica().await.work().await;
    } else {
        app.work().await;
    }
    let mails = smtp.mails();
    assert_eq!(mails.len(), 2);
    assert!(read(&mails[0].data).message_id().is_some());
    assert_eq!(mails[0].data, mails[1].data);
    assert_eq!(deliveries(&app).await[0].message, None);
}

/// The old one may be nobody's by then.
#[rstest]
#[tokio::test]
async fn a_retry_goes_to_the_address_of_now(#[values(Embedded, Full)] mode: Mode) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::DropBeforeData);
    ada_assigns_to_bob(&app).await;
    app.work().await;
    app.execute("UPDATE users SET email = 'new@example.org', email_norm = 'new@example.org' WHERE username_norm = 'bob'")
        .await;
    app.clock.advance(TimeDelta::hours(1));
    app.work().await;
    let mails = smtp.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["new@example.org"]);
}

/// A minute is shared evenly; who waits for a turn has not failed.
#[rstest]
#[tokio::test]
async fn no_more_mail_leaves_in_a_minute_than_is_set(#[values(Embedded, Full)] mode: Mode) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    let settings = [
        ("SMTP_URL", url.as_str()),
        ("TASKFLOW_MAIL__MAX_PER_MINUTE", "1"),
    ];
    let app = TestApp::with(mode, &settings).await;
    let (ada, bob, _) = ada_assigns_to_bob(&app).await;
    for title in ["Two", "Three"] {
        ada.creates(json!({"title": title, "assigneeId": bob.id}))
            .await;
    }
    for sent in 1..=3 {
        app.work().await;
        assert_eq!(smtp.mails().len(), sent);
        app.clock.advance(TimeDelta::seconds(61));
    }
    let most = app.number("SELECT max(attempt) FROM jobs").await;
    assert_eq!(most, 1);
}

#[rstest]
#[tokio::test]
async fn what_is_given_up_says_why(#[values(Embedded, Full)] mode: Mode) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave_by_default(Behaviour::Greylist(1));
    ada_assigns_to_bob(&app).await;
    app.work().await;
    app.clock.advance(TimeDelta::hours(73));
    app.work().await;
    let told = deliveries(&app).await.remove(0);
    assert_eq!(told.state, delivery::State::Failed);
    let reason = told.reason.unwrap();
    let begins = "given up after 73 hours: 451 4.7.1 greylisted";
    assert!(reason.starts_with(begins), "{reason}");
    assert_eq!(only_job(&app, "deliver").await.last_error, Some(reason));
}
