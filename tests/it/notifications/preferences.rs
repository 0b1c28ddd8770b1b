//! What people want to be told where.

use rstest::rstest;
use serde_json::{Value, json};

use super::{sends, sets, told, types};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

async fn ada_gives_bob_a_task(app: &TestApp, ada: &Person, bob: &Person) {
    ada.creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    app.work().await;
}

#[rstest]
#[tokio::test]
async fn a_type_counts_more_than_its_category_and_null_takes_it_back(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let of = |subject: &str, name: &str, channel: &str, enabled: Value| json!({"preferences": [{subject: name, "channel": channel, "enabled": enabled}]});
    sets(&bob, of("category", "WORKFLOW", "EMAIL", json!(false))).await;
    ada_gives_bob_a_task(&app, &ada, &bob).await;
    assert_eq!(app.mails().len(), 0);
    sets(&bob, of("type", "TASK_ASSIGNED", "EMAIL", json!(true))).await;
    ada_gives_bob_a_task(&app, &ada, &bob).await;
    assert_eq!(app.mails().len(), 1);
    sets(&bob, of("type", "TASK_ASSIGNED", "EMAIL", Value::Null)).await;
    ada_gives_bob_a_task(&app, &ada, &bob).await;
    assert_eq!(app.mails().len(), 1);
    sets(&bob, of("category", "WORKFLOW", "EMAIL", Value::Null)).await;
    // Out of the list, and still by mail.
    sets(&bob, of("type", "TASK_ASSIGNED", "IN_APP", json!(false))).await;
    ada_gives_bob_a_task(&app, &ada, &bob).await;
    assert_eq!(app.mails().len(), 2);
    assert_eq!(types(&bob).await.len(), 3);
    let query = "{ notificationSettings { preferences { category type channel enabled }
        types { type channels } updatedAt } }";
    let reply = bob.graphql(query, json!({})).await;
    let settings = &reply.data()["notificationSettings"];
    let kept =
        json!([{"category": null, "type": "TASK_ASSIGNED", "channel": "IN_APP", "enabled": false}]);
    assert_eq!(settings["preferences"], kept);
    let types = settings["types"].as_array().unwrap();
    assert_eq!(types.len(), 14);
    let assigned = types.iter().find(|it| it["type"] == "TASK_ASSIGNED");
    assert_eq!(assigned.unwrap()["channels"], json!(["EMAIL", "PUSH"]));
    assert!(settings["updatedAt"].is_string());
}

#[rstest]
#[tokio::test]
async fn who_pauses_has_it_in_the_list_and_nowhere_else_but_for_security(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let until = app.clock.now() + chrono::TimeDelta::hours(2);
    sets(&bob, json!({"pausedUntil": until})).await;
    ada_gives_bob_a_task(&app, &ada, &bob).await;
    assert_eq!(app.mails().len(), 0);
    let channels = &told(&bob).await[0]["channels"];
    let paused = json!([{"channel": "EMAIL", "state": "SUPPRESSED", "reason": "paused"}]);
    assert_eq!(channels, &paused);
    let change =
        json!({"currentPassword": crate::support::PASSWORD, "newPassword": "Another-Passw0rd-9"});
    let reply = sends(&bob, "changePassword", change, "accessToken").await;
    let changed = &reply.data()["changePassword"];
    assert_eq!(changed["userErrors"], json!([]));
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    let bob = bob.with_token(changed["accessToken"].as_str().unwrap());
    assert_eq!(types(&bob).await[0], "PASSWORD_CHANGED");
    sets(&bob, json!({"pausedUntil": null})).await;
    ada_gives_bob_a_task(&app, &ada, &bob).await;
    assert_eq!(app.mails().len(), 2);
}

#[rstest]
#[tokio::test]
async fn what_makes_no_sense_is_told_at_its_place(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let bob = app.person("bob").await;
    let day = |start: &str, end: &str| json!({"days": ["MONDAY"], "start": start, "end": end});
    let past = app.clock.now() - chrono::TimeDelta::hours(1);
    for (input, place) in [
        (
            json!({"quietHours": [day("22:00", "07:00"), day("25:00", "07:00")]}),
            "input.quietHours.1.start",
        ),
        (
            json!({"quietHours": [{"days": [], "start": "22:00", "end": "07:00"}]}),
            "input.quietHours.0.days",
        ),
        (
            json!({"quietHours": (0..21).map(|_| day("22:00", "07:00")).collect::<Vec<_>>()}),
            "input.quietHours",
        ),
        (json!({"pausedUntil": past}), "input.pausedUntil"),
        (
            json!({"preferences": [{"channel": "EMAIL", "enabled": true}]}),
            "input.preferences.0",
        ),
        (
            json!({"preferences": [{"category": "SYSTEM", "type": "MENTIONED", "channel": "EMAIL", "enabled": true}]}),
            "input.preferences.0",
        ),
    ] {
        let mutation = "updateNotificationSettings";
        let reply = sends(
            &bob,
            mutation,
            input.clone(),
            "notificationSettings { timezone }",
        )
        .await;
        let error = &reply.data()[mutation]["userErrors"][0];
        let field = error["field"]
            .as_array()
            .unwrap_or_else(|| panic!("{input} {reply:#?}"));
        let field: Vec<_> = field.iter().map(|part| part.as_str().unwrap()).collect();
        assert_eq!(field.join("."), place, "{input}");
        assert_eq!(reply.data()[mutation]["notificationSettings"], Value::Null);
    }
    let reply = sends(
        &bob,
        "updateProfile",
        json!({"timezone": "Mars/Olympus"}),
        "",
    )
    .await;
    assert_eq!(
        reply.data()["updateProfile"]["userErrors"][0]["field"],
        json!(["input", "timezone"])
    );
    let query = "{ notificationSettings { updatedAt quietHours { start } } }";
    let reply = bob.graphql(query, json!({})).await;
    assert_eq!(
        reply.data()["notificationSettings"],
        json!({"updatedAt": null, "quietHours": []})
    );
}

#[rstest]
#[tokio::test]
async fn people_are_told_in_their_language_and_their_time(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let profile = json!({"locale": "de-AT", "timezone": "Europe/Berlin"});
    sends(&bob, "updateProfile", profile, "").await;
    ada.creates(json!({"title": "Los", "assigneeId": bob.id, "dueAt": "2026-12-24T18:00:00Z"}))
        .await;
    app.work().await;
    let title = told(&bob).await[0]["title"].as_str().unwrap().to_owned();
    assert!(title.starts_with("Name of ada hat Ihnen"), "{title}");
    let mail = &app.mails()[0];
    assert!(mail.contains("24. Dezember 2026, 19:00"), "{mail}");
}
