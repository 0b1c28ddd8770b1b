//! How operations come in and answers go out: HTTP, WebSocket, server-sent events and multipart
//! subscriptions on one path. Given four functions, `authenticate`, `can_tell`, `signed_out` and
//! `execute`; knows no domain.

mod accept;
mod address;
mod answer;
mod headers;
mod http;
mod operation;
mod origin;
mod params;
mod seats;
mod streams;
mod ws;

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use entity::{Timestamp, Viewer};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use self::address::client_address;
pub use self::headers::{Logged, RATE_LIMIT_HEADERS, harden, observe};
pub use self::origin::{Origins, check_host};
pub use self::seats::Seats;
use crate::db::Clock;
use crate::graphql::guard::{Checked, Limits};
use crate::graphql::{Answer, Documents, RequestContext};
use crate::lifecycle::Lifecycle;
use crate::limits::Limiter;
use crate::settings::{ServerSettings, WebsocketSettings};

/// Somebody who sent a good token.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who.
    pub viewer: Viewer,
    /// From when on the token is refused. What was opened with it ends then, so that nothing is
    /// opened only to be closed at once.
    pub expires_at: Timestamp,
}

/// Checks an access token; the error is a sentence for the client.
pub type Authenticate = Arc<dyn Fn(&str) -> Result<Authenticated, String> + Send + Sync>;

/// Whether it is known at this moment which sessions have ended. If not, no socket is opened with a
/// token.
pub type CanTell = Arc<dyn Fn() -> bool + Send + Sync>;

/// Resolves when the session of a viewer is ended before its token is over.
pub type SignedOut = Arc<dyn Fn(&Viewer) -> BoxFuture<'static, ()> + Send + Sync>;

/// Executes an operation as a part of a request.
pub type Execute = Arc<dyn Fn(Checked, RequestContext) -> BoxStream<'static, Answer> + Send + Sync>;

/// What a connection holds for as long as it lives; an extension of its requests, so that a socket
/// goes on holding it.
#[derive(Clone)]
pub struct Ticket(#[expect(dead_code, reason = "held, not looked at")] Arc<dyn Send + Sync>);

impl Ticket {
    /// Wraps what is given back when the last clone is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Arc::new(held))
    }
}

/// What the edge needs to do its work. Cheap to clone.
#[derive(Clone)]
pub struct Edge(Arc<Parts>);

/// What is inside an [`Edge`].
pub struct Parts {
    /// Checks tokens.
    pub authenticate: Authenticate,
    /// Says whether good tokens can be believed.
    pub can_tell: CanTell,
    /// Watches sessions, for what stays open.
    pub signed_out: SignedOut,
    /// Runs operations.
    pub execute: Execute,
    /// What a request may ask for.
    pub limits: Limits,
    /// The documents clients may name instead of sending them.
    pub documents: Arc<Documents>,
    /// Counts what cannot run; what can is counted where it runs.
    pub limiter: Limiter,
    /// Which sites may talk to this server from a browser.
    pub origins: Origins,
    /// Sizes and times of HTTP.
    pub server: ServerSettings,
    /// Sizes and times of sockets.
    pub websocket: WebsocketSettings,
    /// Tells sockets to close, and is told of open ones.
    pub lifecycle: Lifecycle,
    /// What time it is.
    pub clock: Clock,
    /// Who has how much open.
    pub seats: Seats,
}

impl std::ops::Deref for Edge {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Edge {
    /// Wraps the parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// The path `/graphql`.
pub fn router(edge: Edge) -> Router {
    Router::new()
        .route("/graphql", any(http::handle))
        .with_state(edge)
}
