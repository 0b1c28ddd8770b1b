//! The protocol graphql-transport-ws, row by row. What needs no event runs embedded only: the loop
//! is the same.

mod ends;
mod events;
mod frames;
mod protocol;
mod random;
mod seats;
mod slow;

use std::net::SocketAddr;

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::PATIENCE;
use crate::support::{Person, Socket, TestApp};

const TYPENAME: &str = "{ __typename }";

fn init(token: &str) -> Value {
    json!({"type": "connection_init", "payload": {"Authorization": format!("Bearer {token}")}})
}

fn token(person: &Person) -> &str {
    person.token.as_deref().expect("a token")
}

/// A token that nobody here signed, though it looks like it.
fn forged(token: &str) -> String {
    let (claims, signature) = token.rsplit_once('.').expect("a JWT");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    format!("{claims}.{other}{}", &signature[1..])
}

async fn anonymous(address: SocketAddr) -> Socket {
    let mut socket = Socket::open(address).await;
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
    socket
}

impl TestApp {
    /// Waits until just so many streams are followed.
    async fn followed(&self, count: usize) {
        let wait = async {
            while self.app.feed.followed_streams() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, wait).await.expect("it comes to that");
    }
}

impl Socket {
    /// That nothing waits to be read: what is said next is the answer to this ping.
    async fn is_silent(&mut self) {
        let mut message = json!({"type": "ping", "payload": {"silent": "?"}});
        self.send(message.clone()).await;
        message["type"] = json!("pong");
        assert_eq!(self.next().await, message);
    }

    /// Runs a query to its end.
    async fn runs(&mut self, id: &str, query: &str, variables: Value) -> Value {
        self.subscribe(id, query, variables).await;
        let data = self.event(id).await;
        assert_eq!(self.next().await, json!({"id": id, "type": "complete"}));
        data
    }

    /// The code of the only error of an operation that does not begin.
    async fn refusal(&mut self, id: &str) -> String {
        let message = self.next().await;
        assert_eq!(message["type"], "error", "{message:#}");
        assert_eq!(message["id"], id, "{message:#}");
        let errors = message["payload"].as_array().expect("a list");
        for error in errors {
            let id = &error["extensions"]["requestId"];
            assert!(id.is_string(), "{message:#}");
        }
        let code = &errors[0]["extensions"]["code"];
        code.as_str().expect("a code").to_owned()
    }
}

#[tokio::test]
async fn a_handshake_for_another_protocol_is_refused() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    for protocol in [
        None,
        Some("graphql-ws"),
        Some("soap"),
        Some("graphql-transport-ws2"),
    ] {
        let refused = Socket::offering(address, protocol, &[]).await;
        assert_eq!(refused.err(), Some(400), "{protocol:?}");
    }
    let both = Some("graphql-ws, graphql-transport-ws");
    let mut socket = Socket::offering(address, both, &[]).await.ok().unwrap();
    socket.is_silent().await;
}

#[tokio::test]
async fn a_handshake_from_a_page_of_another_site_is_refused() {
    let settings = [("ALLOWED_ORIGINS", "https://app.example.org")];
    let app = TestApp::with(Embedded, &settings).await;
    let address = app.listen().await;
    let ours = Some("graphql-transport-ws");
    for (header, passes) in [
        (("origin", "https://evil.example"), false),
        (("origin", "null"), false),
        (("sec-fetch-site", "cross-site"), false),
        (("origin", "https://app.example.org"), true),
        (("origin", "http://localhost:5173"), true),
    ] {
        let refused = Socket::offering(address, ours, &[header]).await.err();
        assert_eq!(refused, (!passes).then_some(403), "{header:?}");
    }
}

/// Waits for the limit itself, since that is what is looked at: one second.
#[tokio::test]
async fn a_socket_that_says_nothing_in_time_is_closed_with_4408() {
    let settings = [("TASKFLOW_WEBSOCKET__INIT_TIMEOUT_SECONDS", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let mut socket = Socket::open(app.listen().await).await;
    assert_eq!(socket.close_code().await, 4408);
}

#[tokio::test]
async fn an_operation_before_the_acknowledgement_is_closed_with_4401() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let mut socket = Socket::open(address).await;
    socket.subscribe("1", TYPENAME, json!({})).await;
    assert_eq!(socket.close_code().await, 4401);
}

#[tokio::test]
async fn a_second_init_is_closed_with_4429() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let mut socket = anonymous(address).await;
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.close_code().await, 4429);
}

#[tokio::test]
async fn what_is_no_message_of_the_protocol_is_closed_with_4400() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let long = json!({"id": "1", "type": "subscribe", "payload": {"query": "#".repeat(70_000)}});
    let long = long.to_string();
    let long_id = json!({"type": "complete", "id": "x".repeat(129)}).to_string();
    let deep = format!(r#"{{"type":"ping","payload":{{"a":{}"#, "[".repeat(60_000));
    for text in [
        "",
        "{",
        "hello",
        "null",
        "[]",
        r#"["ping"]"#,
        "{}",
        r#"{"type":"start"}"#,
        r#"{"type":"connection_ack"}"#,
        r#"{"type":"connection_init","payload":1}"#,
        r#"{"type":"connection_init","payload":[]}"#,
        r#"{"type":"connection_init","payload":"a token"}"#,
        r#"{"type":"ping","payload":[]}"#,
        r#"{"type":"ping","payload":"x"}"#,
        r#"{"type":"pong","payload":1}"#,
        r#"{"type":"Ping"}"#,
        r#"{"type":1}"#,
        r#"{"type":null}"#,
        r#"{"type":"next","id":"1","payload":{}}"#,
        r#"{"type":"ping"} {"type":"ping"}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{ __typename }"}}"#,
        r#"{"type":"subscribe","id":null,"payload":{"query":"{ __typename }"}}"#,
        r#"{"type":"subscribe","id":"1","payload":null}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":null}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ __typename }","variables":"{}"}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ __typename }","operationName":1}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ __typename }","extensions":[]}}"#,
        r#"{"type":"complete","id":""}"#,
        r#"{"type":"complete","id":7}"#,
        long_id.as_str(),
        deep.as_str(),
        r#"{"type":"subscribe","payload":{"query":"{ __typename }"}}"#,
        r#"{"type":"subscribe","id":1,"payload":{"query":"{ __typename }"}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":{}}"#,
        r#"{"type":"subscribe","id":"1","payload":["{ __typename }"]}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ __typename }","variables":[]}}"#,
        r#"{"type":"complete"}"#,
        long.as_str(),
    ] {
        // Before and after the acknowledgement.
        for mut socket in [Socket::open(address).await, anonymous(address).await] {
            socket.send_text(text).await;
            let shown: String = text.chars().take(80).collect();
            assert_eq!(socket.close_code().await, 4400, "{shown}");
        }
    }
    let mut socket = anonymous(address).await;
    socket.send_bytes(br#"{"type":"ping"}"#.to_vec()).await;
    assert_eq!(socket.close_code().await, 4400, "a binary message");
}

#[rstest]
#[tokio::test]
async fn an_id_in_use_is_closed_with_4409(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let bob = app.person("bob").await;
    let mut socket = Socket::signed_in(app.listen().await, token(&bob)).await;
    let cursor = bob.event_cursor().await;
    socket.follow("1", &cursor).await;
    socket.follow("1", &cursor).await;
    assert_eq!(socket.close_code().await, 4409);
}

#[tokio::test]
async fn one_operation_more_than_a_socket_may_have_is_closed_with_4429() {
    let settings = [("TASKFLOW_WEBSOCKET__MAX_OPERATIONS", "2")];
    let app = TestApp::with(Embedded, &settings).await;
    let bob = app.person("bob").await;
    let mut socket = Socket::signed_in(app.listen().await, token(&bob)).await;
    let cursor = bob.event_cursor().await;
    socket.follow("1", &cursor).await;
    socket.follow("2", &cursor).await;
    socket.is_silent().await;
    // Those that have ended do not count.
    socket.send(json!({"id": "1", "type": "complete"})).await;
    socket.follow("3", &cursor).await;
    socket.is_silent().await;
    socket.follow("4", &cursor).await;
    assert_eq!(socket.close_code().await, 4429);
}

/// The four places a token may stand in.
fn places(token: &str) -> [Value; 5] {
    let bearer = format!("Bearer {token}");
    [
        json!({"Authorization": bearer}),
        json!({"authorization": bearer}),
        json!({"headers": {"Authorization": bearer}}),
        json!({"headers": {"authorization": bearer}}),
        json!({"authToken": token}),
    ]
}

#[tokio::test]
async fn a_good_token_is_found_in_each_place_it_may_stand() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    for payload in places(token(&bob)) {
        let mut socket = Socket::open(address).await;
        let message = json!({"type": "connection_init", "payload": payload});
        socket.send(message).await;
        assert_eq!(socket.next().await["type"], "connection_ack", "{payload}");
        let data = socket
            .runs("1", "{ viewer { user { id } } }", json!({}))
            .await;
        assert_eq!(data["viewer"]["user"]["id"], bob.id, "{payload}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_closed_with_4403_wherever_it_stands() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let refused = async |token: &str| {
        for payload in places(token) {
            let mut socket = Socket::open(address).await;
            let message = json!({"type": "connection_init", "payload": payload});
            socket.send(message).await;
            assert_eq!(socket.close_code().await, 4403, "{payload}");
        }
    };
    refused(&forged(token(&bob))).await;
    refused("nonsense").await;
    // Fifteen minutes, and half a minute that clocks may differ by.
    app.clock.advance(TimeDelta::seconds(900 + 31));
    refused(token(&bob)).await;
    for payload in [
        json!({"Authorization": "Basic Ym9iOng="}),
        json!({"Authorization": token(&bob)}),
    ] {
        let mut socket = Socket::open(address).await;
        let message = json!({"type": "connection_init", "payload": payload});
        socket.send(message).await;
        assert_eq!(socket.close_code().await, 4403, "{payload}");
    }
}

/// The token has ten seconds when the socket opens: enough on a busy machine, too.
#[rstest]
#[tokio::test]
async fn a_token_that_ends_closes_its_open_socket_with_4403(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let cursor = bob.event_cursor().await;
    // Past its end, but within what clocks may differ by: as good as for a request.
    app.clock.advance(TimeDelta::seconds(900 + 30 - 10));
    bob.event_cursor().await;
    let mut socket = Socket::signed_in(address, token(&bob)).await;
    socket.follow("1", &cursor).await;
    socket.runs("2", TYPENAME, json!({})).await;
    assert_eq!(socket.close_code().await, 4403);
    app.clock.advance(TimeDelta::seconds(2));
    let mut socket = Socket::open(address).await;
    socket.send(init(token(&bob))).await;
    let first = socket.receive().await;
    assert_eq!(first.err(), Some(4403), "no acknowledgement before it");
}

#[tokio::test]
async fn what_the_protocol_allows_is_taken() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let id = "\u{e4}".repeat(64);
    let subscribe = json!({"type": "subscribe", "id": id, "other": 1, "payload": {
        "query": "query A { __typename } query B { b: __typename }", "operationName": "B",
        "variables": null, "extensions": {"anything": [1]}, "other": {"key": 2},
    }});
    let mut socket = Socket::open(address).await;
    for silent in [
        json!({"type": "pong"}),
        json!({"type": "pong", "payload": null}),
        json!({"type": "complete", "id": id, "payload": 1}),
    ] {
        socket.send(silent).await;
    }
    socket
        .send(json!({"type": "ping", "payload": null, "at": 1}))
        .await;
    assert_eq!(socket.next().await, json!({"type": "pong"}));
    socket
        .send(json!({"type": "connection_init", "payload": {"x": {"y": []}}, "id": 3}))
        .await;
    assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
    socket.send(subscribe).await;
    assert_eq!(socket.event(&id).await, json!({"b": "Query"}));
    assert_eq!(socket.next().await, json!({"id": id, "type": "complete"}));
    // A document by its hash needs no text.
    let hash = "0".repeat(64);
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
    let by_hash = json!({"type": "subscribe", "id": "1", "payload": {"extensions": extensions}});
    socket.send(by_hash).await;
    assert_eq!(socket.refusal("1").await, "PERSISTED_QUERY_NOT_FOUND");
    socket.is_silent().await;
}

#[tokio::test]
async fn an_anonymous_socket_is_acknowledged_and_hears_nothing() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let mut socket = anonymous(address).await;
    socket
        .subscribe("1", "subscription { taskAssigned { cursor } }", json!({}))
        .await;
    assert_eq!(socket.refusal("1").await, "UNAUTHENTICATED");
    socket.is_silent().await;
    for payload in [json!(null), json!({}), json!({"Authorization": ""})] {
        let mut socket = Socket::open(address).await;
        let message = json!({"type": "connection_init", "payload": payload});
        socket.send(message).await;
        assert_eq!(socket.next().await["type"], "connection_ack", "{payload}");
    }
}

#[tokio::test]
async fn a_document_that_does_not_validate_is_an_error_and_no_complete() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    let mut socket = anonymous(address).await;
    let login = "login(input: {identifier: \"a\", password: \"b\"}) { accessToken }";
    let two_logins = format!("mutation {{ a: {login} b: {login} }}");
    let deep = "{".repeat(65);
    for (document, code) in [
        ("{ nothingLikeThis }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { a: taskAssigned { cursor } b: taskAssigned { cursor } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "query Q($id: ID!) { task(id: $id) { id } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("{", "GRAPHQL_PARSE_FAILED"),
        (two_logins.as_str(), "QUERY_TOO_COMPLEX"),
        (deep.as_str(), "QUERY_TOO_COMPLEX"),
    ] {
        // The id is free again each time.
        socket.subscribe("1", document, json!({})).await;
        assert_eq!(socket.refusal("1").await, code, "{document}");
        socket.is_silent().await;
    }
    let data = socket.runs("1", TYPENAME, json!({})).await;
    assert_eq!(data, json!({"__typename": "Query"}));
}

#[tokio::test]
async fn a_cursor_that_is_none_is_an_error_and_no_complete() {
    let app = TestApp::start(Embedded).await;
    let bob = app.person("bob").await;
    let mut socket = Socket::signed_in(app.listen().await, token(&bob)).await;
    socket.follow("1", "nonsense").await;
    assert_eq!(socket.refusal("1").await, "BAD_USER_INPUT");
    socket.is_silent().await;
}

#[rstest]
#[tokio::test]
async fn queries_and_mutations_answer_once_and_complete(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let mut socket = Socket::signed_in(app.listen().await, token(&ada)).await;
    let create =
        "mutation C($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }";
    let input = json!({"input": {"title": "Over the socket"}});
    let made = socket.runs("1", create, input).await;
    let query = "query Q($id: ID!) { task(id: $id) { title } }";
    let id = &made["createTask"]["task"]["id"];
    let found = socket.runs("1", query, json!({"id": id})).await;
    assert_eq!(found["task"]["title"], "Over the socket");
    // A field that fails is no reason not to complete.
    socket.subscribe("1", query, json!({"id": "x"})).await;
    let answer = socket.next().await;
    assert_eq!(answer["type"], "next");
    assert_eq!(answer["payload"]["data"], json!({"task": null}));
    let code = &answer["payload"]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "BAD_USER_INPUT");
    assert_eq!(socket.next().await["type"], "complete");
    socket.is_silent().await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_before_and_after_the_acknowledgement() {
    let app = TestApp::start(Embedded).await;
    let address = app.listen().await;
    for mut socket in [Socket::open(address).await, anonymous(address).await] {
        socket.send(json!({"type": "ping"})).await;
        assert_eq!(socket.next().await, json!({"type": "pong"}));
        let payload = json!({"at": 1, "deep": {"list": [null, "\u{e4}"]}});
        socket
            .send(json!({"type": "ping", "payload": payload}))
            .await;
        let pong = json!({"type": "pong", "payload": payload});
        assert_eq!(socket.next().await, pong);
        socket
            .send(json!({"type": "pong", "payload": {"unasked": true}}))
            .await;
        socket
            .send(json!({"id": "unknown", "type": "complete"}))
            .await;
        socket.is_silent().await;
    }
}
