//! Counts the sessions that go on.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::store;
use crate::app::App;
use crate::lifecycle::pause;
use crate::telemetry;

/// How often they are counted.
const EVERY: Duration = Duration::from_mins(1);

/// Counts them every minute, until stopped.
pub async fn keep_counting_sessions(app: App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause(EVERY) => {}
        }
        count_sessions(&app).await;
    }
}

/// Counts them once. Counted and not added up: a session that runs out says nothing.
pub async fn count_sessions(app: &App) {
    let now = app.db.clock().now();
    let counted = app
        .db
        .read(|db| async move { store::count(&db, None, now).await });
    match counted.await {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        Ok(count) => metrics::gauge!("auth_active_sessions").set(count as f64),
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(error, "cannot count the sessions; will try again");
        }
    }
}
