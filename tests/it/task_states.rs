//! Finished, disabled, deleted, restored: what comes of a task.

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};
use taskflow::tasks::prune::prune;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const UPDATE: &str = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
    task { title enabled version completedAt } userErrors { code message field } } }";
const TRASH: &str = "{ tasks(trash: true) { totalCount
    nodes { id title enabled deletedAt viewerCanRestore viewerCanDelete viewerCanUpdate
            viewerCanComment } } }";

async fn update(person: &Person, input: Value) -> Reply {
    person.graphql(UPDATE, json!({"input": input})).await
}

/// Does to a task what takes nothing but its id.
async fn do_to(person: &Person, what: &str, task: &str) -> Reply {
    let selection = if what == "deleteTask" {
        "deletedTaskId"
    } else {
        "task { id enabled version deletedAt }"
    };
    let input = if what == "unassignTask" {
        "taskId"
    } else {
        "id"
    };
    let query = format!(
        "mutation($id: ID!) {{ {what}(input: {{{input}: $id}}) {{ {selection}
           userErrors {{ code message field }} }} }}"
    );
    person.graphql(&query, json!({"id": task})).await
}

async fn listed(person: &Person, filter: Value) -> Vec<String> {
    let query =
        "query($filter: TaskFilter) { tasks(filter: $filter, orderBy: [{field: CREATED_AT}]) {
        totalCount nodes { title } } }";
    let reply = person.graphql(query, json!({"filter": filter})).await;
    let tasks = &reply.data()["tasks"];
    let titles: Vec<_> = tasks["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["title"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(tasks["totalCount"], json!(titles.len()), "{filter}");
    titles
}

#[rstest]
#[tokio::test]
async fn the_status_says_when_it_was_completed(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let mut seen = Vec::new();
    for status in ["COMPLETED", "COMPLETED", "IN_PROGRESS", "COMPLETED"] {
        app.clock.advance(TimeDelta::minutes(1));
        let reply = update(&ada, json!({"id": task, "status": status})).await;
        let task = reply.data()["updateTask"]["task"].clone();
        seen.push((task["version"].clone(), task["completedAt"].clone()));
    }
    assert!(seen[0].1.is_string());
    assert_eq!(seen[1], seen[0], "completed already");
    assert_eq!(seen[2], (json!(3), Value::Null));
    assert!(seen[3].1.is_string());
    assert_ne!(seen[3].1, seen[0].1);
    let done = "mutation { createTask(input: {title: \"x\", status: COMPLETED}) { task { completedAt createdAt } } }";
    let reply = ada.graphql(done, json!({})).await;
    let task = &reply.data()["createTask"]["task"];
    assert_eq!(task["completedAt"], task["createdAt"]);
}

#[rstest]
#[tokio::test]
async fn a_disabled_task_takes_nothing_but_enabling(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada.creates(json!({"title": "x"})).await;
    for _ in 0..2 {
        let reply = do_to(&ada, "disableTask", &task).await;
        let task = &reply.data()["disableTask"]["task"];
        assert_eq!(
            (&task["enabled"], &task["version"]),
            (&json!(false), &json!(2))
        );
    }
    let disabled = ("DISABLED".to_owned(), String::new());
    let edit = update(&ada, json!({"id": task, "title": "y"})).await;
    assert_eq!(edit.user_error("updateTask"), disabled);
    let edit = update(&ada, json!({"id": task, "assigneeId": bob.id})).await;
    assert_eq!(edit.user_error("updateTask"), disabled);
    let assigned = ada.assigns(&task, &bob).await;
    assert_eq!(assigned.user_error("assignTask"), disabled);
    let taken = do_to(&ada, "unassignTask", &task).await;
    assert_eq!(taken.user_error("unassignTask"), disabled);
    // What changes nothing is fine.
    let same = update(&ada, json!({"id": task, "title": "x", "enabled": false})).await;
    assert_eq!(same.data()["updateTask"]["task"]["version"], 2);
    assert_eq!(app.number("SELECT version FROM tasks").await, 2);
    // Enabling lets the rest of the change in.
    let edit = update(&ada, json!({"id": task, "title": "y", "enabled": true})).await;
    assert_eq!(edit.data()["updateTask"]["task"]["title"], "y");
    let edit = update(&ada, json!({"id": task, "title": "z", "enabled": false})).await;
    assert_eq!(edit.data()["updateTask"]["task"]["enabled"], false);
    for _ in 0..2 {
        let reply = do_to(&ada, "enableTask", &task).await;
        assert_eq!(reply.data()["enableTask"]["task"]["version"], 5);
    }
    // Deleting and restoring it is possible, too.
    do_to(&ada, "disableTask", &task).await.data();
    do_to(&ada, "deleteTask", &task).await.data();
    let back = do_to(&ada, "restoreTask", &task).await;
    assert_eq!(back.data()["restoreTask"]["task"]["enabled"], false);
    for what in ["enableTask", "disableTask"] {
        assert_eq!(do_to(&bob, what, &task).await.code(), "NOT_FOUND");
    }
}

#[rstest]
#[tokio::test]
async fn a_disabled_task_leaves_the_lists_that_do_not_ask_for_it(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    ada.creates(json!({"title": "on"})).await;
    ada.creates(json!({"title": "off", "enabled": false})).await;
    let is = |enabled: bool| json!({"enabled": {"eq": enabled}});
    let both = json!({"or": [is(true), is(false)]});
    for (filter, wanted) in [
        (Value::Null, vec!["on"]),
        (json!({}), vec!["on"]),
        (json!({"title": {"contains": "o"}}), vec!["on"]),
        (json!({"enabled": null}), vec!["on"]),
        (json!({"enabled": {"eq": null}}), vec!["on"]),
        (is(true), vec!["on"]),
        (is(false), vec!["off"]),
        (both.clone(), vec!["on", "off"]),
        (json!({"and": [both]}), vec!["on", "off"]),
        (json!({"not": is(true)}), vec!["off"]),
    ] {
        assert_eq!(listed(&ada, filter.clone()).await, wanted, "{filter}");
    }
}

#[rstest]
#[tokio::test]
async fn nobody_is_told_of_a_disabled_task(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let made = json!({"title": "x", "enabled": false, "assigneeId": bob.id});
    let task = ada.creates(made).await;
    let other = ada.creates(json!({"title": "y"})).await;
    let both = json!({"id": other, "enabled": false, "assigneeId": bob.id});
    update(&ada, both).await.data();
    do_to(&ada, "deleteTask", &task).await.data();
    do_to(&ada, "restoreTask", &task).await.data();
    assert_eq!(app.number("SELECT count(*) FROM jobs").await, 0);
    let told = "SELECT count(*) FROM streams WHERE name LIKE 'assigned:%'";
    assert_eq!(app.number(told).await, 0);
    // To whoever looks, it is all there.
    let own = "SELECT count(*) FROM stream_entries WHERE stream LIKE 'task:%'";
    assert!(app.number(own).await >= 6);
}

#[rstest]
#[tokio::test]
async fn a_deleted_task_is_nowhere_but_in_the_trash_and_comes_back(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let (eve, root) = (app.person("eve").await, app.admin("root").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let says = "mutation($id: ID!) { createComment(input: {taskId: $id, body: \"so\"}) {
        userErrors { code } } }";
    ada.graphql(says, json!({"id": task})).await.data();
    do_to(&ada, "deleteTask", &task).await.data();
    assert!(listed(&ada, json!({})).await.is_empty());
    for query in [
        "query($id: ID!) { task(id: $id) { title } }",
        "query($id: ID!) { node(id: $id) { id } }",
        "query($id: ID!) { nodes(ids: [$id]) { id } }",
        "mutation($id: ID!) { updateTask(input: {id: $id, title: \"y\"}) { task { id } } }",
        "mutation($id: ID!) { updateTasks(input: {tasks: [{id: $id}]}) { tasks { id } } }",
        "mutation($id: ID!) { createTask(input: {title: \"y\", parentId: $id}) { task { id } } }",
    ] {
        let reply = ada.graphql(query, json!({"id": task})).await;
        assert_eq!(reply.code(), "NOT_FOUND", "{query}");
    }
    for what in ["deleteTask", "enableTask", "disableTask", "unassignTask"] {
        assert_eq!(do_to(&ada, what, &task).await.code(), "NOT_FOUND", "{what}");
    }
    for (person, sees, may) in [
        (&ada, true, true),
        (&bob, true, false),
        (&root, true, true),
        (&eve, false, false),
    ] {
        let reply = person.graphql(TRASH, json!({})).await;
        let trash = &reply.data()["tasks"];
        assert_eq!(trash["totalCount"], json!(usize::from(sees)));
        if sees {
            let node = &trash["nodes"][0];
            assert!(node["deletedAt"].is_string());
            assert_eq!(node["viewerCanRestore"], json!(may));
            for other in ["viewerCanDelete", "viewerCanUpdate", "viewerCanComment"] {
                assert_eq!(node[other], json!(false));
            }
        }
    }
    let refused = do_to(&bob, "restoreTask", &task).await;
    assert_eq!(refused.code(), "FORBIDDEN");
    let refused = do_to(&eve, "restoreTask", &task).await;
    assert_eq!(refused.code(), "NOT_FOUND");
    let query = "{ tasks(trash: true) { nodes { comments { nodes {
        viewerCanUpdate viewerCanDelete } } } } }";
    let reply = ada.graphql(query, json!({})).await;
    let comments = &reply.data()["tasks"]["nodes"][0]["comments"]["nodes"];
    let neither = json!([{"viewerCanUpdate": false, "viewerCanDelete": false}]);
    assert_eq!(*comments, neither, "what is deleted is not talked about");
    for _ in 0..2 {
        let back = do_to(&ada, "restoreTask", &task).await;
        let task = &back.data()["restoreTask"]["task"];
        assert_eq!(
            (&task["version"], &task["deletedAt"]),
            (&json!(3), &Value::Null)
        );
    }
    assert_eq!(listed(&bob, json!({})).await, ["x"]);
    let reply = ada.graphql(TRASH, json!({})).await;
    assert_eq!(reply.data()["tasks"]["totalCount"], 0);
    let events = "SELECT count(*) FROM events WHERE topic IN ('task.deleted', 'task.restored')";
    assert_eq!(app.number(events).await, 2);
}

#[rstest]
#[tokio::test]
async fn after_thirty_days_a_deleted_task_is_gone_for_good(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada.creates(json!({"title": "gone"})).await;
    let part = ada
        .creates(json!({"title": "part", "parentId": task}))
        .await;
    ada.assigns(&task, &bob).await.data();
    do_to(&ada, "deleteTask", &task).await.data();
    let kept = ada.creates(json!({"title": "kept"})).await;
    app.clock
        .advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    let ada = ada.logged_in_again().await;
    do_to(&ada, "deleteTask", &kept).await.data();
    assert_eq!(prune(&app.app).await.unwrap(), 0);
    let count = async |person: &Person| {
        let reply = person.graphql(TRASH, json!({})).await;
        reply.data()["tasks"]["totalCount"].clone()
    };
    assert_eq!(count(&ada).await, 2);
    app.clock.advance(TimeDelta::seconds(1));
    // Before anybody swept, too.
    assert_eq!(count(&ada).await, 1);
    let late = do_to(&ada, "restoreTask", &task).await;
    assert_eq!(late.code(), "NOT_FOUND");
    assert_eq!(prune(&app.app).await.unwrap(), 1);
    assert_eq!(prune(&app.app).await.unwrap(), 0);
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 2);
    let history = "SELECT count(*) FROM task_history WHERE field = 'assignee'";
    assert_eq!(app.number(history).await, 0, "history goes with it");
    let parents = "SELECT count(*) FROM tasks WHERE parent_id IS NOT NULL";
    assert_eq!(app.number(parents).await, 0);
    let query = "query($id: ID!) { task(id: $id) { title parent { id } } }";
    let reply = ada.graphql(query, json!({"id": part})).await;
    assert_eq!(reply.data()["task"]["title"], "part");
    do_to(&ada, "restoreTask", &kept).await.data();
}

#[rstest]
#[tokio::test]
async fn much_trash_goes_in_steps(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let tasks: Vec<_> = (0..100).map(|i| json!({"title": format!("{i}")})).collect();
    let query = "mutation($input: CreateTasksInput!) { createTasks(input: $input) { userErrors { code } } }";
    for _ in 0..2 {
        let reply = ada.graphql(query, json!({"input": {"tasks": tasks}})).await;
        reply.data();
    }
    ada.creates(json!({"title": "kept"})).await;
    app.execute("UPDATE tasks SET deleted_at = created_at WHERE title <> 'kept'")
        .await;
    app.clock.advance(TimeDelta::days(31));
    assert_eq!(prune(&app.app).await.unwrap(), 200);
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 1);
}

#[rstest]
#[tokio::test]
async fn a_repeat_does_not_make_again_what_was_deleted(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let input = json!({"title": "x", "idempotencyKey": "k"});
    let task = ada.creates(input.clone()).await;
    do_to(&ada, "deleteTask", &task).await.data();
    let create = "mutation($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }";
    let reply = ada.graphql(create, json!({"input": input})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    let create =
        "mutation($input: CreateTasksInput!) { createTasks(input: $input) { tasks { id title } } }";
    let input =
        json!({"tasks": [{"title": "a"}, {"title": "b"}, {"title": "c"}], "idempotencyKey": "k"});
    let first = ada.graphql(create, json!({"input": input})).await;
    let first = first.data()["createTasks"]["tasks"].clone();
    let second = first[1]["id"].as_str().unwrap();
    do_to(&ada, "deleteTask", second).await.data();
    let again = ada.graphql(create, json!({"input": input})).await;
    assert_eq!(
        again.data()["createTasks"]["tasks"],
        json!([first[0], first[2]])
    );
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 4);
}
