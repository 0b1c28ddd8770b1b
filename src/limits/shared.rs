//! Counters that all replicas share, in Redis.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::TimeDelta;
use redis::{RedisResult, Script};
use tokio::time::Instant;

use super::{Draw, Taken};
use crate::kv::Kv;

/// How long a Redis that refuses to count is not asked: each refusal is a line in the log.
const REST: Duration = Duration::from_millis(500);

/// Counters in Redis. They go by the clock of Redis, so replicas need not agree about the time, and
/// they vanish when they are empty.
#[derive(Debug)]
pub struct Shared {
    kv: Kv,
    script: Script,
    patience: Duration,
    /// Until when it is not asked.
    resting: Mutex<Option<Instant>>,
}

impl Shared {
    /// Counts in this store, as long as each step takes no longer than that.
    pub fn new(kv: Kv, patience: Duration) -> Self {
        Self {
            kv,
            script: Script::new(include_str!("shared.lua")),
            patience,
            resting: Mutex::new(None),
        }
    }

    /// Adds all draws, or none, in one round trip. `offset` is how far the clock is turned, which
    /// only tests do. None when Redis is away, slow, or does not want to.
    pub async fn take(&self, offset: TimeDelta, draws: &[Draw]) -> Option<Taken> {
        if self.resting().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let mut call = self.script.prepare_invoke();
        call.arg(offset.num_microseconds().unwrap_or(0));
        for draw in draws {
            let (bucket, key) = draw.counter;
            call.key(self.kv.key(&format!("limit:{}:{key}", bucket.name())));
            call.arg(draw.full).arg(draw.cost);
        }
        let call = &call;
        let answer = self
            .kv
            .run(self.patience, async move |mut redis| {
                let answer: RedisResult<Vec<i64>> = call.invoke_async(&mut redis).await;
                if answer.as_ref().is_err_and(|error| error.code().is_some()) {
                    *self.resting() = Some(Instant::now() + REST);
                }
                answer
            })
            .await?;
        let [allowed, now, ref empty_at @ ..] = answer[..] else {
            return None;
        };
        (empty_at.len() == draws.len()).then(|| Taken {
            allowed: allowed == 1,
            now,
            empty_at: empty_at.to_vec(),
        })
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
