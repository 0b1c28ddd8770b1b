//! Empties the trash: tasks that were deleted so long ago that nobody can restore them go for good,
//! with what is said and remembered about them. Their sub-tasks stay, as parts of nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::task;
use crate::app::App;
use crate::db::DbError;
use crate::lifecycle::pause;
use crate::telemetry;

/// How often it is looked for.
const EVERY: Duration = Duration::from_hours(1);
/// How many tasks a transaction deletes at most: each may have much of its own, and other writers
/// wait meanwhile.
const STEP: u64 = 100;

/// Deletes what cannot be restored any more. Answers how many tasks that were.
///
/// # Errors
/// The database's failure; what was deleted before stays deleted.
pub async fn prune(app: &App) -> Result<u64, DbError> {
    let mut deleted = 0;
    loop {
        let step = task::empty_trash(app, STEP).await?;
        deleted += step;
        if step < STEP {
            return Ok(deleted);
        }
    }
}

/// Does so every hour, until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        match prune(&app).await {
            Ok(0) => {}
            Ok(tasks) => tracing::info!(tasks, "deleted tasks for good"),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::error!(error, "cannot empty the trash; will try again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause(EVERY) => {}
        }
    }
}
