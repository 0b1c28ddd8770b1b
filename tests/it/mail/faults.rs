//! A mail server that fails in every way at every step, and what comes of the mail.

use chrono::TimeDelta;
use entity::{attempt, delivery, job};
use rstest::rstest;

use super::{LONG_PAUSES, ada_assigns_to_bob, attempts, deliveries, only_job};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;
use crate::support::smtp::{Behaviour, Fault, SmtpOptions, SmtpServer, Step};

/// What comes of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// It is tried again.
    Later,
    /// The same, after five minutes at least.
    MuchLater,
    /// It waits, and the attempt does not count.
    Held,
    /// It is given up.
    Failed,
    /// The same, and nothing is sent to this address any more.
    Suppressed,
}
use Comes::{Failed, Held, Later, MuchLater, Suppressed};
use Fault::{Drip, Drop, Hang, Say};

#[rstest]
#[case::greeting(Step::Greeting, &[
    (Say(421, "4.3.2 busy"), Later), (Say(421, "4.7.0 too much"), MuchLater),
    (Say(554, "5.7.1 listed"), Held), (Drop, Later), (Hang, Later), (Drip, Later),
])]
#[case::ehlo(Step::Ehlo, &[
    (Say(421, "4.3.2 busy"), Later), (Say(550, "5.7.1 no"), Held), (Drop, Later), (Hang, Later),
    (Drip, Later),
])]
#[case::auth(Step::Auth, &[
    (Say(454, "4.7.0 not now"), Later), (Say(535, "5.7.8 no"), Held), (Say(534, "5.7.9 no"), Held),
    (Drop, Later), (Hang, Later), (Drip, Later),
])]
#[case::mail(Step::Mail, &[
    (Say(421, "4.3.2 busy"), Later), (Say(451, "4.3.0 no"), MuchLater),
    (Say(452, "4.3.1 full"), Later), (Say(530, "5.7.0 sign in"), Held),
    (Say(550, "5.7.1 not you"), Held), (Say(554, "5.7.1 no"), Held), (Drop, Later), (Hang, Later),
    (Drip, Later),
])]
#[case::rcpt(Step::Rcpt, &[
    (Say(450, "4.2.0 greylisted"), MuchLater), (Say(451, "4.7.1 greylisted"), MuchLater),
    (Say(452, "4.7.1 greylisted"), MuchLater), (Say(452, "4.2.2 full"), Later),
    (Say(554, "5.7.1 relay access denied"), Later), (Say(550, "5.1.1 who?"), Suppressed),
    (Say(550, "5.2.1 disabled"), Later), (Say(553, "who?"), Suppressed),
    (Say(550, "5.7.1 no"), Later), (Say(552, "5.2.2 full"), Failed), (Say(550, "no"), Later),
    (Say(550, "5.4.5 too much today"), Held),
    (Drop, Later), (Hang, Later), (Drip, Later),
])]
#[case::data(Step::Data, &[
    (Say(451, "4.3.0 no"), MuchLater), (Say(554, "5.5.1 nobody"), Failed), (Drop, Later),
    (Hang, Later), (Drip, Later),
])]
#[case::dot(Step::Dot, &[
    (Say(452, "4.3.1 full"), Later), (Say(451, "4.7.1 later"), MuchLater),
    (Say(552, "5.3.4 too large"), Failed), (Say(554, "5.7.1 spam"), Failed),
    (Say(550, "5.1.1 who?"), Suppressed), (Drop, Later), (Hang, Later), (Drip, Later),
])]
#[tokio::test]
async fn every_fault_at_every_step_loses_no_mail(
    #[case] step: Step,
    #[case] faults: &[(Fault, Comes)],
    #[values(Embedded, Full)] mode: Mode,
) {
    for (fault, comes) in faults {
        fails(mode, step, *fault, *comes).await;
    }
}

async fn fails(mode: Mode, step: Step, fault: Fault, comes: Comes) {
    let what = format!("{fault:?} at {step:?}");
    let auth = (step == Step::Auth).then(|| ("user".to_owned(), "s3cret-w0rd".to_owned()));
    let signs_in = if auth.is_some() {
        "user:s3cret-w0rd@"
    } else {
        ""
    };
    let tls = crate::support::smtp::SmtpTls::None;
    let smtp = SmtpServer::start(SmtpOptions { tls, auth }).await;
    let url = format!("smtp://{signs_in}{}", smtp.address());
    let seconds = if matches!(fault, Hang | Drip) {
        "2"
    } else {
        "20"
    };
    let settings = [
        ("SMTP_URL", url.as_str()),
        ("TASKFLOW_MAIL__TIMEOUT_SECONDS", seconds),
        LONG_PAUSES,
    ];
    let app = TestApp::with(mode, &settings).await;
    smtp.behave(Behaviour::At(step, fault));
    ada_assigns_to_bob(&app).await;
    app.work().await;

    assert!(smtp.mails().is_empty(), "{what}");
    let told = deliveries(&app).await.remove(0);
    let job = only_job(&app, "deliver").await;
    let tries: Vec<_> = attempts(&app).await;
    let listed = app.number("SELECT count(*) FROM suppressions").await;
    assert_eq!(listed, i64::from(comes == Suppressed), "{what}");
    let expected = match comes {
        Later | MuchLater => (delivery::State::Queued, job::State::Ready, 1, 1),
        Held => (delivery::State::Queued, job::State::Ready, 0, 0),
        Failed | Suppressed => (delivery::State::Failed, job::State::Dead, 1, 1),
    };
    let found = (told.state, job.state, job.attempt, tries.len());
    assert_eq!(found, expected, "{what}: {tries:?} {job:?}");
    let said = job.last_error.unwrap();
    match fault {
        Say(code, _) => assert!(said.contains(&code.to_string()), "{what}: {said}"),
        Hang | Drip => assert!(said.contains("not done within 2 s"), "{what}: {said}"),
        Drop => {}
    }
    if comes == MuchLater {
        let at_least = tries[0].finished_at + TimeDelta::minutes(5);
        assert!(job.run_at >= at_least, "{what}");
    }
    if matches!(comes, Failed | Suppressed) {
        assert_eq!(tries[0].outcome, attempt::Outcome::Failed, "{what}");
        return;
    }
    app.clock.advance(TimeDelta::hours(1));
    app.work().await;
    assert_eq!(smtp.mails().len(), 1, "{what}");
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Sent);
}

/// The server closes the connection as soon as it has said that it took the mail.
#[rstest]
#[tokio::test]
async fn a_connection_that_ends_after_the_answer_sends_nothing_twice(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = super::over_smtp(mode).await;
    smtp.behave(Behaviour::AcceptThenLeave);
    let (ada, bob, _) = ada_assigns_to_bob(&app).await;
    app.work().await;
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Sent);
    let next = serde_json::json!({"title": "Next", "assigneeId": bob.id});
    ada.creates(next).await;
    app.work().await;
    app.clock.advance(TimeDelta::hours(1));
    app.work().await;
    assert_eq!(smtp.mails().len(), 2);
}
