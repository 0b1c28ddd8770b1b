//! Subscriptions over one HTTP response: server-sent events and multipart.

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Request, StatusCode, header};
use chrono::TimeDelta;
use futures_util::StreamExt;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::PATIENCE;
use crate::support::{Person, TestApp};

const EVENTS: &str = "text/event-stream";
/// As Apollo Client sends it.
const MULTIPART: &str =
    "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/json";

const FOLLOW: &str = "subscription S($after: String) { taskAssigned(after: $after) {
    cursor task { title } } }";

/// A response that is read as it comes.
struct Stream {
    status: StatusCode,
    headers: HeaderMap,
    body: BodyDataStream,
    buffer: String,
}

impl Stream {
    async fn open(app: &TestApp, who: &Person, accept: &str, body: Value) -> Self {
        let mut request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, accept);
        if let Some(token) = &who.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        Self::send(app, request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn send(app: &TestApp, request: Request<Body>) -> Self {
        let response = app.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: body.into_data_stream(),
            buffer: String::new(),
        }
    }

    fn media(&self) -> &str {
        self.headers[header::CONTENT_TYPE].to_str().unwrap()
    }

    /// Reads up to this mark; what stood before it, or all that was left when the stream ended.
    async fn until(&mut self, mark: &str) -> Option<String> {
        loop {
            if let Some((before, after)) = self.buffer.split_once(mark) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.buffer = after;
                return Some(before);
            }
            let chunk = timeout(PATIENCE, self.body.next())
                .await
                .expect("something comes");
            match chunk {
                Some(chunk) => self
                    .buffer
                    .push_str(std::str::from_utf8(&chunk.unwrap()).unwrap()),
                None => return None,
            }
        }
    }

    /// The next server-sent event that is no comment: its name and its data.
    async fn event(&mut self) -> Option<(String, String)> {
        loop {
            let block = self.until("\n\n").await?;
            let field = |name: &str| {
                block
                    .lines()
                    .find_map(|line| Some(line.strip_prefix(name)?.trim_start().to_owned()))
            };
            if let Some(event) = field("event:") {
                return Some((event, field("data:").expect("data")));
            }
            assert!(block.starts_with(':'), "{block:?}");
        }
    }

    async fn data(&mut self) -> Value {
        let (event, data) = self.event().await.expect("an event");
        assert_eq!(event, "next", "{data}");
        serde_json::from_str(&data).unwrap()
    }

    /// The next part. It is whole as soon as the boundary behind it is here.
    async fn part(&mut self) -> Option<Value> {
        let part = self.until("\r\n--graphql").await?;
        let (headers, body) = part.split_once("\r\n\r\n").expect("headers and a body");
        assert_eq!(headers, "\r\ncontent-type: application/json");
        Some(serde_json::from_str(body).unwrap())
    }
}

async fn ada_and_bob(app: &TestApp) -> (Person, Person, String) {
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let cursor = bob.event_cursor().await;
    (ada, bob, cursor)
}

fn follow(after: &str) -> Value {
    json!({"query": FOLLOW, "variables": {"after": after}})
}

#[rstest]
#[tokio::test]
async fn events_come_as_they_happen_and_resume_after_a_cursor(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob, cursor) = ada_and_bob(&app).await;
    let mut stream = Stream::open(&app, &bob, EVENTS, follow(&cursor)).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.media(), "text/event-stream; charset=utf-8");
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    assert_eq!(stream.headers[header::CACHE_CONTROL], "no-store");
    ada.creates(json!({"title": "first", "assigneeId": bob.id}))
        .await;
    let first = stream.data().await;
    let event = &first["data"]["taskAssigned"];
    assert_eq!(event["task"]["title"], "first", "{first:#}");
    let place = event["cursor"].as_str().unwrap().to_owned();
    drop(stream);

    ada.creates(json!({"title": "second", "assigneeId": bob.id}))
        .await;
    let mut stream = Stream::open(&app, &bob, EVENTS, follow(&place)).await;
    let second = stream.data().await;
    assert_eq!(second["data"]["taskAssigned"]["task"]["title"], "second");
}

#[rstest]
#[tokio::test]
async fn a_part_is_whole_before_the_next_event_happens(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, cursor) = ada_and_bob(&app).await;
    let mut stream = Stream::open(&app, &bob, MULTIPART, follow(&cursor)).await;
    assert_eq!(stream.status, 200);
    assert_eq!(
        stream.media(),
        "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0"
    );
    assert_eq!(stream.until("\r\n--graphql").await.as_deref(), Some(""));
    for title in ["first", "second"] {
        ada.creates(json!({"title": title, "assigneeId": bob.id}))
            .await;
        let part = stream.part().await.expect("a part");
        let task = &part["payload"]["data"]["taskAssigned"]["task"];
        assert_eq!(task["title"], title, "{part:#}");
    }
}

#[tokio::test]
async fn a_query_and_a_mutation_are_one_event_and_the_end() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let body = json!({"query": "{ viewer { user { name } } }"});
    let mut stream = Stream::open(&app, &ada, EVENTS, body).await;
    let answer = stream.data().await;
    assert_eq!(answer["data"]["viewer"]["user"]["name"], "Name of ada");
    let end = stream.event().await.expect("the end");
    assert_eq!(end, ("complete".to_owned(), String::new()));
    assert_eq!(stream.event().await, None);

    let create = "mutation { createTask(input: {title: \"x\"}) { task { title } } }";
    let mut stream = Stream::open(&app, &ada, EVENTS, json!({"query": create})).await;
    let answer = stream.data().await;
    assert_eq!(answer["data"]["createTask"]["task"]["title"], "x");
    assert_eq!(stream.event().await.expect("the end").0, "complete");
}

#[tokio::test]
async fn who_takes_json_too_gets_json_for_a_query() {
    let app = TestApp::start(Embedded).await;
    for accept in [
        MULTIPART,
        "application/json, text/event-stream",
        "text/event-stream, application/json",
    ] {
        let body = json!({"query": "{ __typename }"});
        let stream = Stream::open(&app, &app.anybody(), accept, body).await;
        assert_eq!(stream.media(), "application/json; charset=utf-8");
    }
}

#[tokio::test]
async fn what_cannot_run_is_told_in_the_stream_or_as_json_where_that_is_taken() {
    let app = TestApp::start(Embedded).await;
    let anybody = app.anybody();
    for (query, code) in [
        ("{ nothingLikeThis }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { taskAssigned { cursor } }",
            "UNAUTHENTICATED",
        ),
    ] {
        let mut stream = Stream::open(&app, &anybody, EVENTS, json!({"query": query})).await;
        assert_eq!(stream.status, 200, "{query}");
        let answer = stream.data().await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{query}");
        assert!(answer.get("data").is_none(), "{answer:#}");
        assert_eq!(stream.event().await.expect("the end").0, "complete");
        assert_eq!(stream.event().await, None);
    }
    let body = json!({"query": "subscription { nothing }"});
    let mut stream = Stream::open(&app, &anybody, MULTIPART, body).await;
    stream.until("\r\n--graphql").await.expect("the beginning");
    let part = stream.part().await.expect("a part");
    let code = &part["payload"]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{part:#}");
    assert_eq!(stream.until("\r\n").await.as_deref(), Some("--"));
    assert_eq!(stream.until("x").await, None);

    let stream = Stream::open(&app, &anybody, MULTIPART, json!({"query": "{"})).await;
    assert_eq!(stream.media(), "application/json; charset=utf-8");
}

#[tokio::test]
async fn an_event_source_can_follow_by_get_and_cannot_change_anything() {
    let app = TestApp::start(Embedded).await;
    let bob = app.person("bob").await;
    let get = |query: &str| {
        let mut parameters = url::form_urlencoded::Serializer::new(String::new());
        parameters.append_pair("query", query);
        let uri = format!("/graphql?{}", parameters.finish());
        let token = bob.token.as_deref().expect("a token");
        Request::get(uri)
            .header(header::ACCEPT, EVENTS)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap()
    };
    let mut stream = Stream::send(&app, get("subscription { taskAssigned { cursor } }")).await;
    assert_eq!(stream.status, 200);
    // The comment that says: you are heard.
    assert_eq!(stream.until("\n\n").await.as_deref(), Some(":"));

    let create = "mutation { createTask(input: {title: \"x\"}) { task { id } } }";
    let stream = Stream::send(&app, get(create)).await;
    assert_eq!(stream.status, 405);
    assert_eq!(app.number("SELECT COUNT(*) FROM tasks").await, 0);
}

#[tokio::test]
async fn a_stop_ends_the_streams_so_that_their_clients_come_again() {
    let app = TestApp::start(Embedded).await;
    let (_, bob, cursor) = ada_and_bob(&app).await;
    let mut events = Stream::open(&app, &bob, EVENTS, follow(&cursor)).await;
    let mut parts = Stream::open(&app, &bob, MULTIPART, follow(&cursor)).await;
    events.until("\n\n").await.expect("the beginning");
    parts.until("\r\n--graphql").await.expect("the beginning");
    app.lifecycle.draining.cancel();
    // No `complete`: the operation is not over.
    assert_eq!(events.event().await, None);
    let part = parts.part().await.expect("a part");
    assert_eq!(part["payload"], Value::Null, "{part:#}");
    assert_eq!(part["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    assert_eq!(parts.until("\r\n").await.as_deref(), Some("--"));
}

#[tokio::test]
async fn a_stream_ends_with_the_token() {
    let app = TestApp::start(Embedded).await;
    let bob = app.person("bob").await;
    // It ends in ten seconds, with its leeway: time enough to begin.
    app.clock.advance(TimeDelta::seconds(900 + 30 - 10));
    let body = json!({"query": FOLLOW});
    let mut events = Stream::open(&app, &bob, EVENTS, body.clone()).await;
    let mut parts = Stream::open(&app, &bob, MULTIPART, body).await;
    assert_eq!(events.event().await, None);
    parts.until("\r\n--graphql").await.expect("the beginning");
    let part = parts.part().await.expect("a part");
    assert_eq!(part["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}
