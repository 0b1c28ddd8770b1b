//! The queue of work: at least once, and not for ever. Knows no domain: `worker.rs` maps a kind to
//! its handler.
//!
//! A job is written in the transaction of the change that causes it. A worker **claims** it: sets
//! it running, counts the attempt, takes a **lease** with a new **token**. What the handler writes
//! and the finish of the job commit in one transaction, **fenced** by the token: if the lease ended
//! meanwhile and another worker has the job, no row matches and everything rolls back. A **reaper**
//! gives jobs of vanished workers back; the attempt was counted at the claim, so a job that kills
//! its process ends up `dead` too. `run_at` is the only timer: retries go through it.

mod runner;
mod store;

use std::time::{Duration, Instant};

use entity::{JobId, job};
use serde_json::Value;

pub use self::runner::{Handler, Runner};
pub use self::store::{bury, enqueue, finish, list_dead};
use crate::db::DbError;

/// The queue of everything, until something needs one of its own.
pub const DEFAULT_QUEUE: &str = "default";

/// Work to be written into a transaction.
#[derive(Clone, Debug)]
pub struct NewJob {
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

    /// Whether this was the last attempt.
    pub fn is_last_attempt(&self) -> bool {
        self.job.attempt >= self.job.max_attempts
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
    /// Try again.
    Retry {
        /// Not before this span; else after the usual backoff.
        after: Option<Duration>,
        /// What went wrong, for people; no address, no secret.
        error: String,
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
