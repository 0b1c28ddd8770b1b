//! A Redis Stream: entries are put in at its end, and other services read them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::kv::Kv;
use crate::settings::SinkSettings;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(2);
/// The same after an entry was not taken, so that a Redis that is away does not hold workers up.
const CONNECT_AGAIN: Duration = Duration::from_millis(100);
/// How long Redis may take for an entry.
const AT_MOST: Duration = Duration::from_secs(2);

/// What other services read: who it is, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// The same for every try, so that a reader knows again what came twice.
    pub id: String,
    /// The event as JSON.
    pub event: String,
}

/// An entry is in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether it is the first of this process, or the first after one that was not taken.
    pub is_first: bool,
}

/// Redis did not take an entry, or did not say so in time. The log has the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis is away, slow, or refuses")]
pub struct NotTaken;

/// The stream of this installation.
#[derive(Debug)]
pub struct RedisStream {
    kv: Kv,
    key: String,
    max_entries: u64,
    /// Whether this process has sent anything yet.
    has_begun: AtomicBool,
    /// Whether the last entry was not taken.
    is_failing: AtomicBool,
}

impl RedisStream {
    /// The stream `{prefix}:events`. Nothing is sent yet.
    pub fn new(kv: Kv, settings: &SinkSettings) -> Self {
        Self {
            key: kv.key("events"),
            kv,
            max_entries: settings.max_entries,
            has_begun: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Puts an entry in at the end. One that is not answered for may be in the stream nevertheless.
    ///
    /// # Errors
    /// [`NotTaken`]: it has to be sent again.
    pub async fn add(&self, entry: &StreamEntry) -> Result<Taken, NotTaken> {
        let patience = if self.is_failing.load(Ordering::Relaxed) {
            CONNECT_AGAIN
        } else {
            CONNECT
        };
        let is_taken = self.try_add(entry, patience).await.is_some();
        let was_failing = self.is_failing.swap(!is_taken, Ordering::Relaxed);
        let is_first = was_failing || !self.has_begun.swap(true, Ordering::Relaxed);
        is_taken.then_some(Taken { is_first }).ok_or(NotTaken)
    }

    /// Has the next entry that is taken count as a first one: nobody was told of this one.
    pub fn call_again(&self) {
        self.is_failing.store(true, Ordering::Relaxed);
    }

    /// Answers the entry's place.
    async fn try_add(&self, entry: &StreamEntry, patience: Duration) -> Option<String> {
        timeout(patience, self.kv.is_up()).await.ok()?;
        self.kv
            .run(AT_MOST, async move |mut redis| {
                redis::cmd("XADD")
                    .arg(&self.key)
                    // "About" is much cheaper than exactly: whole blocks are dropped.
                    .arg(&["MAXLEN", "~"])
                    .arg(self.max_entries)
                    .arg("*")
                    .arg(&["id", &entry.id, "event", &entry.event])
                    .query_async(&mut redis)
                    .await
            })
            .await
    }
}
