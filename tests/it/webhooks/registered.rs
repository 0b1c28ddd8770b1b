//! Registering and changing webhooks: what is taken, and from whom.

use rstest::rstest;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{WEBHOOK, register, scene, scene_with, sends, start, webhook};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;

#[rstest]
#[tokio::test]
async fn a_webhook_is_registered_found_changed_and_deleted(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    let now = webhook(&ada, &hook.id).await;
    assert_eq!(now["url"], json!(receiver.url()));
    assert_eq!(
        (&now["enabled"], &now["ratePerMinute"]),
        (&json!(true), &json!(60))
    );
    assert_eq!(now["eventTypes"], json!(["task.created"]));
    assert_eq!(
        (&now["project"]["id"], &now["createdBy"]["id"]),
        (&json!(project), &json!(ada.id))
    );
    assert!(hook.secret.starts_with("whsec_"));
    let own = register(&ada, &receiver, json!({"description": "Mine"})).await;
    let list = format!(
        "query($project: ID!) {{ own: webhooks {{ totalCount nodes {{ {WEBHOOK} }} }}
           ours: webhooks(projectId: $project, first: 1) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let reply = ada.graphql(&list, json!({"project": project})).await;
    let (of_ada, ours) = (&reply.data()["own"], &reply.data()["ours"]);
    assert_eq!(
        (&of_ada["totalCount"], &of_ada["nodes"][0]["id"]),
        (&json!(1), &json!(own.id))
    );
    assert_eq!(of_ada["nodes"][0]["eventTypes"], Value::Null);
    assert_eq!(
        (&ours["totalCount"], &ours["nodes"][0]["id"]),
        (&json!(1), &json!(hook.id))
    );
    app.clock.advance(chrono::TimeDelta::minutes(1));
    let input = json!({"id": own.id, "url": "https://hooks.example.org/in", "description": null,
        "eventTypes": ["project.*"], "ratePerMinute": 5, "headers": [{"name": "X-Key", "value": "1"}]});
    let reply = sends(&ada, "updateWebhook", input).await;
    let changed = &reply.data()["updateWebhook"]["webhook"];
    assert_eq!(changed["url"], "https://hooks.example.org/in");
    assert_eq!(
        (&changed["description"], &changed["ratePerMinute"]),
        (&Value::Null, &json!(5))
    );
    assert_eq!(changed["eventTypes"], json!(["project.*"]));
    assert_eq!(changed["headers"], json!([{"name": "X-Key"}]));
    assert_ne!(changed["updatedAt"], changed["createdAt"]);
    // A header is not sent to another host without a word.
    let moved = json!({"id": own.id, "url": "https://elsewhere.example.org/in"});
    let reply = sends(&ada, "updateWebhook", moved.clone()).await;
    assert_eq!(reply.user_error("updateWebhook").1, "input.headers");
    let mut anew = moved;
    anew["headers"] = json!([]);
    let reply = sends(&ada, "updateWebhook", anew).await;
    assert_eq!(
        reply.data()["updateWebhook"]["webhook"]["headers"],
        json!([])
    );
    let node = "query($id: ID!) { node(id: $id) { __typename id } }";
    let reply = ada.graphql(node, json!({"id": own.id})).await;
    assert_eq!(
        reply.data()["node"],
        json!({"__typename": "Webhook", "id": own.id})
    );
    let reply = sends(&ada, "deleteWebhook", json!({"id": own.id})).await;
    assert_eq!(
        reply.data()["deleteWebhook"]["deletedWebhookId"],
        json!(own.id)
    );
    assert_eq!(
        ada.graphql(node, json!({"id": own.id})).await.code(),
        "NOT_FOUND"
    );
}

#[rstest]
#[tokio::test]
async fn what_is_no_webhook_is_refused_with_a_reason(#[values(Embedded, Full)] mode: Mode) {
    let (_app, ada, project, receiver, hook) = scene(mode).await;
    let header = |name: &str, value: &str| json!([{"name": name, "value": value}]);
    for (field, wrong) in [
        ("url", json!({"url": "nonsense"})),
        ("url", json!({"url": "ftp://hooks.example.org/"})),
        ("url", json!({"url": "https://u:p@hooks.example.org/"})),
        ("url", json!({"url": "http://10.0.0.1/"})),
        ("description", json!({"description": ""})),
        ("description", json!({"description": "x".repeat(501)})),
        ("eventTypes", json!({"eventTypes": []})),
        (
            "eventTypes",
            json!({"eventTypes": ["task.created", "security.*"]}),
        ),
        ("eventTypes", json!({"eventTypes": ["webhook.test"]})),
        ("headers", json!({"headers": header("Webhook-Id", "x")})),
        ("headers", json!({"headers": header("host", "x")})),
        ("headers", json!({"headers": header("a b", "x")})),
        ("headers", json!({"headers": header("x", "a\r\nb: c")})),
        ("ratePerMinute", json!({"ratePerMinute": 0})),
        ("ratePerMinute", json!({"ratePerMinute": 601})),
    ] {
        let mut input = json!({"url": receiver.url(), "projectId": project});
        input
            .as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        let reply = sends(&ada, "registerWebhook", input).await;
        let refused = ("INVALID".to_owned(), format!("input.{field}"));
        assert_eq!(reply.user_error("registerWebhook"), refused, "{wrong}");
        assert_eq!(reply.data()["registerWebhook"]["secret"], Value::Null);
        let mut input = wrong.clone();
        input["id"] = json!(hook.id);
        let reply = sends(&ada, "updateWebhook", input).await;
        assert_eq!(reply.user_error("updateWebhook"), refused, "{wrong}");
    }
    let types = json!({"url": receiver.url(), "eventTypes": ["tasks.*"]});
    let reply = sends(&ada, "registerWebhook", types).await;
    let message = &reply.data()["registerWebhook"]["userErrors"][0]["message"];
    let message = message.as_str().unwrap();
    assert!(
        message.contains("`tasks.*`") && message.contains("task.assigned"),
        "{message}"
    );
}

#[rstest]
#[tokio::test]
async fn addresses_inside_are_refused_unless_they_are_allowed(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for url in [
        "http://hooks.example.org/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://[fd00::1]/",
    ] {
        let reply = sends(&ada, "registerWebhook", json!({"url": url})).await;
        let refused = ("INVALID".to_owned(), "input.url".to_owned());
        assert_eq!(reply.user_error("registerWebhook"), refused, "{url}");
    }
    let input = json!({"url": "https://hooks.example.org/"});
    let reply = sends(&ada, "registerWebhook", input).await;
    assert!(reply.data()["registerWebhook"]["webhook"].is_object());
}

#[rstest]
#[tokio::test]
async fn nobody_has_more_webhooks_than_are_allowed(#[values(Embedded, Full)] mode: Mode) {
    let two = [("TASKFLOW_WEBHOOKS__MAX_PER_OWNER", "2")];
    let (_app, ada, project, receiver, _hook) = scene_with(mode, &two, json!({})).await;
    let own = json!({"url": receiver.url()});
    let ours = json!({"url": receiver.url(), "projectId": project});
    register(&ada, &receiver, json!({"projectId": project})).await;
    let reply = sends(&ada, "registerWebhook", ours).await;
    let refused = |field: &str| ("INVALID".to_owned(), format!("input.{field}"));
    assert_eq!(reply.user_error("registerWebhook"), refused("projectId"));
    // At once, so that neither sees the other's.
    let at_once = [&own, &own, &own].map(|input| sends(&ada, "registerWebhook", input.clone()));
    let replies = futures_util::future::join_all(at_once).await;
    let made = replies
        .iter()
        .filter(|reply| reply.data()["registerWebhook"]["webhook"].is_object());
    assert_eq!(made.count(), 2);
}

#[rstest]
#[tokio::test]
async fn a_webhook_is_nobody_elses_business(#[values(Embedded, Full)] mode: Mode) {
    let app = start(mode).await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    let (root, coowner) = (app.admin("root").await, app.person("coowner").await);
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "EDITOR").await;
    ada.adds_member(&project, &coowner, "OWNER").await;
    let receiver = Receiver::start().await;
    let ours = register(&ada, &receiver, json!({"projectId": project})).await;
    let own = register(&ada, &receiver, json!({})).await;
    let mut deliveries = Vec::new();
    for hook in [&ours, &own] {
        let reply = sends(&ada, "sendTestWebhook", json!({"id": hook.id})).await;
        let id = &reply.data()["sendTestWebhook"]["delivery"]["id"];
        deliveries.push(id.as_str().unwrap().to_owned());
    }
    app.work().await;
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let one = "query($id: ID!) { webhook(id: $id) { id } }";
    for (person, sees_ours, sees_own) in [
        (&ada, true, true),
        (&coowner, true, false),
        (&root, true, false),
        (&bob, false, false),
        (&eve, false, false),
    ] {
        for ((hook, delivery), sees) in [&ours, &own]
            .into_iter()
            .zip(&deliveries)
            .zip([sees_ours, sees_own])
        {
            let mut replies = Vec::new();
            for (query, id) in [(one, &hook.id), (node, &hook.id), (node, delivery)] {
                replies.push(person.graphql(query, json!({"id": id})).await);
            }
            for (mutation, input) in [
                ("updateWebhook", json!({"id": hook.id, "ratePerMinute": 10})),
                ("rotateWebhookSecret", json!({"id": hook.id})),
                ("sendTestWebhook", json!({"id": hook.id})),
                ("redeliverWebhook", json!({"deliveryId": delivery})),
                (
                    "recoverWebhook",
                    json!({"id": hook.id, "since": "2020-01-01T00:00:00Z"}),
                ),
            ] {
                replies.push(sends(person, mutation, input).await);
            }
            app.work().await;
            if !sees {
                replies.push(sends(person, "deleteWebhook", json!({"id": hook.id})).await);
            }
            for reply in &replies {
                if sees {
                    reply.data();
                } else {
                    assert_eq!(
                        reply.code(),
                        "NOT_FOUND",
                        "{} {:#}",
                        person.name,
                        reply.body
                    );
                }
            }
        }
    }
    // Who sees a project is told that its webhooks are not for them; who does not hears nothing.
    let list = "query($id: ID!) { webhooks(projectId: $id) { totalCount } }";
    let input = json!({"url": receiver.url(), "projectId": project});
    for (person, code) in [(&bob, "FORBIDDEN"), (&eve, "NOT_FOUND")] {
        assert_eq!(
            person.graphql(list, json!({"id": project})).await.code(),
            code
        );
        assert_eq!(
            sends(person, "registerWebhook", input.clone()).await.code(),
            code
        );
    }
    // Who is an owner no more has lost them.
    ada.removes_member(&project, &coowner).await.data();
    let reply = sends(&coowner, "rotateWebhookSecret", json!({"id": ours.id})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
}
