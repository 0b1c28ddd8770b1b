//! The list: what stands in it, for whom, once; reading it and putting away.

use rstest::rstest;
use serde_json::{Value, json};

use super::{again, sends, told, types};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Socket, TestApp};

#[rstest]
#[tokio::test]
async fn whoever_gets_a_task_is_told_once(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "Write the notes", "assigneeId": bob.id}))
        .await;
    app.work().await;
    again(&app, "dispatch").await;
    let list = told(&bob).await;
    assert_eq!(list.len(), 1, "{list:#?}");
    let told_to_bob = &list[0];
    assert_eq!(told_to_bob["type"], "TASK_ASSIGNED");
    assert_eq!(told_to_bob["category"], "WORKFLOW");
    assert_eq!(
        told_to_bob["title"],
        "Name of ada assigned you a task: Write the notes"
    );
    assert_eq!(told_to_bob["actor"]["name"], "Name of ada");
    assert_eq!(told_to_bob["task"]["id"], json!(task));
    assert_eq!(told_to_bob["isRead"], false);
    assert_eq!(
        told_to_bob["channels"],
        json!([{"channel": "EMAIL", "state": "SENT", "reason": null}])
    );
    // Who did it is told nothing.
    assert_eq!(told(&ada).await, [] as [Value; 0]);
    assert_eq!(app.mails().len(), 1);
}

#[rstest]
#[tokio::test]
async fn each_is_told_what_concerns_them(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let [ada, bob, cyd] = [
        app.person("ada").await,
        app.person("bob").await,
        app.person("cyd").await,
    ];
    let project = ada.creates_project("OPS").await;
    for person in [&bob, &cyd] {
        ada.adds_member(&project, person, "EDITOR").await;
    }
    app.work().await;
    assert_eq!(types(&bob).await, ["PROJECT_MEMBER_ADDED"]);
    let task = json!({"title": "One", "projectId": project, "assigneeId": bob.id});
    let task = ada.creates(task).await;
    sends(&cyd, "watchTask", json!({"taskId": task}), "").await;
    app.work().await;
    let update = json!({"id": task, "title": "Two", "priority": "HIGH"});
    sends(&ada, "updateTask", update, "").await;
    let comment = json!({"taskId": task, "body": "Look, @cyd"});
    sends(&ada, "createComment", comment, "").await;
    app.work().await;
    let of_bob = [
        "COMMENT_ADDED",
        "TASK_UPDATED",
        "TASK_ASSIGNED",
        "PROJECT_MEMBER_ADDED",
    ];
    assert_eq!(types(&bob).await, of_bob);
    let of_cyd = ["MENTIONED", "TASK_UPDATED", "PROJECT_MEMBER_ADDED"];
    assert_eq!(types(&cyd).await, of_cyd);
    let newest = &told(&cyd).await[0];
    assert_eq!(newest["title"], "Name of ada mentioned you in: Two");
    assert!(newest["commentId"].is_string() && newest["projectId"].is_string());
    // It is somebody else's, and then done, and then gone.
    ada.assigns(&task, &cyd).await.data();
    app.work().await;
    assert_eq!(types(&bob).await[0], "TASK_UNASSIGNED");
    assert_eq!(types(&cyd).await[0], "TASK_ASSIGNED");
    let done = json!({"id": task, "status": "COMPLETED"});
    sends(&ada, "updateTask", done, "").await;
    app.work().await;
    assert_eq!(types(&cyd).await[..2], ["TASK_COMPLETED", "TASK_ASSIGNED"]);
    sends(&ada, "deleteTask", json!({"id": task}), "").await;
    app.work().await;
    let newest = &told(&cyd).await[0];
    assert_eq!(newest["type"], "TASK_DELETED");
    assert_eq!(newest["task"], Value::Null, "it is in the trash");
}

#[rstest]
#[tokio::test]
async fn who_may_not_see_a_task_any_more_is_told_nothing_of_it(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "EDITOR").await;
    let task = ada
        .creates(json!({"title": "One", "projectId": project}))
        .await;
    sends(&bob, "watchTask", json!({"taskId": task}), "").await;
    app.work().await;
    let before = types(&bob).await.len();
    let comment = json!({"taskId": task, "body": "secret"});
    sends(&ada, "createComment", comment, "").await;
    // Between what happened and the work it causes.
    ada.removes_member(&project, &bob).await.data();
    app.work().await;
    assert_eq!(types(&bob).await.len(), before);
}

async fn unread(person: &Person) -> Value {
    let reply = person.graphql("{ unreadCount }", json!({})).await;
    reply.data()["unreadCount"].clone()
}

#[rstest]
#[tokio::test]
async fn a_list_is_read_and_put_away(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    for title in ["one", "two", "three", "four"] {
        ada.creates(json!({"title": title, "assigneeId": bob.id}))
            .await;
        app.work().await;
    }
    let ids: Vec<_> = told(&bob)
        .await
        .iter()
        .map(|node| node["id"].clone())
        .collect();
    assert_eq!(unread(&bob).await, 4);
    let read = "markNotificationRead";
    let reply = sends(
        &bob,
        read,
        json!({"ids": [ids[0]]}),
        "unreadCount notifications { isRead }",
    )
    .await;
    assert_eq!(
        reply.data()[read],
        json!({"unreadCount": 3, "notifications": [{"isRead": true}], "userErrors": []})
    );
    // All or none, and nobody else's.
    let reply = sends(&eve, read, json!({"ids": [ids[1]]}), "unreadCount").await;
    assert_eq!(reply.code(), "NOT_FOUND");
    let nobody = "notification_01h455vb4pex5vsknk084sn02q";
    let reply = sends(&bob, read, json!({"ids": [ids[1], nobody]}), "unreadCount").await;
    assert_eq!(reply.code(), "NOT_FOUND");
    assert_eq!(unread(&bob).await, 3);
    // Up to what was seen: what came later stays.
    let all = "markAllNotificationsRead";
    let reply = sends(
        &bob,
        all,
        json!({"upToId": ids[2]}),
        "markedCount unreadCount",
    )
    .await;
    assert_eq!(reply.data()[all]["markedCount"], 2);
    assert_eq!(reply.data()[all]["unreadCount"], 1);
    let reply = sends(&bob, all, json!({"category": "SECURITY"}), "markedCount").await;
    assert_eq!(reply.data()[all]["markedCount"], 0);
    let archive = "archiveNotifications";
    let reply = sends(&bob, archive, json!({"ids": [ids[1]]}), "unreadCount").await;
    assert_eq!(reply.data()[archive]["unreadCount"], 0);
    assert_eq!(told(&bob).await.len(), 3);
    let query = "query($filter: NotificationFilter) {
        notifications(filter: $filter) { totalCount nodes { id isRead } } }";
    let filter = json!({"filter": {"isArchived": true}});
    let reply = bob.graphql(query, filter).await;
    let wanted = json!({"totalCount": 1, "nodes": [{"id": ids[1], "isRead": true}]});
    assert_eq!(reply.data()["notifications"], wanted);
    let filter = json!({"filter": {"isRead": false}});
    let reply = bob.graphql(query, filter).await;
    assert_eq!(reply.data()["notifications"]["totalCount"], 0);
    let one = "query($id: ID!) { notification(id: $id) { title } node(id: $id) { id } }";
    let reply = bob.graphql(one, json!({"id": ids[0]})).await;
    assert_eq!(reply.data()["node"]["id"], ids[0]);
    let reply = eve.graphql(one, json!({"id": ids[0]})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn a_subscription_goes_on_where_it_ended(#[values(Embedded, Full)] mode: Mode) {
    const FOLLOW: &str = "subscription($after: String) {
        notificationReceived(after: $after) { cursor notification { title } } }";
    let app = TestApp::start(mode).await;
    let address = app.listen().await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let query = "{ notifications { eventCursor } }";
    let reply = bob.graphql(query, json!({})).await;
    let mut after = reply.data()["notifications"]["eventCursor"].clone();
    for round in ["a", "b"] {
        for n in 0..3 {
            ada.creates(json!({"title": format!("{round}{n}"), "assigneeId": bob.id}))
                .await;
        }
        app.work().await;
        let mut socket = Socket::signed_in(address, bob.token.as_deref().unwrap()).await;
        socket.subscribe("s", FOLLOW, json!({"after": after})).await;
        let mut titles = Vec::new();
        for _ in 0..3 {
            let event = socket.event("s").await;
            let told = &event["notificationReceived"];
            after = told["cursor"].clone();
            let title = told["notification"]["title"].as_str().unwrap();
            titles.push(title.rsplit(' ').next().unwrap().to_owned());
        }
        titles.sort();
        assert_eq!(titles, [0, 1, 2].map(|n| format!("{round}{n}")));
    }
}
