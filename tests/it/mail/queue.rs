//! The queue that mail goes through: leases, crashes and handlers that fail.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::{delivery, job};
use rstest::rstest;
use sea_orm::EntityTrait;
use serde_json::json;
use taskflow::db::DbError;
use taskflow::events::bus::Hint;
use taskflow::jobs::{self, Claimed, Handler, JobError, NewJob, Outcome, Runner};
use taskflow::lifecycle::Lifecycle;
use taskflow::worker;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::{LONG_PAUSES, ada_assigns_to_bob, attempts, deliveries, only_job, over_smtp};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;
use crate::support::process::PATIENCE;
use crate::support::smtp::Behaviour;

#[rstest]
#[tokio::test]
async fn another_worker_sends_what_a_stalled_one_held_too_long(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::StallAfterDot);
    ada_assigns_to_bob(&app).await;
    let late = worker::runner(&app.app);
    let late = tokio::spawn(async move { late.run_until_idle().await });
    assert_eq!(smtp.next_attempt().await.reason, "stalled");

    app.clock.advance(TimeDelta::seconds(61));
    let lifecycle = Lifecycle::default();
    let other = tokio::spawn(worker::runner(&app.app).run(lifecycle.clone()));
    assert_eq!(smtp.next_mail().await.data, smtp.next_mail().await.data);
    lifecycle.draining.cancel();
    other.await.unwrap();
    smtp.release();
    late.await.unwrap().unwrap();

    assert_eq!(deliveries(&app).await[0].state, delivery::State::Sent);
    assert_eq!(attempts(&app).await.len(), 1, "the late one writes nothing");
    let done = only_job(&app, "deliver").await;
    assert_eq!(
        (done.state, done.attempt, done.crash_count),
        (job::State::Done, 2, 1)
    );
}

fn handler<W>(work: impl Fn(Arc<Claimed>) -> W + Send + Sync + 'static) -> Handler
where
    W: Future<Output = Result<Outcome, JobError>> + Send + 'static,
{
    Arc::new(move |claimed| Box::pin(work(claimed)))
}

fn runner(app: &TestApp, handler: Handler) -> Runner {
    let app = &app.app;
    Runner::new(
        app.db.clone(),
        app.bus.clone(),
        app.settings.jobs.clone(),
        handler,
    )
}

async fn enqueue(app: &TestApp, kind: &'static str) {
    let job = NewJob {
        queue: jobs::DEFAULT_QUEUE,
        kind,
        payload: json!({}),
        dedupe_key: kind.to_owned(),
        max_attempts: 25,
    };
    let (job, bus) = (&job, &app.app.bus);
    let write = |tx| async move {
        jobs::enqueue(&tx, bus, [job.clone()]);
        Ok::<_, DbError>(())
    };
    app.app.db.write(write).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_worker_that_lost_its_lease_cannot_finish_the_job(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    enqueue(&app, "work").await;
    let (told, mut lost) = mpsc::unbounded_channel();
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let late = runner(&app, {
        let (db, begun, go_on) = (app.app.db.clone(), begun.clone(), go_on.clone());
        handler(move |claimed| {
            let (db, begun, go_on, told) = (db.clone(), begun.clone(), go_on.clone(), told.clone());
            async move {
                begun.notify_one();
                go_on.notified().await;
                let claimed = &*claimed;
                let result = db
                    .write(|tx| async move { jobs::finish(&tx, claimed).await })
                    .await;
                told.send(matches!(result, Err(JobError::LeaseLost)))
                    .unwrap();
                result.map(|()| Outcome::Finished)
            }
        })
    });
    let late = tokio::spawn(async move { late.run_until_idle().await });
    begun.notified().await;

    app.clock.advance(TimeDelta::seconds(61));
    let done = Arc::new(Notify::new());
    let lifecycle = Lifecycle::default();
    let other = runner(&app, {
        let (db, done) = (app.app.db.clone(), done.clone());
        handler(move |claimed| {
            let (db, done) = (db.clone(), done.clone());
            async move {
                let claimed = &*claimed;
                db.write(|tx| async move { jobs::finish(&tx, claimed).await })
                    .await?;
                done.notify_one();
                Ok(Outcome::Finished)
            }
        })
    });
    let other = tokio::spawn(other.run(lifecycle.clone()));
    done.notified().await;
    lifecycle.draining.cancel();
    other.await.unwrap();
    let after = only_job(&app, "work").await;
    assert_eq!((after.state, after.lease_token), (job::State::Done, 2));

    go_on.notify_one();
    assert_eq!(late.await.unwrap().unwrap(), 1);
    assert_eq!(lost.recv().await, Some(true));
    assert_eq!(only_job(&app, "work").await, after, "0 rows changed");
}

#[rstest]
#[tokio::test]
async fn a_job_that_takes_its_worker_down_three_times_is_dead_and_others_flow(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    enqueue(&app, "deadly").await;
    let (told, mut begun) = mpsc::unbounded_channel();
    for crash in 1..=4 {
        let told = told.clone();
        let runner = runner(
            &app,
            handler(move |claimed| {
                told.send(claimed.job.kind.clone()).unwrap();
                std::future::pending()
            }),
        );
        if crash == 4 {
            enqueue(&app, "harmless").await;
        }
        let worker = tokio::spawn(runner.run(Lifecycle::default()));
        let kind = begun.recv().await.unwrap();
        assert_eq!(kind, if crash == 4 { "harmless" } else { "deadly" });
        // Aborting it writes nothing, like a crash.
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
        app.clock.advance(TimeDelta::seconds(61));
    }
    let dead = jobs::list_dead(&app.app.db, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].kind.as_str(), dead[0].crash_count), ("deadly", 3));
    assert_eq!(dead[0].lease_owner, None);
}

/// After the first crash nobody knows which of them did it.
#[rstest]
#[tokio::test]
async fn jobs_beside_the_one_that_takes_its_worker_down_are_done(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    for kind in ["one", "deadly", "two", "three"] {
        enqueue(&app, kind).await;
    }
    let (told, mut begun) = mpsc::unbounded_channel();
    for (life, last) in ["three", "deadly", "deadly", "three"].iter().enumerate() {
        let (told, db) = (told.clone(), app.app.db.clone());
        let runner = runner(
            &app,
            handler(move |claimed| {
                let (told, db) = (told.clone(), db.clone());
                async move {
                    told.send(claimed.job.kind.clone()).unwrap();
                    if life == 0 || claimed.job.kind == "deadly" {
                        std::future::pending::<()>().await;
                    }
                    let claimed = &claimed;
                    db.write(|tx| async move { jobs::finish(&tx, claimed).await })
                        .await?;
                    Ok(Outcome::Finished)
                }
            }),
        );
        let lifecycle = Lifecycle::default();
        let worker = tokio::spawn(runner.run(lifecycle.clone()));
        let mut seen = Vec::new();
        while seen.last().map(String::as_str) != Some(*last) {
            seen.push(begun.recv().await.unwrap());
        }
        let expected: &[&str] = match life {
            0 => &["one", "deadly", "two", "three"],
            1 => &["one", "deadly"],
            2 => &["deadly"],
            _ => &["two", "three"],
        };
        assert_eq!(seen, expected, "life {life}");
        if life == 3 {
            lifecycle.draining.cancel();
            worker.await.unwrap();
        } else {
            worker.abort();
            assert!(worker.await.unwrap_err().is_cancelled());
        }
        app.clock.advance(TimeDelta::seconds(61));
    }
    for kind in ["one", "two", "three"] {
        let done = only_job(&app, kind).await;
        assert_eq!((done.state, done.crash_count), (job::State::Done, 1));
    }
    let dead = only_job(&app, "deadly").await;
    assert_eq!((dead.state, dead.crash_count), (job::State::Dead, 3));
}

#[rstest]
#[tokio::test]
async fn a_job_of_an_unknown_kind_is_kept_for_a_newer_version(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::with(mode, &[LONG_PAUSES]).await;
    enqueue(&app, "from-the-future").await;
    assert_eq!(app.work().await, 1);
    let kept = only_job(&app, "from-the-future").await;
    assert_eq!((kept.state, kept.attempt), (job::State::Ready, 1));
    assert!(kept.last_error.unwrap().contains("from-the-future"));
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(app.work().await, 1);
}

#[rstest]
#[tokio::test]
async fn a_panicking_handler_fails_its_job_and_the_worker_goes_on(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::with(mode, &[LONG_PAUSES]).await;
    enqueue(&app, "bad").await;
    enqueue(&app, "good").await;
    let runner = runner(&app, {
        let db = app.app.db.clone();
        handler(move |claimed| {
            let db = db.clone();
            async move {
                assert_ne!(claimed.job.kind, "bad", "this panic belongs to the test");
                let claimed = &*claimed;
                db.write(|tx| async move { jobs::finish(&tx, claimed).await })
                    .await?;
                Ok(Outcome::Finished)
            }
        })
    });
    assert_eq!(runner.run_until_idle().await.unwrap(), 2);
    assert_eq!(only_job(&app, "good").await.state, job::State::Done);
    let bad = only_job(&app, "bad").await;
    assert_eq!((bad.state, bad.attempt), (job::State::Ready, 1));
    assert_eq!(bad.last_error.as_deref(), Some("the handler panicked"));
}

#[rstest]
#[tokio::test]
async fn a_worker_that_is_kept_busy_by_hints_still_takes_jobs_of_vanished_ones_back(
    #[values(Embedded, Full)] mode: Mode,
) {
    let polls = [
        ("TASKFLOW_JOBS__POLL_MIN_MS", "20"),
        ("TASKFLOW_JOBS__POLL_MAX_MS", "20"),
    ];
    let app = TestApp::with(mode, &polls).await;
    let (told, mut begun) = mpsc::unbounded_channel();
    let tell = handler(move |claimed| {
        told.send(claimed.job.kind.clone()).unwrap();
        std::future::pending()
    });
    // It is up before the other vanishes: what it takes back at its own start is not meant here.
    let busy = tokio::spawn(runner(&app, tell).run(Lifecycle::default()));
    enqueue(&app, "greeting").await;
    assert_eq!(begun.recv().await.unwrap(), "greeting");
    enqueue(&app, "orphan").await;
    assert_eq!(begun.recv().await.unwrap(), "orphan");
    let bus = app.app.bus.clone();
    let hints = tokio::spawn(async move {
        loop {
            let queue = jobs::DEFAULT_QUEUE.to_owned();
            bus.publish(Hint::Wake { queue });
            tokio::task::yield_now().await;
        }
    });
    app.clock.advance(TimeDelta::seconds(61));
    let again = timeout(PATIENCE, begun.recv()).await;
    let again = again.expect("an expired lease is noticed").unwrap();
    // Nobody vanished.
    assert_eq!(only_job(&app, &again).await.crash_count, 0);
    hints.abort();
    busy.abort();
}

#[rstest]
#[tokio::test]
async fn what_is_done_makes_room_for_as_many_others_and_is_written_down_together(
    #[values(Embedded, Full)] mode: Mode,
) {
    const JOBS: usize = 256;
    let app = TestApp::start(mode).await;
    let jobs = (0..JOBS).map(|number| NewJob {
        queue: jobs::DEFAULT_QUEUE,
        kind: "work",
        payload: json!({}),
        dedupe_key: format!("work:{number}"),
        max_attempts: 25,
    });
    let (jobs, bus) = (&jobs.collect::<Vec<_>>(), &app.app.bus);
    let write = |tx| async move {
        jobs::enqueue(&tx, bus, jobs.clone());
        Ok::<_, DbError>(())
    };
    app.app.db.write(write).await.unwrap();
    let (told, mut done) = mpsc::unbounded_channel();
    let worker = runner(
        &app,
        handler(move |claimed| {
            told.send(claimed.id()).unwrap();
            async { Ok(Outcome::Done) }
        }),
    );
    let lifecycle = Lifecycle::default();
    let before = app.app.db.statements();
    let running = tokio::spawn(worker.run(lifecycle.clone()));
    for _ in 0..JOBS {
        timeout(PATIENCE, done.recv()).await.unwrap().unwrap();
    }
    lifecycle.draining.cancel();
    running.await.unwrap();
    let statements = app.app.db.statements() - before;
    assert!(
        statements <= JOBS as u64 / 2,
        "{statements} statements for {JOBS} jobs, of which 64 are taken at a time"
    );
    let rows = job::Entity::find().all(&app.sql().await).await.unwrap();
    assert_eq!(rows.len(), JOBS);
    for row in rows {
        assert_eq!(row.state, job::State::Done);
        assert_eq!((row.attempt, row.crash_count), (1, 0));
        assert!(row.done_at.is_some() && row.lease_owner.is_none());
    }
}
