//! What administrators do with jobs, in GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::JobId;

use super::api::{Job, JobQueue, filter};
use super::{UpkeepError, service};
use crate::accounts::Actor;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, UserError};

/// How many jobs begin anew when nothing is said.
const RETRIES: i32 = 100;

/// Which job is to begin anew.
#[derive(InputObject)]
pub struct RetryJobInput {
    /// Which.
    id: ID,
}

/// Which dead jobs are to begin anew.
#[derive(InputObject)]
pub struct RetryJobsInput {
    /// Only those in this queue.
    queue: Option<String>,
    /// Only those of this kind, as `deliver`.
    kind: Option<String>,
    /// How many at most, from 1 to 1000, the oldest first; 100 when not given.
    first: Option<i32>,
}

/// Which job is to be discarded, and why.
#[derive(InputObject)]
pub struct DiscardJobInput {
    /// Which.
    id: ID,
    /// Why, in one line of at most 200 characters. It is kept with the job.
    reason: String,
}

/// Whose jobs are to be taken no more.
#[derive(InputObject)]
pub struct PauseQueueInput {
    /// The name of the queue.
    queue: String,
}

/// Whose jobs are to be taken again.
#[derive(InputObject)]
pub struct ResumeQueueInput {
    /// The name of the queue.
    queue: String,
}

/// The job that begins anew.
#[derive(Debug, SimpleObject)]
pub struct RetryJobPayload {
    /// The job as it is now; null when there are user errors.
    job: Option<Job>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// How many jobs begin anew.
#[derive(Debug, SimpleObject)]
pub struct RetryJobsPayload {
    /// How many; null when there are user errors. When it is as many as were asked for, there may be
    /// more.
    retried_count: Option<usize>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// The job that was discarded.
#[derive(Debug, SimpleObject)]
pub struct DiscardJobPayload {
    /// The job as it is now; null when there are user errors.
    job: Option<Job>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// The queue whose jobs nobody takes now.
#[derive(Debug, SimpleObject)]
pub struct PauseQueuePayload {
    /// The queue as it stands now; null when there are user errors.
    queue: Option<JobQueue>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// The queue whose jobs are taken again.
#[derive(Debug, SimpleObject)]
pub struct ResumeQueuePayload {
    /// The queue as it stands now; null when there are user errors.
    queue: Option<JobQueue>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// Looking after the jobs. For administrators: for all others each of these is `FORBIDDEN`.
#[derive(Debug, Default)]
pub struct JobMutation;

#[Object]
impl JobMutation {
    /// Has a job begin anew and at once: one that is dead, or one that waits. Attempts and crashes of
    /// before are not counted against it any more. A message that was given up waits again. For
    /// administrators.
    async fn retry_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which job is to begin anew.")] input: RetryJobInput,
    ) -> Result<RetryJobPayload, ApiError> {
        let (actor, id) = (Actor::Viewer(ctx.viewer()?), job_id(&input.id)?);
        let (job, user_errors) = payload(service::retry(ctx.app(), actor, id).await)?;
        Ok(RetryJobPayload {
            job: job.map(Job),
            user_errors,
        })
    }

    /// Has dead jobs begin anew, as `retryJob` does. For administrators.
    async fn retry_jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which dead jobs are to begin anew.")] input: RetryJobsInput,
    ) -> Result<RetryJobsPayload, ApiError> {
        let actor = Actor::Viewer(ctx.viewer()?);
        let which = filter(input.queue, input.kind, None)?;
        // Less than none is out of range, too.
        let most = u64::try_from(input.first.unwrap_or(RETRIES)).unwrap_or_default();
        let result = service::retry_dead(ctx.app(), actor, &which, most).await;
        let (retried_count, user_errors) = payload(result)?;
        Ok(RetryJobsPayload {
            retried_count,
            user_errors,
        })
    }

    /// Takes a job out of its queue that is dead or waits: it is not done any more, and a message it
    /// was to send is `SKIPPED`, if it still waits. It is kept for as long as those that are done. For administrators.
    async fn discard_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which job is to be discarded, and why.")] input: DiscardJobInput,
    ) -> Result<DiscardJobPayload, ApiError> {
        let (actor, id) = (Actor::Viewer(ctx.viewer()?), job_id(&input.id)?);
        let result = service::discard(ctx.app(), actor, id, &input.reason).await;
        let (job, user_errors) = payload(result)?;
        Ok(DiscardJobPayload {
            job: job.map(Job),
            user_errors,
        })
    }

    /// Lets no worker take jobs of a queue; what runs goes on, and what happens meanwhile waits. To a
    /// queue that is paused already nothing happens. For administrators.
    async fn pause_queue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose jobs are to be taken no more.")] input: PauseQueueInput,
    ) -> Result<PauseQueuePayload, ApiError> {
        let (app, actor) = (ctx.app(), Actor::Viewer(ctx.viewer()?));
        let (counts, user_errors) = payload(service::pause(app, actor, &input.queue).await)?;
        Ok(PauseQueuePayload {
            queue: counts.map(|counts| JobQueue::new(counts, app.db.clock().now())),
            user_errors,
        })
    }

    /// Lets the jobs of a queue be taken again. For administrators.
    async fn resume_queue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose jobs are to be taken again.")] input: ResumeQueueInput,
    ) -> Result<ResumeQueuePayload, ApiError> {
        let (app, actor) = (ctx.app(), Actor::Viewer(ctx.viewer()?));
        let (counts, user_errors) = payload(service::resume(app, actor, &input.queue).await)?;
        Ok(ResumeQueuePayload {
            queue: counts.map(|counts| JobQueue::new(counts, app.db.clock().now())),
            user_errors,
        })
    }
}

fn job_id(id: &str) -> Result<JobId, ApiError> {
    Kind::Job.decode(id).map(JobId)
}

fn payload<T>(result: Result<T, UpkeepError>) -> Result<(Option<T>, Vec<UserError>), ApiError> {
    match result {
        Ok(done) => Ok((Some(done), Vec::new())),
        Err(UpkeepError::Refused(errors)) => Ok((None, errors)),
        Err(error) => Err(error.into()),
    }
}
