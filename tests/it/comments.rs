//! Comments: saying, changing, deleting; who is mentioned, and who may.

use chrono::TimeDelta;
use entity::project_member::Role;
use entity::{ProjectId, TaskId, UserId, event, project, project_member, task};
use rstest::rstest;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, QueryOrder, Set};
use serde_json::{Value, json};
use taskflow::graphql::Kind;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const NO_COMMENT: &str = "comment_01h455vb4pex5vsknk084sn02q";
const NOBODY: &str = "user_01h455vb4pex5vsknk084sn02q";

async fn sends(person: &Person, mutation: &str, input: Value) -> Reply {
    let capital = mutation[..1].to_uppercase() + &mutation[1..];
    let result = if mutation == "deleteComment" {
        "deletedCommentId"
    } else {
        "comment { id body createdAt editedAt author { username } task { id version }
           mentions { username } viewerCanUpdate viewerCanDelete }"
    };
    let query = format!(
        "mutation($input: {capital}Input!) {{ {mutation}(input: $input) {{
           {result} userErrors {{ code message field }} }} }}"
    );
    person.graphql(&query, json!({"input": input})).await
}

/// Says something and answers the comment.
async fn says(person: &Person, input: Value) -> Value {
    let reply = sends(person, "createComment", input).await;
    let comment = reply.data()["createComment"]["comment"].clone();
    assert!(comment.is_object(), "{reply:?}");
    comment
}

fn mentioned(comment: &Value) -> Vec<&str> {
    let mentions = comment["mentions"].as_array().unwrap();
    let mut names: Vec<_> = mentions
        .iter()
        .map(|user| user["username"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names
}

async fn topics(app: &TestApp) -> Vec<(String, Value)> {
    let db = app.sql().await;
    let events = event::Entity::find()
        .order_by_asc(event::Column::OccurredAt)
        .all(&db)
        .await
        .unwrap();
    let of_comments = events
        .into_iter()
        .filter(|event| event.topic.starts_with("comment."));
    of_comments
        .map(|event| (event.topic, event.payload))
        .collect()
}

fn user_id(person: &Person) -> UserId {
    UserId(Kind::User.decode(&person.id).unwrap())
}

/// Puts a task into a project to which these people belong.
async fn into_project(app: &TestApp, id: &str, members: &[(&Person, Role)]) -> ProjectId {
    let db = app.sql().await;
    let now = app.clock.now();
    let project = ProjectId(taskflow::db::new_id(&app.clock));
    let row = project::Model {
        id: project,
        key: "OPS".to_owned(),
        name: "Operations".to_owned(),
        name_norm: "operations".to_owned(),
        description: None,
        creator_id: user_id(members[0].0),
        last_number: 1,
        archived_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    project::Entity::insert(row.into_active_model())
        .exec_without_returning(&db)
        .await
        .unwrap();
    for (person, role) in members {
        let row = project_member::Model {
            project_id: project,
            user_id: user_id(person),
            role: *role,
            created_at: now,
        };
        project_member::Entity::insert(row.into_active_model())
            .exec_without_returning(&db)
            .await
            .unwrap();
    }
    let id = TaskId(Kind::Task.decode(id).unwrap());
    let row = task::Entity::find_by_id(id).one(&db).await.unwrap();
    let mut row = row.unwrap().into_active_model();
    row.project_id = Set(Some(project));
    row.number = Set(Some(1));
    row.update(&db).await.unwrap();
    project
}

#[rstest]
#[tokio::test]
async fn a_comment_is_made_read_changed_and_deleted(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let made = says(
        &bob,
        json!({"taskId": task, "body": " Two\nlines \u{1F600} "}),
    )
    .await;
    assert_eq!(made["body"], " Two\nlines \u{1F600} ");
    assert_eq!(made["author"], json!({"username": "bob"}));
    assert_eq!(made["task"], json!({"id": task, "version": 1}));
    assert_eq!(made["editedAt"], Value::Null);
    assert_eq!(
        (&made["viewerCanUpdate"], &made["viewerCanDelete"]),
        (&json!(true), &json!(true))
    );

    let node = "query($id: ID!) { node(id: $id) { __typename ... on Comment {
        body createdAt viewerCanUpdate viewerCanDelete } } }";
    let read = ada.graphql(node, json!({"id": made["id"]})).await;
    let wanted = json!({"__typename": "Comment", "body": made["body"],
        "createdAt": made["createdAt"], "viewerCanUpdate": false, "viewerCanDelete": true});
    assert_eq!(read.data()["node"], wanted, "she made the task");

    app.clock.advance(TimeDelta::minutes(1));
    let same = sends(
        &bob,
        "updateComment",
        json!({"id": made["id"], "body": made["body"]}),
    )
    .await;
    assert_eq!(same.data()["updateComment"]["comment"], made, "no change");
    let refused = sends(
        &ada,
        "updateComment",
        json!({"id": made["id"], "body": "x"}),
    )
    .await;
    assert_eq!(refused.code(), "FORBIDDEN");
    let changed = sends(
        &bob,
        "updateComment",
        json!({"id": made["id"], "body": "One"}),
    )
    .await;
    let changed = &changed.data()["updateComment"]["comment"];
    assert_eq!(changed["body"], "One");
    assert_eq!(changed["createdAt"], made["createdAt"]);
    assert_ne!(changed["editedAt"], Value::Null);

    app.clock.advance(TimeDelta::minutes(1));
    let gone = sends(&ada, "deleteComment", json!({"id": made["id"]})).await;
    assert_eq!(gone.data()["deleteComment"]["deletedCommentId"], made["id"]);
    for (mutation, input) in [
        ("deleteComment", json!({"id": made["id"]})),
        ("updateComment", json!({"id": NO_COMMENT, "body": "x"})),
    ] {
        assert_eq!(sends(&bob, mutation, input).await.code(), "NOT_FOUND");
    }
    let events = topics(&app).await;
    let found: Vec<_> = events.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(
        found,
        ["comment.created", "comment.updated", "comment.deleted"]
    );
    let id = Kind::Comment.decode(made["id"].as_str().unwrap()).unwrap();
    for ((_, payload), told) in events.iter().zip([&ada, &ada, &bob]) {
        let task = TaskId(Kind::Task.decode(&task).unwrap());
        let wanted = json!({"task_id": task, "project_id": null, "comment_id": id,
            "recipients": [user_id(told)]});
        assert_eq!(payload, &wanted);
    }
    // The task's stream has them, behind what happened to the task itself.
    let entries = format!(
        "SELECT COUNT(*) FROM stream_entries WHERE stream = 'task:{}'",
        Kind::Task.decode(&task).unwrap()
    );
    assert_eq!(app.number(&entries).await, 5);
}

#[rstest]
#[case(json!({"body": ""}), "input.body")]
#[case(json!({"body": " \n\u{a0}"}), "input.body")]
#[case(json!({"body": "\u{200b}\u{ad}"}), "input.body")]
#[case(json!({"body": "nul\u{0}"}), "input.body")]
#[case(json!({"body": "x".repeat(10_001)}), "input.body")]
#[case(json!({"body": "x", "mentionIds": [NOBODY]}), "input.mentionIds")]
#[case(json!({"body": "x", "mentionIds": vec![NOBODY; 51]}), "input.mentionIds")]
#[tokio::test]
async fn a_bad_comment_is_told_by_field(
    #[case] input: Value,
    #[case] field: &str,
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let long = says(
        &ada,
        json!({"taskId": task, "body": "\u{1F600}".repeat(10_000)}),
    )
    .await;
    let wanted = ("INVALID".to_owned(), field.to_owned());
    let (mut new, mut change) = (input.clone(), input);
    new["taskId"] = json!(task);
    let reply = sends(&ada, "createComment", new).await;
    assert_eq!(reply.user_error("createComment"), wanted);
    change["id"] = long["id"].clone();
    let reply = sends(&ada, "updateComment", change).await;
    assert_eq!(reply.user_error("updateComment"), wanted);
    assert_eq!(app.number("SELECT COUNT(*) FROM comments").await, 1);
    let key = json!({"taskId": task, "body": "x", "idempotencyKey": ""});
    let reply = sends(&ada, "createComment", key).await;
    assert_eq!(reply.user_error("createComment").1, "input.idempotencyKey");
}

#[rstest]
#[tokio::test]
async fn who_can_see_the_task_is_mentioned_and_follows_it(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    // Eve cannot see it: she is left out by name and by id.
    let body = "Ask @BOB, @eve and nobody@root.example, @bob!";
    let input = json!({"taskId": task, "body": body, "mentionIds": [eve.id, root.id]});
    let made = says(&ada, input).await;
    assert_eq!(mentioned(&made), ["bob", "root"]);
    let watchers = "query($id: ID!) { task(id: $id) { watchers { nodes { username } } } }";
    let reply = ada.graphql(watchers, json!({"id": task})).await;
    let names = reply.data()["task"]["watchers"]["nodes"].clone();
    assert_eq!(names.as_array().unwrap().len(), 3, "{names}");
    let (_, payload) = topics(&app).await.remove(0);
    let mut told = [user_id(&bob), user_id(&root)];
    told.sort_unstable();
    assert_eq!(payload["recipients"], json!(told));

    // Without `mentionIds` who was given by id stays, and who is named no more goes.
    let edit = |input: Value| {
        let mut input = input;
        input["id"] = made["id"].clone();
        input
    };
    let change = async |input: Value| {
        let reply = sends(&ada, "updateComment", edit(input)).await;
        reply.data()["updateComment"]["comment"].clone()
    };
    let changed = change(json!({"body": "Ask @ada"})).await;
    assert_eq!(mentioned(&changed), ["ada", "root"]);
    let changed = change(json!({"mentionIds": [bob.id]})).await;
    assert_eq!(mentioned(&changed), ["ada", "bob"]);
    assert_eq!(changed["body"], "Ask @ada");
    let changed = change(json!({"mentionIds": []})).await;
    assert_eq!(mentioned(&changed), ["ada"]);

    // Who stopped following is asked back by a mention; who muted is not.
    let stop = |mutation: &str| {
        format!(
            "mutation($id: ID!) {{ {mutation}(input: {{taskId: $id}}) {{ userErrors {{ code }} }} }}"
        )
    };
    let id = json!({"id": task});
    bob.graphql(&stop("unwatchTask"), id.clone()).await.data();
    root.graphql(&stop("muteTask"), id.clone()).await.data();
    says(&ada, json!({"taskId": task, "body": "@bob @root"})).await;
    let flags = "query($id: ID!) { task(id: $id) { viewerIsWatching viewerHasMuted } }";
    let reply = bob.graphql(flags, id.clone()).await;
    assert_eq!(reply.data()["task"]["viewerIsWatching"], true);
    let reply = root.graphql(flags, id).await;
    assert_eq!(
        reply.data()["task"],
        json!({"viewerIsWatching": false, "viewerHasMuted": true})
    );
    let (_, payload) = topics(&app).await.pop().unwrap();
    assert_eq!(payload["recipients"], json!([user_id(&bob)]));
}

#[rstest]
#[tokio::test]
async fn who_is_mentioned_by_id_and_by_name_stays_when_the_name_goes(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let task = root.creates(json!({"title": "x"})).await;
    let input = json!({"taskId": task, "body": "Ask @root", "mentionIds": [root.id]});
    let made = says(&root, input).await;
    let change = async |mut input: Value| {
        input["id"] = made["id"].clone();
        let reply = sends(&root, "updateComment", input).await;
        reply.data()["updateComment"]["comment"].clone()
    };
    let changed = change(json!({"body": "Ask"})).await;
    assert_eq!(mentioned(&changed), ["root"]);
    // By name alone.
    let changed = change(json!({"body": "Ask @root", "mentionIds": []})).await;
    assert_eq!(mentioned(&changed), ["root"]);
    let changed = change(json!({"body": "Ask"})).await;
    assert!(mentioned(&changed).is_empty());
}

#[rstest]
#[tokio::test]
async fn in_a_project_the_role_says_who_comments(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let mut people = Vec::new();
    for name in ["owner", "editor", "commenter", "viewer", "stranger"] {
        people.push(app.person(name).await);
    }
    let [owner, editor, commenter, viewer, stranger] = &people[..] else {
        panic!("five people");
    };
    let task = owner.creates(json!({"title": "x"})).await;
    let members = [
        (owner, Role::Owner),
        (editor, Role::Editor),
        (commenter, Role::Commenter),
        (viewer, Role::Viewer),
    ];
    let project = into_project(&app, &task, &members).await;
    let input = json!({"taskId": task, "body": "@viewer"});
    let reply = sends(stranger, "createComment", input.clone()).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    let reply = sends(viewer, "createComment", input.clone()).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    let made = says(commenter, input.clone()).await;
    assert_eq!(mentioned(&made), ["viewer"]);
    assert_eq!(
        app.number(&format!(
            "SELECT COUNT(*) FROM stream_entries WHERE stream = 'project:{}'",
            project.0
        ))
        .await,
        1
    );
    let node = "query($id: ID!) { node(id: $id) { ... on Comment {
        viewerCanUpdate viewerCanDelete } } }";
    for (person, update, delete) in [
        (owner, false, true),
        (editor, false, true),
        (commenter, true, true),
        (viewer, false, false),
    ] {
        let reply = person.graphql(node, json!({"id": made["id"]})).await;
        let wanted = json!({"viewerCanUpdate": update, "viewerCanDelete": delete});
        assert_eq!(reply.data()["node"], wanted, "{}", person.name);
    }
    let id = json!({"id": made["id"]});
    let reply = sends(viewer, "deleteComment", id.clone()).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    let reply = sends(stranger, "deleteComment", id.clone()).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    // Who may comment no more may not change what they said before.
    app.execute("UPDATE project_members SET role = 'viewer' WHERE role = 'commenter'")
        .await;
    for mutation in ["updateComment", "deleteComment"] {
        let reply = sends(commenter, mutation, id.clone()).await;
        assert_eq!(reply.code(), "FORBIDDEN", "{mutation}");
    }
    sends(editor, "deleteComment", id).await.data();
    assert_eq!(app.number("SELECT COUNT(*) FROM comments").await, 0);
    assert_eq!(app.number("SELECT COUNT(*) FROM comment_mentions").await, 0);
}

#[rstest]
#[tokio::test]
async fn about_a_disabled_task_nothing_is_said(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let made = says(&ada, json!({"taskId": task, "body": "x"})).await;
    app.execute("UPDATE tasks SET enabled = FALSE").await;
    for (mutation, input, field) in [
        (
            "createComment",
            json!({"taskId": task, "body": "x"}),
            "input.taskId",
        ),
        (
            "updateComment",
            json!({"id": made["id"], "body": "y"}),
            "input.id",
        ),
        ("deleteComment", json!({"id": made["id"]}), "input.id"),
    ] {
        let reply = sends(&ada, mutation, input).await;
        let wanted = ("DISABLED".to_owned(), field.to_owned());
        assert_eq!(reply.user_error(mutation), wanted);
    }
    assert_eq!(topics(&app).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_repeated_key_says_it_once(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let input = json!({"taskId": task, "body": "x", "idempotencyKey": "k"});
    let first = says(&ada, input.clone()).await;
    assert_eq!(says(&ada, input.clone()).await["id"], first["id"]);
    assert_ne!(says(&bob, input.clone()).await["id"], first["id"]);
    let mut other = input.clone();
    other["body"] = json!("y");
    let reply = sends(&ada, "createComment", other).await;
    assert_eq!(reply.code(), "IDEMPOTENCY_CONFLICT");
    sends(&ada, "deleteComment", json!({"id": first["id"]}))
        .await
        .data();
    let reply = sends(&ada, "createComment", input).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    assert_eq!(app.number("SELECT COUNT(*) FROM comments").await, 1);
}

#[rstest]
#[tokio::test]
async fn comments_come_in_pages_the_oldest_first(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let other = ada.creates(json!({"title": "y"})).await;
    for number in 0..5 {
        app.clock.advance(TimeDelta::seconds(1));
        let body = number.to_string();
        says(&ada, json!({"taskId": task, "body": body})).await;
        says(&ada, json!({"taskId": other, "body": "noise"})).await;
    }
    let query = "query($id: ID!, $after: String) { task(id: $id) {
        comments(first: 2, after: $after) { totalCount nodes { body }
          pageInfo { hasNextPage hasPreviousPage endCursor } } } }";
    let (mut bodies, mut after) = (Vec::new(), Value::Null);
    for page in 0..3 {
        let reply = ada
            .graphql(query, json!({"id": task, "after": after}))
            .await;
        let comments = &reply.data()["task"]["comments"];
        assert_eq!(comments["totalCount"], 5);
        let info = &comments["pageInfo"];
        assert_eq!(info["hasNextPage"], page < 2);
        assert_eq!(info["hasPreviousPage"], page > 0);
        after = info["endCursor"].clone();
        let nodes = comments["nodes"].as_array().unwrap();
        bodies.extend(nodes.iter().map(|node| node["body"].clone()));
    }
    assert_eq!(bodies, ["0", "1", "2", "3", "4"]);
    // The cursor of another list is none of this one.
    let tasks = "{ tasks { pageInfo { endCursor } } }";
    let reply = ada.graphql(tasks, json!({})).await;
    let foreign = &reply.data()["tasks"]["pageInfo"]["endCursor"];
    let reply = ada
        .graphql(query, json!({"id": task, "after": foreign}))
        .await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
}

#[rstest]
#[tokio::test]
async fn a_rate_limit_stands_before_comments(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::with(mode, &[("TASKFLOW_LIMITS__CREATE_COMMENT", "2/1h")]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let input = json!({"taskId": task, "body": "x"});
    for _ in 0..2 {
        says(&ada, input.clone()).await;
    }
    let reply = sends(&ada, "createComment", input.clone()).await;
    assert_eq!(reply.code(), "RATE_LIMITED");
    says(&bob, input).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM comments").await, 3);
}
