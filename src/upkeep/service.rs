//! What administrators do with jobs, over GraphQL and on the command line. What is done to a job that
//! sends a delivery is done to the delivery in the same transaction.

use entity::JobId;
use entity::job::{Model, State};

use super::UpkeepError;
use super::events::{EpochRenewed, JobDiscarded, JobsRetried, QueuePaused, QueueResumed};
use crate::accounts::{self, Actor};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::graphql::{UserError, UserErrorCode};
use crate::jobs::{self, JobFilter, QUEUES, QueueCounts};
use crate::text::is_line;
use crate::{events, notifications};

/// The most jobs one command lets begin anew.
pub const MOST_RETRIES: u64 = 1_000;
/// The longest reason of a discard, in characters.
const REASON_CHARS: usize = 200;

/// Has a job begin anew and at once, that is dead or waits.
///
/// # Errors
/// `NotFound`, and `Refused` for one that runs or is done.
pub async fn retry(app: &App, actor: Actor<'_>, id: JobId) -> Result<Model, UpkeepError> {
    accounts::says_admin(actor)?;
    app.db
        .write(|tx| async move {
            accounts::enter(&tx, actor, None).await?;
            match jobs::retry(&tx, &app.bus, id).await? {
                Some(job) => {
                    begun_anew(&tx, actor, std::slice::from_ref(&job)).await?;
                    Ok(job)
                }
                None => Err(why_not(&tx, id).await?),
            }
        })
        .await
}

/// The same of the dead jobs that fit, the oldest first, at most `most` of them. Answers how many.
///
/// # Errors
/// `Refused` for a number out of range.
pub async fn retry_dead(
    app: &App,
    actor: Actor<'_>,
    filter: &JobFilter,
    most: u64,
) -> Result<usize, UpkeepError> {
    accounts::says_admin(actor)?;
    if !(1..=MOST_RETRIES).contains(&most) {
        let message = format!("Give a number from 1 to {MOST_RETRIES}.");
        return Err(refused(message, "first"));
    }
    app.db
        .write(|tx| async move {
            accounts::enter(&tx, actor, None).await?;
            let jobs = jobs::retry_dead(&tx, &app.bus, filter, most).await?;
            if !jobs.is_empty() {
                begun_anew(&tx, actor, &jobs).await?;
            }
            Ok(jobs.len())
        })
        .await
}

async fn begun_anew(tx: &Tx, actor: Actor<'_>, jobs: &[Model]) -> Result<(), DbError> {
    notifications::queue_again(tx, jobs).await?;
    let job_ids = jobs.iter().map(|job| job.id).collect();
    events::append(tx, &JobsRetried { job_ids }, actor.id()).await?;
    Ok(())
}

/// Takes a job out of its queue that is dead or waits. It is kept like those that are done, with the
/// reason.
///
/// # Errors
/// `NotFound`, and `Refused` for one that runs or is done, and for a reason that is none.
pub async fn discard(
    app: &App,
    actor: Actor<'_>,
    id: JobId,
    reason: &str,
) -> Result<Model, UpkeepError> {
    accounts::says_admin(actor)?;
    let reason = reason.trim();
    if !is_line(reason, REASON_CHARS) {
        let message = format!("Say why in one line of at most {REASON_CHARS} characters.");
        return Err(refused(message, "reason"));
    }
    app.db
        .write(|tx| async move {
            accounts::enter(&tx, actor, None).await?;
            let Some(job) = jobs::discard(&tx, id, reason).await? else {
                return Err(why_not(&tx, id).await?);
            };
            notifications::drop_queued(&tx, &job).await?;
            events::append(&tx, &JobDiscarded { job_id: id }, actor.id()).await?;
            Ok(job)
        })
        .await
}

/// Why nothing can be done with a job.
async fn why_not(tx: &Tx, id: JobId) -> Result<UpkeepError, DbError> {
    let job = jobs::find_many(tx.conn(), [id]).await?.pop();
    Ok(match job.map(|job| job.state) {
        None => UpkeepError::NotFound,
        Some(State::Done) => refused("This job is done.", "id"),
        Some(_) => refused(
            "This job is being done at this moment. Look at it again in a minute.",
            "id",
        ),
    })
}

/// Lets nobody take jobs of a queue, on no replica; what runs goes on. Answers how the queue stands.
///
/// # Errors
/// `Refused` when there is no such queue.
pub async fn pause(app: &App, actor: Actor<'_>, queue: &str) -> Result<QueueCounts, UpkeepError> {
    set_paused(app, actor, queue, true).await
}

/// Lets the jobs of a queue be taken again. Answers how the queue stands.
///
/// # Errors
/// `Refused` when there is no such queue.
pub async fn resume(app: &App, actor: Actor<'_>, queue: &str) -> Result<QueueCounts, UpkeepError> {
    set_paused(app, actor, queue, false).await
}

async fn set_paused(
    app: &App,
    actor: Actor<'_>,
    queue: &str,
    paused: bool,
) -> Result<QueueCounts, UpkeepError> {
    accounts::says_admin(actor)?;
    if !QUEUES.contains(&queue) {
        let message = format!("There is no such queue, but: {}.", QUEUES.join(", "));
        return Err(refused(message, "queue"));
    }
    app.db
        .write(|tx| async move {
            accounts::enter(&tx, actor, None).await?;
            // What is so already is no event.
            if paused && jobs::pause(&tx, queue, actor.id()).await? {
                events::append(&tx, &QueuePaused { queue }, actor.id()).await?;
            }
            if !paused && jobs::resume(&tx, &app.bus, queue).await? {
                events::append(&tx, &QueueResumed { queue }, actor.id()).await?;
            }
            Ok::<_, UpkeepError>(())
        })
        .await?;
    // Afterwards: to count what waits takes a while just when much does.
    let queues = statistics(app, actor).await?;
    let found = queues.into_iter().find(|counts| counts.name == queue);
    found.ok_or(UpkeepError::NotFound)
}

/// What stands in every queue.
///
/// # Errors
/// The database's failure.
pub async fn statistics(app: &App, actor: Actor<'_>) -> Result<Vec<QueueCounts>, UpkeepError> {
    accounts::says_admin(actor)?;
    let clock = app.db.clock();
    Ok(app
        .db
        .read(|db| async move { jobs::statistics(&db, clock).await })
        .await?)
}

/// Makes all cursors worthless that clients have. For after a restore, before anything starts.
///
/// # Errors
/// The database's failure.
pub async fn renew_epoch(app: &App) -> Result<(), DbError> {
    app.db
        .write(|tx| async move {
            events::renew_epoch(&tx).await?;
            events::append(&tx, &EpochRenewed {}, None).await?;
            Ok(())
        })
        .await
}

fn refused(message: impl Into<String>, field: &str) -> UpkeepError {
    let error = UserError::new(UserErrorCode::Invalid, message, &["input", field]);
    UpkeepError::Refused(vec![error])
}
