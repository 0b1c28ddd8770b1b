//! One socket, one task, one loop.
//!
//! Three rules keep one client from holding up another, or one operation of a client the next:
//!
//! - What has begun goes on. An operation may be in the middle of a transaction, so it is polled
//!   whatever the client does; only when its answer is there does it wait.
//! - An operation has one answer waiting at most, and goes on when that is on its way. Answers go
//!   out in the order in which they came: a hot operation has its turn like any other.
//! - Nothing waits for the client in here. The loop hears of everything while a message is stuck.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt, pending};
use futures_util::stream::{AbortHandle, FuturesUnordered, StreamFuture};
use hyper::upgrade::Upgraded;
use serde_json::{Map, Value};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::operation::{Operation, Step};
use super::pace::Pace;
use super::protocol::{ClientMessage, Close, ServerMessage, params, token};
use super::wire::{Turn, Wire};
use crate::graphql::{Answer, Caller, Client};
use crate::transport::Edge;
use crate::transport::seats::{Holder, Seat};

/// A token that ends does not end all sockets of a login storm in the same second: each may stay
/// longer by up to a tenth of what its token had left, but no more than this.
const EXPIRY_JITTER: Duration = Duration::from_secs(10);
/// When the server stops, sockets are told over this span at most, so that the clients do not all
/// come to the other replicas at once; with few sockets it is shorter.
const STOP_SPREAD: Duration = Duration::from_secs(10);
const STOP_SPREAD_EACH: Duration = Duration::from_millis(10);
/// Far enough to be never.
const NEVER: Duration = Duration::from_hours(24 * 365);

pub struct Connection {
    edge: Edge,
    wire: Wire,
    /// The program at the other end.
    client: Client,
    seat: Seat,
    /// None before the connection is acknowledged.
    caller: Option<Caller>,
    /// The operations of the client, by its names for them.
    running: HashMap<Arc<str>, Running>,
    /// Their next steps.
    steps: FuturesUnordered<StreamFuture<Operation>>,
    /// Steps that are done and could not be told yet, the oldest first.
    done: VecDeque<(Option<Box<Answer>>, Operation)>,
    pace: Pace,
    /// When a ping is due, or its answer overdue.
    heartbeat: Instant,
    awaiting_pong: bool,
    /// When the socket must end: no `connection_init`, or the token over.
    deadline: Instant,
    /// When to go, since the server stops.
    leaves_at: Option<Instant>,
    stopping: BoxFuture<'static, ()>,
    signed_out: BoxFuture<'static, ()>,
    /// For the first of all these moments.
    alarm: Pin<Box<Sleep>>,
}

struct Running {
    handle: AbortHandle,
    /// Whether it may take for ever; what does not is waited for when the server stops.
    subscribed: bool,
}

/// How a connection goes on.
type Flow = Result<(), End>;

/// Why a connection ends.
enum End {
    /// The server says so.
    Close(Close),
    /// The client says so.
    Closed,
    /// The client is gone.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

impl Connection {
    /// Serves a socket to its end.
    pub async fn run(edge: Edge, upgraded: Upgraded, client: Client) {
        let wire = Wire::new(upgraded, edge.websocket.max_message_bytes).await;
        let _counted = Counted::new();
        let patience = Duration::from_secs(edge.websocket.queue_timeout_seconds);
        let Ok(seat) = edge
            .seats
            .take(Holder::of(&Caller::Anonymous, client.address))
        else {
            return Box::pin(bid(wire, End::Close(Close::Overloaded), patience)).await;
        };
        let mut connection = Self::new(edge, wire, seat, client);
        let end = loop {
            if let Err(end) = connection.step().await {
                break end;
            }
        };
        // The operations end here, and the seat is kept until the client has taken notice.
        let (wire, seat) = connection.into_parts();
        // On the heap: a socket lives long and says goodbye once.
        Box::pin(bid(wire, end, patience)).await;
        drop(seat);
    }

    fn new(edge: Edge, wire: Wire, seat: Seat, client: Client) -> Self {
        let now = Instant::now();
        let init = Duration::from_secs(edge.websocket.init_timeout_seconds);
        let ping = Duration::from_secs(edge.websocket.ping_interval_seconds);
        let stopping = edge.lifecycle.draining.clone().cancelled_owned().boxed();
        Self {
            wire,
            client,
            seat,
            caller: None,
            running: HashMap::new(),
            steps: FuturesUnordered::new(),
            done: VecDeque::new(),
            pace: Pace::new(edge.websocket.max_messages_per_second, now),
            heartbeat: now + ping,
            awaiting_pong: false,
            deadline: now + init,
            leaves_at: None,
            stopping,
            signed_out: pending().boxed(),
            alarm: Box::pin(sleep_until(now + init)),
            edge,
        }
    }

    fn into_parts(self) -> (Wire, Seat) {
        (self.wire, self.seat)
    }

    async fn step(&mut self) -> Flow {
        let now = Instant::now();
        let too_fast = self.pace.wait(now);
        let listening = too_fast.is_none() && !self.wire.is_full();
        let alarm = self.next_alarm(too_fast);
        if self.alarm.deadline() != alarm {
            self.alarm.as_mut().reset(alarm);
        }
        tokio::select! {
            turn = self.wire.turn(listening) => match turn {
                Turn::Heard(message) => self.heard(message)?,
                // A client that took what was stuck is alive.
                Turn::Sent { slow: true } => self.is_alive(),
                Turn::Sent { slow: false } => {}
                Turn::Broken => return Err(Close::BadMessage.into()),
                Turn::Gone => return Err(End::Gone),
            },
            Some((step, operation)) = self.steps.next(), if !self.steps.is_empty() => {
                self.stepped(step, operation);
            }
            () = self.alarm.as_mut() => self.ring()?,
            () = &mut self.signed_out => return Err(Close::Forbidden.into()),
            () = &mut self.stopping, if self.leaves_at.is_none() => {
                let sockets = u32::try_from(self.edge.seats.count()).unwrap_or(u32::MAX);
                let spread = STOP_SPREAD_EACH.saturating_mul(sockets.saturating_sub(1)).min(STOP_SPREAD);
                self.leaves_at = Some(Instant::now() + rand::random_range(Duration::ZERO..=spread));
            }
        }
        self.tell();
        Ok(())
    }

    fn next_alarm(&self, too_fast: Option<Instant>) -> Instant {
        let mut next = self.deadline.min(self.heartbeat);
        let others = [
            too_fast,
            self.wire
                .blocked_since()
                .map(|since| since + self.patience()),
            self.leaves_at.filter(|_| self.may_leave()),
        ];
        for other in others.into_iter().flatten() {
            next = next.min(other);
        }
        next
    }

    /// Something is due.
    fn ring(&mut self) -> Flow {
        let now = Instant::now();
        if self.deadline <= now {
            let init_is_missing = self.caller.is_none();
            return Err(if init_is_missing {
                Close::InitTimeout
            } else {
                Close::Forbidden
            }
            .into());
        }
        if self
            .wire
            .blocked_since()
            .is_some_and(|since| since + self.patience() <= now)
        {
            return Err(Close::SlowReader.into());
        }
        if self.leaves_at.is_some_and(|at| at <= now) && self.may_leave() {
            return Err(Close::Restarting.into());
        }
        if self.heartbeat <= now {
            return self.beat(now);
        }
        Ok(())
    }

    fn beat(&mut self, now: Instant) -> Flow {
        if self.wire.blocked_since().is_some() {
            // Nothing gets through: whether the client lives is found out by what is stuck.
            self.heartbeat = now + self.patience();
            return Ok(());
        }
        if self.awaiting_pong {
            return Err(End::Gone);
        }
        self.awaiting_pong = true;
        self.heartbeat = now + Duration::from_secs(self.edge.websocket.pong_timeout_seconds);
        self.wire.ping();
        Ok(())
    }

    /// Whatever comes is a sign of life: the next ping can wait.
    fn is_alive(&mut self) {
        self.awaiting_pong = false;
        let interval = Duration::from_secs(self.edge.websocket.ping_interval_seconds);
        self.heartbeat = Instant::now() + interval;
    }

    /// Whether nothing runs that has an end of its own, and all of its answers are out.
    fn may_leave(&self) -> bool {
        self.running.values().all(|running| running.subscribed)
            && (self.wire.is_idle() || self.wire.blocked_since().is_some())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.edge.websocket.queue_timeout_seconds)
    }

    fn heard(&mut self, message: Message) -> Flow {
        self.is_alive();
        self.pace.count(Instant::now());
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            // The code was none that a client may send, or an error: there is nothing to agree to.
            Message::Close(Some(frame)) if frame.code == CloseCode::Protocol => {
                return Err(End::Gone);
            }
            Message::Close(_) => return Err(End::Closed),
            Message::Binary(_) | Message::Frame(_) => return Err(Close::BadMessage.into()),
        };
        match ClientMessage::read(&text)? {
            ClientMessage::ConnectionInit { payload } => self.init(payload.as_ref()),
            ClientMessage::Ping { payload } => {
                self.send(&ServerMessage::Pong { payload });
                Ok(())
            }
            ClientMessage::Pong { .. } => Ok(()),
            ClientMessage::Subscribe { id, payload } => self.subscribe(id.into(), payload),
            ClientMessage::Complete { id } => {
                if let Some(running) = self.running.remove(id.as_str()) {
                    running.handle.abort();
                    self.done.retain(|(_, operation)| !operation.is_aborted());
                }
                Ok(())
            }
        }
    }

    fn init(&mut self, payload: Option<&Map<String, Value>>) -> Flow {
        if self.caller.is_some() {
            return Err(Close::TooMany("Too many initialisation requests").into());
        }
        if self.leaves_at.is_some() {
            return Err(Close::Restarting.into());
        }
        let (caller, ends_in) = match payload.and_then(token) {
            None => (Caller::Anonymous, NEVER),
            Some(token) => {
                let authenticated =
                    (self.edge.authenticate)(&token).map_err(|_| Close::Forbidden)?;
                if !(self.edge.can_tell)() {
                    return Err(Close::Overloaded.into());
                }
                self.signed_out = (self.edge.signed_out)(&authenticated.viewer);
                let left = authenticated.expires_at - self.edge.clock.now();
                let left = left.to_std().unwrap_or_default();
                let jitter = rand::random_range(Duration::ZERO..=EXPIRY_JITTER.min(left / 10));
                (Caller::User(authenticated.viewer), left + jitter)
            }
        };
        let holder = Holder::of(&caller, self.client.address);
        self.seat.pass_to(holder).map_err(|_| Close::Overloaded)?;
        self.caller = Some(caller);
        self.deadline = Instant::now() + ends_in;
        self.send(&ServerMessage::ConnectionAck);
        Ok(())
    }

    fn subscribe(&mut self, id: Arc<str>, payload: Map<String, Value>) -> Flow {
        let params = params(payload)?;
        let Some(caller) = self.caller.clone() else {
            return Err(Close::Unauthorized.into());
        };
        if self.running.contains_key(&id) {
            return Err(Close::IdInUse(id.to_string()).into());
        }
        if self.running.len() >= self.edge.websocket.max_operations {
            return Err(Close::TooMany("Too many operations on this socket").into());
        }
        if self.leaves_at.is_some() {
            // It begins at another replica, or at this one when it is back.
            return Err(Close::Restarting.into());
        }
        let (operation, handle) =
            Operation::new(&self.edge, id.clone(), params, caller, self.client.clone());
        let subscribed = false;
        self.running.insert(id, Running { handle, subscribed });
        self.steps.push(operation.into_future());
        Ok(())
    }

    fn stepped(&mut self, step: Option<Step>, operation: Operation) {
        // A client that has ended the operation hears no more of it.
        if operation.is_aborted() {
            return;
        }
        match step {
            Some(Step::Subscribed) => {
                if let Some(running) = self.running.get_mut(operation.id()) {
                    running.subscribed = true;
                }
                self.steps.push(operation.into_future());
            }
            Some(Step::Answer(answer)) => self.done.push_back((Some(answer), operation)),
            None => self.done.push_back((None, operation)),
        }
    }

    /// Tells the client what comes next, if it has taken all before that.
    fn tell(&mut self) {
        if !self.wire.is_idle() {
            return;
        }
        let Some((answer, operation)) = self.done.pop_front() else {
            return;
        };
        let id = operation.id().clone();
        match answer {
            Some(answer) if answer.executed => {
                self.steps.push(operation.into_future());
                let payload = &answer.response;
                self.send(&ServerMessage::Next { id: &id, payload });
            }
            Some(answer) => {
                self.running.remove(&id);
                let payload = &answer.response.errors;
                self.send(&ServerMessage::Error { id: &id, payload });
            }
            None => {
                self.running.remove(&id);
                self.send(&ServerMessage::Complete { id: &id });
            }
        }
    }

    fn send(&mut self, message: &ServerMessage<'_>) {
        match serde_json::to_string(message) {
            Ok(text) => self.wire.send(text),
            // Answers hold nothing that has no JSON form; were it otherwise, the log is to say so.
            Err(error) => tracing::error!(%error, "a message has no JSON form"),
        }
    }
}

/// Ends a socket.
async fn bid(wire: Wire, end: End, patience: Duration) {
    match end {
        End::Close(close) => {
            let (code, reason) = close.frame();
            tracing::debug!(code, reason, "closing a socket");
            metrics::counter!("websocket_closed_total", "code" => code.to_string()).increment(1);
            wire.close(code, reason, patience).await;
        }
        End::Closed => wire.closed().await,
        End::Gone => {}
    }
}

/// Counts a socket for as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::gauge!("websocket_connections").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("websocket_connections").decrement(1.0);
    }
}
