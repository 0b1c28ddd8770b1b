//! The history of a task: who changed which field, from what to what.

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const HISTORY: &str = "query($id: ID!, $first: Int, $after: String) { task(id: $id) {
    updatedAt history(first: $first, after: $after) { totalCount
      nodes { id field from to at by { username } }
      pageInfo { hasNextPage endCursor } } } }";

async fn update(person: &Person, input: Value) -> Reply {
    let query = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
        task { version } userErrors { code field } } }";
    person.graphql(query, json!({"input": input})).await
}

async fn history(person: &Person, task: &str) -> Value {
    let reply = person.graphql(HISTORY, json!({"id": task})).await;
    reply.data()["task"].clone()
}

#[rstest]
#[tokio::test]
async fn each_field_that_changes_is_there_with_who_and_when(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "One", "description": "Long", "dueAt": "2026-12-24T18:00:00Z"}))
        .await;
    assert_eq!(history(&ada, &task).await["history"]["totalCount"], 0);
    let long = "\u{1F600}".repeat(2_000);
    let due = ("2026-12-24T18:00:00+00:00", "2026-12-25T00:00:00.5Z");
    let steps = [
        (json!({"title": "Two"}), "TITLE", json!("One"), json!("Two")),
        (
            json!({"description": long}),
            "DESCRIPTION",
            json!("Long"),
            json!(long),
        ),
        (
            json!({"description": null}),
            "DESCRIPTION",
            json!(long),
            json!(null),
        ),
        (
            json!({"status": "IN_PROGRESS"}),
            "STATUS",
            json!("PENDING"),
            json!("IN_PROGRESS"),
        ),
        (
            json!({"priority": "HIGH"}),
            "PRIORITY",
            json!("MEDIUM"),
            json!("HIGH"),
        ),
        (
            json!({"dueAt": due.1}),
            "DUE",
            json!(due.0),
            json!("2026-12-25T00:00:00.500+00:00"),
        ),
        (
            json!({"dueAt": null}),
            "DUE",
            json!("2026-12-25T00:00:00.500+00:00"),
            json!(null),
        ),
        (
            json!({"enabled": false}),
            "ENABLED",
            json!("true"),
            json!("false"),
        ),
        (
            json!({"enabled": true}),
            "ENABLED",
            json!("false"),
            json!("true"),
        ),
    ];
    for (count, (mut input, field, from, to)) in steps.into_iter().enumerate() {
        app.clock.advance(TimeDelta::seconds(1));
        input["id"] = json!(task);
        update(&ada, input).await.data();
        let after = history(&ada, &task).await;
        assert_eq!(after["history"]["totalCount"], count + 1);
        let newest = &after["history"]["nodes"][0];
        let wanted = json!({"id": newest["id"], "field": field, "from": from, "to": to,
            "at": after["updatedAt"], "by": {"username": "ada"}});
        assert_eq!(newest, &wanted);
    }
    for (to, from, wanted) in [
        (&bob, json!(null), json!(bob.id)),
        (&ada, json!(bob.id), json!(ada.id)),
    ] {
        app.clock.advance(TimeDelta::seconds(1));
        ada.assigns(&task, to).await.data();
        let after = history(&ada, &task).await;
        let newest = &after["history"]["nodes"][0];
        assert_eq!(newest["field"], "ASSIGNEE");
        assert_eq!((&newest["from"], &newest["to"]), (&from, &wanted));
    }
    let before = history(&ada, &task).await["history"]["totalCount"].clone();
    // What changes nothing leaves nothing, and what is refused neither.
    update(&ada, json!({"id": task, "title": "Two", "dueAt": null}))
        .await
        .data();
    update(&ada, json!({"id": task, "title": ""})).await.data();
    update(
        &ada,
        json!({"id": task, "title": "x", "expectedVersion": 1}),
    )
    .await
    .data();
    ada.assigns(&task, &ada).await.data();
    assert_eq!(history(&ada, &task).await["history"]["totalCount"], before);
}

#[rstest]
#[tokio::test]
async fn a_change_of_several_fields_is_several_changes_by_one(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let input = json!({"id": task, "title": "y", "status": "COMPLETED", "priority": "LOW"});
    update(&bob, input).await.data();
    let after = history(&ada, &task).await;
    let nodes = after["history"]["nodes"].as_array().unwrap();
    let mut fields: Vec<_> = nodes
        .iter()
        .map(|node| {
            assert_eq!(node["by"]["username"], "bob");
            assert_eq!(node["at"], nodes[0]["at"]);
            node["field"].as_str().unwrap()
        })
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["PRIORITY", "STATUS", "TITLE"]);
}

#[rstest]
#[tokio::test]
async fn the_history_comes_in_pages_and_each_change_by_its_id(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, eve) = (app.person("ada").await, app.person("eve").await);
    let task = ada.creates(json!({"title": "0"})).await;
    for number in 1..=5 {
        app.clock.advance(TimeDelta::seconds(1));
        update(&ada, json!({"id": task, "title": number.to_string()}))
            .await
            .data();
    }
    let (mut titles, mut ids, mut after) = (Vec::new(), Vec::new(), Value::Null);
    for page in 0..3 {
        let variables = json!({"id": task, "first": 2, "after": after});
        let reply = ada.graphql(HISTORY, variables).await;
        let history = &reply.data()["task"]["history"];
        assert_eq!(history["pageInfo"]["hasNextPage"], page < 2);
        after = history["pageInfo"]["endCursor"].clone();
        for node in history["nodes"].as_array().unwrap() {
            titles.push(node["to"].clone());
            ids.push(node["id"].clone());
        }
    }
    assert_eq!(titles, ["5", "4", "3", "2", "1"]);
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on TaskChange { to } } }";
    let reply = ada.graphql(nodes, json!({"ids": ids})).await;
    assert_eq!(reply.data()["nodes"][4], json!({"to": "1"}));
    let reply = eve.graphql(nodes, json!({"ids": ids})).await;
    assert_eq!(
        reply.body["data"]["nodes"],
        json!([null, null, null, null, null])
    );
    assert_eq!(reply.code(), "NOT_FOUND");
    // With the task its history is gone.
    let delete = "mutation($id: ID!) { deleteTask(input: {id: $id}) { userErrors { code } } }";
    ada.graphql(delete, json!({"id": task})).await.data();
    let reply = ada.graphql(nodes, json!({"ids": [ids[0]]})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    let reply = ada.graphql(HISTORY, json!({"id": task})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn what_is_around_tasks_costs_the_same_for_one_and_for_many(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let labels = "mutation($name: String!) { createLabel(input: {name: $name}) { label { id } } }";
    let reply = ada.graphql(labels, json!({"name": "web"})).await;
    let label = reply.data()["createLabel"]["label"]["id"].clone();
    let query = "{ tasks(first: 10) { totalCount nodes {
        labels { name }
        comments(first: 3) { totalCount nodes { body author { name } mentions { name }
          viewerCanUpdate viewerCanDelete task { title } } }
        history(first: 3) { totalCount nodes { field from to by { name } } }
        watchers(first: 3) { totalCount nodes { name } }
        viewerIsWatching viewerHasMuted } } }";
    let mut costs = Vec::new();
    for count in [1, 8] {
        for number in costs.len()..count {
            let task = ada
                .creates(
                    json!({"title": number.to_string(), "assigneeId": bob.id, "labelIds": [label]}),
                )
                .await;
            let says = "mutation($id: ID!) { createComment(input: {taskId: $id, body: \"@bob\"}) {
                comment { id } } }";
            for _ in 0..3 {
                ada.graphql(says, json!({"id": task})).await.data();
            }
            let update =
                "mutation($id: ID!) { updateTask(input: {id: $id, title: \"y\"}) { task { id } } }";
            bob.graphql(update, json!({"id": task})).await.data();
        }
        let before = app.app.db.statements();
        let reply = ada.graphql(query, json!({})).await;
        costs.push(app.app.db.statements() - before);
        let tasks = &reply.data()["tasks"];
        assert_eq!(tasks["totalCount"], count);
        let nodes = tasks["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), count);
        for node in nodes {
            assert_eq!(node["labels"], json!([{"name": "web"}]));
            assert_eq!(node["comments"]["totalCount"], 3);
            assert_eq!(node["comments"]["nodes"].as_array().unwrap().len(), 3);
            assert_eq!(
                node["comments"]["nodes"][2]["mentions"],
                json!([{"name": "Name of bob"}])
            );
            assert_eq!(node["history"]["nodes"][0]["by"]["name"], "Name of bob");
            assert_eq!(node["watchers"]["totalCount"], 2);
            assert_eq!(node["viewerIsWatching"], true);
        }
    }
    // Twelve, and the people, who are asked for in up to four waves; on a busy machine another one is
    // asked for in two. One for each task would be seven more.
    assert!(
        costs.iter().all(|cost| (13..=18).contains(cost)),
        "{costs:?}"
    );
}
