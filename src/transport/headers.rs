//! What every answer carries, and the line the log has for every request.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::crypto;

/// The header that names a request, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How the tightest limit stands: what it lets through, what is left of that, in how many seconds
/// all of it is there again, and over which window.
pub static RATE_LIMIT_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
    HeaderName::from_static("ratelimit-policy"),
];

/// The path of the links that turn mails off, up to the token.
const UNSUBSCRIBE: &str = "/unsubscribe/";

/// The id of a request, as an extension of it.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// What a handler adds to the log line, as an extension of its answer. No address, no token, no
/// text of a user.
#[derive(Clone, Debug, Default)]
pub struct Logged {
    /// Who asked.
    pub viewer: Option<uuid::Uuid>,
    /// Query, mutation or subscription.
    pub operation: Option<&'static str>,
    /// The operation's name.
    pub name: Option<String>,
    /// The code of the first error.
    pub code: Option<String>,
}

/// Names the request, and writes one line when it is answered.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| is_plain(id))
        .map_or_else(new_request_id, ToOwned::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    // The client's to choose: cut, and nothing that could turn a terminal round.
    let path = request.uri().path();
    // What comes after it is somebody's key.
    let path = match path.find(UNSUBSCRIBE) {
        Some(at) => &path[..at + UNSUBSCRIBE.len()],
        None => path,
    };
    let path: String = path.escape_debug().take(256).collect();
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let logged = response
        .extensions()
        .get::<Logged>()
        .cloned()
        .unwrap_or_default();
    if response.status().is_server_error() {
        tracing::error!(request_id = id, %method, path, status, ms, viewer = logged.viewer.map(tracing::field::display), operation = logged.operation, name = logged.name, code = logged.code, "request");
    } else if is_background(&path) {
        tracing::debug!(request_id = id, %method, path, status, ms, "request");
    } else {
        tracing::info!(request_id = id, %method, path, status, ms, viewer = logged.viewer.map(tracing::field::display), operation = logged.operation, name = logged.name, code = logged.code, "request");
    }
    response
}

/// What pages and supervisors ask for by themselves, over and over.
fn is_background(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/health" | "/mailbox")
        || path.starts_with("/graphiql/assets/")
}

/// A new name for a request.
pub fn new_request_id() -> String {
    crypto::random_token()[..22].to_owned()
}

/// Ids of others end up in our log: only what cannot confuse it.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Sets the headers that keep a browser from helping an attacker, where a page did not set its own.
pub async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let rules = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (
            header::STRICT_TRANSPORT_SECURITY,
            "max-age=31536000; includeSubDomains; preload",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_XSS_PROTECTION, "1; mode=block"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in rules {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
