//! The finer points of the protocol, as its reference implementation has them in its own tests.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use super::ends::busy_writer;
use super::frames::{Raw, text};
use super::{TYPENAME, anonymous, init, token};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Socket, TestApp};

const INIT: &str = r#"{"type":"connection_init"}"#;

fn query(id: &str, document: &str) -> String {
    json!({"id": id, "type": "subscribe", "payload": {"query": document}}).to_string()
}

/// Several messages, so that they arrive at the same time.
fn at_once(messages: &[&str]) -> Vec<u8> {
    messages.iter().flat_map(|message| text(message)).collect()
}

/// Reads on to the close, and answers its code.
async fn close_code(raw: &mut Raw) -> u16 {
    loop {
        let frame = raw.frame().await.expect("a close");
        if frame.first == 0x88 {
            return u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        }
    }
}

#[tokio::test]
async fn two_inits_at_once_are_closed_with_4429() {
    let app = TestApp::start(Embedded).await;
    let mut raw = Raw::open(app.listen().await).await;
    raw.send(&at_once(&[INIT, INIT])).await;
    assert_eq!(close_code(&mut raw).await, 4429);
}

#[tokio::test]
async fn an_operation_right_behind_the_init_is_answered_after_the_acknowledgement() {
    let app = TestApp::start(Embedded).await;
    let mut raw = Raw::open(app.listen().await).await;
    raw.send(&at_once(&[INIT, &query("1", TYPENAME)])).await;
    for kind in ["connection_ack", "next", "complete"] {
        let frame = raw.frame().await.unwrap();
        let message: Value = serde_json::from_slice(&frame.payload).unwrap();
        assert_eq!(message["type"], kind);
    }
}

#[tokio::test]
async fn an_operation_before_the_init_is_closed_with_4401_though_an_init_follows() {
    let app = TestApp::start(Embedded).await;
    let mut raw = Raw::open(app.listen().await).await;
    raw.send(&at_once(&[&query("1", TYPENAME), INIT])).await;
    assert_eq!(raw.close_code().await, 4401);
}

#[tokio::test]
async fn an_id_in_use_is_closed_with_4409_even_while_the_first_is_prepared() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let mut raw = Raw::acknowledged(address, &init(token(&bob))).await;
    // One that does not end before the second is read.
    let twice = query("1", "subscription { taskAssigned { cursor } }");
    raw.send(&at_once(&[&twice, &twice])).await;
    assert_eq!(close_code(&mut raw).await, 4409);
}

#[rstest]
#[tokio::test]
async fn an_operation_that_is_ended_before_it_is_ready_is_gone(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let follow = query("1", "subscription { taskAssigned { cursor } }");
    let complete = r#"{"id":"1","type":"complete"}"#;
    let mut raw = Raw::acknowledged(address, &init(token(&bob))).await;
    for _ in 0..10 {
        raw.send(&at_once(&[&follow, complete])).await;
    }
    raw.send(&text(r#"{"type":"ping"}"#)).await;
    // Not a word of any of them, and no follower is left.
    assert_eq!(raw.frame().await.unwrap().payload, br#"{"type":"pong"}"#);
    app.followed(0).await;
    // The id is free.
    raw.send(&text(&query("1", TYPENAME))).await;
    let next = raw.frame().await.unwrap();
    assert!(next.payload.starts_with(br#"{"type":"next","id":"1""#));
}

#[tokio::test]
async fn a_mutation_that_is_ended_before_its_turn_does_not_happen() {
    let settings = [("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "60")];
    let app = TestApp::with(Embedded, &settings).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let mut socket = Socket::signed_in(address, token(&bob)).await;
    let (let_go, writer) = busy_writer(&app.app.db).await;
    let create = "mutation { createTask(input: {title: \"never\"}) { task { id } } }";
    socket.subscribe("1", create, json!({})).await;
    socket.is_silent().await;
    socket.send(json!({"id": "1", "type": "complete"})).await;
    socket.is_silent().await;
    let_go.send(()).unwrap();
    writer.await.unwrap().unwrap();
    // The writer was asked in this order.
    bob.creates(json!({"title": "afterwards"})).await;
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 1);
    socket.is_silent().await;
}

#[tokio::test]
async fn an_id_can_be_used_again_after_an_error() {
    let app = TestApp::start(Embedded).await;
    let mut socket = anonymous(app.listen().await).await;
    for _ in 0..3 {
        socket.subscribe("1", "{ nothing }", json!({})).await;
        assert_eq!(socket.refusal("1").await, "GRAPHQL_VALIDATION_FAILED");
        socket.runs("1", TYPENAME, json!({})).await;
    }
}

/// An event that cannot be read must not be passed over: the stream ends, and the client has the
/// cursor before it.
#[rstest]
#[tokio::test]
async fn a_subscription_that_fails_says_so_and_the_socket_goes_on(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let mut socket = Socket::signed_in(app.listen().await, token(&bob)).await;
    let cursor = bob.event_cursor().await;
    ada.creates(json!({"title": "first", "assigneeId": bob.id}))
        .await;
    app.execute("ALTER TABLE tasks RENAME TO elsewhere").await;
    socket.follow("1", &cursor).await;
    let message = socket.next().await;
    assert_eq!(message["type"], "next", "{message:#}");
    assert_eq!(message["payload"]["data"], Value::Null, "{message:#}");
    let error = &message["payload"]["errors"][0]["extensions"];
    assert_eq!(error["code"], "INTERNAL_SERVER_ERROR", "{message:#}");
    assert_eq!(socket.next().await, json!({"id": "1", "type": "complete"}));
    app.execute("ALTER TABLE elsewhere RENAME TO tasks").await;
    socket.follow("1", &cursor).await;
    let event = socket.event("1").await;
    assert_eq!(event["taskAssigned"]["task"]["title"], "first");
}

#[tokio::test]
async fn many_sockets_with_many_operations_each_get_their_own() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let bearer = token(&bob);
    let clients = (0..10).map(async |client| {
        let mut socket = Socket::signed_in(address, bearer).await;
        for number in 0..20 {
            let document = format!("{{ a{client}x{number}: __typename }}");
            let id = number.to_string();
            socket.subscribe(&id, &document, json!({})).await;
        }
        let mut open: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        while !open.is_empty() {
            let message = socket.next().await;
            let id = message["id"].as_str().unwrap().to_owned();
            if message["type"] == "complete" {
                open.retain(|other| *other != id);
            } else {
                let data = json!({ format!("a{client}x{id}"): "Query" });
                assert_eq!(message["payload"], json!({ "data": data }));
            }
        }
        socket.is_silent().await;
    });
    join_all(clients).await;
}

#[tokio::test]
async fn a_document_is_known_by_its_hash_once_it_was_sent() {
    // The SHA-256 of `{ __typename }`.
    let hash = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";
    let app = TestApp::start(Embedded).await;
    let mut socket = anonymous(app.listen().await).await;
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
    let send = |query: Option<&str>| {
        let mut payload = json!({"extensions": extensions});
        if let Some(query) = query {
            payload["query"] = json!(query);
        }
        json!({"id": "1", "type": "subscribe", "payload": payload})
    };
    socket.send(send(None)).await;
    assert_eq!(socket.refusal("1").await, "PERSISTED_QUERY_NOT_FOUND");
    for query in [Some(TYPENAME), None] {
        socket.send(send(query)).await;
        assert_eq!(socket.event("1").await, json!({"__typename": "Query"}));
        assert_eq!(socket.next().await["type"], "complete");
    }
}
