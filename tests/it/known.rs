//! Documents that were executed before: what depends on variables is looked at each time.

use serde_json::{Value, json};

use crate::support::Mode::Embedded;
use crate::support::{Person, TestApp};

/// A document, variables it is good with, and others: most of them bad.
fn documents() -> Vec<(&'static str, Value, Vec<Value>)> {
    let wide = json!({"or": vec![json!({"enabled": {"eq": true}}); 150]});
    let deep = (0..40).fold(json!({}), |inner, _| json!({"not": inner}));
    vec![
        (
            "query Tasks($first: Int, $filter: TaskFilter, $order: [TaskOrder!], $with: Boolean = false) {
               tasks(first: $first, filter: $filter, orderBy: $order) {
                 nodes { id title @include(if: $with) } totalCount } }",
            json!({"first": 3}),
            vec![
                json!({}),
                json!({"first": null, "filter": null, "with": true}),
                json!({"first": 0}),
                json!({"first": 101}),
                json!({"first": "3"}),
                json!({"first": 3.5}),
                json!({"first": 3_000_000_000_i64}),
                json!({"with": null}),
                json!({"with": "true"}),
                json!({"filter": {"enabled": {"eq": 1}}}),
                json!({"filter": {"status": {"eq": "DONE"}}}),
                json!({"filter": {"status": {"eq": null}}}),
                json!({"filter": {"nothing": true}}),
                json!({"filter": {"dueAt": {"lt": "tomorrow"}}}),
                json!({"filter": {"assignee": {"eq": "user_x"}}}),
                json!({"filter": "all"}),
                json!({"filter": wide}),
                json!({"filter": deep}),
                json!({"filter": {"title": {"contains": "x"}}}),
                json!({"order": {"field": "TITLE"}}),
                json!({"order": [{"field": "DUE_AT"}, null]}),
                json!({"order": [{"direction": "ASC"}]}),
                json!({"unknown": 1}),
            ],
        ),
        (
            "query Nodes($ids: [ID!]!) { nodes(ids: $ids) { id } tasks(first: 1) { nodes { title } } }",
            json!({"ids": []}),
            vec![
                json!({}),
                json!({"ids": null}),
                json!({"ids": "x"}),
                json!({"ids": [1, 2]}),
                json!({"ids": [null]}),
                json!({"ids": [["x"]]}),
                json!({"ids": vec!["x"; 101]}),
            ],
        ),
        (
            // A page of pages: what it costs is for the variables to say.
            "query Deep($a: Int, $b: Int) { tasks(first: $a) { nodes {
               subtasks(first: $b) { nodes { id comments(first: $b) { nodes { id } } } } } } }",
            json!({"a": 1, "b": 1}),
            vec![
                json!({"a": 100, "b": 100}),
                json!({"a": 20, "b": 20}),
                json!({"a": 2, "b": 3}),
                json!({"b": -1}),
            ],
        ),
        (
            "mutation Create($input: CreateTaskInput!, $skip: Boolean!) {
               createTask(input: $input) { task @skip(if: $skip) { title priority } userErrors { code field } } }",
            json!({"input": {"title": "One"}, "skip": false}),
            vec![
                json!({"input": {"title": "Two"}, "skip": true}),
                json!({"input": {"title": "Three"}}),
                json!({"input": null, "skip": false}),
                json!({"input": {"title": ""}, "skip": false}),
                json!({"input": {"title": null}, "skip": false}),
                json!({"input": {}, "skip": false}),
                json!({"input": {"title": "Four", "priority": "URGENT"}, "skip": false}),
                json!({"input": {"title": "Five", "dueAt": "2026-02-30T00:00:00Z"}, "skip": false}),
                json!({"input": {"title": "Six", "dueDate": "2026-02-30"}, "skip": false}),
                json!({"input": {"title": "Seven", "more": 1}, "skip": false}),
                json!({"input": [{"title": "Eight"}], "skip": false}),
            ],
        ),
        (
            "query First { tasks(first: 1) { totalCount } } query Second($n: Int!) { tasks(first: $n) { nodes { id } } }",
            json!({"n": 1}),
            vec![json!({}), json!({"n": "1"}), json!({"n": 2})],
        ),
    ]
}

async fn ask(person: &Person, query: &str, variables: &Value) -> (u16, Value) {
    let operation_name = query.contains("Second").then_some("Second");
    let body = json!({"query": query, "variables": variables, "operationName": operation_name});
    let reply = person.post(&body).await;
    let mut body = reply.body;
    let errors = body.get_mut("errors").and_then(Value::as_array_mut);
    for error in errors.into_iter().flatten() {
        let id = error["extensions"]["requestId"].take();
        assert!(id.is_string(), "{error:#}");
    }
    (reply.status.as_u16(), body)
}

#[tokio::test]
async fn a_document_of_before_is_answered_as_if_it_were_new() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    for (query, good, others) in documents() {
        let (status, body) = ask(&ada, query, &good).await;
        assert_eq!(status, 200, "{body:#}");
        assert_eq!(body.get("errors"), None, "{query}");
        for (number, variables) in others.iter().enumerate() {
            // The same document with other words in it, so that it was not there before.
            let new = format!("{query} # {number}");
            let (of_known, of_new) = (
                ask(&ada, query, variables).await,
                ask(&ada, &new, variables).await,
            );
            let (of_known, of_new) = (without_ids(of_known), without_ids(of_new));
            assert_eq!(of_known, of_new, "{query} with {variables}");
        }
        // And once more, now that it was refused in many ways.
        assert_eq!(ask(&ada, query, &good).await.0, 200);
    }
}

/// The two make a task each, so counts and ids differ.
fn without_ids((status, mut body): (u16, Value)) -> (u16, Value) {
    let data = body.get_mut("data");
    if let Some(tasks) = data.and_then(|data| data.get_mut("tasks")) {
        *tasks = json!(tasks.is_null());
    }
    (status, body)
}

#[tokio::test]
async fn a_document_of_before_is_run_for_whoever_asks() {
    let app = TestApp::start(Embedded).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let query = "{ viewer { user { name } } }";
    for _ in 0..2 {
        for person in [&ada, &bob] {
            let reply = person.graphql(query, json!({})).await;
            let name = &reply.data()["viewer"]["user"]["name"];
            assert_eq!(name, &json!(format!("Name of {}", person.name)));
        }
        let refused = app.anybody().graphql(query, json!({})).await;
        assert_eq!(
            refused.body["errors"][0]["extensions"]["code"],
            "UNAUTHENTICATED"
        );
    }
}

#[tokio::test]
async fn only_the_very_same_document_is_one_of_before() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let query = "query A { tasks(first: 1) { nodes { id } } }";
    let ask = async |query: &str, name: Option<&str>| {
        let body = json!({"query": query, "operationName": name});
        let reply = ada.post(&body).await;
        let code = reply.body["errors"][0]["extensions"]["code"].clone();
        (reply.status.as_u16(), code)
    };
    for _ in 0..2 {
        assert_eq!(ask(query, None).await.0, 200);
        assert_eq!(ask(query, Some("A")).await.0, 200);
        let invalid = (400, json!("GRAPHQL_VALIDATION_FAILED"));
        assert_eq!(ask(query, Some("B")).await, invalid);
        assert_eq!(ask(query, Some("")).await, invalid);
        assert_eq!(ask(&query.replace("id", "idd"), None).await, invalid);
        let unparsed = (400, json!("GRAPHQL_PARSE_FAILED"));
        assert_eq!(ask(&format!("{query}\0A"), None).await, unparsed);
        assert_eq!(ask(&format!("{query}\u{1}A"), None).await, unparsed);
    }
}
