//! Empties the trash: tasks that were deleted so long ago that nobody can restore them go for good,
//! with what is said and remembered about them. Their sub-tasks stay, as parts of nothing.

use tokio_util::sync::CancellationToken;

use super::task;
use crate::app::App;
use crate::db::{DbError, hourly, in_steps};

/// How many tasks a transaction deletes at most: each may have much of its own, and other writers
/// wait meanwhile.
const STEP: u64 = 100;

/// Deletes what cannot be restored any more. Answers how many tasks that were.
///
/// # Errors
/// The database's failure; what was deleted before stays deleted.
pub async fn prune(app: &App) -> Result<u64, DbError> {
    in_steps(STEP, || task::empty_trash(app, STEP)).await
}

/// Does so every hour, until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    hourly(stop, "tasks for good", || prune(&app)).await;
}
