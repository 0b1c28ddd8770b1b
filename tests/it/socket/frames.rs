//! What goes over the wire, frame by frame: a client that breaks RFC 6455 is told so with a code of
//! the protocol, and one that does not never gets a code that is fatal to it.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{TYPENAME, init, token};
use crate::support::Mode::Embedded;
use crate::support::process::PATIENCE;
use crate::support::{Person, Socket, TestApp};

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;

const HANDSHAKE: &str = "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";

/// A connection on which anything can be sent.
pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A frame of the server.
#[derive(Debug, PartialEq)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Raw {
    /// Little fits into this connection: who does not read is noticed soon.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(address).await.unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub async fn open(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address).await;
        let head = raw.head(HANDSHAKE).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let head = head.to_ascii_lowercase();
        // The example of RFC 6455, section 1.3.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"));
        assert!(head.contains("sec-websocket-protocol: graphql-transport-ws\r\n"));
        raw
    }

    /// Opens a socket and has it acknowledged.
    pub async fn acknowledged(address: SocketAddr, message: &Value) -> Self {
        let mut raw = Self::open(address).await;
        raw.send(&text(&message.to_string())).await;
        let ack = raw.frame().await.unwrap();
        assert_eq!(ack.payload, br#"{"type":"connection_ack"}"#);
        raw
    }

    /// The head of the answer to a request.
    pub async fn head(&mut self, request: &str) -> String {
        self.send(request.as_bytes()).await;
        loop {
            let end = self.read.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().await, "an answer");
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // The server may have closed by now: what it said is read all the same.
        self.stream.write_all(bytes).await.ok();
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.ok();
    }

    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next frame of the server; none when the connection has ended.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.parse() {
                return Some(frame);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The code with which the server closes, and that it says nothing else and ends.
    pub async fn close_code(&mut self) -> u16 {
        let frame = self.frame().await.expect("a frame");
        assert_eq!(frame.first, LAST | CLOSE, "{frame:?}");
        assert_eq!(self.frame().await, None);
        u16::from_be_bytes([frame.payload[0], frame.payload[1]])
    }

    fn parse(&mut self) -> Option<Frame> {
        let [first, length, ..] = self.read[..] else {
            return None;
        };
        assert_eq!(length & MASKED, 0, "a server does not mask");
        let (from, length) = match length {
            126 => (4, usize::from(u16::from_be_bytes(self.at(2)?))),
            127 => (
                10,
                usize::try_from(u64::from_be_bytes(self.at(2)?)).unwrap(),
            ),
            length => (2, usize::from(length)),
        };
        let payload = self.read.get(from..from + length)?.to_vec();
        self.read.drain(..from + length);
        Some(Frame { first, payload })
    }

    fn at<const N: usize>(&self, from: usize) -> Option<[u8; N]> {
        self.read.get(from..from + N)?.try_into().ok()
    }

    async fn more(&mut self) -> bool {
        let mut bytes = [0; 4_096];
        let count = timeout(PATIENCE, self.stream.read(&mut bytes))
            .await
            .expect("the server says something")
            .unwrap_or(0);
        self.read.extend_from_slice(&bytes[..count]);
        count > 0
    }
}

/// A frame of a client: masked, with a mask that changes nothing.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => bytes.push(MASKED | u8::try_from(length).unwrap()),
        Ok(length) => {
            bytes.push(MASKED | 0x7E);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(MASKED | 0x7F);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

pub fn text(text: &str) -> Vec<u8> {
    frame(LAST | TEXT, text.as_bytes())
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    for (line, other) in [
        ("GET /graphql", "POST /graphql"),
        ("Connection: keep-alive, Upgrade\r\n", ""),
        ("keep-alive, Upgrade", "keep-alive"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
        ("Version: 13", "Version: 8"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("Sec-WebSocket-Protocol: graphql-transport-ws\r\n", ""),
        ("graphql-transport-ws", "graphql-ws"),
    ] {
        let request = HANDSHAKE.replace(line, other);
        assert_ne!(request, HANDSHAKE);
        let head = Raw::connect(address).await.head(&request).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{line}: {head}");
    }
    // A list in two headers is one list.
    let two = "Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol: graphql-transport-ws";
    let request = HANDSHAKE.replace("Sec-WebSocket-Protocol: graphql-transport-ws", two);
    let head = Raw::connect(address).await.head(&request).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[tokio::test]
async fn what_is_sent_with_the_handshake_is_heard() {
    let app = TestApp::start(Embedded).await;
    let mut raw = Raw::connect(app.listen().await).await;
    let init = text(r#"{"type":"connection_init"}"#);
    raw.send(&[HANDSHAKE.as_bytes(), &init].concat()).await;
    let head = raw.head("").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let ack = raw.frame().await.unwrap();
    assert_eq!(ack.payload, br#"{"type":"connection_ack"}"#);
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_of_frames_is_closed_with_4400() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let long = vec![b' '; 40_000];
    let fragments = [frame(TEXT, &long), frame(LAST | CONTINUATION, &long)];
    let begun = frame(TEXT, b"{");
    let split = [
        frame(TEXT, b"\"\xc3"),
        frame(LAST | CONTINUATION, b"\x28\""),
    ];
    // The length and the mask, and nothing of the rest.
    let announcing = |length: &[u8; 8]| [&[LAST | TEXT, 0xFF][..], length, &[0; 4]].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("too long", frame(LAST | TEXT, &vec![b' '; 65_537])),
        ("too long, binary", frame(LAST | BINARY, &vec![0; 65_537])),
        ("too long in fragments", fragments.concat()),
        ("announces too much", announcing(&[0, 0, 0, 0, 0, 1, 0, 1])),
        ("announces more than there is", announcing(&[0x7F; 8])),
        ("announces the most", announcing(&[0xFF; 8])),
        ("not UTF-8", frame(LAST | TEXT, b"\xff\xfe")),
        ("half a character", frame(LAST | TEXT, b"\"\xe4\xbd")),
        ("not UTF-8 in fragments", split.concat()),
        ("a reserved bit", frame(LAST | 0x40 | TEXT, b"{}")),
        ("an unknown kind", frame(LAST | 0x3, b"{}")),
        ("an unknown control", frame(LAST | 0xB, b"")),
        ("not masked", vec![LAST | TEXT, 2, b'{', b'}']),
        ("goes on with nothing", frame(LAST | CONTINUATION, b"{}")),
        (
            "begins twice",
            [begun.clone(), frame(LAST | TEXT, b"{}")].concat(),
        ),
        ("a ping in pieces", frame(PING, b"")),
        ("a long ping", frame(LAST | PING, &[0; 126])),
        ("a close of one byte", frame(LAST | CLOSE, &[3])),
        (
            "a close that is not text",
            frame(LAST | CLOSE, &[3, 0xE8, 0xFF]),
        ),
    ];
    for (what, bytes) in cases {
        let mut raw = Raw::open(address).await;
        raw.send(&bytes).await;
        assert_eq!(raw.close_code().await, 4400, "{what}");
        let init = json!({"type": "connection_init"});
        let mut raw = Raw::acknowledged(address, &init).await;
        raw.send(&bytes).await;
        // What it sends behind that changes nothing.
        raw.send(&text(r#"{"type":"ping"}"#)).await;
        assert_eq!(raw.close_code().await, 4400, "{what}, later");
    }
}

#[tokio::test]
async fn a_message_in_fragments_is_a_message_and_a_ping_in_between_is_answered() {
    let app = TestApp::start(Embedded).await;
    let mut raw = Raw::open(app.listen().await).await;
    raw.send(&frame(TEXT, br#"{"type":"ping","payload":{"a":"\u"#))
        .await;
    raw.send(&frame(LAST | PING, b"still there?")).await;
    raw.send(&frame(CONTINUATION, b"")).await;
    let pong = raw.frame().await.unwrap();
    assert_eq!(
        (pong.first, &pong.payload[..]),
        (LAST | PONG, &b"still there?"[..])
    );
    raw.send(&frame(LAST | CONTINUATION, br#"00e4"}}"#)).await;
    let pong = raw.frame().await.unwrap();
    assert_eq!(pong.first, LAST | TEXT);
    let pong: Value = serde_json::from_slice(&pong.payload).unwrap();
    assert_eq!(pong, json!({"type": "pong", "payload": {"a": "\u{e4}"}}));
}

#[tokio::test]
async fn the_longest_message_is_taken_and_one_byte_more_is_not() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let ping = |length: usize| {
        let frame_of =
            |filling: &str| json!({"type": "ping", "payload": {"a": filling}}).to_string();
        frame_of(&"x".repeat(length - frame_of("").len()))
    };
    let mut socket = Socket::open(address).await;
    socket.send_text(&ping(65_536)).await;
    assert_eq!(socket.next().await["type"], "pong");
    socket.send_text(&ping(65_537)).await;
    assert_eq!(socket.close_code().await, 4400);
}

#[tokio::test]
async fn a_client_that_closes_gets_its_own_code_back() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let init = json!({"type": "connection_init"});
    for code in [1000_u16, 1001, 3000, 4499] {
        let bye = frame(LAST | CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat());
        let mut raw = Raw::open(address).await;
        raw.send(&bye).await;
        assert_eq!(raw.close_code().await, code);
        let mut raw = Raw::acknowledged(address, &init).await;
        raw.send(&bye).await;
        // A message after the close is not heard.
        raw.send(&text("nonsense")).await;
        assert_eq!(raw.close_code().await, code);
    }
    let mut raw = Raw::open(address).await;
    raw.send(&frame(LAST | CLOSE, b"")).await;
    let close = raw.frame().await.unwrap();
    assert_eq!((close.first, close.payload.len()), (LAST | CLOSE, 0));
    assert_eq!(raw.frame().await, None);
    // Codes that nobody may send, and the one for a server that breaks the rules, are not repeated.
    for code in [0_u16, 999, 1002, 1005, 1006, 1015, 5000] {
        let mut raw = Raw::open(address).await;
        raw.send(&frame(LAST | CLOSE, &code.to_be_bytes())).await;
        assert_eq!(raw.frame().await, None, "{code}");
    }
}

/// Makes so many tasks with a long text.
async fn long_tasks(person: &Person, count: usize) -> String {
    let text = "\u{e4}\u{1F600}".repeat(1_000);
    for _ in 0..count {
        person
            .creates(json!({"title": "long", "description": text}))
            .await;
    }
    text
}

#[tokio::test]
async fn a_long_answer_comes_in_small_frames_and_is_whole() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let description = long_tasks(&bob, 10).await;
    let query = "{ tasks(first: 10) { nodes { description } } }";
    let ask = json!({"id": "1", "type": "subscribe", "payload": {"query": query}});
    let mut raw = Raw::acknowledged(address, &init(token(&bob))).await;
    raw.send(&text(&ask.to_string())).await;
    let mut whole = Vec::new();
    let mut frames = 0;
    loop {
        let frame = raw.frame().await.unwrap();
        let kind = if frames == 0 { TEXT } else { CONTINUATION };
        assert_eq!(frame.first & 0x0F, kind);
        assert!(frame.payload.len() <= 16 << 10);
        whole.extend(frame.payload);
        frames += 1;
        if frame.first & LAST != 0 {
            break;
        }
    }
    assert!(frames > 3, "{frames}");
    let message: Value = serde_json::from_slice(&whole).unwrap();
    let nodes = &message["payload"]["data"]["tasks"]["nodes"];
    assert_eq!(nodes.as_array().unwrap().len(), 10);
    for node in nodes.as_array().unwrap() {
        assert_eq!(node["description"], description.as_str());
    }
    // And for a client of others, too.
    let mut socket = Socket::signed_in(address, token(&bob)).await;
    let data = socket.runs("1", query, json!({})).await;
    assert_eq!(data["tasks"]["nodes"], *nodes);
    socket.runs("2", TYPENAME, json!({})).await;
}

/// The connection below ends without a word.
#[tokio::test]
async fn a_connection_that_breaks_takes_its_operations_with_it() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let cursor = bob.event_cursor().await;
    let mut socket = Socket::signed_in(address, token(&bob)).await;
    socket.follow("1", &cursor).await;
    socket.follow("2", &cursor).await;
    app.followed(1).await;
    drop(socket);
    app.followed(0).await;
    app.lifecycle.tasks.close();
    timeout(PATIENCE, app.lifecycle.tasks.wait())
        .await
        .expect("the socket ends");
}
