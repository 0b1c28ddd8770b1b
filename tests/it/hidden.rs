//! Who sees a task need not see what is around it: its project, what it is a part of, who followed it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rstest::rstest;
use serde_json::{Value, json};
use taskflow::graphql::Kind;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

async fn counts(person: &Person, filter: Value) -> Value {
    let query = "query($filter: TaskFilter) { tasks(filter: $filter) { totalCount nodes { id } } }";
    let reply = person.graphql(query, json!({"filter": filter})).await;
    let tasks = &reply.data()["tasks"];
    assert_eq!(
        tasks["totalCount"],
        tasks["nodes"].as_array().unwrap().len()
    );
    tasks["totalCount"].clone()
}

#[rstest]
#[tokio::test]
async fn an_assignee_learns_nothing_of_a_parent_and_a_project_they_do_not_see(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let project = ada.creates_project("OPS").await;
    let whole = ada
        .creates(json!({"title": "whole", "projectId": project}))
        .await;
    let part = ada
        .creates(json!({"title": "part", "projectId": project, "assigneeId": bob.id}))
        .await;
    let change =
        "mutation($input: UpdateTaskInput!) { updateTask(input: $input) { userErrors { code } } }";
    let input = json!({"input": {"id": part, "parentId": whole}});
    ada.graphql(change, input).await.data();
    for (filter, of_bob, of_ada) in [
        (json!({"parent": {"eq": whole}}), 0, 1),
        (json!({"parent": {"in": [whole]}}), 0, 1),
        (json!({"parent": {"isNull": false}}), 0, 1),
        (json!({"parent": {"isNull": true}}), 1, 1),
        (json!({"parent": {"neq": whole}}), 1, 1),
        (json!({"not": {"parent": {"eq": whole}}}), 1, 1),
        (json!({"project": {"eq": project}}), 0, 2),
        (json!({"project": {"isNull": false}}), 0, 2),
        (json!({"project": {"isNull": true}}), 1, 0),
        (json!({"project": {"nin": [project]}}), 1, 0),
        (json!({"not": {"project": {"isNull": true}}}), 0, 2),
    ] {
        for (person, wanted) in [(&bob, of_bob), (&ada, of_ada), (&root, of_ada)] {
            let count = counts(person, filter.clone()).await;
            assert_eq!(count, wanted, "{filter} of {}", person.name);
        }
    }
    let query = "query($id: ID!) { task(id: $id) { parent { id } eventCursor
        history { nodes { field from to } } } }";
    for (person, parent) in [(&bob, Value::Null), (&ada, json!(whole))] {
        let reply = person.graphql(query, json!({"id": part})).await;
        let task = &reply.data()["task"];
        let change = json!({"field": "PARENT", "from": null, "to": parent});
        assert_eq!(task["history"]["nodes"][0], change, "{}", person.name);
        let cursor = task["eventCursor"].as_str().unwrap();
        let told = URL_SAFE_NO_PAD.decode(cursor).unwrap();
        let told = String::from_utf8_lossy(&told).into_owned();
        let id = Kind::Project.decode(&project).unwrap().to_string();
        assert!(!told.contains(&id), "{told}");
    }
    let other = ada
        .creates(json!({"title": "other", "projectId": project}))
        .await;
    for guess in [&whole, &other] {
        let input = json!({"input": {"id": part, "parentId": guess}});
        assert_eq!(bob.graphql(change, input).await.code(), "NOT_FOUND");
    }
    // A member sees both.
    ada.adds_member(&project, &bob, "VIEWER").await;
    assert_eq!(counts(&bob, json!({"parent": {"eq": whole}})).await, 1);
    assert_eq!(counts(&bob, json!({"project": {"eq": project}})).await, 3);
    // What is deleted is nobody's parent.
    let delete =
        "mutation($input: DeleteTaskInput!) { deleteTask(input: $input) { userErrors { code } } }";
    let input = json!({"input": {"id": whole}});
    ada.graphql(delete, input).await.data();
    for person in [&ada, &bob, &root] {
        assert_eq!(counts(person, json!({"parent": {"eq": whole}})).await, 0);
        let none = json!({"parent": {"isNull": true}});
        assert_eq!(counts(person, none).await, 2, "{}", person.name);
    }
}

#[rstest]
#[tokio::test]
async fn who_follows_a_task_and_sees_it_no_more_is_not_shown(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let watch =
        "mutation($input: WatchTaskInput!) { watchTask(input: $input) { userErrors { code } } }";
    let input = json!({"input": {"taskId": task}});
    bob.graphql(watch, input).await.data();
    let query = "query($id: ID!) { task(id: $id) { watchers { totalCount nodes { username } } } }";
    let follow = async |names: &[&str]| {
        let reply = ada.graphql(query, json!({"id": task})).await;
        let nodes: Vec<_> = names.iter().map(|name| json!({"username": name})).collect();
        let wanted = json!({"totalCount": names.len(), "nodes": nodes});
        assert_eq!(reply.data()["task"]["watchers"], wanted);
    };
    follow(&["ada", "bob"]).await;
    ada.assigns(&task, &ada).await.data();
    follow(&["ada"]).await;
    ada.assigns(&task, &bob).await.data();
    follow(&["ada", "bob"]).await;
    let disable = "mutation($id: ID!) { disableUser(input: {id: $id}) { userErrors { code } } }";
    let root = app.admin("root").await;
    root.graphql(disable, json!({"id": bob.id})).await.data();
    follow(&["ada"]).await;
}
