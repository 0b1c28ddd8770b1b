//! Documents and variables that are not good: the answer says what is wrong, not what was sent.

use serde_json::json;

use crate::support::Mode::Embedded;
use crate::support::{Socket, TestApp};

#[tokio::test]
async fn a_document_that_is_refused_is_not_repeated() {
    let app = TestApp::start(Embedded).await;
    for (query, code) in [
        (
            "mutation { login(input: {identifier: \"ada\", password: \"hunter2\"",
            "GRAPHQL_PARSE_FAILED",
        ),
        ("hunter2 {", "GRAPHQL_PARSE_FAILED"),
        ("{ __typename } \"hunter2", "GRAPHQL_PARSE_FAILED"),
        (
            "mutation { login(input: {identifier: 1, password: \"hunter2\"}) { accessToken } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation { login(input: \"hunter2\") { accessToken } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ] {
        let reply = app.anybody().graphql(query, json!({})).await;
        assert_eq!(reply.codes(), [code], "{query}: {:#}", reply.body);
        reply.hides(&["hunter2"]);
    }
}

#[tokio::test]
async fn variables_that_do_not_fit_have_a_documented_code_and_are_not_repeated() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let create =
        "mutation C($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }";
    for input in [
        json!("hunter2"),
        json!(["hunter2"]),
        json!({}),
        json!({"title": null}),
        json!({"title": 5}),
        json!({"title": ["hunter2"]}),
        json!({"title": "x", "status": "hunter2"}),
        json!({"title": "x", "status": "pending"}),
        json!({"title": "x", "priority": 1}),
        json!({"title": "x", "enabled": "yes"}),
        json!({"title": "x", "dueAt": "hunter2"}),
        json!({"title": "x", "dueAt": "2026-02-30T00:00:00Z"}),
        json!({"title": "x", "dueAt": 0}),
        json!({"title": "x", "assigneeId": {"hunter2": 1}}),
        json!({"title": "x", "unknown": "hunter2"}),
    ] {
        let reply = ada.graphql(create, json!({"input": input})).await;
        assert_eq!(
            reply.codes(),
            ["GRAPHQL_VALIDATION_FAILED"],
            "{input}: {:#}",
            reply.body
        );
        assert_eq!(reply.status, 400, "{input}");
        assert!(reply.body.get("data").is_none(), "{input}");
        reply.hides(&["hunter2", "chrono", "::", "NaiveDate", "taskflow"]);
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM tasks").await, 0);
}

#[tokio::test]
async fn an_unknown_field_is_a_validation_error_that_names_it() {
    let app = TestApp::start(Embedded).await;
    let reply = app
        .anybody()
        .graphql("{ nothingLikeThis other }", json!({}))
        .await;
    assert_eq!(
        reply.codes(),
        ["GRAPHQL_VALIDATION_FAILED", "GRAPHQL_VALIDATION_FAILED"]
    );
    let message = reply.body["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("nothingLikeThis"), "{message}");
}

#[tokio::test]
async fn a_value_in_the_document_that_does_not_fit_is_named_by_its_place_and_not_repeated() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    for (values, place) in [
        ("title: hunter2", "createTask(input).title"),
        ("title: \"x\" dueAt: \"hunter2\"", "createTask(input).dueAt"),
        ("title: \"x\" status: hunter2", "createTask(input).status"),
        (
            "title: \"x\" status: \"hunter2\"",
            "createTask(input).status",
        ),
        (
            "title: \"x\" assigneeId: {hunter2: 1}",
            "createTask(input).assigneeId",
        ),
        ("title: \"x\" other: \"hunter2\"", "createTask(input)"),
        ("description: \"hunter2\"", "createTask(input).title"),
    ] {
        let query = format!("mutation {{ createTask(input: {{{values}}}) {{ task {{ id }} }} }}");
        let reply = ada.graphql(&query, json!({})).await;
        reply.only("GRAPHQL_VALIDATION_FAILED");
        let message = reply.body["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("`{place}`")), "{message}");
        reply.hides(&["hunter2"]);
    }
}

/// The library runs the fields of a mutation one after the other, and would find the second's value
/// when the first is done.
#[tokio::test]
async fn a_mutation_with_one_value_that_does_not_fit_does_nothing_at_all() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let good = "a: createTask(input: {title: \"x\"}) { task { id } }";
    let bad = "b: createTask(input: $input) { task { id } }";
    let late = "c: createTask(input: {title: \"x\", description: $left, dueAt: \"tomorrow\"}) { task { id } }";
    for (document, variables) in [
        (
            format!("mutation M($input: CreateTaskInput!) {{ {good} {bad} }}"),
            json!({"input": {"title": "x", "dueAt": "tomorrow"}}),
        ),
        (
            format!("mutation M($input: CreateTaskInput!) {{ {good} {bad} }}"),
            json!({"input": "x"}),
        ),
        (
            format!("mutation M($left: String) {{ {good} {late} }}"),
            json!({}),
        ),
        (
            format!(
                "mutation M($left: String) {{ {good} b: createTask(input: {{title: $left}}) {{ task {{ id }} }} }}"
            ),
            json!({}),
        ),
        (
            format!(
                "mutation M($left: Int) {{ {good} b: createTask(input: {{title: \"x\", description: $left}}) {{ task {{ id }} }} }}"
            ),
            json!({}),
        ),
    ] {
        let reply = ada.graphql(&document, variables).await;
        reply.only("GRAPHQL_VALIDATION_FAILED");
        assert_eq!(reply.status, 400, "{document}");
        assert!(reply.body.get("data").is_none(), "{document}");
        let token = ada.token.as_deref().unwrap();
        let mut socket = Socket::signed_in(app.listen().await, token).await;
        socket.subscribe("1", &document, json!({"input": 5})).await;
        assert_eq!(socket.next().await["type"], "error", "{document}");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM tasks").await, 0);
}
