//! GraphQL over WebSocket: the protocol graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>), on the same path.
//!
//! The loop is our own: the library's closes with codes that are fatal to clients where the
//! protocol has others, and keeps large buffers for every socket.

mod connection;
mod protocol;

use std::net::IpAddr;

use axum::extract::WebSocketUpgrade;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use self::connection::Connection;
use super::Edge;

const PROTOCOL: &str = "graphql-transport-ws";

/// Answers a handshake; none when the client does not offer our protocol.
pub fn upgrade(
    edge: Edge,
    upgrade: WebSocketUpgrade,
    headers: &HeaderMap,
    address: IpAddr,
) -> Option<Response> {
    let offered = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == PROTOCOL);
    if !offered {
        return None;
    }
    let most = edge.websocket.max_message_bytes;
    Some(
        upgrade
            .protocols([PROTOCOL])
            // Small buffers: an idle socket is to cost little.
            .read_buffer_size(1_024)
            .write_buffer_size(0)
            .max_write_buffer_size(1 << 20)
            .max_message_size(most)
            .max_frame_size(most)
            .on_upgrade(move |socket| {
                let tracker = edge.lifecycle.tasks.clone();
                // Counted among what a graceful stop waits for.
                tracker.track_future(Connection::new(edge, socket, address).run())
            }),
    )
}
