//! When a task begins and when it is due: a day or a point in time.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const CREATE: &str = "mutation($input: CreateTaskInput!) { createTask(input: $input) {
    task { id } userErrors { code message field } } }";
const UPDATE: &str = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
    task { startAt startDate dueAt dueDate version } userErrors { code message field } } }";

async fn update(person: &Person, input: Value) -> Reply {
    person.graphql(UPDATE, json!({"input": input})).await
}

#[rstest]
#[tokio::test]
async fn one_form_replaces_the_other_and_null_of_either_clears(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let (at, on) = ("2026-12-24T18:00:00+00:00", "2026-12-24");
    for (at_name, on_name) in [("dueAt", "dueDate"), ("startAt", "startDate")] {
        let task = ada.creates(json!({"title": "x", on_name: on})).await;
        let mut version = 1;
        for (input, wanted_at, wanted_on) in [
            (json!({}), json!(null), json!(on)),
            (json!({at_name: at}), json!(at), json!(null)),
            (json!({"title": "y"}), json!(at), json!(null)),
            (json!({on_name: on, at_name: null}), json!(null), json!(on)),
            (json!({on_name: null, at_name: at}), json!(at), json!(null)),
            (json!({on_name: null}), json!(null), json!(null)),
            (
                json!({on_name: "2024-02-29"}),
                json!(null),
                json!("2024-02-29"),
            ),
            (json!({at_name: null}), json!(null), json!(null)),
            (
                json!({at_name: null, on_name: null}),
                json!(null),
                json!(null),
            ),
        ] {
            let mut input = input;
            input["id"] = json!(task);
            let reply = update(&ada, input.clone()).await;
            let task = &reply.data()["updateTask"]["task"];
            assert_eq!(
                (&task[at_name], &task[on_name]),
                (&wanted_at, &wanted_on),
                "{input}"
            );
            version = version.max(task["version"].as_i64().unwrap());
        }
        assert_eq!(version, 8, "the first and the last changed nothing");
    }
    let days = "SELECT count(*) FROM task_history WHERE new_value = '2026-12-24'";
    assert_eq!(app.number(days).await, 2, "the history has days as days");
    let ends = "SELECT count(*) FROM tasks WHERE due_on IS NOT NULL OR due_at IS NOT NULL";
    assert_eq!(app.number(ends).await, 0);
}

#[rstest]
#[case(json!({"dueAt": "2026-12-24T18:00:00Z", "dueDate": "2026-12-24"}), "dueDate")]
#[case(json!({"startAt": "2026-12-24T18:00:00Z", "startDate": "2026-12-24"}), "startDate")]
#[case(json!({"dueDate": "0000-01-01"}), "dueDate")]
#[case(json!({"dueDate": "9999-01-01"}), "dueDate")]
#[case(json!({"startDate": "0000-12-31"}), "startDate")]
#[case(json!({"startAt": "0000-12-31T00:00:00Z"}), "startAt")]
#[case(json!({"startAt": "2026-12-25T00:00:00.000001Z", "dueAt": "2026-12-25T00:00:00Z"}), "startAt")]
#[case(json!({"startDate": "2026-12-25", "dueDate": "2026-12-24"}), "startDate")]
#[case(json!({"startAt": "2026-12-25T12:00:00Z", "dueDate": "2026-12-24"}), "startAt")]
#[case(json!({"startDate": "2026-12-25", "dueAt": "2026-12-24T09:59:59Z"}), "startDate")]
#[tokio::test]
async fn dates_that_do_not_fit_are_told_by_name(
    #[case] input: Value,
    #[case] field: &str,
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let mut input = input;
    input["title"] = json!("x");
    let reply = ada.graphql(CREATE, json!({"input": input})).await;
    let told = ("INVALID".to_owned(), format!("input.{field}"));
    assert_eq!(reply.user_error("createTask"), told);
    let task = ada.creates(json!({"title": "x"})).await;
    input["id"] = json!(task);
    let reply = update(&ada, input).await;
    assert_eq!(reply.user_error("updateTask"), told);
    assert_eq!(app.number("SELECT version FROM tasks").await, 1);
}

#[rstest]
#[tokio::test]
async fn it_begins_before_it_is_due_wherever_the_reader_is(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for fits in [
        json!({"startAt": "2026-12-25T00:00:00Z", "dueAt": "2026-12-25T00:00:00Z"}),
        json!({"startDate": "2026-12-24", "dueDate": "2026-12-24"}),
        // The evening of that day in Honolulu, and its morning in Auckland.
        json!({"startAt": "2026-12-24T20:00:00-10:00", "dueDate": "2026-12-24"}),
        json!({"startDate": "2026-12-25", "dueAt": "2026-12-25T08:00:00+13:00"}),
        json!({"startDate": "0001-01-01", "dueAt": "9998-12-31T23:59:59Z"}),
        json!({"startAt": "0001-01-01T00:00:00Z", "dueDate": "9998-12-31"}),
    ] {
        let mut input = fits;
        input["title"] = json!("x");
        ada.creates(input).await;
    }
    // What is not given is not blamed.
    let task = ada
        .creates(json!({"title": "x", "startDate": "2026-12-24"}))
        .await;
    let reply = update(&ada, json!({"id": task, "dueDate": "2026-12-23"})).await;
    let told = ("INVALID".to_owned(), "input.dueDate".to_owned());
    assert_eq!(reply.user_error("updateTask"), told);
    let reply = update(&ada, json!({"id": task, "dueAt": "2026-12-20T00:00:00Z"})).await;
    assert_eq!(reply.user_error("updateTask").1, "input.dueAt");
    let both = json!({"id": task, "dueDate": "2026-12-23", "startDate": "2026-12-22"});
    update(&ada, both).await.data();
}

/// In a variable and in the document itself, before anything runs.
#[rstest]
#[case("dueDate", &["2026-02-30", "2026-13-01", "2025-02-29", "2026-00-01", "2026-11-22T00:00:00Z", "20261122", ""])]
#[case("dueAt", &["2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z", "2016-12-31T23:59:60Z", "2026-11-23"])]
#[tokio::test]
async fn what_the_calendar_does_not_have_is_refused_by_the_name_of_its_field(
    #[case] field: &str,
    #[case] texts: &[&str],
) {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    for text in texts {
        let input = json!({"input": {"title": "x", field: text}});
        let by_variable = ada.graphql(CREATE, input).await;
        let document = format!(
            "mutation {{ createTask(input: {{title: \"x\", {field}: \"{text}\"}}) {{ task {{ id }} }} }}"
        );
        let by_literal = ada.graphql(&document, json!({})).await;
        for reply in [by_variable, by_literal] {
            assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{text}");
            let message = reply.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(&format!(".{field}`")), "{message}");
            assert!(text.is_empty() || !message.contains(text), "{message}");
        }
    }
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 0);
}

#[rstest]
#[tokio::test]
async fn the_mail_says_the_day_or_the_point_in_time(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    for (name, value, said) in [
        ("dueDate", "2026-12-24", "24 December 2026"),
        (
            "dueAt",
            "2026-12-25T18:00:00Z",
            "25 December 2026, 18:00 UTC",
        ),
    ] {
        let mut task = json!({"title": name, "assigneeId": bob.id});
        task[name] = json!(value);
        ada.creates(task).await;
        app.work().await;
        let mails = app.mails();
        let mail = mails.iter().find(|mail| mail.contains(said));
        assert!(mail.is_some(), "{said} in {mails:#?}");
    }
}
