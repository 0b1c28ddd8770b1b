//! Deletes what nobody asks for any more.

use tokio_util::sync::CancellationToken;

use super::store::{self, over::Over};
use crate::app::App;
use crate::db::{DbError, hourly, in_steps};

/// How many rows a transaction deletes at most: it holds up other writers meanwhile.
const STEP: u64 = 1_000;

/// Deletes what is over: revocations that no token is left for, mailed tokens a week past their end,
/// counts of wrong passwords whose time is over, sessions that ended or ran out 30 days ago. Answers
/// how many rows that were.
///
/// # Errors
/// The database's failure; what was deleted before stays deleted.
pub async fn prune(app: &App) -> Result<u64, DbError> {
    let now = app.db.clock().now();
    let mut deleted = 0;
    for what in Over::ALL {
        let step = || {
            app.db
                .write(move |tx| async move { store::over::delete(&tx, what, now, STEP).await })
        };
        deleted += in_steps(STEP, step).await?;
    }
    Ok(deleted)
}

/// Does so every hour, until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    hourly(stop, "sessions and tokens that are long over", || {
        prune(&app)
    })
    .await;
}
