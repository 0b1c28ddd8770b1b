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
    /// When each will be empty, and what it takes in all.
    stored: HashMap<(Bucket, Key), (i64, i64)>,
    /// At how many it is next looked for what can go.
    sweep_at: usize,
}

impl Local {
    /// At most so many counters.
    pub fn new(most: usize) -> Self {
        Self {
            counters: Mutex::new(Counters {
                stored: HashMap::new(),
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
                let stored = counters.stored.get(&draw.counter);
                stored.map_or(0, |(empty_at, _)| gcra::level(*empty_at, now, draw.full))
            })
            .collect();
        let mut both = draws.iter().zip(&levels);
        if !both.all(|(draw, level)| level + draw.cost <= draw.full) {
            for (draw, level) in draws.iter().zip(&levels) {
                // A refusal changes nothing, but for a time that is too far off: it would stay so.
                if *level == draw.full {
                    counters.put(draw, now + level);
                }
            }
            return Taken {
                allowed: false,
                now,
                empty_at: levels.iter().map(|level| now + level).collect(),
            };
        }
        let mut empty_at = Vec::with_capacity(draws.len());
        for (draw, level) in draws.iter().zip(&levels) {
            let at = now + level + draw.cost;
            counters.put(draw, at);
            empty_at.push(at);
        }
        if counters.stored.len() >= counters.sweep_at {
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
        self.lock().stored.len()
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
    fn put(&mut self, draw: &Draw, empty_at: i64) {
        self.stored.insert(draw.counter, (empty_at, draw.full));
    }

    /// Forgets counters that are empty: none is the same as an empty one. If that leaves too many,
    /// forgets those that are the least full, which have least to say: somebody who is kept out is
    /// not forgotten for thousands of new addresses, in whatever bucket.
    fn sweep(&mut self, now: i64, most: usize) {
        let fill = |(empty_at, full): (i64, i64)| (empty_at - now).max(0) * 1_000 / full.max(1);
        self.stored.retain(|_, (empty_at, _)| *empty_at > now);
        let keep = most - most / 4;
        if self.stored.len() > keep {
            let mut fills: Vec<i64> = self.stored.values().map(|stored| fill(*stored)).collect();
            let mut surplus = fills.len() - keep;
            let (_, last_to_go, _) = fills.select_nth_unstable(surplus - 1);
            let last_to_go = *last_to_go;
            self.stored.retain(|_, stored| {
                let goes = surplus > 0 && fill(*stored) <= last_to_go;
                surplus -= usize::from(goes);
                !goes
            });
        }
        // Each sweep is paid for by as many new counters as it looks at.
        self.sweep_at = (2 * self.stored.len()).clamp(SMALL.min(most), most);
    }
}
