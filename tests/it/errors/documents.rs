//! Documents and variables that are not good: the answer says what is wrong, not what was sent.

use serde_json::json;

use crate::support::Mode::Embedded;
use crate::support::TestApp;

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
