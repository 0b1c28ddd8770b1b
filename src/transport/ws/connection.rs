//! One socket, one task, one loop.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{AbortHandle, Abortable, BoxStream, SelectAll, once};
use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::protocol::{ClientMessage, Close, ServerMessage, token};
use crate::graphql::guard::Params;
use crate::graphql::{Answer, Caller, RequestContext, stamp};
use crate::transport::headers::new_request_id;
use crate::transport::operation::{
    Prepared, execute, operation_word, prepare, subscribe, viewer_of,
};
use crate::transport::{Edge, answer};

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
    socket: WebSocket,
    /// From where the client came.
    address: IpAddr,
    /// None before the connection is acknowledged.
    caller: Option<Caller>,
    running: HashMap<String, AbortHandle>,
    answers: SelectAll<BoxStream<'static, (String, Step)>>,
    /// When a ping is due, or its answer overdue.
    heartbeat: Pin<Box<Sleep>>,
    awaiting_pong: bool,
    /// When the socket must end: no `connection_init`, or the token over.
    deadline: Pin<Box<Sleep>>,
}

/// What an operation does next.
enum Step {
    Answer(Box<Answer>),
    End,
}

/// How a connection goes on.
type Flow = Result<(), End>;

/// Why a connection ends.
enum End {
    /// The server says so.
    Close(Close),
    /// The client is gone.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

impl Connection {
    pub fn new(edge: Edge, socket: WebSocket, address: IpAddr) -> Self {
        edge.sockets.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("websocket_connections").increment(1.0);
        let init = Duration::from_secs(edge.websocket.init_timeout_seconds);
        let ping = Duration::from_secs(edge.websocket.ping_interval_seconds);
        Self {
            socket,
            address,
            caller: None,
            running: HashMap::new(),
            answers: SelectAll::new(),
            heartbeat: Box::pin(sleep_until(Instant::now() + ping)),
            awaiting_pong: false,
            deadline: Box::pin(sleep_until(Instant::now() + init)),
            edge,
        }
    }

    pub async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        if let End::Close(close) = end {
            let (code, reason) = close.frame();
            tracing::debug!(code, reason, "closing a socket");
            let frame = Message::Close(Some(CloseFrame {
                code,
                reason: reason.into(),
            }));
            let patience = Duration::from_secs(self.edge.websocket.queue_timeout_seconds);
            // The client may be gone by now; there is nobody to tell.
            timeout(patience, self.socket.send(frame)).await.ok();
            // Wait for the client's close frame, so that it is not cut off before it has read ours.
            timeout(Duration::from_secs(1), async {
                while let Some(Ok(_)) = self.socket.recv().await {}
            })
            .await
            .ok();
        }
    }

    async fn step(&mut self) -> Flow {
        let draining = self.edge.lifecycle.draining.clone();
        tokio::select! {
            message = self.socket.recv() => match message {
                Some(Ok(message)) => self.heard(message).await,
                // A message or frame larger than allowed, or bytes that are not text.
                Some(Err(error)) if is_protocol_error(&error) => Err(Close::BadMessage.into()),
                Some(Err(_)) | None => Err(End::Gone),
            },
            Some((id, step)) = self.answers.next(), if !self.answers.is_empty() => {
                self.answer(id, step).await
            }
            () = self.heartbeat.as_mut() => self.beat().await,
            () = self.deadline.as_mut() => {
                let over = if self.caller.is_none() { Close::InitTimeout } else { Close::Forbidden };
                Err(over.into())
            }
            () = draining.cancelled() => {
                let sockets = u32::try_from(self.edge.sockets.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
                let spread = STOP_SPREAD_EACH.saturating_mul(sockets.saturating_sub(1)).min(STOP_SPREAD);
                crate::lifecycle::pause(rand::random_range(Duration::ZERO..=spread)).await;
                Err(Close::Restarting.into())
            }
        }
    }

    async fn heard(&mut self, message: Message) -> Flow {
        // Whatever comes is a sign of life: the next ping can wait.
        self.awaiting_pong = false;
        let interval = Duration::from_secs(self.edge.websocket.ping_interval_seconds);
        self.heartbeat.as_mut().reset(Instant::now() + interval);
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Gone),
            Message::Binary(_) => return Err(Close::BadMessage.into()),
        };
        // By way of an object: serde would take an array of the fields in their order, too.
        let message: Map<_, _> = serde_json::from_str(&text).map_err(bad_message)?;
        match read(message)? {
            ClientMessage::ConnectionInit { payload } => {
                self.init(payload.as_ref().and_then(token)).await
            }
            ClientMessage::Ping { payload } => self.send(&ServerMessage::Pong { payload }).await,
            ClientMessage::Pong {} => Ok(()),
            ClientMessage::Subscribe { id, payload } => {
                let params: Params = read(payload)?;
                if !params.has_document() {
                    return Err(Close::BadMessage.into());
                }
                self.subscribe(id, params).await
            }
            ClientMessage::Complete { id } => {
                if let Some(handle) = self.running.remove(&id) {
                    handle.abort();
                }
                Ok(())
            }
        }
    }

    async fn init(&mut self, token: Option<String>) -> Flow {
        if self.caller.is_some() {
            return Err(Close::TooMany("Too many initialisation requests").into());
        }
        let (caller, ends_in) = match token {
            None => (Caller::Anonymous, NEVER),
            Some(token) => {
                let authenticated =
                    (self.edge.authenticate)(&token).map_err(|_| End::Close(Close::Forbidden))?;
                let left = authenticated.expires_at - self.edge.clock.now();
                let left = left.to_std().unwrap_or_default();
                let jitter = rand::random_range(Duration::ZERO..=EXPIRY_JITTER.min(left / 10));
                (Caller::User(authenticated.viewer), left + jitter)
            }
        };
        self.caller = Some(caller);
        self.deadline.as_mut().reset(Instant::now() + ends_in);
        self.send(&ServerMessage::ConnectionAck).await
    }

    async fn subscribe(&mut self, id: String, params: Params) -> Flow {
        let Some(caller) = self.caller.clone() else {
            return Err(Close::Unauthorized.into());
        };
        if self.running.contains_key(&id) {
            return Err(Close::IdInUse(id).into());
        }
        if self.running.len() >= self.edge.websocket.max_operations {
            return Err(Close::TooMany("Too many operations on this socket").into());
        }
        let context = RequestContext {
            caller,
            address: self.address,
            request_id: new_request_id(),
        };
        let request_id = &context.request_id;
        let viewer =
            viewer_of(&context.caller).map(|viewer| tracing::field::display(viewer.user_id.0));
        let checked = match prepare(&self.edge, params, &context).await {
            Ok(checked) => checked,
            Err(error) => {
                let mut response = error.into_response();
                stamp(&mut response, request_id);
                tracing::info!(
                    request_id,
                    viewer,
                    code = answer::first_code(&response),
                    "socket operation refused"
                );
                let payload = &response.errors;
                return self.send(&ServerMessage::Error { id: &id, payload }).await;
            }
        };
        let operation = operation_word(checked.operation_type);
        tracing::info!(
            request_id,
            viewer,
            operation,
            name = checked.name_for_log(),
            "socket operation"
        );
        let answers = self.answers_of(checked, context);
        let (handle, registration) = AbortHandle::new_pair();
        let key = id.clone();
        let steps = answers
            .map(|answer| Step::Answer(Box::new(answer)))
            .chain(once(async { Step::End }))
            .map(move |step| (key.clone(), step));
        self.running.insert(id, handle);
        self.answers
            .push(Abortable::new(steps, registration).boxed());
        Ok(())
    }

    fn answers_of(&self, checked: Prepared, context: RequestContext) -> BoxStream<'static, Answer> {
        if checked.operation_type == OperationType::Subscription {
            return subscribe(&self.edge, checked, context);
        }
        let edge = self.edge.clone();
        once(async move { execute(&edge, checked, context).await }).boxed()
    }

    async fn answer(&mut self, id: String, step: Step) -> Flow {
        // A client that has ended the operation hears no more of it.
        if !self.running.contains_key(&id) {
            return Ok(());
        }
        match step {
            Step::Answer(answer) if answer.executed => {
                let payload = &answer.response;
                self.send(&ServerMessage::Next { id: &id, payload }).await
            }
            Step::Answer(answer) => {
                if let Some(handle) = self.running.remove(&id) {
                    handle.abort();
                }
                let payload = &answer.response.errors;
                self.send(&ServerMessage::Error { id: &id, payload }).await
            }
            Step::End => {
                self.running.remove(&id);
                self.send(&ServerMessage::Complete { id: &id }).await
            }
        }
    }

    async fn beat(&mut self) -> Flow {
        if self.awaiting_pong {
            return Err(End::Gone);
        }
        self.awaiting_pong = true;
        let patience = Duration::from_secs(self.edge.websocket.pong_timeout_seconds);
        self.heartbeat.as_mut().reset(Instant::now() + patience);
        self.transmit(Message::Ping(Vec::new().into())).await
    }

    async fn send(&mut self, message: &ServerMessage<'_>) -> Flow {
        // Answers hold nothing that has no JSON form; were it otherwise, the socket is the least.
        let text = serde_json::to_string(message).map_err(|_| End::Gone)?;
        self.transmit(Message::Text(text.into())).await
    }

    /// Sends, or gives up on a client that does not read. Meanwhile nothing is taken from the
    /// operations: what they would say stays in the database, not in memory.
    async fn transmit(&mut self, message: Message) -> Flow {
        let patience = Duration::from_secs(self.edge.websocket.queue_timeout_seconds);
        match timeout(patience, async {
            self.socket.feed(message).await?;
            self.socket.flush().await
        })
        .await
        {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(Close::SlowReader.into()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.edge.sockets.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("websocket_connections").decrement(1.0);
    }
}

fn read<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, End> {
    serde_json::from_value(Value::Object(object)).map_err(bad_message)
}

fn bad_message(_: serde_json::Error) -> End {
    Close::BadMessage.into()
}

/// Whether the client sent what the protocol does not allow, and not merely went away.
fn is_protocol_error(error: &axum::Error) -> bool {
    let text = error.to_string();
    text.contains("too long")
        || text.contains("too big")
        || text.contains("UTF-8")
        || text.contains("utf-8")
}
