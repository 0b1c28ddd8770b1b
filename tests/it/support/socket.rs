//! A raw WebSocket that speaks graphql-transport-ws, for what a well-behaved client never does.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::process::PATIENCE;

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn open(address: SocketAddr) -> Self {
        Self::offering(address, Some("graphql-transport-ws"), &[])
            .await
            .expect("the handshake is answered")
    }

    /// The handshake with a sub-protocol and headers; the status when it is refused.
    pub async fn offering(
        address: SocketAddr,
        protocol: Option<&'static str>,
        headers: &[(&'static str, &'static str)],
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .expect("a request");
        if let Some(protocol) = protocol {
            request
                .headers_mut()
                .insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
        }
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, HeaderValue::from_static(value));
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens a socket and signs in.
    pub async fn signed_in(address: SocketAddr, token: &str) -> Self {
        let mut socket = Self::open(address).await;
        socket
            .send(json!({"type": "connection_init", "payload": {"Authorization": format!("Bearer {token}")}}))
            .await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }

    /// Opens a socket without a token.
    pub async fn anonymous(address: SocketAddr) -> Self {
        let mut socket = Self::open(address).await;
        socket.send(json!({"type": "connection_init"})).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.0
            .send(Message::text(text))
            .await
            .expect("the server reads");
    }

    /// The same when the server may have closed by now.
    pub async fn try_send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.ok();
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.0
            .send(Message::binary(bytes))
            .await
            .expect("the server reads");
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(json!({"id": id, "type": "subscribe", "payload": payload}))
            .await;
    }

    /// Follows what is assigned to the signed-in person.
    pub async fn follow(&mut self, id: &str, after: &str) {
        let query = "subscription S($after: String) { taskAssigned(after: $after) {
            cursor assignedAt assignedBy { name } task { id title } } }";
        self.subscribe(id, query, json!({"after": after})).await;
    }

    /// The next message of the protocol.
    pub async fn next(&mut self) -> Value {
        match self.receive().await {
            Ok(message) => message,
            Err(code) => panic!("the socket was closed with {code}"),
        }
    }

    /// The next event of an operation.
    pub async fn event(&mut self, id: &str) -> Value {
        let message = self.next().await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("next"), &json!(id)),
            "{message:#}"
        );
        message["payload"]["data"].clone()
    }

    /// Reads on until the server closes, and answers its code.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.receive().await {
                return code;
            }
        }
    }

    /// The next message, or the code with which the server closes.
    pub async fn receive(&mut self) -> Result<Value, u16> {
        loop {
            let message = timeout(PATIENCE, self.0.next())
                .await
                .expect("the server says something");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }
}
