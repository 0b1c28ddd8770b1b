//! Hints: "this stream moved", "there is work". They lower latency and carry no truth: losing all
//! of them costs time, never an event.

mod redis;

use std::sync::Arc;

use entity::{SessionId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::settings;

/// How many hints may wait for a receiver in this process; a receiver that falls behind further
/// looks at the database instead.
const LOCAL_CAPACITY: usize = 4_096;
/// How many hints may wait to be sent to Redis; more are dropped.
const OUTBOUND_CAPACITY: usize = 4_096;

/// What is worth looking at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hint {
    /// A stream has a new entry.
    Stream {
        /// The stream.
        name: String,
        /// The number of its newest entry.
        seq: i64,
    },
    /// A job is ready.
    Wake {
        /// In this queue.
        queue: String,
    },
    /// Access tokens are good no more: there are new rows of `revocations`, and these are what the
    /// last of them says.
    SessionEnded {
        /// Whose.
        user: UserId,
        /// Those of this session.
        session: Option<SessionId>,
        /// Those with a lower epoch.
        epoch: Option<i32>,
    },
}

/// Carries hints to everyone in this process, and through Redis to the other replicas when there
/// is one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    local: broadcast::Sender<Hint>,
    outbound: Option<mpsc::Sender<Hint>>,
    up: Arc<watch::Sender<bool>>,
}

/// The part of the bus that has to run.
#[derive(Debug)]
pub struct Driver {
    redis: Option<redis::Driver>,
}

impl Bus {
    /// Makes the bus. Hints travel between processes only while the driver runs.
    ///
    /// # Errors
    /// When the URL of Redis cannot be understood.
    pub fn new(settings: &settings::RedisSettings) -> Result<(Self, Driver), ::redis::RedisError> {
        let local = broadcast::Sender::new(LOCAL_CAPACITY);
        let Some(url) = &settings.url else {
            let bus = Self {
                local,
                outbound: None,
                up: Arc::new(watch::Sender::new(true)),
            };
            return Ok((bus, Driver { redis: None }));
        };
        let (outbound, queue) = mpsc::channel(OUTBOUND_CAPACITY);
        let up = Arc::new(watch::Sender::new(false));
        let bus = Self {
            local: local.clone(),
            outbound: Some(outbound),
            up: up.clone(),
        };
        let driver = redis::Driver::new(url, &settings.prefix, queue, local, up)?;
        Ok((
            bus,
            Driver {
                redis: Some(driver),
            },
        ))
    }

    /// Gives a hint. Never waits and never fails.
    pub fn publish(&self, hint: Hint) {
        if let Some(outbound) = &self.outbound
            && outbound.try_send(hint.clone()).is_err()
        {
            metrics::counter!("bus_hints_dropped_total").increment(1);
        }
        // Nobody listening is fine.
        self.local.send(hint).ok();
    }

    /// Hears the hints given from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.local.subscribe()
    }

    /// Whether hints of other replicas arrive.
    pub fn up(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }
}

impl Driver {
    /// Carries hints to and from Redis until stopped; returns at once without Redis.
    pub async fn run(self, stop: CancellationToken) {
        if let Some(redis) = self.redis {
            redis.run(stop).await;
        }
    }
}
