//! How often who may do what.
//!
//! A **bucket** is what is counted together, a **key** whom it is counted for, a **charge** one use
//! of it. Counting is by GCRA, the leaky bucket that stores one point in time a key: a limit of 20
//! in a minute lets 20 through at once, and one more every three seconds.
//!
//! With Redis all replicas count together, in one round trip for all charges of a step. Without it
//! a process counts for itself. When Redis should be there and is not, a process counts for itself
//! with half of each limit: never with none.

mod gcra;
mod key;
mod local;
mod shared;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use self::gcra::Quota;
pub use self::key::{Key, network};
pub use self::local::Local;
pub use self::shared::Shared;
pub use self::turns::Turns;
pub use crate::settings::Bucket;

use crate::db::Clock;
use crate::kv::Kv;
use crate::settings::Settings;

/// One use of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What is used.
    pub bucket: Bucket,
    /// By whom.
    pub key: Key,
    /// How much of it.
    pub cost: u32,
}

impl Charge {
    /// A single use.
    pub fn one(bucket: Bucket, key: Key) -> Self {
        Self {
            bucket,
            key,
            cost: 1,
        }
    }
}

/// What a counter is charged, in microseconds of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Which counter.
    pub counter: (Bucket, Key),
    /// What it takes in all.
    pub full: i64,
    /// What is to be added.
    pub cost: i64,
}

/// What became of all draws of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether all fitted. If not, nothing was added to any.
    pub allowed: bool,
    /// The time it was counted at, in microseconds.
    pub now: i64,
    /// When each counter will be empty again: after the draws, or as it was when they did not fit.
    pub empty_at: Vec<i64>,
}

/// How a key stands in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The bucket.
    pub bucket: Bucket,
    /// How much it lets through in a window.
    pub limit: u32,
    /// The window, in seconds.
    pub window_seconds: u32,
    /// How much is left at this moment.
    pub remaining: u32,
    /// When all of it is there again.
    pub reset_after: Duration,
}

/// A step that is not allowed. Nothing was charged for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Of the buckets that have not enough left, the one that needs longest.
    pub standing: Standing,
    /// How much of it was asked for.
    pub cost: u32,
    /// When to come again; none when the bucket never gives so much at once.
    pub retry_after: Option<Duration>,
}

/// Counts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    quotas: [Option<Quota>; Bucket::ALL.len()],
    clock: Clock,
    /// None where no Redis is set.
    shared: Option<Shared>,
    local: Local,
    /// Whether the last step was counted here though Redis should have done it.
    alone: AtomicBool,
}

impl Limiter {
    /// Counts as it is set.
    pub fn new(settings: &Settings, kv: Kv, clock: Clock) -> Self {
        let patience = Duration::from_millis(settings.limits.redis_timeout_ms);
        let quota = |bucket| settings.rate(bucket).map(Quota::from);
        Self(Arc::new(Parts {
            quotas: Bucket::ALL.map(quota),
            clock,
            shared: kv.is_shared().then(|| Shared::new(kv, patience)),
            local: Local::new(settings.limits.local_counters),
            alone: AtomicBool::new(false),
        }))
    }

    /// Charges all of these, or none when one of them does not fit. Charges of buckets without a
    /// limit always fit. A key stands at most once in a bucket's charges.
    ///
    /// # Errors
    /// [`Refused`] with the bucket. When it goes well: how the tightest of the charged ones stands.
    pub async fn take(&self, charges: &[Charge]) -> Result<Option<Standing>, Refused> {
        let mut charges: Vec<(Charge, Quota)> = charges
            .iter()
            .filter_map(|charge| Some((*charge, self.quota(charge.bucket)?)))
            .collect();
        if charges.is_empty() {
            return Ok(None);
        }
        self.count(&mut charges).await
    }

    /// Charges one use of a bucket whose limit stands elsewhere than in the settings.
    ///
    /// # Errors
    /// [`Refused`] with the bucket.
    pub async fn take_one_of(&self, quota: Quota, bucket: Bucket, key: Key) -> Result<(), Refused> {
        let mut charges = [(Charge::one(bucket, key), quota)];
        self.count(&mut charges).await?;
        Ok(())
    }

    async fn count(&self, charges: &mut [(Charge, Quota)]) -> Result<Option<Standing>, Refused> {
        if let Some(taken) = self.count_together(charges).await {
            return judge(charges, &taken);
        }
        if self.0.shared.is_some() {
            for (_, quota) in charges.iter_mut() {
                *quota = quota.halved();
            }
        }
        let now = self.0.clock.now().timestamp_micros();
        judge(charges, &self.0.local.take(now, &draws(charges)))
    }

    fn quota(&self, bucket: Bucket) -> Option<Quota> {
        let place = Bucket::ALL.iter().position(|known| *known == bucket)?;
        self.0.quotas.get(place).copied().flatten()
    }

    /// Counts with the other replicas; none when that is not set or not possible.
    async fn count_together(&self, charges: &[(Charge, Quota)]) -> Option<Taken> {
        let shared = self.0.shared.as_ref()?;
        let taken = shared.take(self.0.clock.offset(), &draws(charges)).await;
        let is_alone = taken.is_none();
        if is_alone {
            metrics::counter!("rate_limit_fallback_total").increment(1);
        }
        if self.0.alone.swap(is_alone, Ordering::Relaxed) != is_alone {
            if is_alone {
                tracing::warn!(
                    "rate limits are counted in this process alone, at half of each, until Redis answers"
                );
            } else {
                tracing::info!("rate limits are counted in Redis again");
            }
        }
        taken
    }
}

fn draws(charges: &[(Charge, Quota)]) -> Vec<Draw> {
    charges
        .iter()
        .map(|(charge, quota)| Draw {
            counter: (charge.bucket, charge.key),
            full: quota.full(),
            cost: quota.cost(charge.cost),
        })
        .collect()
}

/// Puts into words what was counted.
fn judge(charges: &[(Charge, Quota)], taken: &Taken) -> Result<Option<Standing>, Refused> {
    let mut tightest: Option<Standing> = None;
    let mut refused: Option<Refused> = None;
    for ((charge, quota), empty_at) in charges.iter().zip(&taken.empty_at) {
        let level = empty_at - taken.now;
        let standing = quota.standing(charge.bucket, level);
        let wait = quota.wait(level, charge.cost);
        if taken.allowed {
            count(charge.bucket, "allowed");
            if tightest.is_none_or(|other| standing.remaining < other.remaining) {
                tightest = Some(standing);
            }
        } else if wait != Some(Duration::ZERO) {
            count(charge.bucket, "refused");
            // No time at all is longer than any time.
            let longer = |other: &Refused| {
                let never = |wait: Option<Duration>| wait.unwrap_or(Duration::MAX);
                never(wait) > never(other.retry_after)
            };
            if refused.as_ref().is_none_or(longer) {
                refused = Some(Refused {
                    standing,
                    cost: charge.cost,
                    retry_after: wait,
                });
            }
        }
    }
    refused.map_or(Ok(tightest), Err)
}

fn count(bucket: Bucket, outcome: &'static str) {
    metrics::counter!("rate_limit_decisions_total", "bucket" => bucket.name(), "outcome" => outcome)
        .increment(1);
}
