//! Webhooks: who is told what, signed how, and how often it is tried.

mod commands;
mod failures;
mod receiver;
mod registered;
mod secrets;
mod told;

use chrono::TimeDelta;
use serde_json::{Value, json};

use self::receiver::Receiver;
use crate::support::{Mode, Person, Reply, TestApp};

pub const WEBHOOK: &str = "id url description eventTypes headers { name } enabled disabledReason
    ratePerMinute failingSince project { id } createdBy { id } createdAt updatedAt";

/// An application that may call this machine.
async fn start(mode: Mode) -> TestApp {
    start_with(mode, &[]).await
}

async fn start_with(mode: Mode, besides: &[(&str, &str)]) -> TestApp {
    let mut settings = vec![
        ("TASKFLOW_OUTBOUND__ALLOW_NETWORKS", "127.0.0.0/8, ::1/128"),
        ("TASKFLOW_OUTBOUND__ALLOW_HTTP", "true"),
    ];
    settings.extend(besides);
    TestApp::with(mode, &settings).await
}

/// Sends a mutation of webhooks.
async fn sends(person: &Person, mutation: &str, input: Value) -> Reply {
    let capital = mutation[..1].to_uppercase() + &mutation[1..];
    let result = match mutation {
        "deleteWebhook" => "deletedWebhookId".to_owned(),
        "recoverWebhook" => "queuedCount".to_owned(),
        "sendTestWebhook" | "redeliverWebhook" => "delivery { id message state }".to_owned(),
        "updateWebhook" => format!("webhook {{ {WEBHOOK} }}"),
        _ => format!("webhook {{ {WEBHOOK} }} secret"),
    };
    let query = format!(
        "mutation($input: {capital}Input!) {{ {mutation}(input: $input) {{
           {result} userErrors {{ code message field }} }} }}"
    );
    person.graphql(&query, json!({"input": input})).await
}

/// A webhook that was registered.
struct Hook {
    id: String,
    secret: String,
}

async fn register(person: &Person, receiver: &Receiver, more: Value) -> Hook {
    let mut input = json!({"url": receiver.url()});
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let reply = sends(person, "registerWebhook", input).await;
    let payload = &reply.data()["registerWebhook"];
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{reply:?}"))
            .to_owned()
    };
    Hook {
        id: text(&payload["webhook"]["id"]),
        secret: text(&payload["secret"]),
    }
}

async fn webhook(person: &Person, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ webhook(id: $id) {{ {WEBHOOK} }} }}");
    let reply = person.graphql(&query, json!({"id": id})).await;
    reply.data()["webhook"].clone()
}

/// What a webhook was told, the newest first.
async fn deliveries(person: &Person, id: &str) -> Vec<Value> {
    let query = "query($id: ID!) { webhook(id: $id) { deliveries(first: 50) { totalCount nodes {
        id message eventType state reason createdAt finishedAt
        attempts { number at statusCode response durationMs detail trigger } } } } }";
    let reply = person.graphql(query, json!({"id": id})).await;
    let page = &reply.data()["webhook"]["deliveries"];
    let nodes = page["nodes"].as_array().unwrap().clone();
    assert_eq!(page["totalCount"], nodes.len());
    nodes
}

/// Turns the clock and does what is due then.
async fn later(app: &TestApp, seconds: i64) -> usize {
    app.clock.advance(TimeDelta::seconds(seconds));
    app.work().await
}

/// Somebody with a project of her own and a webhook of it that is told of new tasks.
async fn scene(mode: Mode) -> (TestApp, Person, String, Receiver, Hook) {
    scene_with(mode, &[], json!({})).await
}

async fn scene_with(
    mode: Mode,
    settings: &[(&str, &str)],
    besides: Value,
) -> (TestApp, Person, String, Receiver, Hook) {
    let app = start_with(mode, settings).await;
    let ada = app.person("ada").await;
    let project = ada.creates_project("OPS").await;
    let receiver = Receiver::start().await;
    let mut input = json!({"projectId": project, "eventTypes": ["task.created"]});
    input
        .as_object_mut()
        .unwrap()
        .extend(besides.as_object().unwrap().clone());
    let hook = register(&ada, &receiver, input).await;
    (app, ada, project, receiver, hook)
}

/// Makes a task in a project, of which its webhooks are told.
async fn happens(person: &Person, project: &str) -> String {
    person
        .creates(json!({"title": "Pump", "projectId": project}))
        .await
}
