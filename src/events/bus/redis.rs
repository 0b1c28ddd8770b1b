//! Hints through Redis pub/sub.
//!
//! The client library gives up on a lost subscription after a few tries, and notices a frozen
//! server never. So the subscription has a supervisor of its own: connect, subscribe, await the
//! confirmation, say "up", ping every few seconds; on any error say "down" and begin again, for
//! ever, with growing pauses.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::ConnectionManager;
use redis::{Client, RedisError, RedisResult};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Hint;
use crate::lifecycle::pause;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(200);
/// How many hints one round trip takes at most: those of a transaction come together.
const TOGETHER: usize = 64;
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Carries hints to and from Redis.
#[derive(Debug)]
pub struct Driver {
    client: Client,
    feed: String,
    wake: String,
    queue: mpsc::Receiver<Hint>,
    local: broadcast::Sender<Hint>,
    up: Arc<watch::Sender<bool>>,
}

impl Driver {
    pub fn new(
        url: &SecretString,
        prefix: &str,
        queue: mpsc::Receiver<Hint>,
        local: broadcast::Sender<Hint>,
        up: Arc<watch::Sender<bool>>,
    ) -> RedisResult<Self> {
        Ok(Self {
            client: Client::open(url.expose_secret())?,
            feed: format!("{prefix}:feed"),
            wake: format!("{prefix}:wake"),
            queue,
            local,
            up,
        })
    }

    pub async fn run(self, stop: CancellationToken) {
        let publisher = publish(
            self.client.clone(),
            self.queue,
            self.feed.clone(),
            self.wake.clone(),
        );
        let subscriber = supervise(self.client, [self.feed, self.wake], self.local, self.up);
        tokio::select! {
            () = stop.cancelled() => {}
            () = publisher => {}
            () = subscriber => {}
        }
    }
}

async fn supervise(
    client: Client,
    channels: [String; 2],
    local: broadcast::Sender<Hint>,
    up: Arc<watch::Sender<bool>>,
) {
    let mut backoff = BACKOFF_MIN;
    loop {
        let was_up = match subscribe(&client, &channels, &local, &up).await {
            Err(error) => {
                let was_up = up.send_replace(false);
                tracing::warn!(%error, "the bus is down: hints of other replicas do not arrive, followers poll instead");
                was_up
            }
            Ok(never) => match never {},
        };
        backoff = if was_up {
            BACKOFF_MIN
        } else {
            (backoff * 2).min(BACKOFF_MAX)
        };
        // Full jitter, so that replicas do not come back in step.
        pause(rand::random_range(Duration::ZERO..=backoff)).await;
    }
}

async fn subscribe(
    client: &Client,
    channels: &[String; 2],
    local: &broadcast::Sender<Hint>,
    up: &watch::Sender<bool>,
) -> RedisResult<std::convert::Infallible> {
    let timed_out = || RedisError::from((redis::ErrorKind::Io, "Redis does not answer"));
    let pubsub = timeout(CONNECT_TIMEOUT, client.get_async_pubsub())
        .await
        .map_err(|_| timed_out())??;
    let (mut sink, mut messages) = pubsub.split();
    for channel in channels {
        timeout(PING_TIMEOUT, sink.subscribe(channel))
            .await
            .map_err(|_| timed_out())??;
    }
    up.send_replace(true);
    tracing::info!("the bus is up");
    loop {
        // One timer for both directions: the pings find a frozen server, the messages do not.
        match timeout(PING_EVERY, messages.next()).await {
            Ok(Some(message)) => {
                if let Ok(hint) = serde_json::from_slice(message.get_payload_bytes()) {
                    local.send(hint).ok();
                }
            }
            Ok(None) => {
                return Err(RedisError::from((
                    redis::ErrorKind::Io,
                    "Redis closed the connection",
                )));
            }
            Err(_) => {
                timeout(PING_TIMEOUT, sink.ping::<redis::Value>())
                    .await
                    .map_err(|_| timed_out())??;
            }
        }
    }
}

async fn publish(client: Client, mut queue: mpsc::Receiver<Hint>, feed: String, wake: String) {
    let mut connection: Option<ConnectionManager> = None;
    let mut hints = Vec::new();
    while queue.recv_many(&mut hints, TOGETHER).await > 0 {
        let count = hints.len() as u64;
        let mut messages = redis::pipe();
        for hint in hints.drain(..) {
            let channel = match &hint {
                Hint::Stream { .. } | Hint::SessionEnded { .. } => &feed,
                Hint::Wake { .. } => &wake,
            };
            // It is made of texts and numbers, and has a JSON form.
            if let Ok(payload) = serde_json::to_vec(&hint) {
                messages.publish(channel, payload).ignore();
            }
        }
        let sent = timeout(PUBLISH_TIMEOUT, send(&client, &mut connection, &messages)).await;
        let timed_out = || RedisError::from((redis::ErrorKind::Io, "Redis does not answer"));
        if let Err(error) = sent.unwrap_or_else(|_| Err(timed_out())) {
            metrics::counter!("bus_publish_failures_total").increment(count);
            tracing::debug!(%error, "hints were not published; pollers will find what they told of");
        }
    }
}

async fn send(
    client: &Client,
    connection: &mut Option<ConnectionManager>,
    messages: &redis::Pipeline,
) -> RedisResult<()> {
    // Made at the first hint: making it blocks while the server does not answer.
    let manager = match connection {
        Some(manager) => manager,
        None => connection.insert(client.get_connection_manager().await?),
    };
    match messages.query_async::<()>(manager).await {
        // That of before the server's restart: there is another by now. A hint may come twice.
        Err(error) if error.is_unrecoverable_error() => messages.query_async(manager).await,
        sent => sent,
    }
}
