//! The limit: a server that is written by hand for four requests and one subscription and nothing else, on axum and
//! sqlx with its pool, as one writes it. It checks the same tokens; what it reads it reads by one statement each, which asks
//! for the same rights as ours. And the same four requests with async-graphql in front.

mod graphql;
mod sockets;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use taskflow::db::Clock;
use tokio::net::TcpListener;
use uuid::Uuid;

use self::sockets::{Followers, New};

/// As many connections as ours has.
const CONNECTIONS: u32 = 10;
/// How many tokens are remembered at most.
const TOKENS: usize = 10_000;

/// A task that $1 may see: the same words as in `entity::task`.
macro_rules! seen {
    () => {
        "deleted_at IS NULL AND (assignee_id = $1 OR (creator_id = $1 AND project_id IS NULL) \
         OR project_id = ANY(ARRAY(SELECT project_id FROM project_members WHERE user_id = $1)))"
    };
}

const TASK: &str = concat!(
    "SELECT id, title, description, status, priority, created_at FROM tasks WHERE id = $2 AND ",
    seen!()
);

const TASKS: &str = concat!(
    "SELECT mine.id, title, mine.status, priority, mine.created_at,
       assignee.id, assignee.name, creator.id, creator.name
     FROM (
       SELECT id, title, status, priority, created_at, assignee_id, creator_id FROM tasks
       WHERE assignee_id = $1 AND enabled AND ",
    seen!(),
    " ORDER BY created_at DESC, id DESC LIMIT $2
     ) mine
     JOIN users assignee ON assignee.id = assignee_id
     JOIN users creator ON creator.id = creator_id
     ORDER BY mine.created_at DESC, mine.id DESC"
);

/// What the server is made of.
#[derive(Clone, Copy)]
pub enum By {
    /// Nothing between HTTP and the statement.
    Hand,
    /// The library that ours is built on.
    Library,
}

/// Serves until it is killed. What it needs is in the environment: `PORT`, `DATABASE_URL`, `REDIS_URL`,
/// `JWT_PUBLIC_KEY_FILE`, and `TOKIO_WORKER_THREADS` if it is to have as many threads.
pub fn serve(by: By) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("threads").block_on(listen(by));
}

async fn listen(by: By) {
    let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let port: u16 = setting("PORT").parse().expect("PORT is a number");
    let database = setting("DATABASE_URL");
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .test_before_acquire(false)
        .connect(&database);
    let key = std::fs::read(setting("JWT_PUBLIC_KEY_FILE")).expect("a key");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_aud = false;
    let limit = Limit {
        pool: pool.await.expect("the database answers"),
        key: DecodingKey::from_ed_pem(&key).expect("an Ed25519 key in PEM"),
        validation,
        known: Mutex::default(),
        clock: Clock::default(),
        followers: Followers::open(&setting("REDIS_URL")).await,
        api: graphql::api(),
    };
    let answers = match by {
        By::Hand => post(answer).get(sockets::open),
        By::Library => post(graphql::answer),
    };
    let router = Router::new()
        .route("/readyz", get(|| async { "ready" }))
        .route("/graphql", answers)
        .with_state(Arc::new(limit));
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("a free port");
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket of TCP"));
    axum::serve(listener, router)
        .await
        .expect("it serves for ever");
}

struct Limit {
    pool: PgPool,
    key: DecodingKey,
    validation: Validation,
    /// Tokens whose signature was good, by their hash.
    known: Mutex<HashMap<[u8; 32], Claims>>,
    clock: Clock,
    followers: Arc<Followers>,
    api: graphql::Api,
}

#[derive(Clone, Copy, Deserialize)]
struct Claims {
    sub: Uuid,
    exp: i64,
}

/// What is asked for: `ping`, a `task` by its id, the first `tasks` of one's own, or to `create` one.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(alias = "query")]
    op: &'a str,
    id: Option<Uuid>,
    first: Option<i64>,
    #[serde(alias = "variables")]
    new: Option<New>,
}

#[derive(Serialize)]
struct Answer<T> {
    data: T,
}

#[derive(Serialize)]
struct Ping {
    ping: &'static str,
}

#[derive(Serialize)]
struct One<'a> {
    task: Task<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Task<'a> {
    id: Uuid,
    title: &'a str,
    description: Option<&'a str>,
    status: &'a str,
    priority: &'a str,
    created_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Many<'a> {
    tasks: Nodes<'a>,
}

#[derive(Serialize)]
struct Nodes<'a> {
    nodes: Vec<Node<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    id: Uuid,
    title: &'a str,
    status: &'a str,
    priority: &'a str,
    created_at: DateTime<Utc>,
    assignee: Person<'a>,
    creator: Person<'a>,
}

#[derive(Serialize)]
struct Person<'a> {
    id: Uuid,
    name: &'a str,
}

async fn answer(
    State(limit): State<Arc<Limit>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, StatusCode> {
    let viewer = limit.viewer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let asked: Asked = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    match (asked.op, asked.id, asked.first) {
        ("ping", ..) => json(&Ping { ping: "pong" }),
        ("task", Some(id), _) => {
            let query = sqlx::query(TASK).bind(viewer).bind(id);
            let row = query.fetch_optional(&limit.pool).await.map_err(failed)?;
            let row = row.ok_or(StatusCode::NOT_FOUND)?;
            let task = task(&row).map_err(failed)?;
            json(&One { task })
        }
        ("tasks", _, Some(first)) => {
            let query = sqlx::query(TASKS).bind(viewer).bind(first);
            let rows = query.fetch_all(&limit.pool).await.map_err(failed)?;
            let nodes = rows
                .iter()
                .map(node)
                .collect::<Result<_, _>>()
                .map_err(failed)?;
            json(&Many {
                tasks: Nodes { nodes },
            })
        }
        ("create", ..) => {
            let new = asked.new.ok_or(StatusCode::BAD_REQUEST)?;
            let made = limit.followers.create(&limit.pool, viewer, new);
            json(&made.await.map_err(failed)?)
        }
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

fn json(data: &impl Serialize) -> Result<Response, StatusCode> {
    written(&Answer { data })
}

fn written(answer: &impl Serialize) -> Result<Response, StatusCode> {
    let body = serde_json::to_vec(answer);
    let body = body.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
fn failed(error: sqlx::Error) -> StatusCode {
    eprintln!("limit-server: {error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

fn task(row: &PgRow) -> Result<Task<'_>, sqlx::Error> {
    Ok(Task {
        id: row.try_get(0)?,
        title: row.try_get(1)?,
        description: row.try_get(2)?,
        status: row.try_get(3)?,
        priority: row.try_get(4)?,
        created_at: row.try_get(5)?,
    })
}

fn node(row: &PgRow) -> Result<Node<'_>, sqlx::Error> {
    let person = |place: usize| {
        Ok::<_, sqlx::Error>(Person {
            id: row.try_get(place)?,
            name: row.try_get(place + 1)?,
        })
    };
    Ok(Node {
        id: row.try_get(0)?,
        title: row.try_get(1)?,
        status: row.try_get(2)?,
        priority: row.try_get(3)?,
        created_at: row.try_get(4)?,
        assignee: person(5)?,
        creator: person(7)?,
    })
}

impl Limit {
    /// Who is signed in. A signature is checked once, the time always.
    fn viewer(&self, headers: &HeaderMap) -> Option<Uuid> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        self.viewer_of(token)
    }

    fn viewer_of(&self, token: &str) -> Option<Uuid> {
        let token = token.strip_prefix("Bearer ")?;
        let hash: [u8; 32] = digest(&SHA256, token.as_bytes()).as_ref().try_into().ok()?;
        let known = self.known().get(&hash).copied();
        let claims = if let Some(claims) = known {
            claims
        } else {
            let claims = decode::<Claims>(token, &self.key, &self.validation)
                .ok()?
                .claims;
            let mut known = self.known();
            if known.len() >= TOKENS {
                known.clear();
            }
            known.insert(hash, claims);
            claims
        };
        (self.clock.now().timestamp() < claims.exp).then_some(claims.sub)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Claims>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
