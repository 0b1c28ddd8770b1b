//! The loop of a worker.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::DatabaseBackend;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};

use super::store::{self, Reap, Which};
use super::{Buried, Claimed, DEFAULT_QUEUE, JobError, Outcome};
use crate::crypto;
use crate::db::{Db, DbError};
use crate::events::Bus;
use crate::events::bus::Hint;
use crate::failpoint::{self, Point};
use crate::lifecycle::{Lifecycle, pause};
use crate::settings;
use crate::telemetry;

/// Does the work of one job.
pub type Handler =
    Arc<dyn Fn(Arc<Claimed>) -> BoxFuture<'static, Result<Outcome, JobError>> + Send + Sync>;

/// How long the database is left alone after it did not take what became of a job.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);

/// How long a worker whose hands are full lets what is due wait for more room.
const MOMENT: Duration = Duration::from_millis(20);

/// Claims jobs and has them done.
#[derive(Clone)]
pub struct Runner {
    db: Db,
    bus: Bus,
    settings: settings::JobsSettings,
    queue: &'static str,
    handler: Handler,
    buried: Option<Buried>,
    /// Who holds the leases: unique to this worker.
    owner: String,
}

impl Runner {
    /// A worker of this process, for the default queue.
    pub fn new(db: Db, bus: Bus, settings: settings::JobsSettings, handler: Handler) -> Self {
        Self {
            db,
            bus,
            settings,
            queue: DEFAULT_QUEUE,
            handler,
            buried: None,
            owner: format!("{}-{}", std::process::id(), crypto::random_token()),
        }
    }

    /// Takes from another queue, at most so many jobs at a time.
    #[must_use]
    pub fn on(mut self, queue: &'static str, concurrency: usize) -> Self {
        self.queue = queue;
        self.settings.concurrency = concurrency;
        self
    }

    /// Tells of jobs that are given up without their handler: by the reaper, or after the last attempt.
    #[must_use]
    pub fn telling(mut self, buried: Buried) -> Self {
        self.buried = Some(buried);
        self
    }

    /// Works until the process drains; then finishes what is under way, and gives back what is not
    /// finished when the process ends.
    pub async fn run(self, lifecycle: Lifecycle) {
        // Listen first, look second.
        let mut hints = self.bus.subscribe();
        let which = match self.db.backend() {
            DatabaseBackend::Sqlite => Reap::All,
            _ => Reap::Expired,
        };
        self.reap(which).await;
        let mut hands = Hands::default();
        self.do_suspects(&mut hands, &lifecycle).await;
        let mut reaped = Instant::now();
        let reap_every = Duration::from_millis(self.settings.poll_max_ms);
        while !lifecycle.draining.is_cancelled() {
            // By the clock and not only when idle: a busy queue must not put it off for ever.
            if reaped.elapsed() >= reap_every {
                self.reap(Reap::Expired).await;
                self.do_suspects(&mut hands, &lifecycle).await;
                reaped = Instant::now();
            }
            hands.gather();
            let free = self
                .settings
                .concurrency
                .saturating_sub(hands.running.len());
            let batch = self.settings.batch.min(free as u64);
            let claimed = self.claim(Which::Sound, batch, &mut hands).await;
            // A full batch suggests that there is more.
            if batch > 0 && claimed == batch {
                continue;
            }
            let wait = self.wait(batch > 0).await;
            let some = match batch {
                0 => self.settings.concurrency / 4,
                _ => 1,
            };
            tokio::select! {
                () = lifecycle.draining.cancelled() => {}
                () = woken(&mut hints, self.queue) => {}
                () = hands.some(some), if !hands.running.is_empty() => {}
                () = pause(wait) => {}
            }
        }
        tokio::select! {
            () = hands.all() => {
                self.claim(Which::Sound, 0, &mut hands).await;
            }
            () = lifecycle.ended.cancelled() => {
                hands.gather();
                hands.running.shutdown().await;
                self.claim(Which::Sound, 0, &mut hands).await;
                self.release(Reap::All).await;
            }
        }
    }

    /// Has jobs done that a process had when it died: one after the other, with nothing of the queue beside it. If
    /// one of them kills this process too, the crash is counted against that one alone.
    async fn do_suspects(&self, hands: &mut Hands, lifecycle: &Lifecycle) {
        let begun = Instant::now();
        let most = Duration::from_millis(self.settings.poll_max_ms);
        // The others have their turn in between.
        while begun.elapsed() < most && !lifecycle.draining.is_cancelled() {
            if !matches!(store::has_suspects(&self.db, self.queue).await, Ok(true)) {
                return;
            }
            if !finished(hands, lifecycle).await
                || self.claim(Which::Suspect, 1, hands).await == 0
                || !finished(hands, lifecycle).await
            {
                return;
            }
        }
    }

    /// Gives back what this worker has and has not done: that is no crash.
    async fn release(&self, which: Reap) {
        match store::release(&self.db, &self.owner, which).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "gave {count} unfinished jobs back"),
            Err(error) => {
                tracing::warn!(error = %telemetry::chain(&error), "unfinished jobs were not given back; the reaper will");
            }
        }
    }

    /// Does everything that is due now, and what that causes, and returns. For tests.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn run_until_idle(&self) -> Result<usize, DbError> {
        let mut done = 0;
        loop {
            let mut batch = self.take(Which::Sound, self.settings.batch, &[]).await?;
            if batch.is_empty() {
                batch = self.take(Which::Suspect, 1, &[]).await?;
            }
            if batch.is_empty() {
                return Ok(done);
            }
            for claimed in batch {
                if let Some(claimed) = self.clone().attempt(claimed).await {
                    self.take(Which::Sound, 0, &[claimed]).await?;
                }
                done += 1;
            }
        }
    }

    /// Gives back the jobs whose lease is over: one's own, which one did not come to write down, and those
    /// of vanished workers.
    pub async fn reap(&self, which: Reap) {
        self.release(Reap::Expired).await;
        match store::reap(
            &self.db,
            self.queue,
            &self.owner,
            which,
            self.settings.max_crashes,
            self.buried.as_ref(),
        )
        .await
        {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "took back {count} jobs of vanished workers"),
            Err(error) => {
                tracing::error!(error = %telemetry::chain(&error), "cannot look for jobs of vanished workers; will try again");
            }
        }
    }

    /// Writes down which jobs are done, and takes others.
    async fn take(
        &self,
        which: Which,
        limit: u64,
        done: &[Arc<Claimed>],
    ) -> Result<Vec<Claimed>, DbError> {
        let lease = Duration::from_secs(self.settings.lease_seconds);
        let (db, queue, owner) = (&self.db, self.queue, &self.owner);
        let (jobs, lost) = store::claim(db, queue, owner, which, limit, lease, done).await?;
        if lost > 0 {
            tracing::warn!(
                lost,
                "{lost} jobs took longer than their lease; others do them again"
            );
        }
        Ok(jobs)
    }

    /// The same for what these hands have done, and lets them begin what was taken. Answers how much that is.
    async fn claim(&self, which: Which, batch: u64, hands: &mut Hands) -> u64 {
        if batch == 0 && hands.done.is_empty() {
            return 0;
        }
        match self.take(which, batch, &hands.done).await {
            Ok(jobs) => {
                hands.done.clear();
                let count = jobs.len() as u64;
                for job in jobs {
                    hands.running.spawn(self.clone().attempt(job));
                }
                count
            }
            Err(error) => {
                tracing::error!(error = %telemetry::chain(&error), "cannot claim jobs; will try again");
                0
            }
        }
    }

    /// How long to sleep when no hint comes: until the next job is due, if one could be taken, at most a poll
    /// with jitter.
    async fn wait(&self, has_room: bool) -> Duration {
        let poll = rand::random_range(self.settings.poll_min_ms..=self.settings.poll_max_ms);
        let poll = Duration::from_millis(poll);
        if !has_room {
            return poll;
        }
        match store::next_due(&self.db, self.queue, self.db.clock()).await {
            // A job that is due already was just not claimable (another worker is at it).
            Ok(Some(due)) => due
                .to_std()
                .map_or(poll, |due| due.min(poll))
                .max(Duration::from_millis(10)),
            _ => poll,
        }
    }

    /// Has one job done. Answers it when that is still to be written down.
    async fn attempt(self, claimed: Claimed) -> Option<Arc<Claimed>> {
        let claimed = Arc::new(claimed);
        failpoint::dies(Point::JobBegun, &claimed.job.id.0);
        let trace = claimed.job.trace.clone().unwrap_or_default();
        let work = (self.handler)(claimed.clone());
        // A panic in a handler is a failed attempt, not the end of the worker. After its lease the job is
        // somebody else's, and what hangs must not hold up what waits for it to end.
        let work = AssertUnwindSafe(work).catch_unwind();
        let work = timeout_at(claimed.lease_ends().into(), work);
        let result = match telemetry::with_request_id(trace, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Ok(Outcome::Retry {
                after: None,
                error: "the handler panicked".to_owned(),
            }),
            Err(_) => Err(JobError::LeaseLost),
        };
        let kind = claimed.job.kind.clone();
        let job = claimed.job.id.0;
        let attempt = claimed.job.attempt;
        let is_unwritten = matches!(result, Ok(Outcome::Done));
        let label = match result {
            Ok(Outcome::Finished | Outcome::Done) => {
                tracing::info!(%job, kind, attempt, "job done");
                "done"
            }
            Ok(Outcome::Buried) => {
                tracing::error!(%job, kind, attempt, "job is dead: see `taskflow admin jobs dead`");
                "dead"
            }
            Ok(Outcome::Postponed { after, reason }) => {
                tracing::debug!(%job, kind, reason, "job postponed");
                self.postpone(&claimed, after, &reason).await
            }
            Ok(Outcome::Retry { after, error }) => {
                tracing::warn!(%job, kind, attempt, error, "job failed");
                let backoff = self.backoff(attempt).max(after.unwrap_or_default());
                self.retry(&claimed, backoff, &error).await
            }
            Ok(Outcome::RetryIn { after, error }) => {
                tracing::warn!(%job, kind, attempt, error, "job failed");
                self.retry(&claimed, after, &error).await
            }
            Err(JobError::LeaseLost) => {
                tracing::warn!(%job, kind, attempt, "lease lost: it took too long, or another worker has this job; nothing was written");
                "lease_lost"
            }
            Err(JobError::Db(error)) => {
                // Not counted against the job more than the claim did; the lease runs out if even
                // putting it back fails.
                let error = telemetry::chain(&error);
                tracing::error!(%job, kind, attempt, error, "the database failed during a job");
                let backoff = self.backoff(attempt);
                self.retry(&claimed, backoff, "the database failed").await
            }
        };
        ::metrics::counter!("jobs_finished_total", "kind" => kind, "outcome" => label).increment(1);
        is_unwritten.then_some(claimed)
    }

    /// Puts a job back, or gives it up after the last attempt. Answers which.
    async fn retry(&self, claimed: &Claimed, backoff: Duration, error: &str) -> &'static str {
        self.settle(claimed, || {
            self.db.write(|tx| async move {
                if claimed.is_last_attempt() {
                    store::bury(&tx, claimed, error).await?;
                    let mut job = claimed.job.clone();
                    job.last_error = Some(error.to_owned());
                    match &self.buried {
                        Some(tell) => Ok(tell(tx.clone(), vec![job]).await?),
                        None => Ok(()),
                    }
                } else {
                    store::put_back(&tx, claimed, backoff, error).await
                }
            })
        })
        .await;
        if claimed.is_last_attempt() {
            "dead"
        } else {
            "retry"
        }
    }

    /// Puts a job back as if it had not been claimed.
    async fn postpone(&self, claimed: &Claimed, after: Duration, reason: &str) -> &'static str {
        self.settle(claimed, || {
            self.db
                .write(|tx| async move { store::postpone(&tx, claimed, after, reason).await })
        })
        .await;
        "postponed"
    }

    /// Writes what becomes of a job: again and again while the database is away, as long as the job is
    /// this worker's.
    async fn settle<F>(&self, claimed: &Claimed, write: impl Fn() -> F)
    where
        F: Future<Output = Result<(), JobError>>,
    {
        let result = loop {
            match write().await {
                Err(JobError::Db(_)) if claimed.remaining() > SETTLE_AGAIN => {
                    pause(SETTLE_AGAIN).await;
                }
                result => break result,
            }
        };
        if let Err(error) = result {
            tracing::warn!(job = %claimed.job.id.0, error = %telemetry::chain(&error), "what became of a job was not written; it comes back when its lease is over");
        }
    }

    /// Full jitter: anything from nothing to `min(cap, base · 2^n)`.
    fn backoff(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1))
            .unwrap_or(0)
            .min(30);
        let most = self
            .settings
            .backoff_base_seconds
            .saturating_mul(1 << doublings)
            .min(self.settings.backoff_cap_seconds);
        rand::random_range(Duration::ZERO..=Duration::from_secs(most))
    }
}

/// Waits for all that runs. False when the process begins to end first.
async fn finished(hands: &mut Hands, lifecycle: &Lifecycle) -> bool {
    tokio::select! {
        () = lifecycle.draining.cancelled() => false,
        () = hands.all() => true,
    }
}

/// What a worker has under way.
#[derive(Default)]
struct Hands {
    /// Attempts. Each answers its job when it is done and nothing says so yet.
    running: JoinSet<Option<Arc<Claimed>>>,
    /// Done, and to be written down.
    done: Vec<Arc<Claimed>>,
}

impl Hands {
    /// Takes what has ended: every one of them makes room for another job.
    fn gather(&mut self) {
        while let Some(ended) = self.running.try_join_next() {
            self.done.extend(ended.ok().flatten());
        }
    }

    /// Waits for the next to end.
    async fn next(&mut self) {
        if let Some(ended) = self.running.join_next().await {
            self.done.extend(ended.ok().flatten());
        }
    }

    /// Waits for so many to end, or for those that end within a moment: a claim costs as much for one job as for
    /// many.
    async fn some(&mut self, count: usize) {
        let left = self.running.len().saturating_sub(count);
        self.next().await;
        let others = async {
            while self.running.len() > left {
                self.next().await;
            }
        };
        timeout(MOMENT, others).await.ok();
    }

    /// Waits for all to end.
    async fn all(&mut self) {
        while !self.running.is_empty() {
            self.next().await;
        }
    }
}

/// Resolves when there may be work in a queue.
async fn woken(hints: &mut Receiver<Hint>, mine: &str) {
    loop {
        match hints.recv().await {
            Ok(Hint::Wake { queue }) if queue == mine => return,
            Err(RecvError::Lagged(_)) => return,
            Ok(Hint::Wake { .. } | Hint::Stream { .. } | Hint::SessionEnded { .. }) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
