//! GraphQL over WebSocket: the protocol graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>), on the same path.
//!
//! The loop is our own: the library's closes with codes that are fatal to clients where the
//! protocol has others, and keeps large buffers for every socket. So is the handshake: behind
//! axum's a long answer cannot be cut into frames, nor a broken connection be read to its end.

mod connection;
mod operation;
mod pace;
mod protocol;
mod wire;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::connection::Connection;
use super::{Edge, Ticket};
use crate::graphql::Client;

const PROTOCOL: &str = "graphql-transport-ws";

/// Answers a handshake.
///
/// # Errors
/// A sentence that says why it is none of ours.
pub fn open(edge: Edge, mut request: Request, client: Client) -> Result<Response, &'static str> {
    let accept = accept_key(&request).ok_or("This is not a WebSocket handshake.")?;
    if !lists(request.headers(), &header::SEC_WEBSOCKET_PROTOCOL, |name| {
        name == PROTOCOL
    }) {
        return Err("This server speaks the WebSocket sub-protocol graphql-transport-ws only.");
    }
    let upgrade = hyper::upgrade::on(&mut request);
    // Counted among what a graceful stop waits for.
    let tasks = edge.lifecycle.tasks.clone();
    let ticket = request.extensions().get::<Ticket>().cloned();
    tasks.spawn(async move {
        let _ticket = ticket;
        match upgrade.await {
            Ok(upgraded) => Connection::run(edge, upgraded, client).await,
            Err(error) => tracing::debug!(%error, "a handshake came to nothing"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(PROTOCOL),
    );
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// What the client's key has to be answered with, if all of the handshake is there: RFC 6455,
/// section 4.2.1.
fn accept_key(request: &Request) -> Option<HeaderValue> {
    let headers = request.headers();
    // Bytes of a body would be taken for frames, or not, depending on when they come.
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0");
    let is_handshake = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && !has_body
        && lists(headers, &header::CONNECTION, |name| {
            name.eq_ignore_ascii_case("upgrade")
        })
        && only(headers, &header::SEC_WEBSOCKET_VERSION)? == b"13";
    let key = only(headers, &header::SEC_WEBSOCKET_KEY)?;
    let is_key = STANDARD.decode(key).is_ok_and(|key| key.len() == 16);
    HeaderValue::from_str(&derive_accept_key(key))
        .ok()
        .filter(|_| is_handshake && is_key)
}

/// The value of a header that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

/// Whether a request wants to become a socket.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    lists(headers, &header::UPGRADE, |name| {
        name.eq_ignore_ascii_case("websocket")
    })
}

/// Whether a header that is a list has such an item.
fn lists(headers: &HeaderMap, name: &HeaderName, fits: impl Fn(&str) -> bool) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| fits(item.trim()))
}
