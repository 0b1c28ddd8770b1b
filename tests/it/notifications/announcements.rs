//! What administrators say to people, and what became of it.

use chrono::TimeDelta;
use entity::user;
use rstest::rstest;
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait};
use serde_json::{Value, json};
use taskflow::db::new_id;

use super::{again, sends, sets, told, types};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;

const SEND: &str = "sendNotification";

#[rstest]
#[tokio::test]
async fn what_is_said_is_said_once_whatever_happens(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (root, bob) = (app.admin("root").await, app.person("bob").await);
    let said = json!({"userIds": [bob.id, bob.id], "title": "Maintenance", "dedupeKey": "m-1",
        "body": "From ten to eleven.\nSave your work.", "url": "https://status.example.org/"});
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = sends(&root, SEND, said.clone(), "announcementId").await;
        assert_eq!(reply.data()[SEND]["userErrors"], json!([]));
        ids.push(reply.data()[SEND]["announcementId"].clone());
        app.work().await;
    }
    again(&app, "dispatch").await;
    assert_eq!(ids[0], ids[1]);
    let list = told(&bob).await;
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["type"], "ANNOUNCEMENT");
    assert_eq!(list[0]["category"], "SYSTEM");
    assert_eq!(list[0]["title"], "Maintenance");
    assert_eq!(app.mails().len(), 1);
    let mail = &app.mails()[0];
    assert!(
        mail.contains("Save your work.") && mail.contains("status.example.org"),
        "{mail}"
    );
    let query =
        "query($id: ID) { notificationStats(announcementId: $id) { inAppCount inAppReadCount
        channels { channel driver totalCount states { state count } } } }";
    let reply = root.graphql(query, json!({"id": ids[0]})).await;
    let stats = json!({"inAppCount": 1, "inAppReadCount": 0, "channels": [
        {"channel": "EMAIL", "driver": "mailbox", "totalCount": 1, "states": [{"state": "SENT", "count": 1}]}]});
    assert_eq!(reply.data()["notificationStats"], stats);
    let reply = root.graphql(query, json!({})).await;
    assert_eq!(reply.data()["notificationStats"]["inAppCount"], 1);
}

#[rstest]
#[tokio::test]
async fn everybody_means_everybody_in_parts(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let db = app.sql().await;
    let model = user::Entity::find().all(&db).await.unwrap().remove(0);
    let many = (0..450).map(|n| {
        let name = format!("person{n}");
        user::Model {
            id: entity::UserId(new_id(&app.clock)),
            email: None,
            email_norm: None,
            username: Some(name.clone()),
            username_norm: Some(name),
            status: if n == 7 {
                user::Status::Disabled
            } else {
                user::Status::Active
            },
            ..model.clone()
        }
        .into_active_model()
    });
    user::Entity::insert_many(many)
        .exec_without_returning(&db)
        .await
        .unwrap();
    let said = json!({"everyone": true, "title": "Hello", "body": "all"});
    sends(&root, SEND, said, "").await;
    app.work().await;
    again(&app, "dispatch").await;
    let rows = entity::notification::Entity::find()
        .count(&db)
        .await
        .unwrap();
    assert_eq!(rows, 450, "449 and the administrator");
    assert_eq!(
        app.number("SELECT count(DISTINCT user_id) FROM notifications")
            .await,
        450
    );
    assert_eq!(types(&root).await, ["ANNOUNCEMENT"]);
}

#[rstest]
#[tokio::test]
async fn it_is_said_at_its_time_and_marketing_only_to_who_wants_it(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (root, bob, cyd) = (
        app.admin("root").await,
        app.person("bob").await,
        app.person("cyd").await,
    );
    let at = app.clock.now() + TimeDelta::hours(1);
    let offer = json!({"userIds": [bob.id, cyd.id], "title": "Offer", "body": "Cheap!",
        "category": "MARKETING", "sendAt": at});
    sends(&root, SEND, offer, "").await;
    app.work().await;
    let on = |channel: &str| json!({"category": "MARKETING", "channel": channel, "enabled": true});
    sets(&cyd, json!({"preferences": [on("EMAIL"), on("IN_APP")]})).await;
    assert_eq!(types(&cyd).await, [] as [String; 0]);
    app.clock.advance(TimeDelta::minutes(61));
    let (bob, cyd) = (bob.logged_in_again().await, cyd.logged_in_again().await);
    app.work().await;
    assert_eq!(types(&cyd).await, ["ANNOUNCEMENT"]);
    assert_eq!(types(&bob).await, [] as [String; 0]);
    assert_eq!(app.mails().len(), 1);
    assert!(app.mails()[0].contains("cyd@example.org"));
}

#[rstest]
#[tokio::test]
async fn what_makes_no_sense_is_told_and_changes_nothing(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (root, bob) = (app.admin("root").await, app.person("bob").await);
    let past = app.clock.now() - TimeDelta::hours(1);
    let nobody = "user_01h455vb4pex5vsknk084sn02q";
    for (more, field) in [
        (json!({"everyone": true}), "userIds"),
        (json!({"userIds": []}), "userIds"),
        (json!({"userIds": [nobody]}), "userIds"),
        (json!({"userIds": vec![bob.id.clone(); 101]}), "userIds"),
        (json!({"title": "two\nlines"}), "title"),
        (json!({"title": " "}), "title"),
        (json!({"title": "x".repeat(201)}), "title"),
        (json!({"body": "x".repeat(5_001)}), "body"),
        (json!({"body": "a\0b"}), "body"),
        (json!({"url": "javascript:alert(1)"}), "url"),
        (json!({"channels": []}), "channels"),
        (json!({"dedupeKey": ""}), "dedupeKey"),
        (
            json!({"sendAt": app.clock.now() + TimeDelta::days(400)}),
            "sendAt",
        ),
        (json!({"expiresAt": past}), "expiresAt"),
    ] {
        let mut input = json!({"userIds": [bob.id], "title": "x", "body": "x"});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        let reply = sends(&root, SEND, input, "announcementId").await;
        let payload = &reply.data()[SEND];
        assert_eq!(
            payload["userErrors"][0]["field"],
            json!(["input", field]),
            "{more} {payload}"
        );
        assert_eq!(payload["announcementId"], Value::Null);
    }
    app.work().await;
    assert_eq!(app.number("SELECT count(*) FROM announcements").await, 0);
    let range = "{ notificationStats(since: \"2026-01-01T00:00:00Z\", until: \"2025-01-01T00:00:00Z\") { inAppCount } }";
    assert_eq!(
        root.graphql(range, json!({})).await.code(),
        "BAD_USER_INPUT"
    );
}
