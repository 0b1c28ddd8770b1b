//! Who is told what, and what the message is like.

use rstest::rstest;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{deliveries, happens, register, scene, scene_with, start};
use crate::support::Mode::{self, Embedded, Full};

#[rstest]
#[tokio::test]
async fn a_project_and_a_person_are_told_the_same_message_each_signed_for_itself(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "EDITOR").await;
    app.work().await;
    let (ours, his) = (Receiver::start().await, Receiver::start().await);
    let header = json!({"name": "Authorization", "value": "Bearer of the project"});
    let of_project = json!({"projectId": project, "headers": [header]});
    let of_project = register(&ada, &ours, of_project).await;
    let of_bob = register(&bob, &his, json!({"eventTypes": ["task.assigned"]})).await;
    let input =
        json!({"title": "Pump", "description": "Dry", "projectId": project, "assigneeId": bob.id});
    let task = ada.creates(input).await;
    // Of what happens outside the project, and not to him, nobody hears.
    ada.creates(json!({"title": "Own"})).await;
    app.work().await;
    assert_eq!(ours.types(), ["task.assigned", "task.created"]);
    assert_eq!(his.types(), ["task.assigned"]);
    let assigned = |receiver: &Receiver| {
        let seen = receiver.seen();
        let mut seen = seen
            .into_iter()
            .filter(|seen| seen.kind() == "task.assigned");
        seen.next().unwrap()
    };
    let (to_us, to_him) = (assigned(&ours), assigned(&his));
    assert_eq!(to_us.body, to_him.body);
    assert_eq!(to_us.header("webhook-id"), to_him.header("webhook-id"));
    assert!(to_us.header("webhook-id").starts_with("msg_"));
    assert_eq!(to_us.header("content-type"), "application/json");
    assert_eq!(to_us.header("authorization"), "Bearer of the project");
    assert!(to_him.headers.get("authorization").is_none());
    assert!(to_us.is_signed_with(&of_project.secret) && !to_us.is_signed_with(&of_bob.secret));
    assert!(to_him.is_signed_with(&of_bob.secret) && !to_him.is_signed_with(&of_project.secret));
    let time: i64 = to_us.header("webhook-timestamp").parse().unwrap();
    assert!((app.clock.now().timestamp() - time).abs() < 300);
    let told = to_us.json();
    let data = &told["data"];
    assert_eq!(data["taskId"], json!(task));
    assert_eq!(data["projectId"], json!(project));
    assert_eq!(data["assigneeId"], json!(bob.id));
    assert_eq!(data["actorId"], json!(ada.id));
    assert_eq!(
        data["recipients"],
        Value::Null,
        "who else hears of it is nobody's business"
    );
    let now = &data["task"];
    assert_eq!((&now["id"], &now["title"]), (&json!(task), &json!("Pump")));
    assert_eq!(
        (&now["description"], &now["status"]),
        (&json!("Dry"), &json!("PENDING"))
    );
    assert!(now["version"].is_i64(), "{told:#}");
    assert!(told["timestamp"].as_str().unwrap().ends_with('Z'));
    let told = deliveries(&bob, &of_bob.id).await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["state"], &told[0]["eventType"]),
        (&json!("DELIVERED"), &json!("task.assigned"))
    );
    assert_eq!(told[0]["message"], to_him.header("webhook-id"));
    let attempts = told[0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["number"], 1);
    assert_eq!(
        (&attempts[0]["statusCode"], &attempts[0]["detail"]),
        (&json!(204), &Value::Null)
    );
    assert_eq!(attempts[0]["trigger"], "SCHEDULED");
}

#[rstest]
#[tokio::test]
async fn a_webhook_is_told_of_its_types_alone(#[values(Embedded, Full)] mode: Mode) {
    let all = json!({"eventTypes": null});
    let (app, ada, project, everything, _hook) = scene_with(mode, &[], all).await;
    let (some, few) = (Receiver::start().await, Receiver::start().await);
    let input = |types: Value| json!({"projectId": project, "eventTypes": types});
    register(&ada, &some, input(json!(["comment.*", "task.deleted"]))).await;
    register(&ada, &few, input(json!(["task.updated"]))).await;
    let task = happens(&ada, &project).await;
    let query = "mutation($id: ID!) {
        updateTask(input: {id: $id, title: \"Valve\"}) { task { id } }
        deleteTask(input: {id: $id}) { deletedTaskId } }";
    ada.graphql(query, json!({"id": task})).await.data();
    app.work().await;
    assert_eq!(
        everything.types(),
        ["task.created", "task.deleted", "task.updated"]
    );
    assert_eq!(some.types(), ["task.deleted"]);
    assert_eq!(some.seen()[0].json()["data"]["task"], Value::Null);
    assert_eq!(few.types(), ["task.updated"]);
    assert_eq!(few.seen()[0].json()["data"]["fields"], json!(["TITLE"]));
}

#[rstest]
#[tokio::test]
async fn what_is_dispatched_twice_is_told_once(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!(receiver.seen().len(), 1);
    app.execute("UPDATE jobs SET state = 'ready', attempt = 0 WHERE kind = 'dispatch'")
        .await;
    assert!(app.work().await > 0, "it is dispatched again");
    assert_eq!(receiver.seen().len(), 1);
    assert_eq!(deliveries(&ada, &hook.id).await.len(), 1);
    // A crash after the answer and before the commit: the message comes again, and says so.
    app.execute("UPDATE deliveries SET state = 'queued' WHERE channel = 'webhook'")
        .await;
    app.execute("UPDATE jobs SET state = 'ready', attempt = 0 WHERE queue = 'webhooks'")
        .await;
    app.work().await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_eq!(seen[0].body, seen[1].body);
}

#[rstest]
#[tokio::test]
async fn who_sees_a_task_no_more_is_not_told_what_it_is_like(#[values(Embedded, Full)] mode: Mode) {
    let app = start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "EDITOR").await;
    let task = happens(&ada, &project).await;
    let watch = "mutation($id: ID!) { watchTask(input: {taskId: $id}) { task { id } } }";
    bob.graphql(watch, json!({"id": task})).await.data();
    app.work().await;
    let receiver = Receiver::start().await;
    register(&bob, &receiver, json!({})).await;
    let update =
        "mutation($id: ID!) { updateTask(input: {id: $id, title: \"Valve\"}) { task { id } } }";
    ada.graphql(update, json!({"id": task})).await.data();
    ada.removes_member(&project, &bob).await.data();
    app.work().await;
    assert_eq!(receiver.types(), [""; 0]);
}

#[rstest]
#[tokio::test]
async fn without_webhooks_nothing_is_written(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    super::sends(&ada, "deleteWebhook", json!({"id": hook.id}))
        .await
        .data();
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!(receiver.seen().len(), 0);
    let written = entity::delivery::Entity::find()
        .filter(entity::delivery::Column::Channel.eq(entity::delivery::Channel::Webhook));
    assert!(written.all(&app.sql().await).await.unwrap().is_empty());
    assert_eq!(app.number("SELECT COUNT(*) FROM webhook_messages").await, 0);
}

#[tokio::test]
async fn the_library_of_standard_webhooks_verifies_our_messages() {
    let (app, ada, project, receiver, hook) = scene(Embedded).await;
    happens(&ada, &project).await;
    app.work().await;
    let reply = super::sends(&ada, "rotateWebhookSecret", json!({"id": hook.id})).await;
    let second = reply.data()["rotateWebhookSecret"]["secret"].clone();
    super::sends(&ada, "sendTestWebhook", json!({"id": hook.id}))
        .await
        .data();
    app.work().await;
    let secrets = [json!([hook.secret]), json!([hook.secret, second])];
    let messages: Vec<_> = receiver
        .seen()
        .iter()
        .zip(secrets)
        .map(|(seen, secrets)| {
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
            let headers = names.map(|name| (name.to_owned(), json!(seen.header(name))));
            let headers: serde_json::Map<_, _> = headers.into_iter().collect();
            json!({"headers": headers, "body": seen.body, "secrets": secrets})
        })
        .collect();
    assert_eq!(messages.len(), 2);
    let told = json!({"messages": messages, "stranger": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    let told = told.to_string();
    let folder = std::path::Path::new("tests/clients");
    let program = ["webhooks/verify.mjs"];
    let said = crate::clients::run(folder, &program, &[("MESSAGES", &told)]).await;
    assert_eq!(
        said,
        [
            "verified task.created",
            "verified webhook.test",
            "verified webhook.test",
            "refused with another secret",
            "refused when the body was changed",
            "refused under another id",
            "refused when it is old",
        ]
    );
}
