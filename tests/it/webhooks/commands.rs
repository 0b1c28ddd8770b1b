//! Sending on demand.

use rstest::rstest;
use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use super::{deliveries, happens, later, register, scene, scene_with, sends};
use crate::support::Mode::{self, Embedded, Full};

#[rstest]
#[tokio::test]
async fn a_test_goes_to_its_webhook_alone(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    let other = Receiver::start().await;
    register(&ada, &other, json!({"projectId": project})).await;
    let sent = sends(&ada, "sendTestWebhook", json!({"id": hook.id})).await;
    let sent = sent.data()["sendTestWebhook"]["delivery"].clone();
    assert_eq!(sent["state"], "QUEUED");
    app.work().await;
    assert_eq!(
        (receiver.types(), other.types().len()),
        (vec!["webhook.test".to_owned()], 0)
    );
    let seen = &receiver.seen()[0];
    assert!(seen.is_signed_with(&hook.secret));
    assert_eq!(seen.header("webhook-id"), sent["message"]);
    assert_eq!(seen.json()["data"]["webhookId"], json!(hook.id));
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(
        (&told[0]["id"], &told[0]["state"]),
        (&sent["id"], &json!("DELIVERED"))
    );
    assert_eq!(told[0]["attempts"][0]["trigger"], "MANUAL");
}

#[rstest]
#[tokio::test]
async fn a_message_is_sent_once_more_however_it_ended(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    happens(&ada, &project).await;
    app.work().await;
    let delivery = deliveries(&ada, &hook.id).await[0].clone();
    let input = json!({"deliveryId": delivery["id"]});
    // What fails then is tried on the schedule.
    receiver.answers(Answer::Status(500, ""));
    let again = sends(&ada, "redeliverWebhook", input.clone()).await;
    assert_eq!(
        again.data()["redeliverWebhook"]["delivery"]["state"],
        "QUEUED"
    );
    let twice = sends(&ada, "redeliverWebhook", input.clone()).await;
    let refused = ("INVALID".to_owned(), "input.deliveryId".to_owned());
    assert_eq!(twice.user_error("redeliverWebhook"), refused);
    app.work().await;
    later(&app, 7).await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|it| it.header("webhook-id") == delivery["message"])
    );
    assert!(seen.iter().all(|it| it.body == seen[0].body));
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(told[0]["state"], "DELIVERED");
    let attempts = told[0]["attempts"].as_array().unwrap().iter();
    let attempts: Vec<_> = attempts
        .map(|it| (it["number"].clone(), it["trigger"].clone()))
        .collect();
    let tried = |number: i64, trigger: &str| (json!(number), json!(trigger));
    assert_eq!(
        attempts,
        [
            tried(3, "SCHEDULED"),
            tried(2, "MANUAL"),
            tried(1, "SCHEDULED")
        ]
    );
    // Long after the job of the first time is deleted.
    app.execute("DELETE FROM jobs").await;
    sends(&ada, "redeliverWebhook", input).await.data();
    app.work().await;
    assert_eq!(receiver.seen().len(), 4);
}

#[rstest]
#[tokio::test]
async fn all_that_was_given_up_since_then_is_sent_once_more(#[values(Embedded, Full)] mode: Mode) {
    let once = [("TASKFLOW_WEBHOOKS__RETRY_SCHEDULE_SECONDS", "1")];
    let (app, ada, project, receiver, hook) = scene_with(mode, &once, json!({})).await;
    receiver.always(Some(Answer::Status(500, "")));
    happens(&ada, &project).await;
    app.work().await;
    later(&app, 600).await;
    let since = app.clock.now().to_rfc3339();
    for _ in 0..3 {
        happens(&ada, &project).await;
    }
    app.work().await;
    later(&app, 2).await;
    receiver.always(None);
    happens(&ada, &project).await;
    app.work().await;
    let before = receiver.seen().len();
    let recover = json!({"id": hook.id, "since": since});
    let reply = sends(&ada, "recoverWebhook", recover.clone()).await;
    assert_eq!(reply.data()["recoverWebhook"]["queuedCount"], 3);
    app.work().await;
    assert_eq!(receiver.seen().len(), before + 3);
    let told = deliveries(&ada, &hook.id).await;
    let states: Vec<_> = told
        .iter()
        .map(|it| it["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        ["DELIVERED", "DELIVERED", "DELIVERED", "DELIVERED", "FAILED"]
    );
    let reply = sends(&ada, "recoverWebhook", recover).await;
    assert_eq!(reply.data()["recoverWebhook"]["queuedCount"], 0);
    let always = json!({"id": hook.id, "since": "0001-01-01T00:00:00Z"});
    let reply = sends(&ada, "recoverWebhook", always).await;
    assert_eq!(reply.data()["recoverWebhook"]["queuedCount"], 1);
}

#[rstest]
#[tokio::test]
async fn to_a_webhook_that_is_off_nothing_is_sent_on_demand(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, _receiver, hook) = scene(mode).await;
    happens(&ada, &project).await;
    app.work().await;
    let delivery = deliveries(&ada, &hook.id).await[0]["id"].clone();
    sends(
        &ada,
        "updateWebhook",
        json!({"id": hook.id, "enabled": false}),
    )
    .await
    .data();
    for (mutation, input) in [
        ("sendTestWebhook", json!({"id": hook.id})),
        ("redeliverWebhook", json!({"deliveryId": delivery})),
        (
            "recoverWebhook",
            json!({"id": hook.id, "since": "2020-01-01T00:00:00Z"}),
        ),
    ] {
        let reply = sends(&ada, mutation, input).await;
        assert_eq!(reply.user_error(mutation).0, "INVALID", "{mutation}");
    }
    assert_eq!(
        app.number("SELECT COUNT(*) FROM events WHERE topic = 'webhook.test'")
            .await,
        0
    );
}

#[rstest]
#[tokio::test]
async fn commands_that_call_are_counted(#[values(Embedded, Full)] mode: Mode) {
    let few = [("TASKFLOW_LIMITS__CALL_WEBHOOK", "2/1h")];
    let (_app, ada, _project, _receiver, hook) = scene_with(mode, &few, json!({})).await;
    let recover = json!({"id": hook.id, "since": "2020-01-01T00:00:00Z"});
    sends(&ada, "recoverWebhook", recover).await.data();
    sends(&ada, "sendTestWebhook", json!({"id": hook.id}))
        .await
        .data();
    let reply = sends(&ada, "sendTestWebhook", json!({"id": hook.id})).await;
    assert_eq!(reply.code(), "RATE_LIMITED");
}

#[rstest]
#[tokio::test]
async fn of_long_answers_not_too_many_are_read_at_once(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    receiver.always(Some(Answer::Status(200, "taken")));
    for _ in 0..4 {
        happens(&ada, &project).await;
    }
    app.work().await;
    let fields: Vec<_> = (0..26).map(|n| format!("r{n}: response")).collect();
    let query = format!(
        "query($id: ID!) {{ webhook(id: $id) {{ deliveries(first: 4) {{ nodes {{ attempts {{ {} }} }} }} }} }}",
        fields.join(" ")
    );
    let reply = ada.graphql(&query, json!({"id": hook.id})).await;
    let errors = reply.body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 4, "of 104 asked for: {:#}", reply.body);
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX");
    let told = &reply.body["data"]["webhook"]["deliveries"]["nodes"];
    let told = told.to_string().matches("taken").count();
    assert_eq!(told, 100);
    assert_ne!(reply.body["data"], Value::Null);
}
