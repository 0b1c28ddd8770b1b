//! Somebody who follows what is assigned to them. Comes back with the last cursor, at any server,
//! for as long as it takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

use super::Account;
use crate::checker::Ledger;
use crate::dice::Dice;
use crate::pause;

/// A long task is asked for again and again, so that a few events are more than buffers hold.
const FOLLOW: &str = "subscription S($after: String) { taskAssigned(after: $after) {
    cursor task { id a: description b: description c: description d: description e: description
    f: description g: description h: description i: description j: description } } }";

/// How long opening a socket may take.
const OPENING: Duration = Duration::from_secs(6);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Somebody's one socket.
pub struct Subscriber {
    pub account: Account,
    pub servers: Vec<SocketAddr>,
    pub ledger: Arc<Ledger>,
    /// Its number in the ledger.
    pub place: usize,
    /// Where to begin.
    pub cursor: String,
    pub dice: Dice,
    /// How long a server may say nothing before it is asked for a sign of life, and then to give one.
    pub silence: Duration,
}

/// Why a socket is left.
enum Left {
    /// It was closed, or broke.
    Closed,
    /// What comes after the cursor is gone; begin after this one.
    Expired(String),
}

impl Subscriber {
    /// Follows until stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let left =
                tokio::select! { left = self.follow() => left, () = stop.cancelled() => return };
            match left {
                Left::Closed => {}
                Left::Expired(oldest) => {
                    self.ledger.expired(self.place, &oldest);
                    self.cursor = oldest;
                }
            }
            pause(self.dice.millis(20, 200)).await;
        }
    }

    async fn follow(&mut self) -> Left {
        let server = *self.dice.pick(&self.servers);
        let opened = timeout(OPENING, open(server, &self.account.token)).await;
        let Ok(Some(mut socket)) = opened else {
            return Left::Closed;
        };
        let payload = json!({"query": FOLLOW, "variables": {"after": self.cursor}});
        let begin = json!({"id": "1", "type": "subscribe", "payload": payload});
        if send(&mut socket, &begin).await.is_none() {
            return Left::Closed;
        }
        let mut asked = false;
        loop {
            let Ok(message) = timeout(self.silence, socket.next()).await else {
                if asked || send(&mut socket, &json!({"type": "ping"})).await.is_none() {
                    return Left::Closed;
                }
                asked = true;
                continue;
            };
            asked = false;
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Left::Closed,
                Some(Ok(_)) => continue,
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if let Some(left) = self.hear(&message) {
                return left;
            }
        }
    }

    fn hear(&mut self, message: &Value) -> Option<Left> {
        match message["type"].as_str()? {
            "next" => {
                let event = &message["payload"]["data"]["taskAssigned"];
                if let Some(cursor) = event["cursor"].as_str() {
                    self.ledger
                        .heard(self.place, cursor, event["task"]["id"].as_str());
                    cursor.clone_into(&mut self.cursor);
                    return None;
                }
                Some(self.refused(&message["payload"]["errors"][0]))
            }
            "error" => Some(self.refused(&message["payload"][0])),
            "complete" => Some(Left::Closed),
            _ => None,
        }
    }

    fn refused(&self, error: &Value) -> Left {
        let more = &error["extensions"];
        match more["code"].as_str() {
            Some("CURSOR_EXPIRED") => {
                Left::Expired(more["oldest"].as_str().unwrap_or_default().to_owned())
            }
            Some("UNAVAILABLE") => Left::Closed,
            _ => {
                self.ledger
                    .violated(format!("a subscription was answered with {error}"));
                Left::Closed
            }
        }
    }
}

async fn open(server: SocketAddr, token: &str) -> Option<Socket> {
    let mut request = format!("ws://{server}/graphql")
        .into_client_request()
        .ok()?;
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await.ok()?;
    let payload = json!({"Authorization": format!("Bearer {token}")});
    send(
        &mut socket,
        &json!({"type": "connection_init", "payload": payload}),
    )
    .await?;
    match socket.next().await? {
        Ok(Message::Text(text)) if text.contains("connection_ack") => Some(socket),
        _ => None,
    }
}

async fn send(socket: &mut Socket, message: &Value) -> Option<()> {
    socket.send(Message::text(message.to_string())).await.ok()
}
