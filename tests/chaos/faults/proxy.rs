//! A TCP proxy that can cut, refuse, stall, slow and delay, and mangle the messages of Redis.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::bus::Mangler;
use crate::dice::Dice;
use crate::pause;

/// Small, so that a slow reader is felt at the other end soon.
const SMALL_BUFFER: u32 = 4_096;

/// A proxy in front of one server, until dropped. Cheap to clone; clones are the same proxy.
#[derive(Clone)]
pub struct Proxy(Arc<State>);

struct State {
    address: SocketAddr,
    target: SocketAddr,
    seed: u64,
    /// Counted up: all connections of before end.
    cuts: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    refuses: AtomicBool,
    mangles: AtomicBool,
    /// What comes back from the server, in bytes a second; 0 is as fast as it can.
    bytes_per_second: AtomicU64,
    /// Each piece is held back for up to so many milliseconds.
    delay_ms: AtomicU64,
    accepted: AtomicU64,
}

impl Proxy {
    /// Listens on a free port.
    pub async fn start(target: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Self(Arc::new(State {
            address: listener.local_addr().expect("an address"),
            target,
            seed,
            cuts: watch::Sender::new(0),
            stalled: watch::Sender::new(false),
            refuses: AtomicBool::new(false),
            mangles: AtomicBool::new(false),
            bytes_per_second: AtomicU64::new(0),
            delay_ms: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
        }));
        let state = Arc::downgrade(&proxy.0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(state) = state.upgrade() else { return };
                if !state.refuses.load(Ordering::Relaxed) {
                    tokio::spawn(connection(state, client));
                }
            }
        });
        proxy
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.0.cuts.send_modify(|count| *count += 1);
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, yes: bool) {
        self.0.refuses.store(yes, Ordering::Relaxed);
    }

    /// Whether nothing goes through, while connections stay open.
    pub fn stall(&self, yes: bool) {
        self.0.stalled.send_replace(yes);
    }

    /// How many bytes a second come back from the server; 0 is as fast as it can.
    pub fn slow(&self, bytes_per_second: u64) {
        self.0
            .bytes_per_second
            .store(bytes_per_second, Ordering::Relaxed);
    }

    /// Holds each piece back for up to so many milliseconds, each connection by itself.
    pub fn delay(&self, up_to_ms: u64) {
        self.0.delay_ms.store(up_to_ms, Ordering::Relaxed);
    }

    /// Whether messages of Redis are dropped, repeated and exchanged, from new connections on.
    pub fn mangle(&self, yes: bool) {
        if self.0.mangles.swap(yes, Ordering::Relaxed) != yes {
            self.cut();
        }
    }

    /// Everything goes through again.
    pub fn heal(&self) {
        self.refuse(false);
        self.stall(false);
        self.slow(0);
        self.delay(0);
        self.mangle(false);
    }
}

async fn connection(state: Arc<State>, client: TcpStream) {
    let mut cuts = state.cuts.subscribe();
    let number = state.accepted.fetch_add(1, Ordering::Relaxed);
    let Some(server) = connect(&state).await else {
        return;
    };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let dice = |way| Dice::new(state.seed, number * 2 + way);
    let there = pump(&state, from_client, to_server, dice(0), None);
    let mangler = Mangler::new(dice(1));
    let back = pump(&state, from_server, to_client, dice(1), Some(mangler));
    tokio::select! {
        _ = cuts.changed() => {}
        ((), ()) = async { tokio::join!(there, back) } => {}
    }
}

async fn connect(state: &State) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    if state.bytes_per_second.load(Ordering::Relaxed) > 0 {
        socket.set_recv_buffer_size(SMALL_BUFFER).ok()?;
    }
    socket.connect(state.target).await.ok()
}

/// Carries one direction; the one with a mangler is what comes back from the server.
async fn pump(
    state: &State,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut dice: Dice,
    mut mangler: Option<Mangler>,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut stalled = state.stalled.subscribe();
    loop {
        let slow = match mangler {
            Some(_) => state.bytes_per_second.load(Ordering::Relaxed),
            None => 0,
        };
        // A hundred pieces a second: timers are not exact enough for more.
        let piece = (slow / 100).max(1);
        let most = if slow == 0 {
            buffer.len()
        } else {
            usize::try_from(piece).map_or(buffer.len(), |piece| piece.min(buffer.len()))
        };
        let Ok(count) = from.read(&mut buffer[..most]).await else {
            return;
        };
        if count == 0 {
            to.shutdown().await.ok();
            return;
        }
        if let Some(millis) = (1_000 * piece).checked_div(slow) {
            pause(Duration::from_millis(millis)).await;
        }
        let delay = state.delay_ms.load(Ordering::Relaxed);
        if delay > 0 {
            pause(dice.millis(0, usize::try_from(delay).unwrap_or_default())).await;
        }
        if stalled.wait_for(|stalled| !stalled).await.is_err() {
            return;
        }
        let sent = match &mut mangler {
            Some(mangler) if state.mangles.load(Ordering::Relaxed) => {
                to.write_all(&mangler.feed(&buffer[..count])).await
            }
            _ => to.write_all(&buffer[..count]).await,
        };
        if sent.is_err() {
            return;
        }
    }
}
