//! Write transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use serde_json::json;
use taskflow::db::DbError;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;
use crate::support::process::PATIENCE;

#[rstest]
#[tokio::test]
async fn a_commit_comes_to_its_end_though_the_caller_goes_away(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (hinted, is_done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (hint, done) = (&hinted, &is_done);
    let write = app.app.db.write(|tx| async move {
        let hint = hint.clone();
        tx.after_commit(move || hint.notify_one());
        done.store(true, Ordering::Relaxed);
        Ok::<_, DbError>(())
    });
    // The caller goes away as soon as the work is done, when the commit is under way.
    let mut write = Box::pin(write);
    let gone = std::future::poll_fn(|cx| {
        let polled = write.as_mut().poll(cx);
        assert!(polled.is_pending(), "a commit takes time");
        if is_done.load(Ordering::Relaxed) {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    });
    gone.await;
    drop(write);
    timeout(PATIENCE, hinted.notified()).await.unwrap();
    // The next one is not kept waiting.
    app.person("ada").await;
}

/// Beside those that begin and end the transaction: who it is for, and all that is written.
#[tokio::test]
async fn a_task_is_made_and_assigned_by_two_statements() {
    let app = TestApp::start(Full).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let before = app.app.db.statements();
    ada.creates(json!({"title": "For Bob", "assigneeId": bob.id}))
        .await;
    assert_eq!(app.app.db.statements() - before, 2);
}

/// All of it is there or nothing: whoever looks sees one transaction.
#[tokio::test]
async fn what_is_written_of_a_new_task_is_one_transaction() {
    let app = TestApp::start(Full).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    ada.creates(json!({"title": "For Bob", "assigneeId": bob.id}))
        .await;
    let transactions = "SELECT count(DISTINCT xmin::text) FROM (
        SELECT xmin FROM tasks UNION ALL SELECT xmin FROM task_words
        UNION ALL SELECT xmin FROM stream_entries UNION ALL SELECT xmin FROM task_watchers
        UNION ALL SELECT xmin FROM events WHERE topic LIKE 'task.%') written";
    assert_eq!(app.number(transactions).await, 1);
    assert_eq!(app.number("SELECT count(*) FROM stream_entries").await, 3);
}

/// What only looks keeps nothing open.
#[tokio::test]
async fn a_transaction_begins_with_its_first_statement_that_may_write() {
    let app = &TestApp::start(Full).await;
    let write = app.app.db.write(|tx| async move {
        let looked = backend(&tx.peek()).await?;
        assert!(!is_open(app, looked).await);
        let wrote = backend(tx.conn()).await?;
        assert!(is_open(app, wrote).await);
        // From now on looking is a part of it.
        assert_eq!(backend(&tx.peek()).await?, wrote);
        Ok::<_, DbError>(wrote)
    });
    assert!(!is_open(app, write.await.unwrap()).await);
}

/// What number the connection has at PostgreSQL.
async fn backend(conn: &impl ConnectionTrait) -> Result<i32, DbError> {
    let query = Statement::from_string(DatabaseBackend::Postgres, "SELECT pg_backend_pid()");
    let row = conn.query_one_raw(query).await?;
    Ok(row.unwrap().try_get_by_index(0)?)
}

async fn is_open(app: &TestApp, backend: i32) -> bool {
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE pid = {backend} AND state = 'idle in transaction'"
    );
    app.number(&query).await == 1
}
