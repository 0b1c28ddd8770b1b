//! The loop of a worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::DatabaseBackend;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::store::{self, Reap};
use super::{Claimed, JobError, Outcome};
use crate::crypto;
use crate::db::{Db, DbError};
use crate::events::Bus;
use crate::events::bus::Hint;
use crate::lifecycle::{Lifecycle, pause};
use crate::settings;
use crate::telemetry;

/// Does the work of one job.
pub type Handler =
    Arc<dyn Fn(Arc<Claimed>) -> BoxFuture<'static, Result<Outcome, JobError>> + Send + Sync>;

/// Claims jobs and has them done.
#[derive(Clone)]
pub struct Runner {
    db: Db,
    bus: Bus,
    settings: settings::JobsSettings,
    handler: Handler,
    /// Who holds the leases: unique to this process.
    owner: String,
}

impl Runner {
    /// A worker of this process.
    pub fn new(db: Db, bus: Bus, settings: settings::JobsSettings, handler: Handler) -> Self {
        Self {
            db,
            bus,
            settings,
            handler,
            owner: format!("{}-{}", std::process::id(), crypto::random_token()),
        }
    }

    /// Works until the process drains; then finishes what is under way.
    pub async fn run(self, lifecycle: Lifecycle) {
        // Listen first, look second.
        let mut hints = self.bus.subscribe();
        let which = match self.db.backend() {
            DatabaseBackend::Sqlite => Reap::All,
            _ => Reap::Expired,
        };
        self.reap(which).await;
        let mut reaped = Instant::now();
        let reap_every = Duration::from_millis(self.settings.poll_max_ms);
        let mut running = JoinSet::new();
        while !lifecycle.draining.is_cancelled() {
            // By the clock and not only when idle: a busy queue must not put it off for ever.
            if reaped.elapsed() >= reap_every {
                self.reap(Reap::Expired).await;
                reaped = Instant::now();
            }
            let free = self.settings.concurrency.saturating_sub(running.len());
            let batch = self.settings.batch.min(free as u64);
            // A full batch suggests that there is more.
            if batch > 0 && self.claim(batch, &mut running).await == batch {
                continue;
            }
            let wait = self.wait().await;
            tokio::select! {
                () = lifecycle.draining.cancelled() => {}
                () = woken(&mut hints) => {}
                Some(_) = running.join_next(), if !running.is_empty() => {}
                () = pause(wait) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Does everything that is due now, and what that causes, and returns. For tests.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn run_until_idle(&self) -> Result<usize, DbError> {
        let mut done = 0;
        loop {
            let batch = self.take(self.settings.batch).await?;
            if batch.is_empty() {
                return Ok(done);
            }
            for claimed in batch {
                self.clone().attempt(claimed).await;
                done += 1;
            }
        }
    }

    /// Gives back the jobs whose lease is over.
    pub async fn reap(&self, which: Reap) {
        match store::reap(&self.db, which, self.settings.max_crashes).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "took back {count} jobs of vanished workers"),
            Err(error) => {
                tracing::error!(error = %telemetry::chain(&error), "cannot look for jobs of vanished workers; will try again");
            }
        }
    }

    async fn take(&self, limit: u64) -> Result<Vec<Claimed>, DbError> {
        let lease = Duration::from_secs(self.settings.lease_seconds);
        store::claim(&self.db, &self.owner, limit, lease).await
    }

    async fn claim(&self, batch: u64, running: &mut JoinSet<()>) -> u64 {
        match self.take(batch).await {
            Ok(jobs) => {
                let count = jobs.len() as u64;
                for job in jobs {
                    running.spawn(self.clone().attempt(job));
                }
                count
            }
            Err(error) => {
                tracing::error!(error = %telemetry::chain(&error), "cannot claim jobs; will try again");
                0
            }
        }
    }

    /// How long to sleep when no hint comes: until the next job is due, at most a poll with jitter.
    async fn wait(&self) -> Duration {
        let poll = rand::random_range(self.settings.poll_min_ms..=self.settings.poll_max_ms);
        let poll = Duration::from_millis(poll);
        match store::next_due(&self.db, self.db.clock()).await {
            // A job that is due already was just not claimable (another worker is at it).
            Ok(Some(due)) => due
                .to_std()
                .map_or(poll, |due| due.min(poll))
                .max(Duration::from_millis(10)),
            _ => poll,
        }
    }

    async fn attempt(self, claimed: Claimed) {
        let claimed = Arc::new(claimed);
        let trace = claimed.job.trace.clone().unwrap_or_default();
        let work = (self.handler)(claimed.clone());
        // A panic in a handler is a failed attempt, not the end of the worker.
        let result =
            telemetry::with_request_id(trace, std::panic::AssertUnwindSafe(work).catch_unwind())
                .await
                .unwrap_or_else(|_| {
                    Ok(Outcome::Retry {
                        after: None,
                        error: "the handler panicked".to_owned(),
                    })
                });
        let kind = claimed.job.kind.clone();
        let job = claimed.job.id.0;
        let attempt = claimed.job.attempt;
        let label = match result {
            Ok(Outcome::Finished) => {
                tracing::info!(%job, kind, attempt, "job done");
                "done"
            }
            Ok(Outcome::Buried) => {
                tracing::error!(%job, kind, attempt, "job is dead: see `taskflow admin jobs dead`");
                "dead"
            }
            Ok(Outcome::Retry { after, error }) => {
                tracing::warn!(%job, kind, attempt, error, "job failed");
                self.retry(&claimed, after, &error).await
            }
            Err(JobError::LeaseLost) => {
                tracing::warn!(%job, kind, attempt, "lease lost: another worker has this job, nothing was written");
                "lease_lost"
            }
            Err(JobError::Db(error)) => {
                // Not counted against the job more than the claim did; the lease runs out if even
                // putting it back fails.
                let error = telemetry::chain(&error);
                tracing::error!(%job, kind, attempt, error, "the database failed during a job");
                self.retry(&claimed, None, "the database failed").await
            }
        };
        ::metrics::counter!("jobs_finished_total", "kind" => kind, "outcome" => label).increment(1);
    }

    /// Puts a job back, or gives it up after the last attempt. Answers which.
    async fn retry(&self, claimed: &Claimed, after: Option<Duration>, error: &str) -> &'static str {
        let backoff = after.unwrap_or_else(|| self.backoff(claimed.job.attempt));
        let result = self
            .db
            .write(|tx| async move {
                if claimed.is_last_attempt() {
                    store::bury(&tx, claimed, error).await
                } else {
                    store::put_back(&tx, claimed, backoff, error).await
                }
            })
            .await;
        if let Err(error) = result {
            tracing::warn!(job = %claimed.job.id.0, error = %telemetry::chain(&error), "a job was not put back; the reaper will");
        }
        if claimed.is_last_attempt() {
            "dead"
        } else {
            "retry"
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

/// Resolves when there may be work.
async fn woken(hints: &mut tokio::sync::broadcast::Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(Hint::Wake { .. }) | Err(RecvError::Lagged(_)) => return,
            Ok(Hint::Stream { .. } | Hint::SessionEnded { .. }) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
