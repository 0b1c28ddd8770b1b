//! Labels: of the server, and of tasks.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const NO_LABEL: &str = "label_01h455vb4pex5vsknk084sn02q";

async fn sends(person: &Person, mutation: &str, input: Value) -> Reply {
    let capital = mutation[..1].to_uppercase() + &mutation[1..];
    let result = if mutation == "deleteLabel" {
        "deletedLabelId"
    } else {
        "label { id name color creator { id } createdAt updatedAt viewerCanUpdate viewerCanDelete }"
    };
    let query = format!(
        "mutation($input: {capital}Input!) {{ {mutation}(input: $input) {{
           {result} userErrors {{ code message field }} }} }}"
    );
    person.graphql(&query, json!({"input": input})).await
}

/// Makes a label and answers its id.
async fn label(person: &Person, name: &str) -> String {
    let reply = sends(person, "createLabel", json!({"name": name})).await;
    let id = &reply.data()["createLabel"]["label"]["id"];
    id.as_str().unwrap().to_owned()
}

async fn update_task(person: &Person, input: Value) -> Reply {
    let query = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
        task { version labels { name } } userErrors { code message field } } }";
    person.graphql(query, json!({"input": input})).await
}

#[rstest]
#[tokio::test]
async fn a_page_may_end_at_a_name_that_looks_like_a_date(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for name in ["0000-01-01 00:00:00z", "1999-01-01T00:00:00Z", "web"] {
        label(&ada, name).await;
    }
    let list = "query($after: String) {
        labels(first: 1, after: $after) { nodes { name } pageInfo { endCursor } } }";
    let (mut after, mut names) = (Value::Null, Vec::new());
    for _ in 0..3 {
        let reply = ada.graphql(list, json!({"after": after})).await;
        let page = &reply.data()["labels"];
        names.push(page["nodes"][0]["name"].clone());
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(
        names,
        ["0000-01-01 00:00:00z", "1999-01-01T00:00:00Z", "web"]
    );
    let unseen = sends(&ada, "createLabel", json!({"name": "\u{200d}"})).await;
    assert_eq!(unseen.user_error("createLabel").0, "INVALID");
}

#[rstest]
#[tokio::test]
async fn a_label_is_made_found_changed_and_deleted(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let made = sends(
        &ada,
        "createLabel",
        json!({"name": " Urgent ", "color": "#FF0000"}),
    )
    .await;
    let made = made.data()["createLabel"]["label"].clone();
    assert_eq!(made["name"], "Urgent");
    assert_eq!(made["color"], "#ff0000");
    assert_eq!(made["creator"]["id"], json!(ada.id));
    assert_eq!(made["viewerCanUpdate"], true);
    let grey = sends(&bob, "createLabel", json!({"name": "bug"})).await;
    let grey = grey.data()["createLabel"]["label"].clone();
    assert_eq!(grey["color"], "#8b949e");
    label(&bob, "Area: web").await;

    let list = "query($first: Int, $after: String, $search: String) {
        labels(first: $first, after: $after, search: $search) {
          totalCount nodes { name viewerCanDelete } pageInfo { hasNextPage endCursor } } }";
    let reply = ada.graphql(list, json!({"first": 2})).await;
    let page = reply.data()["labels"].clone();
    let name = |name: &str, own: bool| json!({"name": name, "viewerCanDelete": own});
    assert_eq!(
        page["nodes"],
        json!([name("Area: web", false), name("bug", false)])
    );
    assert_eq!(page["totalCount"], 3);
    let after = json!({"first": 2, "after": page["pageInfo"]["endCursor"]});
    let reply = ada.graphql(list, after).await;
    assert_eq!(
        reply.data()["labels"]["nodes"],
        json!([name("Urgent", true)])
    );
    let reply = ada.graphql(list, json!({"search": " U"})).await;
    assert_eq!(reply.data()["labels"]["totalCount"], 2);
    let reply = ada.graphql(list, json!({"search": "%"})).await;
    assert_eq!(reply.data()["labels"]["totalCount"], 0);

    app.clock.advance(chrono::TimeDelta::minutes(1));
    let changed = sends(
        &ada,
        "updateLabel",
        json!({"id": made["id"], "name": "URGENT"}),
    )
    .await;
    let changed = changed.data()["updateLabel"]["label"].clone();
    assert_eq!(
        (&changed["name"], &changed["color"]),
        (&json!("URGENT"), &json!("#ff0000"))
    );
    assert_ne!(changed["updatedAt"], made["updatedAt"]);
    let node = "query($id: ID!) { node(id: $id) { __typename ... on Label { name } } }";
    let reply = bob.graphql(node, json!({"id": made["id"]})).await;
    assert_eq!(
        reply.data()["node"],
        json!({"__typename": "Label", "name": "URGENT"})
    );

    for (mutation, input) in [
        ("updateLabel", json!({"id": made["id"], "color": "#000000"})),
        ("deleteLabel", json!({"id": made["id"]})),
    ] {
        assert_eq!(
            sends(&bob, mutation, input.clone()).await.code(),
            "FORBIDDEN"
        );
        let nothing = json!({"id": NO_LABEL});
        assert_eq!(sends(&bob, mutation, nothing).await.code(), "NOT_FOUND");
    }
    let root = app.admin("root").await;
    let reply = sends(&root, "deleteLabel", json!({"id": made["id"]})).await;
    assert_eq!(reply.data()["deleteLabel"]["deletedLabelId"], made["id"]);
    let reply = bob.graphql(node, json!({"id": made["id"]})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
}

#[rstest]
#[case(json!({"name": " "}), "INVALID", "input.name")]
#[case(json!({"name": "x".repeat(51)}), "INVALID", "input.name")]
#[case(json!({"name": "two\nlines"}), "INVALID", "input.name")]
#[case(json!({"name": "nul\u{0}"}), "INVALID", "input.name")]
#[case(json!({"name": "\u{202e}gub"}), "INVALID", "input.name")]
#[case(json!({"name": "x", "color": "red"}), "INVALID", "input.color")]
#[case(json!({"name": "x", "color": "#12345g"}), "INVALID", "input.color")]
#[case(json!({"name": "x", "color": "#1234567"}), "INVALID", "input.color")]
#[case(json!({"name": "\u{c4}RGER"}), "TAKEN", "input.name")]
#[case(json!({"name": "A\u{308}rger"}), "TAKEN", "input.name")]
#[case(json!({"name": "\u{e4}rge\u{ff52}"}), "TAKEN", "input.name")]
#[tokio::test]
async fn a_bad_label_is_told_by_field(
    #[case] input: Value,
    #[case] code: &str,
    #[case] field: &str,
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    label(&ada, "\u{e4}rger").await;
    let other = label(&ada, "other").await;
    let reply = sends(&ada, "createLabel", input.clone()).await;
    let wanted = (code.to_owned(), field.to_owned());
    assert_eq!(reply.user_error("createLabel"), wanted);
    let mut input = input;
    input["id"] = json!(other);
    let reply = sends(&ada, "updateLabel", input).await;
    assert_eq!(reply.user_error("updateLabel"), wanted);
    assert_eq!(app.number("SELECT COUNT(*) FROM labels").await, 2);
}

#[rstest]
#[tokio::test]
async fn the_labels_of_a_task_change_with_it(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let (web, bug, old) = (
        label(&ada, "web").await,
        label(&ada, "Bug").await,
        label(&ada, "old").await,
    );
    let task = ada
        .creates(json!({"title": "x", "labelIds": [web, old, web]}))
        .await;
    let after = |version: i32, names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"version": version, "labels": names})
    };
    // Absent keeps, also beside another change; the same set is no change.
    let steps = [
        (json!({"title": "y"}), after(2, &["old", "web"])),
        (json!({"labelIds": [old, web]}), after(2, &["old", "web"])),
        (json!({"labelIds": [web, bug]}), after(3, &["Bug", "web"])),
        (json!({"labelIds": []}), after(4, &[])),
        (json!({"title": "z", "labelIds": [bug]}), after(5, &["Bug"])),
    ];
    for (mut input, wanted) in steps {
        app.clock.advance(chrono::TimeDelta::seconds(1));
        input["id"] = json!(task);
        let reply = update_task(&ada, input).await;
        assert_eq!(reply.data()["updateTask"]["task"], wanted);
    }
    let query = "query($id: ID!) { task(id: $id) { history { nodes { field from to } } } }";
    let reply = ada.graphql(query, json!({"id": task})).await;
    let nodes = reply.data()["task"]["history"]["nodes"].as_array().unwrap();
    let of_labels: Vec<_> = nodes
        .iter()
        .filter(|node| node["field"] == "LABELS")
        .map(|node| (node["from"].clone(), node["to"].clone()))
        .collect();
    assert_eq!(
        of_labels,
        [
            (json!(null), json!("Bug")),
            (json!("Bug\nweb"), json!(null)),
            (json!("old\nweb"), json!("Bug\nweb")),
        ]
    );
    // A label that is gone is gone from tasks; the history keeps its name.
    sends(&ada, "deleteLabel", json!({"id": bug})).await.data();
    let reply = update_task(&ada, json!({"id": task})).await;
    assert_eq!(reply.data()["updateTask"]["task"], after(5, &[]));
}

#[rstest]
#[tokio::test]
async fn labels_that_are_none_or_too_many_are_refused(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let web = label(&ada, "web").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let mut many = Vec::new();
    for i in 0..21 {
        many.push(label(&ada, &format!("label {i}")).await);
    }
    let invalid = ("INVALID".to_owned(), "input.labelIds".to_owned());
    for ids in [json!([web, NO_LABEL]), json!(many)] {
        let reply = update_task(&ada, json!({"id": task, "labelIds": ids})).await;
        assert_eq!(reply.user_error("updateTask"), invalid);
        let query = "mutation($input: CreateTaskInput!) { createTask(input: $input) {
            task { id } userErrors { code field } } }";
        let input = json!({"input": {"title": "x", "labelIds": ids}});
        let reply = ada.graphql(query, input).await;
        assert_eq!(reply.user_error("createTask"), invalid);
    }
    let reply = update_task(&ada, json!({"id": task, "labelIds": [ada.id]})).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    let reply = update_task(&ada, json!({"id": task, "labelIds": many[1..]})).await;
    assert_eq!(reply.data()["updateTask"]["task"]["version"], 2);
    assert_eq!(app.number("SELECT COUNT(*) FROM tasks").await, 1);
}

#[rstest]
#[tokio::test]
async fn a_label_on_a_task_that_its_creator_does_not_see_is_the_administrators(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let web = label(&ada, "web").await;
    let task = bob.creates(json!({"title": "x"})).await;
    update_task(&bob, json!({"id": task, "labelIds": [web]}))
        .await
        .data();
    let query =
        "query($id: ID!) { node(id: $id) { ... on Label { viewerCanUpdate viewerCanDelete } } }";
    let can = async |person: &Person| {
        let reply = person.graphql(query, json!({"id": web})).await;
        let label = reply.data()["node"].clone();
        assert_eq!(label["viewerCanUpdate"], label["viewerCanDelete"]);
        label["viewerCanUpdate"] == true
    };
    assert!(!can(&ada).await && !can(&bob).await && can(&root).await);
    for (mutation, input) in [
        ("updateLabel", json!({"id": web, "name": "worse"})),
        ("deleteLabel", json!({"id": web})),
    ] {
        let reply = sends(&ada, mutation, input).await;
        assert_eq!(reply.code(), "FORBIDDEN");
        assert!(reply.body.to_string().contains("administrator"));
    }
    let renamed = sends(&root, "updateLabel", json!({"id": web, "name": "Web"})).await;
    assert_eq!(renamed.data()["updateLabel"]["label"]["name"], "Web");
    bob.assigns(&task, &ada).await.data();
    assert!(can(&ada).await);
    let gone = sends(&ada, "deleteLabel", json!({"id": web})).await;
    assert_eq!(gone.data()["deleteLabel"]["deletedLabelId"], json!(web));
}
