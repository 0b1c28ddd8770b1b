//! The limit's new tasks and its sockets: one insert and one message to Redis for each task, and one task for each
//! socket, which writes what it is handed. No event is kept, so a client that comes back has missed what it missed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::PgPool;
use taskflow::db::{Clock, new_id};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use uuid::Uuid;

use super::Limit;

/// Before the id of whom a message is for.
const CHANNEL: &str = "limit:";

const CREATE: &str = "INSERT INTO tasks (id, title, status, priority, enabled, due_order, creator_id, assignee_id,
       assignee_told, version, created_at, updated_at)
     VALUES ($1, $2, 'pending', 'medium', true, '9999-12-31T23:59:59Z', $3, $4, true, 1, now(), now())";

/// Who follows what is assigned to them.
pub struct Followers {
    redis: MultiplexedConnection,
    by_user: Mutex<HashMap<Uuid, Vec<UnboundedSender<Utf8Bytes>>>>,
}

/// What a new task is to be.
#[derive(Deserialize)]
pub struct New {
    pub title: String,
    pub to: Uuid,
}

/// What was made of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    pub create_task: Task,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    pub id: Uuid,
    pub title: String,
    pub status: &'static str,
    pub created_at: chrono::DateTime<chrono::Utc>,
}

#[derive(Deserialize)]
struct Said {
    r#type: String,
    payload: Option<Value>,
}

impl Followers {
    /// Follows Redis for all of them, until the process ends.
    pub async fn open(url: &str) -> Arc<Self> {
        let client = redis::Client::open(url).expect("a URL of Redis");
        let redis = client.get_multiplexed_async_connection().await;
        let followers = Arc::new(Self {
            redis: redis.expect("Redis answers"),
            by_user: Mutex::default(),
        });
        let mut messages = client.get_async_pubsub().await.expect("Redis answers");
        let subscribed = messages.psubscribe(format!("{CHANNEL}*")).await;
        subscribed.expect("a subscription");
        let all = followers.clone();
        tokio::spawn(async move {
            let mut messages = messages.into_on_message();
            while let Some(message) = messages.next().await {
                let user = message.get_channel_name().strip_prefix(CHANNEL);
                let Some(user) = user.and_then(|user| user.parse().ok()) else {
                    continue;
                };
                let task = String::from_utf8_lossy(message.get_payload_bytes());
                let text = format!(
                    r#"{{"id":"1","type":"next","payload":{{"data":{{"taskAssigned":{task}}}}}}}"#
                );
                let text = Utf8Bytes::from(text);
                for follower in all.by_user().get(&user).into_iter().flatten() {
                    follower.send(text.clone()).ok();
                }
            }
        });
        followers
    }

    /// Makes a task and tells whose it is.
    pub async fn create(&self, pool: &PgPool, creator: Uuid, new: New) -> sqlx::Result<Made> {
        let clock = Clock::default();
        let task = Task {
            id: new_id(&clock),
            title: new.title,
            status: "pending",
            created_at: clock.now(),
        };
        let insert = sqlx::query(CREATE).bind(task.id).bind(&task.title);
        insert.bind(creator).bind(new.to).execute(pool).await?;
        let event = serde_json::to_vec(&task).expect("JSON");
        let channel = format!("{CHANNEL}{}", new.to);
        let told = self.redis.clone().publish(channel, event).await;
        told.unwrap_or_else(|error| eprintln!("limit-server: {error}"));
        Ok(Made { create_task: task })
    }

    fn by_user(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<UnboundedSender<Utf8Bytes>>>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a handshake.
pub async fn open(
    State(limit): State<Arc<Limit>>,
    mut request: Request,
) -> Result<Response, StatusCode> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = derive_accept_key(key.ok_or(StatusCode::BAD_REQUEST)?.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            serve(limit, upgraded).await;
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_PROTOCOL, "graphql-transport-ws")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn serve(limit: Arc<Limit>, upgraded: Upgraded) {
    let config = WebSocketConfig::default()
        .read_buffer_size(1_024)
        .write_buffer_size(0);
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (sender, mut events) = unbounded_channel();
    let mut viewer = None;
    loop {
        let text = tokio::select! {
            Some(text) = events.recv() => text,
            Some(Ok(message)) = socket.next() => {
                let Message::Text(text) = message else {
                    continue;
                };
                let Ok(said) = serde_json::from_str::<Said>(&text) else {
                    return;
                };
                match (said.r#type.as_str(), viewer) {
                    ("connection_init", _) => {
                        let payload = said.payload.unwrap_or_default();
                        let token = payload["Authorization"].as_str();
                        viewer = token.and_then(|token| limit.viewer_of(token));
                        r#"{"type":"connection_ack"}"#.into()
                    }
                    ("subscribe", Some(viewer)) => {
                        let mut by_user = limit.followers.by_user();
                        by_user.entry(viewer).or_default().push(sender.clone());
                        continue;
                    }
                    _ => continue,
                }
            }
            else => return,
        };
        if socket.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
}
