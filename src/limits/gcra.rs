//! The arithmetic of GCRA. All times are whole microseconds: so small that none is lost, and so
//! large that sums stay below 2^53, which is as far as the numbers of Redis' Lua are exact.
//!
//! A counter is a vessel that runs out by one microsecond each microsecond. A use pours in what one
//! use costs, and must not make it flow over. Stored is only when it will be empty.

use std::time::Duration;

use super::{Bucket, Standing};
use crate::settings::Rate;

/// A rate, ready to count with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u32,
    window_seconds: u32,
    /// What one use costs.
    interval: i64,
}

impl From<Rate> for Quota {
    fn from(rate: Rate) -> Self {
        Self::new(rate.limit, rate.seconds)
    }
}

impl Quota {
    /// So much in so many seconds.
    pub fn new(limit: u32, window_seconds: u32) -> Self {
        let window = i64::from(window_seconds) * 1_000_000;
        let count = i64::from(limit.max(1));
        Self {
            limit,
            window_seconds,
            // Rounded up: never more than the limit in a window.
            interval: (window + count - 1) / count,
        }
    }

    /// Half of it, but something.
    #[must_use]
    pub fn halved(self) -> Self {
        Self::new((self.limit / 2).max(1), self.window_seconds)
    }

    /// What a counter takes in all.
    pub fn full(self) -> i64 {
        self.interval * i64::from(self.limit)
    }

    /// What so many uses cost.
    pub fn cost(self, uses: u32) -> i64 {
        // More than all is never allowed, however much more; and sums stay small.
        self.interval * i64::from(uses.min(self.limit + 1))
    }

    /// How long until so many uses fit into a counter with this much in it; none when they never do.
    pub fn wait(self, level: i64, uses: u32) -> Option<Duration> {
        (uses <= self.limit).then(|| micros(level + self.cost(uses) - self.full()))
    }

    /// What is to be said of a counter with this much in it.
    pub fn standing(self, bucket: Bucket, level: i64) -> Standing {
        let left = (self.full() - level).max(0) / self.interval;
        Standing {
            bucket,
            limit: self.limit,
            window_seconds: self.window_seconds,
            remaining: u32::try_from(left).unwrap_or(self.limit),
            reset_after: micros(level),
        }
    }
}

/// What is in a counter at this moment. A stored time further off than a full counter's comes from a
/// clock that was turned back, or from a larger limit: the counter is full then, and no more.
pub fn level(empty_at: i64, now: i64, full: i64) -> i64 {
    (empty_at - now).clamp(0, full)
}

fn micros(count: i64) -> Duration {
    Duration::from_micros(u64::try_from(count).unwrap_or(0))
}
