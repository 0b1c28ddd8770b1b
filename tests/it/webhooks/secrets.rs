//! Secrets: how they change, and that the database does not know them.

use entity::webhook_endpoint::{Entity, Model};
use rstest::rstest;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use super::{deliveries, happens, later, scene, scene_with, sends, webhook};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

async fn rotate(person: &Person, id: &str) -> String {
    let reply = sends(person, "rotateWebhookSecret", json!({"id": id})).await;
    let secret = &reply.data()["rotateWebhookSecret"]["secret"];
    secret.as_str().unwrap().to_owned()
}

async fn rows(app: &TestApp) -> Vec<Model> {
    Entity::find().all(&app.sql().await).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn an_old_secret_signs_for_a_day_beside_the_new_one(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    let second = rotate(&ada, &hook.id).await;
    assert_ne!(second, hook.secret);
    happens(&ada, &project).await;
    app.work().await;
    let seen = receiver.seen().pop().unwrap();
    assert_eq!(seen.signatures().len(), 2);
    assert!(seen.is_signed_with(&second) && seen.is_signed_with(&hook.secret));
    later(&app, 12 * 3_600).await;
    let ada = ada.logged_in_again().await;
    let third = rotate(&ada, &hook.id).await;
    later(&app, 12 * 3_600 + 1).await;
    let ada = ada.logged_in_again().await;
    happens(&ada, &project).await;
    app.work().await;
    let seen = receiver.seen().pop().unwrap();
    assert_eq!(seen.signatures().len(), 2);
    assert!(seen.is_signed_with(&third) && seen.is_signed_with(&second));
    assert!(!seen.is_signed_with(&hook.secret));
    for _ in 0..12 {
        rotate(&ada, &hook.id).await;
    }
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!(receiver.seen().pop().unwrap().signatures().len(), 11);
}

#[rstest]
#[tokio::test]
async fn the_database_knows_no_secret(#[values(Embedded, Full)] mode: Mode) {
    let header = json!({"headers": [{"name": "X-Key", "value": "opensesame"}]});
    let (app, ada, _project, _receiver, hook) = scene_with(mode, &[], header).await;
    let second = rotate(&ada, &hook.id).await;
    let row = rows(&app).await.pop().unwrap();
    let mut kept = row.secret.clone();
    kept.extend(row.old_secrets.to_string().bytes());
    kept.extend(row.headers.to_string().bytes());
    let mut kept = vec![kept];
    if mode == Embedded {
        // All of it: also what stood there before.
        for end in ["", "-wal"] {
            let file = app.folder.path().join(format!("taskflow.db{end}"));
            kept.push(std::fs::read(file).unwrap_or_default());
        }
    }
    for secret in [&hook.secret, &second, &"opensesame".to_owned()] {
        let secret = secret.trim_start_matches("whsec_").as_bytes();
        for kept in &kept {
            let mut windows = kept.windows(secret.len());
            assert!(!windows.any(|window| window == secret));
        }
    }
    let now = webhook(&ada, &hook.id).await;
    assert_eq!(now["headers"], json!([{"name": "X-Key"}]));
    assert!(!format!("{row:?}").contains("key"), "not even in a log");
}

#[rstest]
#[tokio::test]
async fn a_webhook_whose_secret_cannot_be_read_is_turned_off(#[values(Embedded, Full)] mode: Mode) {
    let (app, ada, project, receiver, hook) = scene(mode).await;
    // It was sealed for its own place, so that of another is none.
    let set = match mode {
        Embedded => "UPDATE webhook_endpoints SET secret = x'00112233445566778899aabbccddeeff'",
        Full => "UPDATE webhook_endpoints SET secret = '\\x00112233445566778899aabbccddeeff'",
    };
    app.execute(set).await;
    happens(&ada, &project).await;
    app.work().await;
    assert_eq!(receiver.seen().len(), 0);
    let now = webhook(&ada, &hook.id).await;
    let reason = json!("SECRET_UNREADABLE");
    assert_eq!(
        (&now["enabled"], &now["disabledReason"]),
        (&json!(false), &reason)
    );
    let told = deliveries(&ada, &hook.id).await;
    assert_eq!(
        (&told[0]["state"], &told[0]["reason"]),
        (&json!("SUPPRESSED"), &json!("secret_unreadable"))
    );
    let enable = json!({"id": hook.id, "enabled": true});
    let reply = sends(&ada, "updateWebhook", enable.clone()).await;
    assert_eq!(
        reply.user_error("updateWebhook"),
        ("INVALID".to_owned(), "input.enabled".to_owned())
    );
    let secret = rotate(&ada, &hook.id).await;
    let reply = sends(&ada, "updateWebhook", enable).await;
    assert_eq!(
        reply.data()["updateWebhook"]["webhook"]["disabledReason"],
        Value::Null
    );
    happens(&ada, &project).await;
    app.work().await;
    let seen = receiver.seen().pop().unwrap();
    assert!(seen.is_signed_with(&secret));
    assert_eq!(seen.signatures().len(), 1);
}
