//! How a socket ends though its client did nothing wrong: the person signs out, the server stops.

use std::sync::Mutex;

use axum::body::Body;
use axum::http::{Request, header};
use futures_util::StreamExt;
use rstest::rstest;
use serde_json::json;
use taskflow::db::{Db, DbError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::ServiceExt;

use super::{TYPENAME, init, token};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::PATIENCE;
use crate::support::{Person, Socket, TestApp};

const LOGOUT: &str = "mutation { logout { endedSessions } }";
const LOGOUT_EVERYWHERE: &str = "mutation { logout(input: {allSessions: true}) { endedSessions } }";

/// Keeps the only writer of SQLite busy until told to let go.
pub async fn busy_writer(db: &Db) -> (oneshot::Sender<()>, JoinHandle<Result<(), DbError>>) {
    let (begun, has_begun) = oneshot::channel();
    let (end, to_end) = oneshot::channel::<()>();
    let (db, channels) = (db.clone(), Mutex::new(Some((begun, to_end))));
    let writer = tokio::spawn(async move {
        db.write(|_tx| {
            let channels = channels.lock().unwrap().take();
            async move {
                let (begun, to_end) = channels.expect("it runs once");
                begun.send(()).ok();
                to_end.await.ok();
                Ok(())
            }
        })
        .await
    });
    has_begun.await.unwrap();
    (end, writer)
}

/// Follows over HTTP, and answers what the stream says to its end.
async fn stream(app: &TestApp, person: &Person) -> JoinHandle<String> {
    let body = json!({"query": "subscription { taskAssigned { cursor } }"}).to_string();
    let request = Request::post("/graphql")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::ACCEPT,
            "multipart/mixed;subscriptionSpec=1.0, application/json",
        )
        .header(header::AUTHORIZATION, format!("Bearer {}", token(person)))
        .body(Body::from(body))
        .unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut chunks = response.into_body().into_data_stream();
    // It has begun once something comes.
    let mut text = Vec::from(chunks.next().await.unwrap().unwrap());
    tokio::spawn(async move {
        while let Some(chunk) = chunks.next().await {
            text.extend(chunk.unwrap());
        }
        String::from_utf8(text).unwrap()
    })
}

#[rstest]
#[tokio::test]
async fn who_signs_out_closes_the_sockets_of_that_session_and_no_other(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (bob, ada) = (app.person("bob").await, app.person("ada").await);
    let elsewhere = bob.logged_in_again().await;
    let address = app.listen().await;
    let mut ended = [
        Socket::signed_in(address, token(&bob)).await,
        Socket::signed_in(address, token(&bob)).await,
    ];
    let cursor = bob.event_cursor().await;
    ended[0].follow("1", &cursor).await;
    let streaming = stream(&app, &bob).await;
    let mut others = [
        Socket::signed_in(address, token(&elsewhere)).await,
        Socket::signed_in(address, token(&ada)).await,
    ];
    bob.graphql(LOGOUT, json!({})).await.data();
    for socket in &mut ended {
        assert_eq!(socket.close_code().await, 4403);
    }
    let last = timeout(PATIENCE, streaming).await.unwrap().unwrap();
    assert!(last.contains("UNAUTHENTICATED"), "{last}");
    assert!(last.ends_with("--graphql--\r\n"), "{last}");
    for socket in &mut others {
        socket.runs("1", TYPENAME, json!({})).await;
    }
    // Everywhere, over one of the sockets that are closed by it.
    let [mut his, mut hers] = others;
    his.subscribe("2", LOGOUT_EVERYWHERE, json!({})).await;
    assert_eq!(his.close_code().await, 4403);
    hers.runs("2", TYPENAME, json!({})).await;
}

#[tokio::test]
async fn who_signs_out_closes_the_sockets_at_other_replicas_too() {
    let app = TestApp::start(Full).await;
    let other = app.replica().await;
    app.bus_is_up().await;
    other.bus_is_up().await;
    let bob = app.person("bob").await;
    let elsewhere = bob.logged_in_again().await;
    let address = other.listen().await;
    let mut ended = Socket::signed_in(address, token(&bob)).await;
    let mut goes_on = Socket::signed_in(address, token(&elsewhere)).await;
    bob.graphql(LOGOUT, json!({})).await.data();
    assert_eq!(ended.close_code().await, 4403);
    goes_on.runs("1", TYPENAME, json!({})).await;
}

#[tokio::test]
async fn a_server_that_stops_goes_on_serving_each_socket_until_its_moment() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    // With a hundred sockets the moments lie within a second.
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(Socket::signed_in(address, token(&bob)).await);
    }
    app.lifecycle.draining.cancel();
    let mut served = 0;
    for socket in &mut sockets {
        // It may be gone by now.
        socket.try_send(&json!({"type": "ping"})).await;
        loop {
            match socket.receive().await {
                Ok(message) => {
                    assert_eq!(message, json!({"type": "pong"}));
                    served += 1;
                }
                Err(code) => {
                    assert_eq!(code, 1012);
                    break;
                }
            }
        }
    }
    assert!(served > 0, "none was served");
}

#[tokio::test]
async fn a_server_that_stops_begins_nothing_and_finishes_what_runs() {
    let settings = [("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "60")];
    let app = TestApp::with(Embedded, &settings).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let mut running = Socket::signed_in(address, token(&bob)).await;
    let mut waiting = Socket::signed_in(address, token(&bob)).await;
    let mut fresh = Socket::open(address).await;
    fresh.is_silent().await;
    let (let_go, writer) = busy_writer(&app.app.db).await;
    let create =
        "mutation C($input: CreateTaskInput!) { createTask(input: $input) { task { title } } }";
    for socket in [&mut running, &mut waiting] {
        let input = json!({"input": {"title": "in time"}});
        socket.subscribe("1", create, input).await;
        socket.is_silent().await;
    }
    app.lifecycle.draining.cancel();
    // Nothing is begun any more: neither an operation, nor a socket.
    waiting.subscribe("2", TYPENAME, json!({})).await;
    assert_eq!(waiting.close_code().await, 1012);
    fresh.try_send(&init(token(&bob))).await;
    assert_eq!(fresh.close_code().await, 1012);
    // What runs is answered first.
    let_go.send(()).unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(
        running.event("1").await["createTask"]["task"]["title"],
        "in time"
    );
    assert_eq!(running.next().await["type"], "complete");
    assert_eq!(running.close_code().await, 1012);
}
