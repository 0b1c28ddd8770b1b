//! The same limits over every transport.

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use rstest::rstest;
use serde_json::json;
use tower::ServiceExt;

use super::{JSON, RESPONSE, TYPENAME, app, fields, from, kept_out, left, rows, tasks, told};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::Socket;

const FOLLOW: &str = "subscription { taskAssigned { cursor } }";

#[rstest]
#[tokio::test]
async fn operations_on_a_socket_are_counted_like_requests(#[values(Embedded, Full)] mode: Mode) {
    let app = app(mode, &[("TASKFLOW_LIMITS__USER", "6/1h")]).await;
    let ada = app.person("ada").await;
    let address = app.listen().await;
    let mut socket = Socket::signed_in(address, ada.token.as_deref().unwrap()).await;
    socket.subscribe("a", &fields(3), json!({})).await;
    assert_eq!(socket.event("a").await["a2"], "Query");
    assert_eq!(socket.next().await["type"], "complete");
    let reply = ada.graphql(&fields(2), json!({})).await;
    assert_eq!(left(&reply), ("6", "1"));
    // A subscription counts once, when it begins.
    socket.subscribe("b", FOLLOW, json!({})).await;
    let task = app
        .person("bob")
        .await
        .creates(json!({"title": "A", "assigneeId": ada.id}))
        .await;
    assert!(!task.is_empty());
    assert!(socket.event("b").await["taskAssigned"]["cursor"].is_string());
    for (id, operation) in [("c", TYPENAME), ("d", FOLLOW), ("e", tasks(1).as_str())] {
        socket.subscribe(id, operation, json!({})).await;
        let message = socket.next().await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("error"), &json!(id))
        );
        let extensions = &message["payload"][0]["extensions"];
        assert_eq!(extensions["code"], "RATE_LIMITED", "{message:#}");
        let seconds = extensions["retryAfter"].as_u64().unwrap();
        assert!((550..=600).contains(&seconds), "{seconds}");
    }
    assert_eq!(rows(&app, "tasks").await, 1);
    // The socket and what runs on it stay.
    let other = app.person("eve").await;
    other
        .creates(json!({"title": "B", "assigneeId": ada.id}))
        .await;
    assert!(socket.event("b").await["taskAssigned"]["cursor"].is_string());
}

#[rstest]
#[tokio::test]
async fn streams_over_http_are_counted_like_requests(#[values(Embedded, Full)] mode: Mode) {
    let app = app(mode, &[("TASKFLOW_LIMITS__USER", "2/1h")]).await;
    let ada = app.person("ada").await;
    let stream = async |query: &str| {
        let body = Body::from(json!({"query": query}).to_string());
        let token = ada.token.as_deref().unwrap();
        let request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, JSON)
            .header(header::ACCEPT, "text/event-stream")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(body)
            .unwrap();
        let response = app.router.clone().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert!(stream(&fields(2)).await.contains("\"a1\":\"Query\""));
    for query in [TYPENAME, FOLLOW] {
        let said = stream(query).await;
        assert!(said.contains("\"code\":\"RATE_LIMITED\""), "{said}");
        assert!(said.contains("\"retryAfter\":1800"), "{said}");
        assert!(said.contains("event: complete"), "{said}");
    }
}

#[rstest]
#[tokio::test]
async fn each_operation_of_a_batch_counts(#[values(Embedded, Full)] mode: Mode) {
    let app = app(
        mode,
        &[
            ("TASKFLOW_GRAPHQL__MAX_BATCH", "10"),
            ("TASKFLOW_LIMITS__USER", "4/1h"),
            ("TASKFLOW_LIMITS__CREATE_TASK", "2/1h"),
        ],
    )
    .await;
    let ada = app.person("ada").await;
    let make = json!({"query": tasks(1)});
    let batch = json!([make, make, make, {"query": TYPENAME}, {"query": TYPENAME}]);
    let reply = from(&ada, "", RESPONSE, batch).await;
    assert_eq!(reply.status.as_u16(), 200);
    let codes: Vec<_> = reply
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| {
            answer["errors"][0]["extensions"]["code"]
                .as_str()
                .unwrap_or("ok")
        })
        .collect();
    assert_eq!(codes, ["ok", "ok", "RATE_LIMITED", "ok", "RATE_LIMITED"]);
    // The field was executed and failed; the last operation did not run at all.
    assert!(reply.body[2].get("data").is_some());
    assert!(reply.body[4].get("data").is_none());
    assert_eq!(rows(&app, "tasks").await, 2);
    let seconds: u64 = told(&reply, "retry-after").parse().unwrap();
    assert!((1_700..=1_800).contains(&seconds), "{seconds}");
    assert_eq!(left(&reply).1, "0");
    kept_out(&ada.graphql(TYPENAME, json!({})).await, 429, 850..=900);
}
