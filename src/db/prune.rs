//! Deleting what is over: in steps that hold nobody up for long, every hour.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::DbError;
use crate::lifecycle::pause;
use crate::telemetry;

/// How often it is looked for.
const EVERY: Duration = Duration::from_hours(1);

/// Repeats a step until it finds less than `most` to delete. Answers how much was deleted.
///
/// # Errors
/// The database's failure; what was deleted before stays deleted.
pub async fn in_steps<F>(most: u64, step: impl Fn() -> F) -> Result<u64, DbError>
where
    F: Future<Output = Result<u64, DbError>>,
{
    let mut deleted = 0;
    loop {
        let count = step().await?;
        deleted += count;
        if count < most {
            return Ok(deleted);
        }
    }
}

/// Deletes what is over at once and every hour, until stopped. `what` is for the log.
pub async fn hourly<F>(stop: CancellationToken, what: &str, prune: impl Fn() -> F)
where
    F: Future<Output = Result<u64, DbError>>,
{
    loop {
        match prune().await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "deleted {what}"),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::error!(error, "cannot delete {what}; will try again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause(EVERY) => {}
        }
    }
}
