//! Redis as a store of what replicas share for a short while: counters of limits, documents that
//! clients registered. Nothing here is the truth of anything: without Redis, or with one that is
//! slow, whoever asks is told so at once and does without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::lifecycle::pause;
use crate::settings::RedisSettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a Redis that failed is left alone.
const REST: Duration = Duration::from_millis(500);
/// One slow answer is a hiccup; so many in a row, and the connection is given up.
const SLOW: usize = 5;

/// One connection that all requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kv(Option<Arc<Parts>>);

#[derive(Debug)]
struct Parts {
    client: Client,
    prefix: String,
    /// None while there is no connection.
    connection: watch::Sender<Option<MultiplexedConnection>>,
    connecting: AtomicBool,
    /// How many commands in a row were not answered in time.
    slow: AtomicUsize,
}

impl Kv {
    /// Prepares the store; connects when it is first asked.
    ///
    /// # Errors
    /// When the URL of Redis cannot be understood.
    pub fn new(settings: &RedisSettings) -> RedisResult<Self> {
        let Some(url) = &settings.url else {
            return Ok(Self(None));
        };
        Ok(Self(Some(Arc::new(Parts {
            client: Client::open(url.expose_secret())?,
            prefix: settings.prefix.clone(),
            connection: watch::Sender::new(None),
            connecting: AtomicBool::new(false),
            slow: AtomicUsize::new(0),
        }))))
    }

    /// Whether there is a Redis to share with.
    pub fn is_shared(&self) -> bool {
        self.0.is_some()
    }

    /// The name of a key, with the prefix of this installation.
    pub fn key(&self, name: &str) -> String {
        let prefix = self.0.as_ref().map_or("", |parts| &parts.prefix);
        format!("{prefix}:{name}")
    }

    /// Runs a command, if Redis is there and answers within this time. Nobody waits for a
    /// connection to be made: that happens beside, and whoever asks meanwhile does without.
    pub async fn run<T>(
        &self,
        at_most: Duration,
        command: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<T> {
        let parts = self.0.as_ref()?;
        let connection = parts.connection.borrow().clone();
        let Some(connection) = connection else {
            parts.connect();
            return None;
        };
        match timeout(at_most, command(connection)).await {
            Ok(Ok(value)) => {
                parts.slow.store(0, Ordering::Relaxed);
                return Some(value);
            }
            // Redis did not like what it was asked; the connection is good.
            Ok(Err(error)) if error.code().is_some() => {
                tracing::warn!(%error, "Redis refused a command");
                return None;
            }
            Ok(Err(error)) => tracing::warn!(%error, "Redis failed; doing without for a moment"),
            Err(_) if parts.slow.fetch_add(1, Ordering::Relaxed) + 1 < SLOW => return None,
            Err(_) => tracing::warn!("Redis is slow; doing without for a moment"),
        }
        parts.slow.store(0, Ordering::Relaxed);
        parts.connection.send_replace(None);
        parts.connect();
        None
    }

    /// Waits until there is a connection; for ever where there is no Redis.
    pub async fn is_up(&self) {
        let Some(parts) = &self.0 else {
            return std::future::pending().await;
        };
        parts.connect();
        let mut connection = parts.connection.subscribe();
        // The sender lives as long as this store.
        connection.wait_for(Option::is_some).await.ok();
    }
}

impl Parts {
    /// Makes a connection in the background; one at a time.
    fn connect(self: &Arc<Self>) {
        if self.connecting.swap(true, Ordering::AcqRel) {
            return;
        }
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            // Ends with the store.
            while let Some(parts) = weak.upgrade() {
                let client = parts.client.clone();
                drop(parts);
                // Whoever asks says how long an answer may take.
                let config = AsyncConnectionConfig::new().set_response_timeout(None);
                let made = client.get_multiplexed_async_connection_with_config(&config);
                let made = timeout(CONNECT_TIMEOUT, made).await;
                let Some(parts) = weak.upgrade() else { return };
                if let Ok(Ok(connection)) = made {
                    parts.connecting.store(false, Ordering::Release);
                    parts.connection.send_replace(Some(connection));
                    return;
                }
                drop(parts);
                pause(REST).await;
            }
        });
    }
}
