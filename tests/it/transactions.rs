//! Write transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;
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
