//! Mails that are sent at the same time: what they read and write together, and that each keeps its own end.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use entity::{attempt, delivery, job};
use rstest::rstest;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use taskflow::jobs::{Handler, Outcome, Runner};
use taskflow::lifecycle::Lifecycle;
use taskflow::{notifications, worker};

use super::{attempts, deliveries, over_smtp};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;
use crate::support::smtp::{Behaviour, SmtpServer};

/// So many people are given a task, and it is decided that each gets a mail, which is due.
async fn mails_wait(app: &TestApp, mails: usize) {
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    for number in 0..mails {
        let task = json!({"title": format!("Task {number}"), "assigneeId": bob.id});
        ada.creates(task).await;
    }
    let handler: Handler = {
        let app = app.app.clone();
        Arc::new(move |claimed| {
            let app = app.clone();
            Box::pin(async move {
                if claimed.job.kind == notifications::DISPATCH {
                    return notifications::dispatch(&app, &claimed).await;
                }
                Ok(Outcome::Postponed {
                    after: Duration::from_mins(1),
                    reason: "later".to_owned(),
                })
            })
        })
    };
    let parts = &app.app;
    let (db, bus) = (parts.db.clone(), parts.bus.clone());
    let runner = Runner::new(db, bus, parts.settings.jobs.clone(), handler);
    runner.run_until_idle().await.unwrap();
    app.clock.advance(TimeDelta::minutes(2));
}

/// Has a worker send so many mails, and answers how many statements that took.
async fn send(app: &TestApp, smtp: &SmtpServer, mails: usize) -> u64 {
    let (lifecycle, before) = (Lifecycle::default(), app.app.db.statements());
    let working = tokio::spawn(worker::runner(&app.app).run(lifecycle.clone()));
    for _ in 0..mails {
        smtp.next_mail().await;
    }
    lifecycle.draining.cancel();
    working.await.unwrap();
    app.app.db.statements() - before
}

#[rstest]
#[tokio::test]
async fn many_mails_are_read_and_written_together(#[values(Embedded, Full)] mode: Mode) {
    const MAILS: usize = 40;
    let (app, smtp) = over_smtp(mode).await;
    mails_wait(&app, MAILS).await;
    let statements = send(&app, &smtp, MAILS).await;
    // One after the other they are some fifteen each.
    let most = 5 * MAILS as u64;
    assert!(
        statements < most,
        "{statements} statements for {MAILS} mails"
    );
    let told = deliveries(&app).await;
    assert_eq!(told.len(), MAILS);
    for delivery in told {
        assert_eq!(delivery.state, delivery::State::Sent);
        assert_eq!(delivery.driver.as_deref(), Some("smtp"));
        assert_eq!((delivery.message, delivery.provider_id), (None, None));
        assert!(delivery.sent_at.is_some() && delivery.finished_at.is_some());
    }
    let tries = attempts(&app).await;
    assert_eq!(tries.len(), MAILS);
    let detail = Some("250 2.0.0 kept");
    for row in tries {
        assert_eq!(row.outcome, attempt::Outcome::Sent);
        assert_eq!(row.detail.as_deref(), detail);
    }
    let jobs = job::Entity::find().filter(job::Column::Kind.eq("deliver"));
    for job in jobs.all(&app.sql().await).await.unwrap() {
        assert_eq!((job.state, job.attempt), (job::State::Done, 1));
    }
    let mut titles: Vec<_> = smtp
        .mails()
        .into_iter()
        .map(|mail| subject(&mail.data))
        .collect();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), MAILS, "each mail says its own");
}

fn subject(mail: &[u8]) -> String {
    super::read(mail).subject().unwrap().to_owned()
}

/// Of the mails that end together one is another worker's by then.
#[rstest]
#[tokio::test]
async fn a_lost_lease_beside_others_is_written_for_none_but_them(
    #[values(Embedded, Full)] mode: Mode,
) {
    const MAILS: usize = 6;
    let (app, smtp) = over_smtp(mode).await;
    mails_wait(&app, MAILS).await;
    for _ in 0..MAILS {
        smtp.behave(Behaviour::StallAfterDot);
    }
    let lifecycle = Lifecycle::default();
    let working = tokio::spawn(worker::runner(&app.app).run(lifecycle.clone()));
    for _ in 0..MAILS {
        assert_eq!(smtp.next_attempt().await.reason, "stalled");
    }
    let lost = deliveries(&app).await.remove(2).id;
    app.execute(&format!(
        "UPDATE jobs SET lease_token = lease_token + 1 WHERE dedupe_key = 'deliver:{}'",
        lost.0
    ))
    .await;
    smtp.release();
    lifecycle.draining.cancel();
    working.await.unwrap();

    for delivery in deliveries(&app).await {
        let is_lost = delivery.id == lost;
        let state = if is_lost {
            delivery::State::Sending
        } else {
            delivery::State::Sent
        };
        assert_eq!(delivery.state, state);
        assert_eq!(
            delivery.message.is_some(),
            is_lost,
            "the next try sends the same"
        );
    }
    let tries = attempts(&app).await;
    assert_eq!(tries.len(), MAILS - 1);
    assert!(tries.iter().all(|row| row.delivery_id != lost));
    let query = job::Entity::find().filter(job::Column::State.eq(job::State::Running));
    let running = query.all(&app.sql().await).await.unwrap();
    assert_eq!(running.len(), 1, "as another worker has it");
}

/// What is not wanted any more is left out of what is sent together.
#[rstest]
#[tokio::test]
async fn each_mail_is_looked_at_by_itself(#[values(Embedded, Full)] mode: Mode) {
    const MAILS: usize = 4;
    let (app, smtp) = over_smtp(mode).await;
    mails_wait(&app, MAILS).await;
    app.execute("UPDATE tasks SET enabled = false WHERE title = 'Task 1'")
        .await;
    app.execute("UPDATE tasks SET assignee_id = creator_id WHERE title = 'Task 2'")
        .await;
    send(&app, &smtp, MAILS - 2).await;
    let mut reasons: Vec<_> = deliveries(&app)
        .await
        .into_iter()
        .map(|delivery| delivery.reason)
        .collect();
    reasons.sort_unstable();
    let skipped = ["reassigned", "task_disabled"].map(|word| Some(word.to_owned()));
    assert_eq!(reasons, [[None, None], skipped].concat());
    assert_eq!(attempts(&app).await.len(), MAILS - 2);
}
