//! What ends before its time ends everywhere: over HTTP, on open sockets, at every replica.

use std::time::Duration;

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::json;

use super::{VIEWER, current, is_refused, refresh, works};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Socket, TestApp};

const LOGOUT: &str = "mutation { logout { endedSessions } }";

fn token(person: &Person) -> &str {
    person.token.as_deref().expect("a token")
}

/// Waits until a process knows of so many ends.
async fn knows(app: &TestApp, count: usize) {
    let wait = async {
        while app.app.revocations.remembered() < count {
            tokio::task::yield_now().await;
        }
    };
    let patience = crate::support::process::PATIENCE;
    tokio::time::timeout(patience, wait)
        .await
        .expect("it comes to that");
}

#[rstest]
#[tokio::test]
async fn an_access_token_ends_with_its_session(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let phone = app.person("ada").await;
    let laptop = phone.logged_in_again().await;
    works(&phone).await;
    phone.graphql(LOGOUT, json!({})).await.data();
    is_refused(&phone).await;
    works(&laptop).await;
    // With the dead token in its header, somebody can log in.
    let login = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let input = json!({"input": {"identifier": "ada", "password": PASSWORD}});
    phone.graphql(login, input).await.data();
    // Nor does it open a socket.
    let mut socket = Socket::open(app.listen().await).await;
    socket
        .send(json!({"type": "connection_init", "payload": {"authToken": token(&phone)}}))
        .await;
    assert_eq!(socket.close_code().await, 4403);
}

#[tokio::test]
async fn an_access_token_ends_at_the_other_replicas_by_a_hint() {
    // Nobody looks without one.
    let settings = [
        ("TASKFLOW_AUTH__REVOCATION_POLL_SECONDS", "3000"),
        ("TASKFLOW_AUTH__REVOCATION_STALE_SECONDS", "3001"),
    ];
    let app = TestApp::with(Full, &settings).await;
    let other = app.replica().await;
    app.bus_is_up().await;
    other.bus_is_up().await;
    let ada = app.person("ada").await;
    works(&ada.at(&other.router)).await;
    let mut socket = Socket::signed_in(other.listen().await, token(&ada)).await;
    ada.graphql(LOGOUT, json!({})).await.data();
    knows(&other, 1).await;
    is_refused(&ada.at(&other.router)).await;
    assert_eq!(socket.close_code().await, 4403);
}

#[tokio::test]
async fn an_access_token_ends_at_the_other_replicas_without_any_hint() {
    let app = TestApp::with(Full, &[("REDIS_URL", "")]).await;
    let other = app.replica().await;
    let ada = app.person("ada").await;
    let elsewhere = ada.logged_in_again().await;
    let mut here = Socket::signed_in(app.listen().await, token(&ada)).await;
    let address = other.listen().await;
    let mut there = Socket::signed_in(address, token(&ada)).await;
    let mut goes_on = Socket::signed_in(address, token(&elsewhere)).await;
    ada.graphql(LOGOUT, json!({})).await.data();
    is_refused(&ada).await;
    assert_eq!(here.close_code().await, 4403);
    // What it does every few seconds.
    other.app.revocations.reload().await.unwrap();
    is_refused(&ada.at(&other.router)).await;
    assert_eq!(there.close_code().await, 4403);
    goes_on.subscribe("1", VIEWER, json!({})).await;
    goes_on.event("1").await;
}

#[tokio::test]
async fn a_replica_that_starts_later_knows_what_has_ended() {
    let app = TestApp::with(Full, &[("REDIS_URL", "")]).await;
    let ada = app.person("ada").await;
    ada.graphql(LOGOUT, json!({})).await.data();
    let other = app.replica().await;
    is_refused(&ada.at(&other.router)).await;
}

#[rstest]
#[tokio::test]
async fn what_no_token_is_left_for_is_forgotten(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for _ in 0..3 {
        let again = ada.logged_in_again().await;
        again.graphql(LOGOUT, json!({})).await.data();
    }
    assert_eq!(app.app.revocations.remembered(), 3);
    ada.graphql(LOGOUT, json!({})).await.data();
    // As long as the token is taken, on whatever clock within the leeway, the row is needed.
    app.clock.advance(TimeDelta::seconds(900));
    app.app.revocations.reload().await.unwrap();
    assert_eq!(app.app.revocations.remembered(), 4);
    is_refused(&ada).await;
    app.clock.advance(TimeDelta::seconds(62));
    app.app.revocations.reload().await.unwrap();
    assert_eq!(app.app.revocations.remembered(), 0);
    let reply = ada.graphql(VIEWER, json!({})).await;
    let message = reply.body["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("expired"), "{message}");
}

#[rstest]
#[tokio::test]
async fn who_cannot_find_out_what_has_ended_believes_no_token(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let address = app.listen().await;
    let mut socket = Socket::signed_in(address, token(&ada)).await;
    app.execute("ALTER TABLE revocations RENAME TO elsewhere")
        .await;
    app.app.revocations.reload().await.unwrap_err();
    works(&ada).await;
    app.app.revocations.age(Duration::from_secs(61));
    // Nor does a look that fails make it better.
    app.app.revocations.reload().await.unwrap_err();
    let reply = ada.graphql(VIEWER, json!({})).await;
    assert_eq!(reply.code(), "UNAVAILABLE");
    assert_eq!(reply.body["errors"][0]["extensions"]["retryAfter"], 5);
    // On a socket that was open, for what begins now; and no other is opened.
    socket.subscribe("1", VIEWER, json!({})).await;
    let message = socket.next().await;
    assert_eq!(message["type"], "next", "{message:#}");
    let code = &message["payload"]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "UNAVAILABLE");
    let mut fresh = Socket::open(address).await;
    fresh
        .send(json!({"type": "connection_init", "payload": {"authToken": token(&ada)}}))
        .await;
    assert_eq!(fresh.close_code().await, 1013);
    let check = "query($token: String!) { validateToken(token: $token) { isValid } }";
    let reply = app
        .anybody()
        .graphql(check, json!({"token": token(&ada)}))
        .await;
    assert_eq!(reply.code(), "UNAVAILABLE");
    // Whoever is nobody goes on: over HTTP, and on a socket.
    app.anybody()
        .graphql("{ __typename }", json!({}))
        .await
        .data();
    let wrong = "mutation($input: LoginInput!) { login(input: $input) { userErrors { code } } }";
    let input = json!({"input": {"identifier": "ada", "password": "Wrong-Horse-7-Battery"}});
    let reply = ada.graphql(wrong, input).await;
    assert_eq!(reply.user_error("login").0, "WRONG_CREDENTIALS");
    let renewal = refresh(&ada, &ada.refresh_token).await;
    assert!(renewal.data()["refreshToken"]["accessToken"].is_string());
    let mut nobody = Socket::open(address).await;
    nobody.send(json!({"type": "connection_init"})).await;
    assert_eq!(nobody.next().await["type"], "connection_ack");
    app.execute("ALTER TABLE elsewhere RENAME TO revocations")
        .await;
    app.app.revocations.reload().await.unwrap();
    works(&ada).await;
    socket.subscribe("2", VIEWER, json!({})).await;
    while socket.next().await["id"] != "2" {}
    works(&ada).await;
    assert!(current(&ada).await.starts_with("session_"));
}
