//! Counters of one process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Bucket, Draw, Key, Taken, gcra};

/// Below this it is not worth looking for what can go.
const SMALL: usize = 1_000;

/// Counters in memory. Clients choose the keys (addresses, names), so there is a bound to them.
#[derive(Debug)]
pub struct Local {
    counters: Mutex<Counters>,
    most: usize,
}

#[derive(Debug)]
struct Counters {
    /// When each will be empty.
    empty_at: HashMap<(Bucket, Key), i64>,
    /// At how many it is next looked for what can go.
    sweep_at: usize,
}

impl Local {
    /// At most so many counters.
    pub fn new(most: usize) -> Self {
        Self {
            counters: Mutex::new(Counters {
                empty_at: HashMap::new(),
                sweep_at: SMALL.min(most),
            }),
            most,
        }
    }

    /// Adds all draws, or none.
    pub fn take(&self, now: i64, draws: &[Draw]) -> Taken {
        let mut counters = self.lock();
        let levels: Vec<i64> = draws
            .iter()
            .map(|draw| {
                let stored = counters.empty_at.get(&draw.counter);
                stored.map_or(0, |empty_at| gcra::level(*empty_at, now, draw.full))
            })
            .collect();
        let mut both = draws.iter().zip(&levels);
        if !both.all(|(draw, level)| level + draw.cost <= draw.full) {
            return Taken {
                allowed: false,
                now,
                empty_at: levels.iter().map(|level| now + level).collect(),
            };
        }
        let mut empty_at = Vec::with_capacity(draws.len());
        for (draw, level) in draws.iter().zip(&levels) {
            let at = now + level + draw.cost;
            counters.empty_at.insert(draw.counter, at);
            empty_at.push(at);
        }
        if counters.empty_at.len() >= counters.sweep_at {
            counters.sweep(now, self.most);
        }
        Taken {
            allowed: true,
            now,
            empty_at,
        }
    }

    /// How many counters there are.
    pub fn len(&self) -> usize {
        self.lock().empty_at.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    /// Forgets counters that are empty: none is the same as an empty one. If that leaves too many,
    /// forgets those that would be empty soonest, which have least to say; somebody who is kept out
    /// for a quarter of an hour is not forgotten for thousands of new addresses.
    fn sweep(&mut self, now: i64, most: usize) {
        self.empty_at.retain(|_, empty_at| *empty_at > now);
        let keep = most - most / 4;
        if self.empty_at.len() > keep {
            let mut times: Vec<i64> = self.empty_at.values().copied().collect();
            let surplus = times.len() - keep;
            let (_, last_to_go, _) = times.select_nth_unstable(surplus - 1);
            let last_to_go = *last_to_go;
            self.empty_at.retain(|_, empty_at| *empty_at > last_to_go);
        }
        // Each sweep is paid for by as many new counters as it looks at.
        self.sweep_at = (2 * self.empty_at.len()).clamp(SMALL.min(most), most);
    }
}
