//! A client of `graphql-transport-ws` that takes little: ten thousand of them share the machine with what is
//! measured.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The opcodes of RFC 6455 that servers send.
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An open socket whose token was taken.
pub struct Socket {
    stream: TcpStream,
    /// What came and is no whole message yet.
    buffer: Vec<u8>,
}

impl Socket {
    /// Connects and waits until the server has looked at the token.
    pub async fn open(address: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a connection");
        let mut socket = Self {
            stream,
            buffer: Vec::with_capacity(1_024),
        };
        socket.upgrade(address).await;
        let payload = json!({"Authorization": format!("Bearer {token}")});
        socket
            .send(&json!({"type": "connection_init", "payload": payload}).to_string())
            .await;
        let said = socket.next().await.expect("an answer to connection_init");
        let text = String::from_utf8_lossy(&said);
        assert!(
            text.contains("connection_ack"),
            "the token was refused: {text}"
        );
        socket
    }

    async fn upgrade(&mut self, address: SocketAddr) {
        let request = format!(
            "GET /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        );
        self.stream
            .write_all(request.as_bytes())
            .await
            .expect("a connection");
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().await, "the server closed the connection");
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8_lossy(&head);
        assert!(head.starts_with("HTTP/1.1 101"), "no socket: {head}");
    }

    /// Sends a text.
    pub async fn send(&mut self, text: &str) {
        let frame = frame(TEXT, text.as_bytes());
        // That it has ended is seen by who reads next.
        self.stream.write_all(&frame).await.ok();
    }

    /// The next text; none when the socket has ended. May be dropped in the middle.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.take() {
                Some((TEXT, text)) => return Some(text),
                // So short that it goes at once or never.
                Some((PING, payload)) => drop(self.stream.try_write(&frame(PONG, &payload))),
                Some((CLOSE, _)) => return None,
                Some(_) => {}
                None if self.fill().await => {}
                None => return None,
            }
        }
    }

    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..))
    }

    /// Takes a whole frame out of the buffer.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.buffer.first()?, *self.buffer.get(1)?);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| (sum << 8) | usize::from(*byte))
        };
        let (start, length) = match second & 0x7f {
            126 => (4, number(self.buffer.get(2..4)?)),
            127 => (10, number(self.buffer.get(2..10)?)),
            short => (2, usize::from(short)),
        };
        let payload = self.buffer.get(start..start + length)?.to_vec();
        self.buffer.drain(..start + length);
        Some((first & 0x0f, payload))
    }
}

/// A frame of a client. It has to be masked, and by zeros it costs nothing.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    let length = u16::try_from(payload.len()).expect("a short message");
    if let Ok(short @ ..126) = u8::try_from(length) {
        frame.push(0x80 | short);
    } else {
        // The length follows: RFC 6455, section 5.2.
        frame.push(0xfe);
        frame.extend(length.to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Where a text begins in another.
pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}
