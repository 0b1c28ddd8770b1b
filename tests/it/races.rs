//! Commands that meet in PostgreSQL: who waits for whom, and that nobody waits for ever. SQLite has
//! one writer.

use chrono::TimeDelta;
use entity::{CommentId, TaskId, UserId, comment};
use futures_util::future::join_all;
use rstest::rstest;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, IntoActiveModel,
    Statement, TransactionTrait,
};
use serde_json::{Value, json};
use taskflow::db::id_at;
use taskflow::graphql::Kind;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::Mode::Full;
use crate::support::process::PATIENCE;
use crate::support::{Person, Reply, TestApp};

const CREATE: &str = "mutation($input: CreateTaskInput!) { createTask(input: $input) {
    task { id } userErrors { code } } }";
const UPDATE: &str = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
    task { id } userErrors { code } } }";
const UPDATE_MANY: &str = "mutation($input: UpdateTasksInput!) { updateTasks(input: $input) {
    tasks { id } userErrors { code } } }";
const ARCHIVE: &str = "mutation($input: ArchiveProjectInput!) { archiveProject(input: $input) {
    project { archivedAt } userErrors { code } } }";
const WATCH: &str = "mutation($input: WatchTaskInput!) { watchTask(input: $input) {
    task { id } userErrors { code } } }";
const COMMENT: &str = "mutation($input: CreateCommentInput!) { createComment(input: $input) {
    comment { id } userErrors { code } } }";

/// Nobody loses patience while the test holds a row.
const PATIENT: [(&str, &str); 1] = [("TASKFLOW_DATABASE__LOCK_TIMEOUT_MS", "60000")];

/// Sends a mutation, and goes on meanwhile.
fn sends(person: &Person, query: &'static str, input: Value) -> JoinHandle<Reply> {
    let person = person.clone();
    tokio::spawn(async move { person.graphql(query, json!({"input": input})).await })
}

/// A transaction of the test that holds what this query locks.
async fn hand(db: &DatabaseConnection, query: &str) -> DatabaseTransaction {
    #[expect(
        clippy::disallowed_methods,
        reason = "this transaction is to be in the way"
    )]
    let hand = db.begin().await.unwrap();
    hand.execute_unprepared(query).await.unwrap();
    hand
}

/// How many sessions wait for a lock.
async fn waiting(db: &DatabaseConnection) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let query = Statement::from_string(db.get_database_backend(), query);
    let row = db.query_one_raw(query).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Waits until so many sessions wait for a lock.
async fn until_waiting(db: &DatabaseConnection, count: i64) {
    let wait = async { while waiting(db).await < count {} };
    timeout(PATIENCE, wait).await.expect("they wait");
}

#[tokio::test]
async fn who_changes_a_project_waits_for_who_is_at_work_and_for_nobody_else() {
    let app = TestApp::with(Full, &PATIENT).await;
    let ada = app.person("ada").await;
    let project = ada.creates_project("OPS").await;
    let one = json!({"title": "one", "projectId": project});
    let one = ada.creates(one).await;
    let two = json!({"title": "two", "projectId": project});
    let two = ada.creates(two).await;
    let label = "mutation { createLabel(input: {name: \"bug\"}) { label { id } } }";
    let label = ada.graphql(label, json!({})).await;
    let label = label.data()["createLabel"]["label"]["id"].clone();
    let db = app.sql().await;
    let label_held = hand(&db, "SELECT id FROM labels FOR UPDATE").await;
    let at_work = sends(&ada, UPDATE, json!({"id": one, "labelIds": [label]}));
    until_waiting(&db, 1).await;
    let archive = sends(&ada, ARCHIVE, json!({"id": project}));
    until_waiting(&db, 2).await;
    // Who comes later stands behind.
    let late = sends(&ada, UPDATE, json!({"id": two, "title": "late"}));
    let queued = async { while waiting(&db).await < 3 && !late.is_finished() {} };
    timeout(PATIENCE, queued).await.unwrap();
    label_held.rollback().await.unwrap();
    at_work.await.unwrap().data();
    archive.await.unwrap().data();
    assert_eq!(late.await.unwrap().code(), "FORBIDDEN", "it is archived");
}

/// A replica of which PostgreSQL ends no circle of waiting: that ends in an error, and is not tried
/// again in silence.
async fn replica_of_no_circles(app: &TestApp) -> TestApp {
    app.execute(
        "DO $$ BEGIN EXECUTE format(
           'ALTER DATABASE %I SET deadlock_timeout = ''10min''', current_database()); END $$",
    )
    .await;
    // Its connections begin with that setting.
    app.replica_with(&[("TASKFLOW_DATABASE__LOCK_TIMEOUT_MS", "10000")])
        .await
}

/// The same tasks moved, changed in lists and given parts at the same time.
#[rstest]
#[case::outside_projects(false)]
#[case::in_a_project(true)]
#[tokio::test]
async fn lists_moves_and_new_parts_never_wait_in_a_circle(#[case] in_project: bool) {
    let app = TestApp::start(Full).await;
    let replica = replica_of_no_circles(&app).await;
    let ada = app.person("ada").await;
    let ada = ada.at(&replica.router);
    let mut project = Value::Null;
    if in_project {
        project = json!(ada.creates_project("OPS").await);
    }
    let mut chain: Vec<String> = Vec::new();
    for title in ["a", "b", "c", "d"] {
        let task = json!({"title": title, "parentId": chain.last(), "projectId": project});
        chain.push(ada.creates(task).await);
    }
    let late = json!({"title": "late", "projectId": project});
    let late = ada.creates(late).await;
    for round in 0..10 {
        let titled = |ids: &[&String]| {
            let title = |id: &&String| json!({"id": id, "title": format!("{round}")});
            json!({"tasks": ids.iter().map(title).collect::<Vec<_>>()})
        };
        let [a, b, c, d] = [&chain[0], &chain[1], &chain[2], &chain[3]];
        let part = json!({"title": "part", "parentId": d, "projectId": project});
        let both = json!({"tasks": [{"id": late, "parentId": d}, {"id": a, "title": "with"}]});
        let under = [c, a][round % 2];
        let all = [
            sends(&ada, UPDATE_MANY, titled(&[a, b, c, d])),
            sends(&ada, CREATE, part.clone()),
            sends(&ada, UPDATE_MANY, titled(&[d, c, b, a, &late])),
            sends(&ada, UPDATE_MANY, both),
            sends(&ada, UPDATE, json!({"id": d, "parentId": under})),
            sends(&ada, CREATE, part),
            sends(&ada, UPDATE, json!({"id": late, "parentId": b})),
        ];
        for reply in join_all(all).await {
            reply.unwrap().data();
        }
    }
}

#[tokio::test]
async fn who_follows_a_task_waits_for_who_comments_on_it() {
    let app = TestApp::start(Full).await;
    let replica = replica_of_no_circles(&app).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let (ada, bob) = (ada.at(&replica.router), bob.at(&replica.router));
    let task = json!({"title": "x", "assigneeId": bob.id});
    let task = ada.creates(task).await;
    let db = app.sql().await;
    // The comment has the task, and waits for somebody who is changing bob's name.
    let bob_held = hand(&db, "SELECT id FROM users FOR UPDATE").await;
    let says = json!({"taskId": task, "body": "hear", "mentionIds": [bob.id]});
    let says = sends(&ada, COMMENT, says);
    until_waiting(&db, 1).await;
    let follows = sends(&bob, WATCH, json!({"taskId": task}));
    until_waiting(&db, 2).await;
    bob_held.rollback().await.unwrap();
    says.await.unwrap().data();
    follows.await.unwrap().data();
}

#[tokio::test]
async fn a_key_that_is_free_again_is_used_once() {
    let app = TestApp::with(Full, &PATIENT).await;
    let ada = app.person("ada").await;
    let input = json!({"title": "x", "idempotencyKey": "k"});
    let old = ada.creates(input.clone()).await;
    app.clock.advance(TimeDelta::hours(25));
    let ada = ada.logged_in_again().await;
    let db = app.sql().await;
    let key_held = hand(&db, "SELECT key FROM idempotency_keys FOR UPDATE").await;
    let both = [(); 2].map(|()| sends(&ada, CREATE, input.clone()));
    until_waiting(&db, 2).await;
    key_held.rollback().await.unwrap();
    let mut ids = Vec::new();
    for reply in both {
        let reply = reply.await.unwrap();
        ids.push(reply.data()["createTask"]["task"]["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], json!(old));
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 2);
}

#[tokio::test]
async fn a_comment_stands_behind_those_it_waited_for() {
    let app = TestApp::with(Full, &PATIENT).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let db = app.sql().await;
    let task_held = hand(&db, "SELECT id FROM tasks FOR UPDATE").await;
    let waits = sends(&ada, COMMENT, json!({"taskId": task, "body": "second"}));
    until_waiting(&db, 1).await;
    let ahead = app.clock.now() + TimeDelta::seconds(50);
    let first = comment::Model {
        id: CommentId(id_at(ahead)),
        task_id: TaskId(Kind::Task.decode(&task).unwrap()),
        author_id: UserId(Kind::User.decode(&ada.id).unwrap()),
        body: "first".to_owned(),
        created_at: ahead,
        edited_at: None,
    };
    comment::Entity::insert(first.into_active_model())
        .exec_without_returning(&task_held)
        .await
        .unwrap();
    // Made by a process whose clock is ahead of that of the one that waits.
    task_held.commit().await.unwrap();
    waits.await.unwrap().data();
    let query = "query($id: ID!) { task(id: $id) { comments { nodes { body } } } }";
    let reply = ada.graphql(query, json!({"id": task})).await;
    let wanted = json!([{"body": "first"}, {"body": "second"}]);
    assert_eq!(reply.data()["task"]["comments"]["nodes"], wanted);
}
