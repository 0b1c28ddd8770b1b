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

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::connection::Connection;
use super::Edge;

const PROTOCOL: &str = "graphql-transport-ws";

/// Answers a handshake.
///
/// # Errors
/// A sentence that says why it is none of ours.
pub fn open(edge: Edge, mut request: Request, address: IpAddr) -> Result<Response, &'static str> {
    let accept = accept_key(&request).ok_or("This is not a WebSocket handshake.")?;
    if !lists(request.headers(), &header::SEC_WEBSOCKET_PROTOCOL, |name| {
        name == PROTOCOL
    }) {
        return Err("This server speaks the WebSocket sub-protocol graphql-transport-ws only.");
    }
    let upgrade = hyper::upgrade::on(&mut request);
    // Counted among what a graceful stop waits for.
    let tasks = edge.lifecycle.tasks.clone();
    tasks.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => Connection::run(edge, upgraded, address).await,
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
    let is_handshake = request.method() == Method::GET
        && lists(headers, &header::CONNECTION, |name| {
            name.eq_ignore_ascii_case("upgrade")
        })
        && headers.get(header::SEC_WEBSOCKET_VERSION)?.as_bytes() == b"13";
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.as_bytes();
    HeaderValue::from_str(&derive_accept_key(key))
        .ok()
        .filter(|_| is_handshake)
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
