//! Tasks: making, changing, listing, deleting; who may, and who does not even know.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const CREATE: &str = "mutation($input: CreateTaskInput!) { createTask(input: $input) {
    task { id title description status priority enabled dueAt version createdAt updatedAt
           creator { id } assignee { id } viewerCanDelete }
    userErrors { code message field } } }";
const UPDATE: &str = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
    task { id title description status priority enabled dueAt version }
    userErrors { code message field } } }";
const LIST: &str =
    "query($first: Int, $after: String, $filter: TaskFilter, $orderBy: [TaskOrder!]) {
    tasks(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes { id title dueAt priority } totalCount pageInfo { hasNextPage endCursor } } }";

async fn create(person: &Person, input: Value) -> Reply {
    person.graphql(CREATE, json!({"input": input})).await
}

async fn update(person: &Person, input: Value) -> Reply {
    person.graphql(UPDATE, json!({"input": input})).await
}

async fn titles(person: &Person, variables: Value) -> Vec<String> {
    let reply = person.graphql(LIST, variables).await;
    let nodes = reply.data()["tasks"]["nodes"].as_array().unwrap().clone();
    nodes
        .iter()
        .map(|node| node["title"].as_str().unwrap().to_owned())
        .collect()
}

#[rstest]
#[tokio::test]
async fn a_task_is_made_read_changed_and_deleted(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let made = create(
        &ada,
        json!({"title": "Write", "dueAt": "2026-12-24T18:00:00.123456789Z"}),
    )
    .await;
    let task = made.data()["createTask"]["task"].clone();
    assert_eq!(task["status"], "PENDING");
    assert_eq!(task["priority"], "MEDIUM");
    assert_eq!(task["enabled"], true);
    assert_eq!(task["version"], 1);
    assert_eq!(task["description"], Value::Null);
    assert_eq!(task["assignee"], Value::Null);
    assert_eq!(task["creator"]["id"], json!(ada.id));
    assert_eq!(task["viewerCanDelete"], true);
    assert_eq!(task["dueAt"], "2026-12-24T18:00:00.123456+00:00");
    assert_eq!(task["createdAt"], task["updatedAt"]);

    let read = ada
        .graphql("query($id: ID!) { task(id: $id) { id title createdAt } node(id: $id) { id __typename } }", json!({"id": task["id"]}))
        .await;
    assert_eq!(
        read.data()["task"]["createdAt"],
        task["createdAt"],
        "stored as answered"
    );
    assert_eq!(
        read.data()["node"],
        json!({"id": task["id"], "__typename": "Task"})
    );

    app.clock.advance(chrono::TimeDelta::minutes(1));
    let changed = update(&ada, json!({"id": task["id"], "title": "Rewrite", "description": "All of it", "status": "COMPLETED", "priority": "HIGH", "enabled": true})).await;
    let changed = &changed.data()["updateTask"]["task"];
    assert_eq!(changed["title"], "Rewrite");
    assert_eq!(changed["version"], 2);
    assert_eq!(changed["dueAt"], task["dueAt"], "absent keeps");
    let cleared = update(
        &ada,
        json!({"id": task["id"], "description": null, "dueAt": null}),
    )
    .await;
    let cleared = &cleared.data()["updateTask"]["task"];
    assert_eq!(
        (&cleared["description"], &cleared["dueAt"]),
        (&Value::Null, &Value::Null),
        "null clears"
    );
    assert_eq!(cleared["title"], "Rewrite");
    let same = update(&ada, json!({"id": task["id"], "title": "Rewrite"})).await;
    assert_eq!(
        same.data()["updateTask"]["task"]["version"],
        3,
        "no change, no version"
    );

    let delete =
        "mutation($id: ID!) { deleteTask(input: {id: $id}) { deletedTaskId userErrors { code } } }";
    let gone = ada.graphql(delete, json!({"id": task["id"]})).await;
    assert_eq!(gone.data()["deleteTask"]["deletedTaskId"], task["id"]);
    assert_eq!(
        ada.graphql(delete, json!({"id": task["id"]})).await.code(),
        "NOT_FOUND"
    );

    let db = app.sql().await;
    let topics: Vec<String> = {
        use sea_orm::EntityTrait;
        let mut events = entity::event::Entity::find().all(&db).await.unwrap();
        events.sort_by_key(|event| event.occurred_at);
        events.into_iter().map(|event| event.topic).collect()
    };
    for topic in [
        "user.created",
        "task.created",
        "task.updated",
        "task.completed",
        "task.deleted",
    ] {
        assert!(topics.contains(&topic.to_owned()), "{topic} in {topics:?}");
    }
    assert_eq!(topics.len(), 6, "{topics:?}");
}

#[rstest]
#[case(json!({"title": ""}), "input.title")]
#[case(json!({"title": " \u{a0} "}), "input.title")]
#[case(json!({"title": "\u{200b}"}), "input.title")]
#[case(json!({"title": "x".repeat(201)}), "input.title")]
#[case(json!({"title": "two\nlines"}), "input.title")]
#[case(json!({"title": "nul\u{0}"}), "input.title")]
#[case(json!({"title": "x", "description": ""}), "input.description")]
#[case(json!({"title": "x", "description": "y".repeat(2_001)}), "input.description")]
#[case(json!({"title": "x", "description": "nul\u{0}"}), "input.description")]
#[case(json!({"title": "x", "dueAt": "0000-01-01T00:00:00Z"}), "input.dueAt")]
#[case(json!({"title": "x", "dueAt": "9999-12-31T23:59:59-12:00"}), "input.dueAt")]
#[case(json!({"title": "x", "idempotencyKey": ""}), "input.idempotencyKey")]
#[case(json!({"title": "x", "idempotencyKey": "k".repeat(256)}), "input.idempotencyKey")]
#[tokio::test]
async fn a_bad_field_is_told_by_name_and_makes_nothing(
    #[case] input: Value,
    #[case] field: &str,
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let reply = create(&ada, input).await;
    assert_eq!(
        reply.user_error("createTask"),
        ("INVALID".to_owned(), field.to_owned())
    );
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 0);
    assert_eq!(
        app.number("SELECT count(*) FROM events WHERE topic LIKE 'task.%'")
            .await,
        0
    );
}

#[rstest]
#[tokio::test]
async fn the_longest_texts_fit_in_any_script(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for letter in ["x", "ß", "日", "\u{1F600}"] {
        let input = json!({"title": letter.repeat(200), "description": letter.repeat(2_000)});
        let reply = create(&ada, input).await;
        assert_eq!(
            reply.data()["createTask"]["task"]["title"],
            json!(letter.repeat(200))
        );
    }
}

#[rstest]
#[tokio::test]
async fn creator_assignee_and_admins_see_and_edit_and_others_do_not_know(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let (eve, root) = (app.person("eve").await, app.admin("root").await);
    let task = ada
        .creates(json!({"title": "Secret", "assigneeId": bob.id}))
        .await;
    let read = "query($id: ID!) { task(id: $id) { title viewerCanDelete } }";
    for (person, sees, deletes) in [
        (&ada, true, true),
        (&bob, true, false),
        (&root, true, true),
        (&eve, false, false),
    ] {
        let reply = person.graphql(read, json!({"id": task})).await;
        let edit = update(person, json!({"id": task, "priority": "LOW"})).await;
        let listed = titles(person, json!({})).await;
        if sees {
            assert_eq!(reply.data()["task"]["viewerCanDelete"], json!(deletes));
            assert_eq!(edit.data()["updateTask"]["userErrors"], json!([]));
            assert_eq!(listed, ["Secret"]);
        } else {
            assert_eq!((reply.code(), edit.code()), ("NOT_FOUND", "NOT_FOUND"));
            assert!(reply.body["data"]["task"].is_null());
            assert!(listed.is_empty());
        }
    }
    let delete = "mutation($id: ID!) { deleteTask(input: {id: $id}) { deletedTaskId } }";
    assert_eq!(
        bob.graphql(delete, json!({"id": task})).await.code(),
        "FORBIDDEN"
    );
    assert_eq!(
        eve.graphql(delete, json!({"id": task})).await.code(),
        "NOT_FOUND"
    );
    assert_eq!(eve.assigns(&task, &eve).await.code(), "NOT_FOUND");
    root.graphql(delete, json!({"id": task})).await.data();
}

#[rstest]
#[tokio::test]
async fn an_edit_of_an_old_version_is_a_conflict_that_shows_the_new_one(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "One"})).await;
    update(
        &ada,
        json!({"id": task, "title": "Two", "expectedVersion": 1}),
    )
    .await
    .data();
    let reply = update(
        &ada,
        json!({"id": task, "title": "Three", "expectedVersion": 1}),
    )
    .await;
    assert_eq!(
        reply.user_error("updateTask"),
        ("CONFLICT".to_owned(), "input.expectedVersion".to_owned())
    );
    let now = &reply.data()["updateTask"]["task"];
    assert_eq!((&now["title"], &now["version"]), (&json!("Two"), &json!(2)));
}

#[rstest]
#[tokio::test]
async fn of_many_edits_of_one_version_one_wins(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "Start"})).await;
    let edits = (0..10).map(|i| {
        update(
            &ada,
            json!({"id": task, "title": format!("Edit {i}"), "expectedVersion": 1}),
        )
    });
    let replies = futures_util::future::join_all(edits).await;
    let won = replies
        .iter()
        .filter(|reply| reply.data()["updateTask"]["userErrors"] == json!([]))
        .count();
    assert_eq!(won, 1);
}

#[rstest]
#[tokio::test]
async fn an_idempotency_key_makes_one_task(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let input = json!({"title": "Once", "assigneeId": bob.id, "idempotencyKey": "k1"});
    let replies = futures_util::future::join_all((0..8).map(|_| create(&ada, input.clone()))).await;
    let id = &replies[0].data()["createTask"]["task"]["id"];
    assert!(
        replies
            .iter()
            .all(|reply| &reply.data()["createTask"]["task"]["id"] == id)
    );
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 1);
    assert_eq!(app.number("SELECT count(*) FROM jobs").await, 1);

    let other = create(&ada, json!({"title": "Other", "idempotencyKey": "k1"})).await;
    assert_eq!(other.code(), "IDEMPOTENCY_CONFLICT");
    // A key is its owner's, and for one operation.
    create(&bob, json!({"title": "Mine", "idempotencyKey": "k1"}))
        .await
        .data();
    let assign = "mutation($input: AssignTaskInput!) { assignTask(input: $input) { task { version } userErrors { code } } }";
    let input = json!({"taskId": id, "assigneeId": ada.id, "idempotencyKey": "k1"});
    for _ in 0..2 {
        let reply = ada.graphql(assign, json!({"input": input})).await;
        assert_eq!(reply.data()["assignTask"]["task"]["version"], 2);
    }
    // After a day the key is forgotten.
    app.clock.advance(chrono::TimeDelta::hours(25));
    let ada = ada.logged_in_again().await;
    create(&ada, json!({"title": "Other", "idempotencyKey": "k1"}))
        .await
        .data();
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 3);
}

#[rstest]
#[tokio::test]
async fn assigning_to_nobody_known_is_told_and_changes_nothing(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let nobody = "user_01h455vb4pex5vsknk084sn02q";
    let reply = create(&ada, json!({"title": "x", "assigneeId": nobody})).await;
    let told = ("UNKNOWN_ASSIGNEE".to_owned(), "input.assigneeId".to_owned());
    assert_eq!(reply.user_error("createTask"), told);
    let task = ada.creates(json!({"title": "x"})).await;
    let reply = ada
        .graphql(
            "mutation($input: AssignTaskInput!) { assignTask(input: $input) { task { id } userErrors { code message field } } }",
            json!({"input": {"taskId": task, "assigneeId": nobody}}),
        )
        .await;
    assert_eq!(reply.user_error("assignTask"), told);
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 1);
    assert_eq!(app.number("SELECT version FROM tasks").await, 1);
}

#[rstest]
#[tokio::test]
async fn filters_choose(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    for input in [
        json!({"title": "alpha", "priority": "LOW", "dueAt": "2026-01-01T00:00:00Z"}),
        json!({"title": "beta 100%", "priority": "HIGH", "status": "COMPLETED", "assigneeId": bob.id}),
        json!({"title": "Gamma_x", "enabled": false, "dueAt": "2027-01-01T00:00:00Z"}),
    ] {
        ada.creates(input).await;
    }
    let cases = [
        (json!({"status": {"eq": "COMPLETED"}}), vec!["beta 100%"]),
        (json!({"status": {"neq": "COMPLETED"}}), vec!["alpha"]),
        (
            json!({"priority": {"in": ["LOW", "HIGH"]}}),
            vec!["alpha", "beta 100%"],
        ),
        (
            json!({"priority": {"nin": ["LOW", "HIGH"]}, "enabled": {"eq": false}}),
            vec!["Gamma_x"],
        ),
        (json!({"priority": {"nin": ["LOW", "HIGH"]}}), vec![]),
        (json!({"priority": {"in": []}}), vec![]),
        (json!({"enabled": {"eq": false}}), vec!["Gamma_x"]),
        (json!({"assignee": {"eq": bob.id}}), vec!["beta 100%"]),
        (json!({"assignee": {"neq": bob.id}}), vec!["alpha"]),
        (json!({"assignee": {"isNull": true}}), vec!["alpha"]),
        (json!({"creator": {"eq": bob.id}}), vec![]),
        (
            json!({"dueAt": {"lt": "2026-06-01T00:00:00Z"}}),
            vec!["alpha"],
        ),
        (
            json!({"dueAt": {"gte": "2026-01-01T00:00:00Z"},
                "or": [{"enabled": {"eq": true}}, {"enabled": {"eq": false}}]}),
            vec!["alpha", "Gamma_x"],
        ),
        (json!({"dueAt": {"isNull": true}}), vec!["beta 100%"]),
        (json!({"title": {"contains": "GAMMA_"}}), vec![]),
        (
            json!({"title": {"contains": "GAMMA_"}, "not": {"enabled": {"eq": true}}}),
            vec!["Gamma_x"],
        ),
        (json!({"title": {"contains": "0%"}}), vec!["beta 100%"]),
        (json!({"title": {"contains": "%"}}), vec!["beta 100%"]),
        (json!({"title": {"eq": "alpha"}}), vec!["alpha"]),
        (
            json!({"or": [{"title": {"eq": "alpha"}}, {"enabled": {"eq": false}}]}),
            vec!["alpha", "Gamma_x"],
        ),
        (
            json!({"and": [{"enabled": {"eq": true}}, {"not": {"status": {"eq": "COMPLETED"}}}]}),
            vec!["alpha"],
        ),
        (json!({}), vec!["alpha", "beta 100%"]),
    ];
    let order = json!([{"field": "CREATED_AT"}]);
    for (filter, wanted) in cases {
        let variables = json!({"filter": filter, "orderBy": order});
        let reply = ada.graphql(LIST, variables.clone()).await;
        assert_eq!(
            reply.data()["tasks"]["totalCount"],
            wanted.len(),
            "{filter}"
        );
        assert_eq!(titles(&ada, variables).await, wanted, "{filter}");
    }
    let many: Vec<Value> = (0..101)
        .map(|i| json!({"title": {"eq": format!("{i}")}}))
        .collect();
    assert_eq!(
        ada.graphql(LIST, json!({"filter": {"or": many}}))
            .await
            .code(),
        "BAD_USER_INPUT"
    );
    let empty: Vec<Value> = (0..2_000).map(|_| json!({})).collect();
    assert_eq!(
        ada.graphql(LIST, json!({"filter": {"or": empty}}))
            .await
            .code(),
        "BAD_USER_INPUT"
    );
    for bad in [
        json!({"dueAt": {"lt": "0000-01-01T00:00:00Z"}}),
        json!({"title": {"contains": "x".repeat(201)}}),
        json!({"title": {"eq": "\u{0}"}}),
    ] {
        let reply = ada.graphql(LIST, json!({"filter": bad})).await;
        assert!(
            !reply.body.to_string().contains("INTERNAL_SERVER_ERROR"),
            "{bad}"
        );
    }
    let wrong = json!({"filter": {"assignee": {"eq": "task_01h455vb4pex5vsknk084sn02q"}}});
    assert_eq!(ada.graphql(LIST, wrong).await.code(), "BAD_USER_INPUT");
}

#[rstest]
#[tokio::test]
async fn a_cursor_belongs_to_its_order(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for i in 0..3 {
        ada.creates(json!({"title": format!("{i}")})).await;
    }
    let page = ada.graphql(LIST, json!({"first": 1})).await;
    let cursor = page.data()["tasks"]["pageInfo"]["endCursor"].clone();
    let other = json!({"first": 1, "after": cursor, "orderBy": [{"field": "DUE_AT"}]});
    assert_eq!(ada.graphql(LIST, other).await.code(), "BAD_USER_INPUT");
    let twice = json!({"orderBy": [{"field": "DUE_AT"}, {"field": "DUE_AT", "direction": "DESC"}]});
    assert_eq!(ada.graphql(LIST, twice).await.code(), "BAD_USER_INPUT");
}

/// Whatever the order and the size, the pages together are the list, once each and sorted.
#[rstest]
#[tokio::test]
async fn pages_together_are_the_list(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for i in 0..12 {
        let due = (i % 3 != 0).then(|| format!("2026-01-0{}T00:00:00.5Z", 1 + i % 4));
        let priority = ["LOW", "MEDIUM", "HIGH"][i % 3];
        ada.creates(json!({"title": format!("{i}"), "dueAt": due, "priority": priority}))
            .await;
    }
    let fields = ["CREATED_AT", "UPDATED_AT", "DUE_AT", "PRIORITY"];
    let strategy = (
        prop::sample::subsequence(fields.to_vec(), 1..=3),
        prop::collection::vec(any::<bool>(), 3),
        1..7_u32,
    );
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..25 {
        use proptest::strategy::ValueTree;
        let (fields, directions, first) = strategy.new_tree(&mut runner).unwrap().current();
        let order: Vec<Value> = fields
            .iter()
            .zip(&directions)
            .map(|(field, desc)| json!({"field": field, "direction": if *desc { "DESC" } else { "ASC" }}))
            .collect();
        let whole = titles(&ada, json!({"first": 100, "orderBy": order})).await;
        let (mut paged, mut after) = (Vec::new(), Value::Null);
        loop {
            let variables = json!({"first": first, "after": after, "orderBy": order});
            let reply = ada.graphql(LIST, variables).await;
            let page = &reply.data()["tasks"];
            let nodes = page["nodes"].as_array().unwrap();
            paged.extend(
                nodes
                    .iter()
                    .map(|node| node["title"].as_str().unwrap().to_owned()),
            );
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(paged, whole, "{order:?} by {first}");
        assert_eq!(whole.len(), 12);
    }
}
