//! What does not arrive: how often it is tried, and when a webhook is turned off.

use entity::{event, job};
use rstest::rstest;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use super::{deliveries, happens, later, register, scene, scene_with, sends, webhook};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;

fn states(deliveries: &[Value]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|it| it["state"].as_str().unwrap())
        .collect()
}

#[rstest]
#[tokio::test]
async fn a_message_is_tried_on_the_schedule_and_then_given_up(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    receiver.always(Some(Answer::Status(500, "out of order")));
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!(receiver.seen().len(), 1);
    for (tries, step) in [(1, 5), (2, 300), (3, 1_800), (4, 7_200)] {
        later(&app, step * 4 / 5).await;
        // A busy machine may take the seconds that are left of the first pause.
        if step > 5 {
            assert_eq!(receiver.seen().len(), tries, "not before {step} s");
        }
        later(&app, step * 2 / 5 + 1).await;
        assert_eq!(receiver.seen().len(), tries + 1, "{step} s and a fifth");
    }
    later(&app, 100_000).await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 5);
    for one in &seen {
        assert!(one.is_signed_with(&hook.secret));
        assert_eq!(one.header("webhook-id"), seen[0].header("webhook-id"));
        assert_eq!(one.body, seen[0].body);
    }
    let time = |place: usize| -> i64 { seen[place].header("webhook-timestamp").parse().unwrap() };
    assert!(time(4) - time(0) >= 9_305, "each try has a time of its own");
    let ada = ada.logged_in_again().await;
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(states(&told), ["FAILED"]);
    assert_eq!(told[0]["reason"], "the answer was 500");
    let attempts = told[0]["attempts"].as_array().unwrap();
    let numbers: Vec<_> = attempts
        .iter()
        .map(|it| it["number"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    for attempt in attempts {
        assert_eq!(attempt["statusCode"], 500);
        assert_eq!(attempt["response"], "out of order");
        assert_eq!(attempt["trigger"], "SCHEDULED");
        assert!(attempt["durationMs"].as_i64().unwrap() >= 0);
    }
    assert_eq!(
        app.number("SELECT COUNT(*) FROM jobs WHERE state = 'dead'")
            .await,
        0
    );
    assert!(webhook(&ada, &hook.id).await["failingSince"].is_string());
}

#[rstest]
#[tokio::test]
async fn one_that_arrives_at_last_ends_the_failures(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    receiver.answers(Answer::Status(503, ""));
    happens(&ada, &project).await;
    app.work().await;
    assert!(webhook(&ada, &hook.id).await["failingSince"].is_string());
    later(&app, 7).await;
    assert_eq!(receiver.seen().len(), 2);
    assert_eq!(webhook(&ada, &hook.id).await["failingSince"], Value::Null);
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(states(&told), ["DELIVERED"]);
    assert_eq!(told[0]["reason"], Value::Null);
}

#[rstest]
#[tokio::test]
async fn a_webhook_that_is_gone_is_turned_off_at_once(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    receiver.answers(Answer::Status(410, ""));
    happens(&ada, &project).await;
    app.work().await;
    let now = webhook(&ada, &hook.id).await;
    assert_eq!(
        (&now["enabled"], &now["disabledReason"]),
        (&json!(false), &json!("GONE"))
    );
    assert_eq!(states(&deliveries(&ada, &hook.id).await), ["FAILED"]);
    notice(&app, "gone").await;
    happens(&ada, &project).await;
    later(&app, 10_000).await;
    assert_eq!(receiver.seen().len(), 1, "it is told nothing more");
    let ada = ada.logged_in_again().await;
    let input = json!({"id": hook.id, "enabled": true});
    let again = sends(&ada, "updateWebhook", input).await;
    let now = &again.data()["updateWebhook"]["webhook"];
    assert_eq!(
        (&now["enabled"], &now["disabledReason"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(now["failingSince"], Value::Null);
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!(receiver.seen().len(), 2);
}

/// That the server tells whoever registered the webhook.
async fn notice(app: &TestApp, wanted: &str) {
    let db = app.sql().await;
    let events = event::Entity::find().filter(event::Column::Topic.eq("webhook.disabled"));
    let events = events.all(&db).await.unwrap();
    let reasons: Vec<_> = events
        .iter()
        .map(|event| &event.payload["reason"])
        .collect();
    assert_eq!(reasons, [wanted]);
    assert_eq!(events[0].payload["host"], "127.0.0.1");
    let key = format!("dispatch:{}", events[0].id.0);
    let job = job::Entity::find().filter(job::Column::DedupeKey.eq(key));
    assert!(job.one(&db).await.unwrap().is_some());
}

#[rstest]
#[tokio::test]
async fn a_webhook_is_turned_off_after_five_days_of_failures_alone(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    receiver.answers(Answer::Status(500, ""));
    receiver.answers(Answer::Status(200, ""));
    happens(&ada, &project).await;
    app.work().await;
    later(&app, 7).await;
    receiver.always(Some(Answer::Status(500, "")));
    for hours in [0, 60, 59] {
        app.clock.advance(chrono::TimeDelta::hours(hours));
        happens(&ada.logged_in_again().await, &project).await;
        app.work().await;
    }
    let ada = ada.logged_in_again().await;
    assert_eq!(
        webhook(&ada, &hook.id).await["enabled"],
        true,
        "after 119 hours"
    );
    later(&app, 3_601).await;
    let ada = ada.logged_in_again().await;
    happens(&ada, &project).await;
    app.work().await;
    let now = webhook(&ada, &hook.id).await;
    assert_eq!(
        (&now["enabled"], &now["disabledReason"]),
        (&json!(false), &json!("FAILING"))
    );
    notice(&app, "failing").await;
    later(&app, 10_000).await;
    let ada = ada.logged_in_again().await;
    let told = deliveries(&ada, &hook.id).await;
    assert!(
        states(&told)
            .iter()
            .all(|it| ["DELIVERED", "FAILED", "SUPPRESSED"].contains(it)),
        "{told:?}"
    );
    let input = json!({"id": hook.id, "enabled": true});
    let again = sends(&ada, "updateWebhook", input).await;
    let now = &again.data()["updateWebhook"]["webhook"];
    assert_eq!(
        (&now["enabled"], &now["failingSince"]),
        (&json!(true), &Value::Null)
    );
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!(
        webhook(&ada, &hook.id).await["enabled"],
        true,
        "it begins anew"
    );
}

#[rstest]
#[tokio::test]
async fn one_that_has_too_much_to_do_is_left_alone(#[values(Embedded, Full)] mode: Mode) {
    let slow = [("TASKFLOW_WEBHOOKS__RETRY_SCHEDULE_SECONDS", "600, 600")];
    let (app, ada, project, receiver, hook) = scene_with(mode, &slow, json!({})).await;
    receiver.answers(Answer::Header(429, "retry-after", "900".to_owned()));
    happens(&ada, &project).await;
    app.work().await;
    happens(&ada, &project).await;
    later(&app, 200).await;
    assert_eq!(receiver.seen().len(), 1, "another message waits, too");
    // For five minutes at most, and 10 s by which those are spread that wait.
    later(&app, 111).await;
    assert_eq!(receiver.seen().len(), 2);
    later(&app, 450).await;
    assert_eq!(receiver.seen().len(), 2, "longer than the schedule says");
    later(&app, 320).await;
    assert_eq!(receiver.seen().len(), 3);
    let ada = ada.logged_in_again().await;
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(states(&told), ["DELIVERED", "DELIVERED"]);
    // However long it asks for: at most two pauses.
    receiver.answers(Answer::Header(504, "retry-after", "80000".to_owned()));
    happens(&ada, &project).await;
    app.work().await;
    later(&app, 1_100).await;
    assert_eq!(receiver.seen().len(), 4);
    later(&app, 101).await;
    assert_eq!(receiver.seen().len(), 5);
}

#[rstest]
#[tokio::test]
async fn a_redirect_is_a_failure_and_never_followed(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    let other = Receiver::start().await;
    receiver.answers(Answer::Header(307, "location", other.url()));
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!((receiver.seen().len(), other.seen().len()), (1, 0));
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(states(&told), ["QUEUED"]);
    let attempt = &told[0]["attempts"][0];
    assert_eq!(attempt["statusCode"], 307);
    assert_eq!(
        attempt["detail"],
        "the answer was 307; redirects are not followed"
    );
}

#[rstest]
#[tokio::test]
async fn one_that_does_not_answer_is_not_waited_for(#[values(Embedded, Full)] mode: Mode) {
    let short = [("TASKFLOW_WEBHOOKS__TIMEOUT_SECONDS", "1")];
    let (app, ada, project, receiver, hook) = scene_with(mode, &short, json!({})).await;
    receiver.answers(Answer::Never);
    happens(&ada, &project).await;
    app.work().await;
    let told = deliveries(&ada, &hook.id).await;
    let attempt = &told[0]["attempts"][0];
    assert_eq!(attempt["detail"], "not done in time");
    assert_eq!(
        (&attempt["statusCode"], &attempt["response"]),
        (&Value::Null, &Value::Null)
    );
    later(&app, 7).await;
    assert_eq!(states(&deliveries(&ada, &hook.id).await), ["DELIVERED"]);
}

#[rstest]
#[tokio::test]
async fn one_that_is_not_there_is_tried_again(#[values(Embedded, Full)] mode: Mode) {
    let none = [("TASKFLOW_WEBHOOKS__RETRY_SCHEDULE_SECONDS", "30")];
    let (app, ada, project, _receiver, _hook) = scene_with(mode, &none, json!({})).await;
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let input = json!({"url": format!("http://{nobody}/"), "projectId": project});
    let reply = sends(&ada, "registerWebhook", input).await;
    let id = reply.data()["registerWebhook"]["webhook"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!(states(&deliveries(&ada, &id).await), ["QUEUED"]);
    later(&app, 37).await;
    let told = deliveries(&ada, &id).await;
    assert_eq!(states(&told), ["FAILED"]);
    assert_eq!(told[0]["reason"], "no connection");
    assert_eq!(told[0]["attempts"].as_array().unwrap().len(), 2);
}

#[rstest]
#[tokio::test]
async fn a_webhook_gets_no_more_in_a_minute_than_it_wants(#[values(Embedded, Full)] mode: Mode) {
    let slow = json!({"ratePerMinute": 2});
    let (app, ada, project, receiver, hook) = scene_with(mode, &[], slow).await;
    let (swift, another) = (Receiver::start().await, json!({"projectId": project}));
    register(&ada, &swift, another).await;
    for _ in 0..4 {
        happens(&ada, &project).await;
    }
    app.work().await;
    assert_eq!((receiver.seen().len(), swift.seen().len()), (2, 4));
    let held = deliveries(&ada, &hook.id).await;
    let tries: usize = held
        .iter()
        .map(|it| it["attempts"].as_array().unwrap().len())
        .sum();
    assert_eq!(tries, 2, "who waits for a turn has not been tried");
    for sent in [3, 4] {
        later(&app, 41).await;
        assert_eq!(receiver.seen().len(), sent);
    }
    assert!(
        states(&deliveries(&ada, &hook.id).await)
            .iter()
            .all(|it| *it == "DELIVERED")
    );
}

#[rstest]
#[tokio::test]
async fn what_waits_for_who_may_hear_nothing_is_not_sent(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    let (root, bob) = (app.admin("root").await, app.person("bob").await);
    ada.adds_member(&project, &bob, "EDITOR").await;
    let his = Receiver::start().await;
    let of_bob = register(&bob, &his, json!({})).await;
    receiver.always(Some(Answer::Status(500, "")));
    his.always(Some(Answer::Status(500, "")));
    ada.creates(json!({"title": "Pump", "projectId": project, "assigneeId": bob.id}))
        .await;
    app.work().await;
    let tried = (receiver.seen().len(), his.seen().len());
    let off = sends(
        &ada,
        "updateWebhook",
        json!({"id": hook.id, "enabled": false}),
    )
    .await;
    assert_eq!(
        off.data()["updateWebhook"]["webhook"]["disabledReason"],
        Value::Null
    );
    let disable = "mutation($id: ID!) { disableUser(input: {id: $id}) { userErrors { code } } }";
    root.graphql(disable, json!({"id": bob.id})).await.data();
    later(&app, 10_000).await;
    assert_eq!((receiver.seen().len(), his.seen().len()), tried);
    let ada = ada.logged_in_again().await;
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(states(&told), ["SUPPRESSED"]);
    assert_eq!(told[0]["reason"], "webhook_disabled");
    let query =
        "SELECT COUNT(*) FROM deliveries WHERE state = 'suppressed' AND reason = 'account_inactive'
        AND target =";
    let id = taskflow::graphql::Kind::Webhook.decode(&of_bob.id).unwrap();
    assert!(app.number(&format!("{query} '{id}'")).await > 0);
    // One that is gone hears nothing, either.
    let gone = register(&ada, &receiver, json!({"projectId": project})).await;
    happens(&ada, &project).await;
    app.work().await;
    let tried = receiver.seen().len();
    sends(&ada, "deleteWebhook", json!({"id": gone.id}))
        .await
        .data();
    later(&app, 10_000).await;
    assert_eq!(receiver.seen().len(), tried);
}

#[rstest]
#[tokio::test]
async fn an_address_inside_is_not_called_however_it_got_there(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, ada, project, _receiver, hook) = scene(mode).await;
    app.execute("UPDATE webhook_endpoints SET url = 'http://169.254.169.254/latest/'")
        .await;
    happens(&ada, &project).await;
    app.work().await;
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(states(&told), ["FAILED"], "it is not tried again");
    assert_eq!(told[0]["reason"], "the host is not at a public address");
    assert_eq!(told[0]["attempts"].as_array().unwrap().len(), 1);
}
