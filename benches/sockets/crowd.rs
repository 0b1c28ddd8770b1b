//! Many sockets, each read by a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::wire::{Socket, find};
use crate::bed::{Service, pause};
use crate::site::Person;
use crate::support::process::PATIENCE;

/// How many sockets are opened, or begin to follow, at the same time.
const AT_ONCE: usize = 50;
/// How long each of those keeps its turn after it asked to follow: 2,000 a second.
const TURN: Duration = Duration::from_millis(25);

/// That a socket was told of an assignment.
pub struct Heard {
    /// Which one.
    pub number: usize,
    /// When its last byte was read.
    pub at: Instant,
}

/// What the tasks share.
struct Shared {
    /// The subscription, as a document.
    query: &'static str,
    turns: Semaphore,
    following: AtomicUsize,
    /// How many sockets ended, or were told of a mistake.
    failed: AtomicUsize,
    events: mpsc::UnboundedSender<Heard>,
}

/// The sockets; dropping them closes them.
pub struct Crowd {
    shared: Arc<Shared>,
    begin: watch::Sender<bool>,
    events: mpsc::UnboundedReceiver<Heard>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Opens so many sockets for each of these people. They answer pings, and follow nothing yet.
    pub async fn open(
        address: SocketAddr,
        people: &[Person],
        each: usize,
        query: &'static str,
    ) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            query,
            turns: Semaphore::new(AT_ONCE),
            following: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            events: sender,
        });
        let mut crowd = Self {
            shared,
            begin: watch::Sender::new(false),
            events,
            tasks: JoinSet::new(),
        };
        let tokens = people
            .iter()
            .flat_map(|person| std::iter::repeat_n(&person.token, each));
        let mut sockets = stream::iter(tokens)
            .map(|token| timeout(PATIENCE, Socket::open(address, token)))
            .buffer_unordered(AT_ONCE);
        while let Some(socket) = sockets.next().await {
            let socket = socket.expect("a socket opens within a minute");
            let (shared, begin) = (crowd.shared.clone(), crowd.begin.subscribe());
            crowd.tasks.spawn(shared.lives(socket, begin));
        }
        drop(sockets);
        crowd
    }

    /// Has all of them follow what is assigned to whose they are, and waits until the server has seen to it.
    pub async fn follow(&self, service: &Service) {
        self.begin.send_replace(true);
        let end = Instant::now() + PATIENCE;
        while self.shared.following.load(Ordering::Relaxed) + self.failed() < self.size() {
            assert!(
                Instant::now() < end,
                "the sockets do not come to follow anything"
            );
            pause(Duration::from_millis(50)).await;
        }
        is_quiet(service).await;
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.tasks.len()
    }

    /// How many ended, or were told of a mistake.
    pub fn failed(&self) -> usize {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// The next event that any of them was sent; none when none comes for that long.
    pub async fn hears(&mut self, within: Duration) -> Option<Heard> {
        timeout(within, self.events.recv()).await.ok().flatten()
    }
}

impl Shared {
    /// The life of a socket.
    async fn lives(self: Arc<Self>, mut socket: Socket, mut begin: watch::Receiver<bool>) {
        let is_open = tokio::select! {
            said = socket.next() => said.is_some(),
            _ = begin.wait_for(|begins| *begins) => true,
        };
        if is_open {
            let turn = self.turns.acquire().await;
            let payload = json!({"query": self.query});
            let subscribe = json!({"type": "subscribe", "id": "1", "payload": payload});
            socket.send(&subscribe.to_string()).await;
            pause(TURN).await;
            drop(turn);
            self.following.fetch_add(1, Ordering::Relaxed);
            while let Some(said) = socket.next().await {
                let at = Instant::now();
                if find(&said, br#""type":"ping""#).is_some() {
                    socket.send(r#"{"type":"pong"}"#).await;
                    continue;
                }
                let Some(number) = number_in(&said) else {
                    // The first says it for all.
                    if self.failed.load(Ordering::Relaxed) == 0 {
                        eprintln!("a socket was told: {}", String::from_utf8_lossy(&said));
                    }
                    break;
                };
                self.events.send(Heard { number, at }).ok();
            }
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a task is called of which the sockets shall hear.
pub fn title(number: usize) -> String {
    format!("a{number}")
}

/// The number of a task of such a title in an event.
fn number_in(event: &[u8]) -> Option<usize> {
    let mark = br#""title":"a"#;
    let rest = &event[find(event, mark)? + mark.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}

/// Waits until a server has done what it was asked to; for a minute at most.
pub async fn is_quiet(service: &Service) {
    for _ in 0..60 {
        let before = service.processor();
        pause(Duration::from_secs(1)).await;
        if service.processor().saturating_sub(before) < Duration::from_millis(100) {
            return;
        }
    }
}
