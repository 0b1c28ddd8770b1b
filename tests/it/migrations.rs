//! The changes of the database: up, down, up; and the entities fit what they make.

use entity::{
    announcement, device, notification, notification_preference, notification_settings,
    phone_number, webhook_endpoint, webhook_message,
};
use entity::{
    artist_profile, attempt, delivery, event, idempotency, job, login_failure, one_time_token,
    paused_queue, revocation, server_state, session, stream, stream_entry, suppression, task, user,
    user_role,
};
use entity::{comment, comment_mention, label, task_history, task_label, task_watcher};
use rstest::rstest;
use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, Statement};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::TestApp;

#[rstest]
#[tokio::test]
async fn all_changes_go_down_and_up_again(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let changes = app.app.db.changes().await.unwrap();
    assert!(!changes.is_empty() && changes.iter().all(|change| change.applied));
    let before = tables(&app).await;
    app.app
        .db
        .migrate_down(u32::try_from(changes.len()).unwrap())
        .await
        .unwrap();
    assert_eq!(tables(&app).await, ["seaql_migrations"]);
    assert_eq!(
        app.app.db.pending_changes().await.unwrap().len(),
        changes.len()
    );
    app.app.db.migrate_up().await.unwrap();
    assert_eq!(tables(&app).await, before);
    // A second time does nothing.
    app.app.db.migrate_up().await.unwrap();
}

/// What there is when a change is taken back and made again stays, as far as there is a place for it.
#[rstest]
#[case::the_last(1, true)]
#[case::all_of_tasks_details(10, false)]
#[tokio::test]
async fn what_is_there_stays_when_changes_go_down_and_up(
    #[case] steps: u32,
    #[case] has_details: bool,
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let whole = serde_json::json!({"title": "whole", "status": "COMPLETED"});
    let whole = ada.creates(whole).await;
    let part = serde_json::json!({"title": "part", "parentId": whole, "assigneeId": bob.id, "dueAt": "2026-12-24T18:00:00Z"});
    let part = ada.creates(part).await;
    let says = "mutation($id: ID!, $bob: ID!) {
        createComment(input: {taskId: $id, body: \"@ada\", mentionIds: [$bob]}) { userErrors { code } } }";
    let variables = serde_json::json!({"id": part, "bob": bob.id});
    ada.graphql(says, variables).await.data();
    let query = "{ tasks(orderBy: [{field: CREATED_AT, direction: ASC}]) { nodes {
        id title status dueAt completedAt version createdAt assignee { id } creator { id } } } }";
    let details = "{ tasks { nodes { parent { id } history { nodes { id } }
        comments { nodes { body mentions { id } } } } } }";
    let before = ada.graphql(query, serde_json::json!({})).await.body;
    let more = ada.graphql(details, serde_json::json!({})).await.body;
    app.app.db.migrate_down(steps).await.unwrap();
    app.app.db.migrate_up().await.unwrap();
    let after = ada.graphql(query, serde_json::json!({})).await.body;
    if has_details {
        assert_eq!(after, before);
        let after = ada.graphql(details, serde_json::json!({})).await.body;
        assert_eq!(after, more);
    } else {
        // When it was finished was not kept then: the last change stands for it.
        let tasks = |body: &serde_json::Value| {
            let nodes = body["data"]["tasks"]["nodes"].as_array().unwrap().clone();
            let strip = |mut node: serde_json::Value| {
                let done = node.as_object_mut().unwrap().remove("completedAt");
                (done.is_some_and(|done| done.is_string()), node)
            };
            nodes.into_iter().map(strip).collect::<Vec<_>>()
        };
        assert_eq!(tasks(&after), tasks(&before));
    }
    ada.creates(serde_json::json!({"title": "next", "parentId": part}))
        .await;
}

#[rstest]
#[tokio::test]
async fn replicas_that_start_at_once_migrate_once(#[values(Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let count = u32::try_from(app.app.db.changes().await.unwrap().len()).unwrap();
    app.app.db.migrate_down(count).await.unwrap();
    let db = &app.app.db;
    let results = futures_util::future::join_all((0..4).map(|_| db.migrate_up())).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// Every entity reads its table: no column is missing, none has another type.
#[rstest]
#[tokio::test]
async fn the_entities_fit_the_tables(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.admin("bob").await);
    let input = serde_json::json!({"title": "x", "assigneeId": bob.id, "idempotencyKey": "k"});
    ada.creates(input).await;
    app.work().await;
    let db = app.sql().await;
    assert_eq!(user::Entity::find().all(&db).await.unwrap().len(), 2);
    assert_eq!(user_role::Entity::find().all(&db).await.unwrap().len(), 1);
    assert_eq!(session::Entity::find().all(&db).await.unwrap().len(), 3);
    assert_eq!(revocation::Entity::find().all(&db).await.unwrap().len(), 0);
    assert_eq!(
        one_time_token::Entity::find().all(&db).await.unwrap().len(),
        0
    );
    assert_eq!(
        login_failure::Entity::find().all(&db).await.unwrap().len(),
        0
    );
    assert_eq!(
        artist_profile::Entity::find().all(&db).await.unwrap().len(),
        0
    );
    assert_eq!(task::Entity::find().all(&db).await.unwrap().len(), 1);
    assert_eq!(idempotency::Entity::find().all(&db).await.unwrap().len(), 1);
    assert_eq!(event::Entity::find().all(&db).await.unwrap().len(), 4);
    assert_eq!(stream::Entity::find().all(&db).await.unwrap().len(), 3);
    assert_eq!(
        stream_entry::Entity::find().all(&db).await.unwrap().len(),
        4
    );
    assert_eq!(suppression::Entity::find().all(&db).await.unwrap().len(), 0);
    assert_eq!(job::Entity::find().all(&db).await.unwrap().len(), 2);
    assert_eq!(delivery::Entity::find().all(&db).await.unwrap().len(), 1);
    assert_eq!(attempt::Entity::find().all(&db).await.unwrap().len(), 1);
    assert_eq!(
        paused_queue::Entity::find().all(&db).await.unwrap().len(),
        0
    );
    assert_eq!(
        server_state::Entity::find().all(&db).await.unwrap().len(),
        1
    );
}

/// The same of what people are told, and how they want it.
#[rstest]
#[tokio::test]
async fn the_entities_of_what_is_told_fit_the_tables(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (root, bob) = (app.admin("root").await, app.person("bob").await);
    let query = "mutation($bob: ID!) {
        sendNotification(input: {userIds: [$bob], title: \"x\", body: \"x\", channels: [EMAIL]}) { userErrors { code } }
        registerDevice(input: {platform: FCM, token: \"x\"}) { userErrors { code } }
        setPhoneNumber(input: {number: \"+4915123456789\"}) { userErrors { code } }
        updateNotificationSettings(input: {
            quietHours: [{days: [MONDAY], start: \"22:00\", end: \"07:00\"}],
            preferences: [{type: MENTIONED, channel: EMAIL, enabled: false}]}) { userErrors { code } }
        registerWebhook(input: {url: \"https://hooks.example.org/\"}) { webhook { id } } }";
    let reply = root
        .graphql(query, serde_json::json!({"bob": bob.id}))
        .await;
    let hook = &reply.data()["registerWebhook"]["webhook"]["id"];
    let test = "mutation($id: ID!) { sendTestWebhook(input: {id: $id}) { userErrors { code } } }";
    root.graphql(test, serde_json::json!({"id": hook}))
        .await
        .data();
    app.work().await;
    let db = app.sql().await;
    let told = notification::Entity::find().all(&db).await.unwrap();
    assert_eq!(told.len(), 1);
    let said = announcement::Entity::find().all(&db).await.unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(device::Entity::find().all(&db).await.unwrap().len(), 1);
    let phones = phone_number::Entity::find().all(&db).await.unwrap();
    assert_eq!(phones.len(), 1);
    let settings = notification_settings::Entity::find()
        .all(&db)
        .await
        .unwrap();
    assert_eq!(settings.len(), 1);
    let wishes = notification_preference::Entity::find()
        .all(&db)
        .await
        .unwrap();
    assert_eq!(wishes.len(), 1);
    let hooks = webhook_endpoint::Entity::find().all(&db).await.unwrap();
    assert_eq!(hooks.len(), 1);
    let messages = webhook_message::Entity::find().all(&db).await.unwrap();
    assert_eq!(messages.len(), 1);
}

/// The same of what people say about a task.
#[rstest]
#[tokio::test]
async fn the_entities_of_what_is_said_fit_the_tables(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(serde_json::json!({"title": "x"})).await;
    let query = "mutation { createLabel(input: {name: \"web\"}) { label { id } } }";
    let reply = ada.graphql(query, serde_json::json!({})).await;
    let label = &reply.data()["createLabel"]["label"]["id"];
    let query = "mutation($task: ID!, $label: ID!) {
        updateTask(input: {id: $task, labelIds: [$label]}) { userErrors { code } }
        createComment(input: {taskId: $task, body: \"@ada\"}) { userErrors { code } } }";
    let variables = serde_json::json!({"task": task, "label": label});
    ada.graphql(query, variables).await.data();
    let db = app.sql().await;
    assert_eq!(label::Entity::find().all(&db).await.unwrap().len(), 1);
    assert_eq!(task_label::Entity::find().all(&db).await.unwrap().len(), 1);
    assert_eq!(comment::Entity::find().all(&db).await.unwrap().len(), 1);
    let mentions = comment_mention::Entity::find().all(&db).await.unwrap();
    assert_eq!(mentions.len(), 1);
    let watchers = task_watcher::Entity::find().all(&db).await.unwrap();
    assert_eq!(watchers.len(), 1);
    let changes = task_history::Entity::find().all(&db).await.unwrap();
    assert_eq!(changes.len(), 1);
}

async fn tables(app: &TestApp) -> Vec<String> {
    let db = app.sql().await;
    let query = match db.get_database_backend() {
        DatabaseBackend::Postgres => {
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        }
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1",
    };
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), query))
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}
