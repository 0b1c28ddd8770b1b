//! Jobs in GraphQL, for administrators.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::job::{self, State};
use entity::{DeliveryId, JobId, attempt, delivery};

use super::service;
use crate::accounts::{self, Actor, User, load_user};
use crate::app::AppExt;
use crate::graphql::{
    ApiError, ContextExt, ErrorCode, Kind, Loader, OpaqueCursor, PageArgs, search_text,
};
use crate::jobs::{self, JobFilter, QueueCounts};
use crate::notifications;

/// The order of the list, for its cursors.
const NEWEST: &str = "newest";
/// How many attempts of a delivery are shown.
const LAST_ATTEMPTS: i64 = 20;

/// What is loaded together of jobs.
#[derive(Debug, Default)]
pub struct Loaders {
    deliveries: Loader<DeliveryId, delivery::Model, ApiError>,
    attempts: Loader<DeliveryId, Vec<attempt::Model>, ApiError>,
}

fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders, ApiError> {
    ctx.data_opt()
        .ok_or_else(|| ApiError::internal("a request without loaders"))
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::job::State")]
pub enum JobState {
    /// Waits until it is due, and then for a worker.
    Ready,
    /// A worker has it.
    Running,
    /// Finished, or discarded; deleted after a while.
    Done,
    /// Given up; kept until it is tried again or discarded.
    Dead,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::delivery::State")]
pub enum DeliveryState {
    /// Not sent yet.
    Queued,
    /// Waits for the end of quiet hours.
    Held,
    /// A worker is giving it to the next server.
    Sending,
    /// Taken by the next server on the way.
    Sent,
    /// Arrived, as the next server says.
    Delivered,
    /// Came back: the next server took it and could not deliver it.
    Bounced,
    /// Given up.
    Failed,
    /// Not sent on purpose; the reason says why.
    Suppressed,
}

/// How a try of a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::attempt::Outcome")]
pub enum DeliveryOutcome {
    /// Taken by the next server.
    Sent,
    /// May succeed later.
    Retry,
    /// Will never succeed.
    Failed,
}

/// Work that is done in the background: at least once, and not for ever.
#[derive(Clone, Debug)]
pub struct Job(pub job::Model);

/// Work that is done in the background: at least once, and not for ever.
#[Object]
impl Job {
    /// The id, as `job_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Job.encode(self.0.id.0)
    }

    /// The queue it stands in.
    async fn queue(&self) -> &str {
        &self.0.queue
    }

    /// What is to be done, as `deliver`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Where it stands.
    async fn state(&self) -> JobState {
        self.0.state.into()
    }

    /// How often it was begun, since it began anew.
    async fn attempt_count(&self) -> i32 {
        self.0.attempt
    }

    /// After how many attempts it is given up.
    async fn max_attempts(&self) -> i32 {
        self.0.max_attempts
    }

    /// How often a worker vanished that had it, since it began anew.
    async fn crash_count(&self) -> i32 {
        self.0.crash_count
    }

    /// What the last attempt said.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// Not before this time.
    async fn run_at(&self) -> DateTime<Utc> {
        self.0.run_at
    }

    /// Until when its worker has it to itself; null when nobody has it.
    async fn leased_until(&self) -> Option<DateTime<Utc>> {
        self.0.lease_until
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was done, discarded or given up.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.done_at
    }

    /// When somebody last had it begin anew.
    async fn retried_at(&self) -> Option<DateTime<Utc>> {
        self.0.retried_at
    }

    /// Why it was discarded; null when it was not.
    async fn discard_reason(&self) -> Option<&str> {
        self.0.discard_reason.as_deref()
    }

    /// The name in the log of the request that caused it.
    async fn request(&self) -> Option<&str> {
        self.0.trace.as_deref()
    }

    /// The message it sends; null when it does something else, or when the message is deleted.
    async fn delivery(&self, ctx: &Context<'_>) -> Result<Option<JobDelivery>, ApiError> {
        let Some(id) = notifications::delivery_of(&self.0) else {
            return Ok(None);
        };
        let app = ctx.app();
        let fetch = |ids: Vec<DeliveryId>| async move {
            let ids = &ids;
            Ok(app
                .db
                .read(|db| async move { notifications::deliveries(&db, ids.clone()).await })
                .await?)
        };
        let found = loaders(ctx)?.deliveries.load(id, fetch).await?;
        Ok(found.map(JobDelivery))
    }
}

/// A message to one person.
#[derive(Clone, Debug)]
pub struct JobDelivery(delivery::Model);

/// A message to one person.
#[Object]
impl JobDelivery {
    /// Where it stands.
    async fn state(&self) -> DeliveryState {
        self.0.state.into()
    }

    /// Why it was not wanted, or given up.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// To whom; null when the account is gone.
    async fn recipient(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        let user = load_user(ctx, self.0.recipient_id).await?;
        Ok(user.map(User::new))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was sent, found not to be wanted, or given up.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }

    /// The last 20 tries, the newest first.
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<DeliveryAttempt>, ApiError> {
        let app = ctx.app();
        let fetch = |ids: Vec<DeliveryId>| async move {
            let ids = &ids;
            Ok(app
                .db
                .read(|db| async move {
                    notifications::attempts_of(&db, ids.clone(), LAST_ATTEMPTS).await
                })
                .await?)
        };
        let attempts = loaders(ctx)?.attempts.load(self.0.id, fetch).await?;
        let attempts = attempts.unwrap_or_default().into_iter();
        Ok(attempts.map(DeliveryAttempt::from).collect())
    }
}

/// A try to deliver a message.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeliveryAttempt {
    /// How it ended.
    outcome: DeliveryOutcome,
    /// What the other side said.
    detail: Option<String>,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended.
    finished_at: DateTime<Utc>,
}

impl From<attempt::Model> for DeliveryAttempt {
    fn from(row: attempt::Model) -> Self {
        Self {
            outcome: row.outcome.into(),
            detail: row.detail,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

/// How the queues stand at this moment.
#[derive(Debug, SimpleObject)]
pub struct JobStatistics {
    /// Each queue, by name.
    queues: Vec<JobQueue>,
}

/// What stands in a queue of jobs.
#[derive(Clone, Debug, SimpleObject)]
pub struct JobQueue {
    /// The name of the queue.
    name: String,
    /// How many jobs wait.
    ready_count: i64,
    /// How many of those could be done now.
    due_count: i64,
    /// How many are being done.
    running_count: i64,
    /// How many were given up.
    dead_count: i64,
    /// For how many seconds the first of those has waited that could be done now; null when there is none.
    oldest_due_seconds: Option<i64>,
    /// Whether nobody takes its jobs.
    is_paused: bool,
    /// Since when nobody takes its jobs.
    paused_at: Option<DateTime<Utc>>,
}

impl JobQueue {
    /// As it stands now.
    pub fn new(counts: QueueCounts, now: DateTime<Utc>) -> Self {
        let waited = |since: DateTime<Utc>| (now - since).num_seconds().max(0);
        Self {
            name: counts.name,
            ready_count: counts.ready,
            due_count: counts.due,
            running_count: counts.running,
            dead_count: counts.dead,
            oldest_due_seconds: counts.oldest_due.map(waited),
            is_paused: counts.paused_at.is_some(),
            paused_at: counts.paused_at,
        }
    }
}

/// What a connection of jobs says beside its edges.
#[derive(Debug)]
pub struct JobConnectionFields(JobFilter);

#[Object]
impl JobConnectionFields {
    /// How many jobs there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, filter) = (ctx.app(), &self.0);
        Ok(app
            .db
            .read(|db| async move { jobs::count(&db, filter).await })
            .await?)
    }
}

/// Looking at the jobs. For administrators.
#[derive(Debug, Default)]
pub struct JobQuery;

#[Object]
impl JobQuery {
    /// The jobs there are, the newest first. Those that are done are deleted after some days. For
    /// administrators.
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Only jobs in this queue.")] queue: Option<String>,
        #[graphql(desc = "Only jobs of this kind, as `deliver`.")] kind: Option<String>,
        #[graphql(desc = "Only jobs that stand so.")] state: Option<JobState>,
    ) -> Result<Connection<OpaqueCursor, Job, JobConnectionFields, EmptyFields>, ApiError> {
        accounts::says_admin(Actor::Viewer(ctx.viewer()?))?;
        let filter = filter(queue, kind, state)?;
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read::<JobId>(NEWEST)?;
        let (app, which, asked) = (ctx.app(), &filter, &page);
        let mut jobs = app
            .db
            .read(|db| async move { jobs::list(&db, which, asked).await })
            .await?;
        let has_next = page.cut(&mut jobs);
        let fields = JobConnectionFields(filter);
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(
            jobs.into_iter()
                .map(|job| Edge::new(OpaqueCursor::new(NEWEST, job.id), Job(job))),
        );
        Ok(connection)
    }

    /// One job. For administrators.
    async fn job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The job's id.")] id: ID,
    ) -> Option<Result<Job, ApiError>> {
        find_job(ctx, &id).await.transpose()
    }

    /// What stands in the queues. For administrators.
    async fn job_statistics(&self, ctx: &Context<'_>) -> Result<JobStatistics, ApiError> {
        let (app, actor) = (ctx.app(), Actor::Viewer(ctx.viewer()?));
        let now = app.db.clock().now();
        let queues = service::statistics(app, actor).await?.into_iter();
        Ok(JobStatistics {
            queues: queues.map(|counts| JobQueue::new(counts, now)).collect(),
        })
    }
}

async fn find_job(ctx: &Context<'_>, id: &str) -> Result<Option<Job>, ApiError> {
    accounts::says_admin(Actor::Viewer(ctx.viewer()?))?;
    let id = JobId(Kind::Job.decode(id)?);
    let found = find_jobs(ctx, vec![id]).await?.remove(&id);
    let no_such = || ApiError::new(ErrorCode::NotFound, "There is no such job.");
    found.map(Some).ok_or_else(no_such)
}

/// The filter of a list.
///
/// # Errors
/// `BAD_USER_INPUT` for a name that is none.
pub fn filter(
    queue: Option<String>,
    kind: Option<String>,
    state: Option<JobState>,
) -> Result<JobFilter, ApiError> {
    Ok(JobFilter {
        queue: queue.map(|name| search_text(&name)).transpose()?,
        kind: kind.map(|name| search_text(&name)).transpose()?,
        state: state.map(State::from),
    })
}

/// Jobs by id, by one query. For all but administrators there are none.
///
/// # Errors
/// The database's failure.
pub async fn find_jobs(
    ctx: &Context<'_>,
    ids: Vec<JobId>,
) -> Result<HashMap<JobId, Job>, ApiError> {
    if ids.is_empty() || !ctx.viewer()?.is_admin() {
        return Ok(HashMap::new());
    }
    let (app, ids) = (ctx.app(), &ids);
    let jobs = app
        .db
        .read(|db| async move { jobs::find_many(&db, ids.clone()).await })
        .await?;
    Ok(jobs.into_iter().map(|job| (job.id, Job(job))).collect())
}
