//! Deletes what nobody asks for any more of jobs, streams, events and idempotency keys.

use chrono::TimeDelta;
use entity::{NotificationId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db::{DbError, hourly, idempotency, in_steps, least_id_at};
use crate::events::{self, Kept};
use crate::{jobs, notifications};

/// How many rows a transaction deletes at most: it holds up other writers meanwhile.
const STEP: u64 = 1_000;
/// Nothing is kept by age for longer, in days.
const MOST_DAYS: u32 = 36_500;

/// Deletes jobs that are done, entries of streams, notifications, then events that stand in no stream any more, with
/// their deliveries, and idempotency keys, each after its time. Answers how many rows that were.
///
/// # Errors
/// The database's failure; what was deleted before stays deleted.
pub async fn prune(app: &App) -> Result<u64, DbError> {
    let now = app.db.clock().now();
    let (events, jobs) = (&app.settings.events, &app.settings.jobs);
    let before = days_ago(now, jobs.keep_done_days);
    let mut deleted = in_steps(STEP, || {
        app.db
            .write(move |tx| async move { jobs::delete_done(&tx, before, STEP).await })
    })
    .await?;
    let kept = Kept {
        since: days_ago(now, events.keep_entries_days),
        most: events.keep_entries.into(),
    };
    deleted += events::prune_streams(&app.db, kept, STEP).await?;
    let told = notifications_before(app, now);
    deleted += in_steps(STEP, || {
        app.db
            .write(move |tx| async move { notifications::prune(&tx, told, STEP).await })
    })
    .await?;
    let before = unneeded_before(app, days_ago(now, events.keep_days)).await?;
    deleted += in_steps(STEP, || {
        app.db
            .write(move |tx| async move { events::delete_events(&tx, before, STEP).await })
    })
    .await?;
    deleted += in_steps(STEP, || {
        app.db
            .write(|tx| async move { idempotency::prune(&tx, STEP).await })
    })
    .await?;
    Ok(deleted)
}

/// What was told so long ago is nobody's concern any more, read or not.
fn notifications_before(app: &App, now: Timestamp) -> NotificationId {
    let days = app.settings.notifications.keep_days;
    NotificationId(least_id_at(days_ago(now, days)))
}

/// A job that waits, in a queue that was paused for long, still needs the event it was made with.
async fn unneeded_before(app: &App, before: Timestamp) -> Result<Timestamp, DbError> {
    let open = app
        .db
        .read(|db| async move { jobs::oldest_open(&db).await })
        .await?;
    // The event was written a little earlier, in the same transaction.
    let open = open.map(|made| made - TimeDelta::hours(1));
    Ok(open.map_or(before, |open| open.min(before)))
}

fn days_ago(now: Timestamp, days: u32) -> Timestamp {
    now - TimeDelta::days(days.min(MOST_DAYS).into())
}

/// Does so every hour, until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    hourly(stop, "jobs, events and keys that are long over", || {
        prune(&app)
    })
    .await;
}
