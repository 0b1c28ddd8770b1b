//! How many sockets there may be, of a person, of an address and of all.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::json;
use tokio::time::timeout;

use super::{anonymous, init, token};
use crate::support::Mode::Embedded;
use crate::support::process::PATIENCE;
use crate::support::{Person, Socket, TestApp};

const FOLLOW: &str = "subscription { taskAssigned { cursor } }";

/// Signs in, and answers the code when the socket is closed instead.
async fn sign_in(address: std::net::SocketAddr, person: &Person) -> Result<Socket, u16> {
    let mut socket = Socket::open(address).await;
    socket.send(init(token(person))).await;
    match socket.receive().await {
        Ok(message) => {
            assert_eq!(message, json!({"type": "connection_ack"}));
            Ok(socket)
        }
        Err(code) => Err(code),
    }
}

/// Subscribes over HTTP. The stream goes on for as long as the response is kept.
async fn stream(app: &TestApp, person: &Person) -> (StatusCode, HeaderMap, Body) {
    use tower::ServiceExt;
    let body = json!({"query": FOLLOW}).to_string();
    let mut request = Request::post("/graphql")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "text/event-stream");
    if let Some(token) = &person.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::from(body)).unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body)
}

async fn code_in(body: Body) -> String {
    let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let extensions = &answer["errors"][0]["extensions"];
    assert!(extensions["retryAfter"].as_u64() > Some(0), "{answer}");
    extensions["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_socket_more_than_a_person_may_have_is_closed_with_1013() {
    let settings = [("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_USER", "2")];
    let app = TestApp::with(Embedded, &settings).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let address = app.listen().await;
    let first = sign_in(address, &bob).await.unwrap();
    // Another session of the same person is no other person.
    let mut second = sign_in(address, &bob.logged_in_again().await)
        .await
        .unwrap();
    assert_eq!(sign_in(address, &bob).await.err(), Some(1013));
    let (status, headers, body) = stream(&app, &bob).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(headers.contains_key(header::RETRY_AFTER));
    assert_eq!(code_in(body).await, "RATE_LIMITED");
    // Others have their own, and so has nobody.
    let mut hers = sign_in(address, &ada).await.unwrap();
    hers.is_silent().await;
    anonymous(address).await.is_silent().await;
    second.is_silent().await;
    // A seat is free when its socket is gone.
    drop(first);
    let third = timeout(PATIENCE, async {
        loop {
            if let Ok(socket) = sign_in(address, &bob).await {
                return socket;
            }
        }
    });
    third.await.expect("a seat").is_silent().await;
}

#[tokio::test]
async fn a_subscription_over_http_has_a_seat_like_a_socket() {
    let settings = [("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_USER", "2")];
    let app = TestApp::with(Embedded, &settings).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let (status, _, first) = stream(&app, &bob).await;
    assert_eq!(status, StatusCode::OK);
    let mut second = sign_in(address, &bob).await.unwrap();
    assert_eq!(sign_in(address, &bob).await.err(), Some(1013));
    assert_eq!(stream(&app, &bob).await.0, StatusCode::TOO_MANY_REQUESTS);
    // A query is answered all the same.
    bob.event_cursor().await;
    drop(first);
    assert_eq!(stream(&app, &bob).await.0, StatusCode::OK);
    second.is_silent().await;
}

#[tokio::test]
async fn those_who_do_not_sign_in_share_the_seats_of_their_address() {
    let settings = [
        ("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_ADDRESS", "2"),
        ("TASKFLOW_SERVER__TRUSTED_PROXIES", "1"),
    ];
    let app = TestApp::with(Embedded, &settings).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let at = async |place: &'static str| {
        let ours = Some("graphql-transport-ws");
        let header = [("x-forwarded-for", place)];
        Socket::offering(address, ours, &header).await.unwrap()
    };
    // Also those that have not said yet who they are.
    let mut silent = at("192.0.2.1").await;
    let mut other = at("192.0.2.1").await;
    let mut third = at("192.0.2.1").await;
    assert_eq!(third.close_code().await, 1013);
    let mut elsewhere = at("192.0.2.2").await;
    elsewhere.is_silent().await;
    // Who signs in gives the seat back.
    other.send(init(token(&bob))).await;
    assert_eq!(other.next().await["type"], "connection_ack");
    let mut fourth = at("192.0.2.1").await;
    fourth.is_silent().await;
    silent.is_silent().await;
}

#[tokio::test]
async fn one_socket_more_than_the_server_may_have_is_closed_with_1013() {
    let settings = [("TASKFLOW_WEBSOCKET__MAX_SOCKETS", "2")];
    let app = TestApp::with(Embedded, &settings).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let mut first = sign_in(address, &bob).await.unwrap();
    let mut second = anonymous(address).await;
    let mut third = Socket::open(address).await;
    assert_eq!(third.close_code().await, 1013);
    let (status, _, body) = stream(&app, &bob).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(code_in(body).await, "UNAVAILABLE");
    first.is_silent().await;
    second.is_silent().await;
}
