//! Connections below GraphQL: clients that are slow, too many, or call the server by another name.

use std::io::ErrorKind;
use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::Mode::Embedded;
use crate::support::process::PATIENCE;
use crate::support::{Socket, TestApp};

const GET: &[u8] = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Reads the answer to one [`GET`].
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        let read = timeout(PATIENCE, stream.read(&mut byte)).await.unwrap();
        assert_eq!(read.unwrap(), 1, "{}", String::from_utf8_lossy(&text));
        text.extend(byte);
    }
    let head = String::from_utf8(text).unwrap().to_lowercase();
    let (_, after) = head.split_once("content-length: ").unwrap();
    let length = after.split_once("\r\n").unwrap().0.parse().unwrap();
    let mut body = vec![0; length];
    let read = timeout(PATIENCE, stream.read_exact(&mut body)).await;
    read.unwrap().unwrap();
    head
}

/// That the server ends the connection, whichever way.
async fn is_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    if let Err(error) = end.expect("the connection ends") {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_cut_off() {
    let settings = [
        ("TASKFLOW_SERVER__HEADER_TIMEOUT_SECONDS", "1"),
        ("TASKFLOW_SERVER__KEEP_ALIVE_SECONDS", "1"),
    ];
    let app = TestApp::with(Embedded, &settings).await;
    let address = app.listen().await;
    let silent = connect(address).await;
    let mut slow = connect(address).await;
    slow.write_all(b"POST /graphql HTTP/1.1\r\nHost: local")
        .await
        .unwrap();
    let mut idle = connect(address).await;
    idle.write_all(GET).await.unwrap();
    assert!(answer(&mut idle).await.starts_with("http/1.1 200"));
    for stream in [silent, slow, idle] {
        is_closed(stream).await;
    }
    let mut good = connect(address).await;
    good.write_all(GET).await.unwrap();
    assert!(answer(&mut good).await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_body_is_told_so() {
    let settings = [("TASKFLOW_SERVER__OPERATION_TIMEOUT_SECONDS", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let mut slow = connect(app.listen().await).await;
    slow.write_all(
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
          Content-Length: 50\r\n\r\n{\"query\":",
    )
    .await
    .unwrap();
    assert!(answer(&mut slow).await.starts_with("http/1.1 408"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let settings = [("TASKFLOW_SERVER__WRITE_TIMEOUT_SECONDS", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let mut greedy = connect(app.listen().await).await;
    let request = b"GET /schema.graphql HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Asks on and on and reads nothing: until the answers are stuck, and then the requests, too.
    let stuck = async { while greedy.write_all(request).await.is_ok() {} };
    timeout(PATIENCE, stuck).await.expect("the server ends it");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_their_turn() {
    let settings = [("TASKFLOW_SERVER__MAX_CONNECTIONS", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let address = app.listen().await;
    let mut first = connect(address).await;
    first.write_all(GET).await.unwrap();
    answer(&mut first).await;
    let mut second = connect(address).await;
    second.write_all(GET).await.unwrap();
    for _ in 0..3 {
        first.write_all(GET).await.unwrap();
        answer(&mut first).await;
    }
    let error = second.try_read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    drop(first);
    assert!(answer(&mut second).await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let settings = [("TASKFLOW_SERVER__MAX_CONNECTIONS_PER_ADDRESS", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let address = app.listen().await;
    let mut first = connect(address).await;
    first.write_all(GET).await.unwrap();
    answer(&mut first).await;
    is_closed(connect(address).await).await;
    first.write_all(GET).await.unwrap();
    assert!(answer(&mut first).await.starts_with("http/1.1 200"));

    // Behind a proxy all have its address.
    let settings = [settings[0], ("TASKFLOW_SERVER__TRUSTED_PROXIES", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let address = app.listen().await;
    let mut both = [connect(address).await, connect(address).await];
    for stream in &mut both {
        stream.write_all(GET).await.unwrap();
        assert!(answer(stream).await.starts_with("http/1.1 200"));
    }
}

#[tokio::test]
async fn a_socket_counts_as_the_connection_it_was() {
    let settings = [("TASKFLOW_SERVER__MAX_CONNECTIONS_PER_ADDRESS", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let address = app.listen().await;
    let mut socket = Socket::open(address).await;
    is_closed(connect(address).await).await;
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
}

#[tokio::test]
async fn a_handshake_is_whole_and_without_a_body() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let good = [
        "Host: localhost",
        "Connection: keep-alive, Upgrade",
        "Upgrade: h2c, WebSocket",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let ask = async |version: &str, without: &str, more: &str| {
        let lines: Vec<&str> = good.into_iter().filter(|line| *line != without).collect();
        let lines = lines.join("\r\n");
        let request = format!("GET /graphql {version}\r\n{lines}\r\n{more}\r\n");
        let mut stream = connect(address).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = vec![0; 12];
        let read = timeout(PATIENCE, stream.read_exact(&mut head)).await;
        read.unwrap().unwrap();
        String::from_utf8(head).unwrap()[9..].to_owned()
    };
    assert_eq!(ask("HTTP/1.1", "", "").await, "101");
    assert_eq!(ask("HTTP/1.0", "", "").await, "400");
    for more in [
        good[4],
        good[5],
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
    ] {
        assert_eq!(
            ask("HTTP/1.1", "", &format!("{more}\r\n")).await,
            "400",
            "{more}"
        );
    }
    for without in [good[1], good[3], good[4], good[5]] {
        assert_eq!(ask("HTTP/1.1", without, "").await, "400", "{without}");
    }
    for key in ["", "abc", "dGhlIHNhbXBsZSBub25jZQ"] {
        let key = format!("Sec-WebSocket-Key: {key}\r\n");
        assert_eq!(ask("HTTP/1.1", good[5], &key).await, "400", "{key}");
    }
}

#[tokio::test]
async fn a_request_has_exactly_one_host() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    for hosts in ["", "Host: localhost\r\nHost: localhost\r\n"] {
        let mut stream = connect(address).await;
        let request = format!("GET /livez HTTP/1.1\r\n{hosts}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("http/1.1 400"));
    }
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let app = TestApp::start(Embedded).await;
    let mut stream = connect(app.listen().await).await;
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ")
        .await
        .unwrap();
    let mut sent = 0;
    while sent < 10_000_000 && stream.write_all(&[b'x'; 10_000]).await.is_ok() {
        sent += 10_000;
    }
    assert!(sent < 10_000_000, "the server read it all");
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_opens_no_page() {
    let app = TestApp::start(Embedded).await;
    let get = async |path: &str, host: &'static str| {
        let request = Request::get(path).header(header::HOST, host);
        let request = request.body(Body::empty()).unwrap();
        app.anybody().send(request).await.status.as_u16()
    };
    for path in ["/mailbox", "/graphiql", "/schema.graphql", "/graphql"] {
        assert_eq!(get(path, "rebound.evil.example:8080").await, 421, "{path}");
        assert_ne!(get(path, "localhost:8080").await, 421, "{path}");
    }
}
