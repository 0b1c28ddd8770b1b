//! How jobs end whose worker does not finish them: it crashes, or is asked to stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entity::{delivery, job};
use rstest::rstest;
use serde_json::json;
use taskflow::jobs::{Claimed, Handler, Runner};
use taskflow::lifecycle::Lifecycle;
use taskflow::worker;
use tokio::sync::mpsc;

use super::{does, id, only_delivery, only_job, over_smtp, root_and_a_mail_to_bob};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;
use crate::support::smtp::Behaviour;

/// A worker that never finishes what it takes, and tells when it begins.
fn stuck(app: &TestApp) -> (Runner, mpsc::UnboundedReceiver<String>) {
    let (told, begun) = mpsc::unbounded_channel();
    let handler: Handler = Arc::new(move |claimed: Arc<Claimed>| {
        told.send(claimed.job.kind.clone()).unwrap();
        Box::pin(std::future::pending())
    });
    let app = &app.app;
    let settings = app.settings.jobs.clone();
    let runner = Runner::new(app.db.clone(), app.bus.clone(), settings, handler);
    (runner, begun)
}

/// A worker that takes back what others left, and stops.
async fn take_back(app: &TestApp) {
    let lifecycle = Lifecycle::default();
    lifecycle.draining.cancel();
    worker::runner(&app.app).run(lifecycle).await;
}

#[rstest]
#[tokio::test]
async fn a_mail_whose_worker_vanished_too_often_has_failed_and_can_be_sent_after_all(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::Greylist(1));
    let (root, _) = root_and_a_mail_to_bob(&app).await;
    app.work().await;
    app.clock.advance(TimeDelta::hours(2));
    for crash in 1..=3 {
        let (runner, mut begun) = stuck(&app);
        let worker = tokio::spawn(runner.run(Lifecycle::default()));
        assert_eq!(begun.recv().await.unwrap(), "deliver");
        // Aborting it writes nothing, like a crash.
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
        app.clock.advance(TimeDelta::seconds(61));
        let waiting = only_delivery(&app).await;
        assert_eq!(waiting.state, delivery::State::Queued);
        take_back(&app).await;
        assert_eq!(only_job(&app, "deliver").await.crash_count, crash);
    }
    let dead = only_job(&app, "deliver").await;
    assert_eq!(dead.state, job::State::Dead);
    let failed = only_delivery(&app).await;
    assert_eq!(failed.state, delivery::State::Failed);
    assert!(failed.finished_at.is_some());
    assert_eq!(failed.reason, dead.last_error);
    assert!(failed.reason.unwrap().contains("vanished"));

    let root = root.logged_in_again().await;
    let reply = does(&root, "retryJob", json!({"id": id(&dead)})).await;
    assert_eq!(reply.data()["retryJob"]["job"]["crashCount"], 0);
    app.work().await;
    assert_eq!(only_delivery(&app).await.state, delivery::State::Sent);
    assert_eq!(smtp.mails().len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_stop_gives_back_what_is_not_finished_and_counts_no_crash(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    root_and_a_mail_to_bob(&app).await;
    for stop in 1..=4 {
        let (runner, mut begun) = stuck(&app);
        let lifecycle = Lifecycle::default();
        lifecycle.tasks.spawn(runner.run(lifecycle.clone()));
        assert_eq!(begun.recv().await.unwrap(), "dispatch");
        // All its time but the last words is over.
        let began = Instant::now().checked_sub(Duration::from_secs(50)).unwrap();
        lifecycle.finish(began, Duration::from_mins(1)).await;
        let given_back = only_job(&app, "dispatch").await;
        assert_eq!(given_back.state, job::State::Ready, "{given_back:?}");
        assert_eq!((given_back.attempt, given_back.crash_count), (stop, 0));
        assert_eq!(
            (given_back.lease_owner, given_back.lease_until),
            (None, None)
        );
    }
    // At once: nobody has to wait for the end of a lease.
    assert_eq!(app.work().await, 2);
    assert_eq!(app.mails().len(), 1);
}

/// What only the handler knows how to end is ended with it, when its last attempt fails unseen.
#[rstest]
#[tokio::test]
async fn a_mail_that_is_out_of_attempts_has_failed(#[values(Embedded, Full)] mode: Mode) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::Greylist(1));
    root_and_a_mail_to_bob(&app).await;
    app.work().await;
    app.clock.advance(TimeDelta::hours(2));
    app.execute("UPDATE jobs SET max_attempts = 2 WHERE kind = 'deliver'")
        .await;
    let (runner, mut begun) = stuck(&app);
    let worker = tokio::spawn(runner.run(Lifecycle::default()));
    assert_eq!(begun.recv().await.unwrap(), "deliver");
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
    app.clock.advance(TimeDelta::seconds(61));
    take_back(&app).await;
    let dead = only_job(&app, "deliver").await;
    assert_eq!((dead.state, dead.crash_count), (job::State::Dead, 1));
    assert_eq!(only_delivery(&app).await.state, delivery::State::Failed);
}
