//! The queue of work: at least once, and not for ever. Knows no domain: `worker.rs` maps a kind to
//! its handler.
//!
//! A job is written in the transaction of the change that causes it. A worker **claims** it: sets
//! it running, counts the attempt, takes a **lease** with a new **token**. What the handler writes
//! and the finish of the job commit in one transaction, **fenced** by the token: if the lease ended
//! meanwhile and another worker has the job, no row matches and everything rolls back. A **reaper**
//! gives jobs of vanished workers back and counts a crash, so a job that kills its process ends up
//! `dead` too. `run_at` is the only timer: retries go through it.

mod admin;
mod runner;
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use entity::{JobId, job};
use futures_util::future::BoxFuture;
use serde_json::Value;

pub use self::admin::{
    JobFilter, QueueCounts, count, delete_done, discard, find_many, hurry, hurry_these, list,
    oldest_open, pause, resume, retry, retry_dead, statistics,
};
pub use self::runner::{Handler, Runner};
pub use self::store::{bury, enqueue, enqueue_again, finish, finish_all, hold, list_dead};
use crate::db::{DbError, Tx};

/// The queue of what people wait for.
pub const DEFAULT_QUEUE: &str = "default";

/// The queue of what other services are told: as much as has happened while they could not be reached,
/// and nobody's mail waits for it.
pub const SINK_QUEUE: &str = "sink";

/// The queue of what addresses of people are told: they may take their time, and nobody's mail waits
/// for them.
pub const WEBHOOK_QUEUE: &str = "webhooks";

/// All queues there are.
pub const QUEUES: [&str; 3] = [DEFAULT_QUEUE, SINK_QUEUE, WEBHOOK_QUEUE];

/// Is told, in the same transaction, of jobs that are given up without their handler.
pub type Buried =
    Arc<dyn Fn(Tx, Vec<job::Model>) -> BoxFuture<'static, Result<(), DbError>> + Send + Sync>;

/// Work to be written into a transaction.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// In which queue it waits.
    pub queue: &'static str,
    /// Which handler.
    pub kind: &'static str,
    /// What the handler is told: ids.
    pub payload: Value,
    /// A second job with the same key is not made.
    pub dedupe_key: String,
    /// After this many attempts it is dead.
    pub max_attempts: i32,
}

/// A job this process holds the lease of.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The row as it was claimed.
    pub job: job::Model,
    /// When the lease ends, on this process's steady clock.
    lease_ends: Instant,
}

impl Claimed {
    /// Its id.
    pub fn id(&self) -> JobId {
        self.job.id
    }

    /// What is written of the job is written as long as these are its own: with each lease it has another token.
    pub fn fence(&self) -> (JobId, i64) {
        (self.job.id, self.job.lease_token)
    }

    /// Whether this was the last attempt.
    pub fn is_last_attempt(&self) -> bool {
        self.job.attempt >= self.job.max_attempts
    }

    /// When the lease ends.
    pub fn lease_ends(&self) -> Instant {
        self.lease_ends
    }

    /// How long the lease still lasts. Do not begin what takes longer.
    pub fn remaining(&self) -> Duration {
        self.lease_ends.saturating_duration_since(Instant::now())
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Finished in the handler's own transaction.
    Finished,
    /// Done, and the handler had nothing to write: the worker marks it done, many together. Until then it may
    /// be done once more, if the process dies.
    Done,
    /// Try again.
    Retry {
        /// Not before this span, nor before the usual backoff.
        after: Option<Duration>,
        /// What went wrong, for people; no address, no secret.
        error: String,
    },
    /// Try again after exactly this span: the handler has a schedule of its own.
    RetryIn {
        /// The span.
        after: Duration,
        /// What went wrong, for people; no address, no secret.
        error: String,
    },
    /// Nothing was tried: come again, and the attempt does not count.
    Postponed {
        /// After this span.
        after: Duration,
        /// What it waits for, for people.
        reason: String,
    },
    /// Given up: the job was buried in the handler's own transaction.
    Buried,
}

/// Why the work of an attempt could not be written.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The lease ended and the job is another worker's.
    #[error("the lease was lost")]
    LeaseLost,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl crate::db::WriteError for JobError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            Self::LeaseLost => None,
        }
    }
}
