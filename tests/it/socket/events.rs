//! Subscriptions on a socket, and how it ends when nobody did anything wrong.

use futures_util::{SinkExt, StreamExt};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{TYPENAME, init, token};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::PATIENCE;
use crate::support::{Person, Socket, TestApp};

/// Ada, who assigns, and Bob on a socket, and the place before the first event.
async fn ada_and_bob(app: &TestApp) -> (Person, Person, Socket, String) {
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let socket = Socket::signed_in(app.listen().await, token(&bob)).await;
    let cursor = bob.event_cursor().await;
    (ada, bob, socket, cursor)
}

async fn task_for(ada: &Person, bob: &Person, title: &str) {
    ada.creates(json!({"title": title, "assigneeId": bob.id}))
        .await;
}

fn title(event: &Value) -> &str {
    event["taskAssigned"]["task"]["title"]
        .as_str()
        .expect("a title")
}

#[rstest]
#[tokio::test]
async fn an_operation_the_client_has_ended_says_nothing_more(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, mut socket, cursor) = ada_and_bob(&app).await;
    socket.follow("ended", &cursor).await;
    socket.follow("goes on", &cursor).await;
    task_for(&ada, &bob, "first").await;
    let mut heard = [socket.next().await, socket.next().await];
    heard.sort_by_key(|message| message["id"].as_str().map(ToOwned::to_owned));
    assert_eq!(heard[0]["id"], "ended", "{heard:#?}");
    assert_eq!(heard[1]["id"], "goes on", "{heard:#?}");

    socket
        .send(json!({"id": "ended", "type": "complete"}))
        .await;
    // No `complete` comes back, and no event either, though the other operation hears of several.
    socket.is_silent().await;
    for name in ["second", "third", "fourth"] {
        task_for(&ada, &bob, name).await;
        assert_eq!(title(&socket.event("goes on").await), name);
    }
    socket.is_silent().await;
    socket.runs("query", TYPENAME, json!({})).await;
}

#[rstest]
#[tokio::test]
async fn an_id_can_be_used_again_once_its_operation_has_ended(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob, mut socket, cursor) = ada_and_bob(&app).await;
    // Ended by the server, then by the client.
    socket.runs("1", TYPENAME, json!({})).await;
    socket.follow("1", &cursor).await;
    socket.send(json!({"id": "1", "type": "complete"})).await;
    socket.follow("1", &cursor).await;
    // The server has read all this before anything happens.
    socket.is_silent().await;
    task_for(&ada, &bob, "heard once").await;
    assert_eq!(title(&socket.event("1").await), "heard once");
    socket.is_silent().await;
}

#[rstest]
#[tokio::test]
async fn two_subscriptions_on_a_socket_know_nothing_of_each_other(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob, mut socket, before) = ada_and_bob(&app).await;
    task_for(&ada, &bob, "first").await;
    let between = bob.event_cursor().await;
    task_for(&ada, &bob, "second").await;
    // Each begins where it was told to.
    socket.follow("later", &between).await;
    assert_eq!(title(&socket.event("later").await), "second");
    socket.follow("all", &before).await;
    assert_eq!(title(&socket.event("all").await), "first");
    assert_eq!(title(&socket.event("all").await), "second");
    // One that fails leaves the other alone.
    socket.follow("broken", "nonsense").await;
    assert_eq!(socket.refusal("broken").await, "BAD_USER_INPUT");
    socket.send(json!({"id": "all", "type": "complete"})).await;
    // It has been read when what was sent after it is answered.
    socket.is_silent().await;
    task_for(&ada, &bob, "third").await;
    assert_eq!(title(&socket.event("later").await), "third");
    socket.is_silent().await;
}

#[rstest]
#[tokio::test]
async fn a_subscription_through_fragments_is_like_the_plain_field(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob, mut socket, cursor) = ada_and_bob(&app).await;
    let variables = json!({"after": cursor});
    let field = "taskAssigned(after: $after) { task { ...T } cursor }";
    let fragment = "fragment T on Task { title }";
    let documents = [
        format!("subscription S($after: String) {{ {field} }} {fragment}"),
        format!(
            "subscription S($after: String) {{ ...F }} fragment F on Subscription {{ {field} }} {fragment}"
        ),
        format!(
            "subscription S($after: String) {{ ... on Subscription {{ ... {{ {field} }} }} }} {fragment}"
        ),
    ];
    task_for(&ada, &bob, "one task").await;
    let mut seen = Vec::new();
    for (id, document) in ["plain", "named", "inline"].into_iter().zip(&documents) {
        socket.subscribe(id, document, variables.clone()).await;
        seen.push(socket.event(id).await);
    }
    assert_eq!(title(&seen[0]), "one task");
    assert_eq!(seen[1], seen[0]);
    assert_eq!(seen[2], seen[0]);
    // And live.
    task_for(&ada, &bob, "another").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let message = socket.next().await;
        assert_eq!(title(&message["payload"]["data"]), "another");
        ids.push(message["id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    assert_eq!(ids, ["inline", "named", "plain"]);
}

#[rstest]
#[tokio::test]
async fn nobody_hears_what_is_not_theirs(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, mut socket, cursor) = ada_and_bob(&app).await;
    let carl = app.person("carl").await;
    socket.follow("1", &cursor).await;
    task_for(&ada, &carl, "for Carl").await;
    task_for(&ada, &ada, "for herself").await;
    task_for(&ada, &bob, "for Bob").await;
    assert_eq!(title(&socket.event("1").await), "for Bob");
    socket.is_silent().await;
    // A cursor of somebody else's stream opens nothing.
    socket.follow("2", &carl.event_cursor().await).await;
    assert_eq!(socket.refusal("2").await, "BAD_USER_INPUT");
}

#[rstest]
#[tokio::test]
async fn a_server_that_stops_closes_with_1012_and_the_cursor_is_good_afterwards(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob, mut socket, cursor) = ada_and_bob(&app).await;
    socket.follow("1", &cursor).await;
    task_for(&ada, &bob, "before").await;
    let event = socket.event("1").await;
    app.lifecycle.draining.cancel();
    assert_eq!(socket.close_code().await, 1012);
    // The socket is counted among what a stop waits for, until it is gone.
    app.lifecycle.tasks.close();
    timeout(PATIENCE, app.lifecycle.tasks.wait())
        .await
        .expect("the socket ends");
    task_for(&ada, &bob, "meanwhile").await;
    if mode == Full {
        let other = app.replica().await;
        let mut socket = Socket::signed_in(other.listen().await, token(&bob)).await;
        let last = event["taskAssigned"]["cursor"].as_str().unwrap();
        socket.follow("1", last).await;
        assert_eq!(title(&socket.event("1").await), "meanwhile");
    }
}

/// A client that leaves its socket unread: it answers no ping.
async fn deaf(
    app: &TestApp,
    person: &Person,
) -> tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>> {
    let address = app.listen().await;
    let url = format!("ws://{address}/graphql");
    let mut request = url.into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let init = init(token(person)).to_string();
    socket.send(Message::text(init)).await.unwrap();
    let ack = socket.next().await.unwrap().unwrap();
    assert_eq!(ack.to_text().unwrap(), r#"{"type":"connection_ack"}"#);
    socket
}

/// Waits for the limits themselves, since those are what is looked at: two seconds.
#[tokio::test]
async fn a_client_that_gives_no_sign_of_life_is_let_go() {
    let settings = [
        ("TASKFLOW_WEBSOCKET__PING_INTERVAL_SECONDS", "1"),
        ("TASKFLOW_WEBSOCKET__PONG_TIMEOUT_SECONDS", "1"),
    ];
    let app = TestApp::with(Embedded, &settings).await;
    let bob = app.person("bob").await;
    let mut socket = deaf(&app, &bob).await;
    app.lifecycle.tasks.close();
    timeout(PATIENCE, app.lifecycle.tasks.wait())
        .await
        .expect("the server gives up");
    // It was pinged first.
    let ping = socket.next().await.unwrap().unwrap();
    assert!(ping.is_ping(), "{ping:?}");
}

/// Waits for the limits themselves, since those are what is looked at: three seconds.
#[tokio::test]
async fn a_client_that_takes_nothing_of_what_it_asks_for_is_let_go() {
    let settings = [("TASKFLOW_WEBSOCKET__QUEUE_TIMEOUT_SECONDS", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let bob = app.person("bob").await;
    let (mut sink, _unread) = deaf(&app, &bob).await.split();
    let ping = json!({"type": "ping", "payload": {"much": "x".repeat(60_000)}}).to_string();
    // Until both ends of the connection are full and the server is gone.
    let asking =
        tokio::spawn(async move { while sink.send(Message::text(ping.clone())).await.is_ok() {} });
    app.lifecycle.tasks.close();
    timeout(PATIENCE, app.lifecycle.tasks.wait())
        .await
        .expect("the server gives up");
    timeout(PATIENCE, asking)
        .await
        .expect("the connection ends")
        .unwrap();
}
