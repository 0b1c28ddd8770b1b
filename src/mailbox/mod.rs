//! The page `/mailbox`: the mails, SMS and push messages that were written to files instead of sent, as a person would
//! read them. For development and demonstrations.
//!
//! It shows everybody's mail, with the links that sign people in, to whoever can open it. So it is only mounted while mail
//! is written to files, and never in production.
//!
//! `files` finds and reads, `page` writes the HTML. What is in a message is never trusted: every value is escaped, the HTML
//! part of a mail is shown in a sandboxed frame, and the Content-Security-Policy of every answer allows no script and no request.

mod files;
mod page;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use files::Kind;

/// No script, no request to anywhere, no framing by others (CSP level 3).
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What every answer carries.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    // The links in a mail are keys: neither a cache nor the page they lead to should learn of them.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

/// The pages of the mailbox in `folder`, which need not exist yet:
///
/// - `GET /mailbox`: the newest 200 messages; refreshes itself.
/// - `GET /mailbox/{name}`: one message.
/// - `GET /mailbox/{name}/raw`: its file: a mail as it would be sent, anything else as JSON.
///
/// Any other name, also one that tries to leave the folder, is answered with 404.
pub fn router<S: Clone + Send + Sync + 'static>(folder: PathBuf) -> Router<S> {
    Router::new()
        .route("/mailbox", get(list))
        .route("/mailbox/{name}", get(show))
        .route("/mailbox/{name}/raw", get(raw))
        // Not `layer`: the fallback comes along when routers merge, and every 404 would be the mailbox's.
        .route_layer(map_response(guard))
        .with_state(Arc::from(folder))
}

/// Also the answers that the framework gives by itself are guarded.
async fn guard(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}

async fn list(State(folder): State<Arc<Path>>) -> Result<Html<String>, Failure> {
    let shown = folder.clone();
    let listing = blocking(move || files::list(&folder)).await?;
    Ok(Html(page::list(&shown, &listing)))
}

async fn show(
    State(folder): State<Arc<Path>>,
    extract::Path(name): extract::Path<String>,
) -> Result<Html<String>, Failure> {
    let (kind, bytes) = read(folder, name.clone()).await?;
    Ok(Html(page::message(&name, kind, &kind.read(&bytes))))
}

async fn raw(
    State(folder): State<Arc<Path>>,
    extract::Path(name): extract::Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let (_, bytes) = read(folder, name).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], bytes))
}

async fn read(folder: Arc<Path>, name: String) -> Result<(Kind, Vec<u8>), Failure> {
    let found = blocking(move || files::read(&folder, &name)).await?;
    found.ok_or(Failure::NotFound)
}

/// Files are read on the threads for what blocks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            tracing::error!(%error, "the mailbox folder cannot be read");
            Err(Failure::Unreadable)
        }
        Err(error) => {
            tracing::error!(%error, "reading the mailbox folder broke off");
            Err(Failure::Unreadable)
        }
    }
}

enum Failure {
    NotFound,
    Unreadable,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such message."),
            Self::Unreadable => {
                let text = "The folder with the messages cannot be read. The log says why.";
                (StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        };
        (status, Html(page::problem(text))).into_response()
    }
}
