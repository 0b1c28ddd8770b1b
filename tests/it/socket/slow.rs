//! Clients that read slowly or not at all, talk too fast or ask for a great deal: what becomes of
//! them, and that nobody else notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ends::busy_writer;
use super::frames::{Raw, text};
use super::{TYPENAME, init, token};
use crate::support::Mode::Embedded;
use crate::support::process::PATIENCE;
use crate::support::{Person, Socket, TestApp};

/// Has Bob hear of one task so often, as far as his stream knows. The task has a long text.
async fn events(app: &TestApp, bob: &Person, count: usize) -> String {
    let before = bob.event_cursor().await;
    let description = "\u{e4}\u{1F600}".repeat(1_000);
    bob.creates(json!({"title": "again and again", "description": description}))
        .await;
    let ada = app.person("ada").await;
    let task = ada
        .creates(json!({"title": "for Bob", "description": description}))
        .await;
    ada.assigns(&task, bob).await.data();
    app.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO stream_entries (stream, seq, event_id)
         SELECT stream, i, event_id FROM stream_entries, n
         WHERE seq = 1 AND stream LIKE 'assigned:%'"
    ))
    .await;
    app.execute(&format!(
        "UPDATE streams SET last_seq = {count} WHERE name LIKE 'assigned:%'"
    ))
    .await;
    before
}

fn follow(id: &str, after: &str) -> String {
    let query = "subscription S($after: String) { taskAssigned(after: $after) {
        cursor task { description } } }";
    let payload = json!({"query": query, "variables": {"after": after}});
    json!({"id": id, "type": "subscribe", "payload": payload}).to_string()
}

fn cursor(message: &Value) -> String {
    let cursor = &message["payload"]["data"]["taskAssigned"]["cursor"];
    let cursor = cursor.as_str();
    cursor.unwrap_or_else(|| panic!("{message:#}")).to_owned()
}

/// Waits until the server has nothing to do with any socket any more.
async fn all_sockets_end(app: &TestApp) {
    app.lifecycle.tasks.close();
    timeout(PATIENCE, app.lifecycle.tasks.wait())
        .await
        .expect("the server lets go");
}

/// Asks for more and more and reads none of it, until the connection takes nothing more. Goes on
/// asking until the connection ends.
async fn stuff(mut raw: Raw) -> JoinHandle<()> {
    let much = json!({"type": "ping", "payload": {"much": "x".repeat(60_000)}}).to_string();
    let much = text(&much);
    let (full, is_full) = oneshot::channel();
    let task = tokio::spawn(async move {
        let mut full = Some(full);
        loop {
            let mut sending = std::pin::pin!(raw.try_send(&much));
            let a_while = timeout(Duration::from_secs(1), sending.as_mut()).await;
            let sent = if let Ok(sent) = a_while {
                sent
            } else {
                if let Some(full) = full.take() {
                    full.send(()).ok();
                }
                sending.await
            };
            if sent.is_err() {
                return;
            }
        }
    });
    timeout(PATIENCE, is_full).await.unwrap().ok();
    task
}

/// Nothing is read more slowly, and nothing times out by itself.
const PATIENT: [(&str, &str); 5] = [
    ("TASKFLOW_WEBSOCKET__MAX_MESSAGES_PER_SECOND", "100000"),
    ("TASKFLOW_WEBSOCKET__QUEUE_TIMEOUT_SECONDS", "600"),
    ("TASKFLOW_SERVER__WRITE_TIMEOUT_SECONDS", "600"),
    ("TASKFLOW_SERVER__OPERATION_TIMEOUT_SECONDS", "60"),
    ("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "60"),
];

async fn deaf(address: SocketAddr, person: &Person) -> Raw {
    Raw::acknowledged(address, &init(token(person))).await
}

/// Waits for the limit itself: one second, and one more for the last word.
#[tokio::test]
async fn a_client_that_stops_reading_is_let_go_and_resumes_where_it_was() {
    let settings = [("TASKFLOW_WEBSOCKET__QUEUE_TIMEOUT_SECONDS", "1")];
    let app = TestApp::with(Embedded, &settings).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let count = 2_500;
    let before = events(&app, &bob, count).await;
    let mut raw = deaf(address, &bob).await;
    raw.send(&text(&follow("1", &before))).await;
    raw.frame().await.unwrap();
    all_sockets_end(&app).await;
    // Now it reads again: what was under way arrives, and then the end.
    let mut seen = Vec::new();
    while let Some(frame) = raw.frame().await {
        seen.push(cursor(&serde_json::from_slice(&frame.payload).unwrap()));
    }
    // The first was read above.
    let so_far = seen.len() + 1;
    assert!(so_far < count, "all of it fitted into the connection");
    let mut socket = Socket::signed_in(address, token(&bob)).await;
    socket.send_text(&follow("1", seen.last().unwrap())).await;
    for _ in so_far..count {
        seen.push(cursor(&socket.next().await));
    }
    socket.is_silent().await;
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len() + 1, count, "each came once");
}

#[tokio::test]
async fn a_mutation_ends_though_its_client_reads_nothing() {
    let app = TestApp::with(Embedded, &PATIENT).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let carl = app.person("carl").await;
    let mut his = Socket::signed_in(address, token(&carl)).await;
    his.follow("1", &carl.event_cursor().await).await;
    let mut raw = deaf(address, &bob).await;
    // The writer is busy while the mutation begins.
    let (let_go, writer) = busy_writer(&app.app.db).await;
    let create =
        "mutation C($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }";
    let variables = json!({"input": {"title": "slow", "assigneeId": carl.id}});
    let payload = json!({"query": create, "variables": variables});
    let message = json!({"id": "1", "type": "subscribe", "payload": payload});
    raw.send(&text(&message.to_string())).await;
    let _stuffed = stuff(raw).await;
    let_go.send(()).unwrap();
    writer.await.unwrap().unwrap();
    // It holds the writer no longer than anybody's.
    let event = his.event("1").await;
    assert_eq!(event["taskAssigned"]["task"]["title"], "slow");
    carl.creates(json!({"title": "another"})).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_like_any_other() {
    let app = TestApp::with(Embedded, &PATIENT).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    // When its token ends, in ten seconds: by then the connection is full …
    app.clock.advance(TimeDelta::seconds(900 + 30 - 10));
    let asking = stuff(deaf(address, &bob).await).await;
    all_sockets_end(&app).await;
    asking.await.unwrap();
    // … and when the server stops.
    let bob = bob.logged_in_again().await;
    let asking = stuff(deaf(address, &bob).await).await;
    app.lifecycle.draining.cancel();
    all_sockets_end(&app).await;
    asking.await.unwrap();
}

#[tokio::test]
async fn an_operation_ends_though_its_client_reads_nothing() {
    let app = TestApp::with(Embedded, &PATIENT).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let before = events(&app, &bob, 2_500).await;
    let mut raw = deaf(address, &bob).await;
    raw.send(&text(&follow("hot", &before))).await;
    app.followed(1).await;
    // Some of it arrives, the rest is stuck.
    raw.frame().await.unwrap();
    raw.send(&text(r#"{"id":"hot","type":"complete"}"#)).await;
    app.followed(0).await;
    // What was under way comes, and nothing after that.
    raw.send(&text(r#"{"type":"ping"}"#)).await;
    let mut heard = 1;
    while raw.frame().await.unwrap().payload != br#"{"type":"pong"}"# {
        heard += 1;
    }
    assert!(heard < 2_500, "{heard}");
    raw.send(&text(r#"{"type":"ping","payload":{}}"#)).await;
    let pong = raw.frame().await.unwrap();
    assert_eq!(pong.payload, br#"{"type":"pong","payload":{}}"#);
}

#[tokio::test]
async fn a_hot_operation_starves_no_other_and_no_other_socket() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let carl = app.person("carl").await;
    let count = 2_000;
    let before = events(&app, &bob, count).await;
    let mut his = Socket::signed_in(address, token(&carl)).await;
    let mut hot = Socket::signed_in(address, token(&bob)).await;
    hot.follow("hot", &before).await;
    hot.event("hot").await;
    hot.subscribe("1", "{ viewer { user { id } } }", json!({}))
        .await;
    let heard = Arc::new(AtomicUsize::new(1));
    let counter = heard.clone();
    let reading = tokio::spawn(async move {
        let mut answered = None;
        while counter.load(Ordering::Relaxed) < count {
            let message = hot.next().await;
            if message["id"] == "hot" {
                counter.fetch_add(1, Ordering::Relaxed);
            } else if message["type"] == "complete" {
                answered = Some(counter.load(Ordering::Relaxed));
            }
        }
        answered.expect("the query was answered before the last event")
    });
    his.runs("1", "{ viewer { user { id } } }", json!({})).await;
    let while_his = heard.load(Ordering::Relaxed);
    assert!(while_his < count / 2, "{while_his} events came before");
    let answered = timeout(PATIENCE, reading).await.unwrap().unwrap();
    assert!(answered < count / 2, "{answered} events came before");
}

#[tokio::test]
async fn who_talks_too_fast_is_heard_later_and_hinders_nobody() {
    let settings = [("TASKFLOW_WEBSOCKET__MAX_MESSAGES_PER_SECOND", "10")];
    let app = TestApp::with(Embedded, &settings).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let address = app.listen().await;
    let mut socket = Socket::signed_in(address, token(&bob)).await;
    socket.follow("1", &bob.event_cursor().await).await;
    // Twice what may come at once.
    let asked = 40;
    for number in 0..asked {
        socket
            .send(json!({"type": "ping", "payload": {"number": number}}))
            .await;
    }
    ada.creates(json!({"title": "meanwhile", "assigneeId": bob.id}))
        .await;
    let mut hers = Socket::signed_in(address, token(&ada)).await;
    hers.runs("1", TYPENAME, json!({})).await;
    let mut pongs = 0;
    let mut pongs_before_the_event = None;
    while pongs < asked {
        let message = socket.next().await;
        if message["type"] == "pong" {
            assert_eq!(message["payload"]["number"], pongs, "in their order, all");
            pongs += 1;
        } else {
            assert_eq!(message["id"], "1");
            pongs_before_the_event = Some(pongs);
        }
    }
    assert!(pongs_before_the_event.is_some_and(|count| count < asked));
}

#[tokio::test]
async fn a_client_that_begins_all_its_operations_at_once_is_not_held_up() {
    // So slow that it would be noticed.
    let settings = [("TASKFLOW_WEBSOCKET__MAX_MESSAGES_PER_SECOND", "30")];
    let app = TestApp::with(Embedded, &settings).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let mut socket = Socket::signed_in(address, token(&bob)).await;
    for number in 0..20 {
        let query = "{ viewer { user { id } } }";
        socket
            .subscribe(&number.to_string(), query, json!({}))
            .await;
    }
    let mut completed = 0;
    while completed < 20 {
        match socket.next().await["type"].as_str() {
            Some("complete") => completed += 1,
            Some("next") => {}
            other => panic!("{other:?}"),
        }
    }
}
