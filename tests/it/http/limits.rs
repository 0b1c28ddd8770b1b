//! The limits of the guard, as a client meets them. That each holds at N and not at N + 1 is shown
//! beside the guard itself.

use std::fmt::Write;

use rstest::rstest;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;

use super::{RESPONSE, post};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Reply, TestApp};

async fn ask(app: &TestApp, query: &str) -> Reply {
    let request = post().header("accept", RESPONSE);
    app.ask(request, json!({"query": query}).to_string()).await
}

#[tokio::test]
async fn a_document_may_have_so_many_bytes_and_no_more() {
    let app = TestApp::start(Embedded).await;
    let padded = |bytes: usize| format!("{{ __typename }}{}", " ".repeat(bytes - 14));
    ask(&app, &padded(32_768)).await.data();
    let reply = ask(&app, &padded(32_769)).await;
    reply.refused(400, "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn fragments_that_double_at_each_level_are_refused() {
    let app = TestApp::start(Embedded).await;
    let mut bomb = "{ ...F0 }".to_owned();
    for level in 0..31 {
        let next = level + 1;
        write!(
            bomb,
            " fragment F{level} on Query {{ ...F{next} ...F{next} }}"
        )
        .unwrap();
    }
    bomb.push_str(" fragment F31 on Query { __typename }");
    ask(&app, &bomb).await.refused(400, "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn fragments_that_go_in_circles_are_refused() {
    let app = TestApp::start(Embedded).await;
    for circle in [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ __typename } fragment A on Query { ...B } fragment B on Query { ...A }",
    ] {
        let reply = ask(&app, circle).await;
        reply.refused(400, "GRAPHQL_VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn documents_that_are_large_in_any_way_are_refused() {
    let app = TestApp::start(Embedded).await;
    let aliases = |count: usize| {
        let fields = (0..count).map(|number| format!("a{number}:x "));
        format!("{{ {} }}", fields.collect::<String>())
    };
    let nested = |open: &str, close: &str, count: usize| open.repeat(count) + &close.repeat(count);
    let cases = [
        ("aliases", aliases(10_000)),
        ("one alias too many", aliases(31)),
        (
            "fields at the root",
            format!("{{ {} }}", "__typename ".repeat(21)),
        ),
        ("brackets", "{".repeat(100_000)),
        ("other brackets", "[".repeat(30_000)),
        ("levels", nested("{ node", " }", 70)),
        (
            "a nested value",
            format!(
                "{{ tasks(filter: {}) {{ totalCount }} }}",
                nested("{ not: ", "}", 70)
            ),
        ),
        ("tokens", format!("{{ {} }}", "x ".repeat(2_000))),
        (
            "directives",
            format!("{{ __typename {} }}", "@skip(if: false) ".repeat(51)),
        ),
        (
            "depth",
            nested("{ tasks { nodes { creator ", "} } }", 5)
                .replace("creator }", "creator { id } }"),
        ),
    ];
    for (what, document) in cases {
        let reply = ask(&app, &document).await;
        assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{what}");
        reply.refused(400, "QUERY_TOO_COMPLEX");
    }
}

#[tokio::test]
async fn variables_that_are_large_or_deep_are_refused() {
    let app = TestApp::start(Embedded).await;
    let deep = (0..33).fold(json!(1), |inner, _| json!([inner]));
    for variables in [json!({"x": "a".repeat(65_536)}), json!({"x": deep})] {
        let body = json!({"query": "{ __typename }", "variables": variables});
        let request = post().header("accept", RESPONSE);
        let reply = app.ask(request, body.to_string()).await;
        reply.refused(400, "QUERY_TOO_COMPLEX");
    }
}

#[rstest]
#[tokio::test]
async fn a_field_that_stands_twice_at_the_root_of_a_mutation_makes_no_task(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let make = "createTask(input: {title: \"x\"})";
    for document in [
        format!("mutation {{ {make} {{ task {{ id }} }} {make} {{ task {{ title }} }} }}"),
        format!(
            "mutation {{ {make} {{ task {{ id }} }} ...F }} fragment F on Mutation {{ {make} {{ task {{ id }} }} }}"
        ),
        format!(
            "mutation {{ {make} {{ task {{ id }} }} ... {{ createTask: {make} {{ task {{ id }} }} }} }}"
        ),
    ] {
        let reply = ada.graphql(&document, json!({})).await;
        reply.refused(400, "GRAPHQL_VALIDATION_FAILED");
    }
    assert_eq!(app.tasks().await, 0);
    let two =
        format!("mutation {{ {make} {{ task {{ id }} }} other: {make} {{ task {{ id }} }} }}");
    ada.graphql(&two, json!({})).await.data();
    assert_eq!(app.tasks().await, 2, "under two names they are two");
}

#[rstest]
#[tokio::test]
async fn an_operation_signs_in_once_only(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let login = "login(input: {identifier: \"ada\", password: \"x\"}) { accessToken }";
    let renew = format!(
        "refreshToken(input: {{refreshToken: \"{}\"}}) {{ accessToken }}",
        ada.refresh_token
    );
    for document in [
        format!("mutation {{ a: {login} b: {login} }}"),
        format!("mutation {{ {login} {renew} }}"),
        format!("mutation {{ a: {login} ...F }} fragment F on Mutation {{ b: {login} }}"),
    ] {
        let reply = ada.without_token().graphql(&document, json!({})).await;
        reply.refused(400, "QUERY_TOO_COMPLEX");
    }
    // Nothing of it ran: the refresh token is still good.
    let reply = ada
        .without_token()
        .graphql(&format!("mutation {{ {renew} }}"), json!({}))
        .await;
    assert!(reply.data()["refreshToken"]["accessToken"].is_string());
}

/// Waits for the limit itself, since that is what is looked at: one second.
#[rstest]
#[tokio::test]
async fn an_operation_that_takes_too_long_is_stopped(#[values(Embedded, Full)] mode: Mode) {
    let settings = [
        ("TASKFLOW_SERVER__OPERATION_TIMEOUT_SECONDS", "1"),
        ("TASKFLOW_DATABASE__LOCK_TIMEOUT_MS", "60000"),
        ("TASKFLOW_DATABASE__SQLITE_BUSY_TIMEOUT_MS", "60000"),
    ];
    let app = TestApp::with(mode, &settings).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "Held"})).await;
    let db = app.sql().await;
    let hand = hold_tasks(&db).await;
    let update =
        "mutation U($input: UpdateTaskInput!) { updateTask(input: $input) { task { id } } }";
    let input = json!({"input": {"id": task, "title": "Changed"}});
    let reply = ada.graphql(update, input).await;
    assert_eq!(reply.code(), "UNAVAILABLE", "{:#}", reply.body);
    let extensions = &reply.body["errors"][0]["extensions"];
    assert_eq!(extensions["retryAfter"], 1);
    assert_eq!(extensions["requestId"], reply.header("x-request-id"));
    hand.rollback().await.unwrap();
    // It was stopped, not put off.
    let query = "query Q($id: ID!) { task(id: $id) { title version } }";
    let reply = ada.graphql(query, json!({"id": task})).await;
    assert_eq!(reply.data()["task"], json!({"title": "Held", "version": 1}));
}

/// A hand on every row of the table, on `SQLite` on the whole file.
#[expect(
    clippy::disallowed_methods,
    reason = "this transaction is to be in the way"
)]
async fn hold_tasks(db: &sea_orm::DatabaseConnection) -> sea_orm::DatabaseTransaction {
    let hand = db.begin().await.unwrap();
    let update = "UPDATE tasks SET title = title";
    hand.execute_unprepared(update).await.unwrap();
    hand
}
