//! Tasks in projects: their numbers and keys, who makes them, and what an archived project allows.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const CREATE: &str = "mutation($input: CreateTaskInput!) { createTask(input: $input) {
    task { id number key project { id } } userErrors { code message field } } }";

async fn create(person: &Person, project: &str) -> Reply {
    let input = json!({"title": "x", "projectId": project});
    person.graphql(CREATE, json!({"input": input})).await
}

#[rstest]
#[tokio::test]
async fn a_task_of_a_project_has_a_number_and_is_found_by_its_key(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, eve) = (app.person("ada").await, app.person("eve").await);
    let ops = ada.creates_project("OPS").await;
    let dev = ada.creates_project("DEV").await;
    for number in 1..=3 {
        for (project, key) in [(&ops, "OPS"), (&dev, "DEV")] {
            let reply = create(&ada, project).await;
            let task = &reply.data()["createTask"]["task"];
            let wanted = json!({"id": task["id"], "number": number, "key": format!("{key}-{number}"),
                "project": {"id": project}});
            assert_eq!(task, &wanted);
        }
    }
    let by_key = "query($id: ID, $key: String) { task(id: $id, key: $key) { id key } }";
    let mut found = Vec::new();
    for key in ["OPS-2", "ops-2", "Ops-2"] {
        let reply = ada.graphql(by_key, json!({"key": key})).await;
        assert_eq!(reply.data()["task"]["key"], "OPS-2");
        found.push(reply.data()["task"]["id"].clone());
        assert_eq!(
            eve.graphql(by_key, json!({"key": key})).await.code(),
            "NOT_FOUND"
        );
    }
    let reply = ada.graphql(by_key, json!({"id": found[0]})).await;
    assert_eq!(reply.data()["task"]["key"], "OPS-2");
    for nothing in ["OPS-4", "XYZ-1", "OPS-2147483647"] {
        assert_eq!(
            ada.graphql(by_key, json!({"key": nothing})).await.code(),
            "NOT_FOUND"
        );
    }
    for bad in [
        "",
        "-",
        "OPS",
        "OPS-",
        "-1",
        "OPS-0",
        "OPS-01",
        "OPS--1",
        "OPS-+1",
        "OPS-1 ",
        "OPS-2147483648",
        "O\u{0}S-1",
        "O%-1",
        "task_01h455vb4pex5vsknk084sn02q",
    ] {
        let reply = ada.graphql(by_key, json!({"key": bad})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{bad:?}");
    }
    for both in [
        json!({}),
        json!({"id": found[0], "key": "OPS-2"}),
        json!({"id": null, "key": null}),
    ] {
        assert_eq!(ada.graphql(by_key, both).await.code(), "BAD_USER_INPUT");
    }
    // Outside projects there is neither.
    let task = ada.creates(json!({"title": "x"})).await;
    let read = "query($id: ID!) { task(id: $id) { number key project { id } } }";
    let reply = ada.graphql(read, json!({"id": task})).await;
    assert_eq!(
        reply.data()["task"],
        json!({"number": null, "key": null, "project": null})
    );
    // An assignee who is no member sees what the task is called, and nothing of the project.
    let assign = json!({"title": "For Eve", "projectId": ops, "assigneeId": eve.id});
    let task = ada.creates(assign).await;
    let reply = eve.graphql(read, json!({"id": task})).await;
    assert_eq!(
        reply.data()["task"],
        json!({"number": 4, "key": "OPS-4", "project": null})
    );
    assert_eq!(
        eve.graphql(by_key, json!({"key": "OPS-4"})).await.data()["task"]["id"],
        json!(task)
    );
}

#[rstest]
#[tokio::test]
async fn tasks_made_at_once_have_numbers_without_a_double_or_a_hole(
    #[values(Embedded, Full)] mode: Mode,
) {
    // However slow the disk is, all get their turn.
    let patient = [("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "120")];
    let app = TestApp::with(mode, &patient).await;
    let ada = app.person("ada").await;
    let project = ada.creates_project("OPS").await;
    let replies = join_all((0..50).map(|_| create(&ada, &project))).await;
    let mut numbers: Vec<_> = replies
        .iter()
        .map(|reply| {
            reply.data()["createTask"]["task"]["number"]
                .as_i64()
                .unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!(app.number("SELECT last_number FROM projects").await, 50);
    assert_eq!(
        app.number("SELECT COUNT(DISTINCT number) FROM tasks").await,
        50
    );
    // A number is not given again, whatever becomes of its task.
    let last = replies
        .iter()
        .find(|reply| reply.data()["createTask"]["task"]["number"] == 50);
    let id = &last.unwrap().data()["createTask"]["task"]["id"];
    let delete = "mutation($id: ID!) { deleteTask(input: {id: $id}) { deletedTaskId } }";
    ada.graphql(delete, json!({"id": id})).await.data();
    let reply = create(&ada, &project).await;
    assert_eq!(reply.data()["createTask"]["task"]["number"], 51);
    // A repeat takes none.
    let input = json!({"title": "x", "projectId": project, "idempotencyKey": "k"});
    for _ in 0..2 {
        let reply = ada.graphql(CREATE, json!({"input": input})).await;
        assert_eq!(reply.data()["createTask"]["task"]["number"], 52);
    }
}

#[rstest]
#[tokio::test]
async fn who_may_not_make_a_task_in_a_project_takes_no_number(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let project = ada.creates_project("OPS").await;
    for (name, role) in [("bob", "VIEWER"), ("cat", "COMMENTER")] {
        let person = app.person(name).await;
        ada.adds_member(&project, &person, role).await;
        assert_eq!(create(&person, &project).await.code(), "FORBIDDEN");
    }
    let eve = app.person("eve").await;
    let nothing = "project_01h455vb4pex5vsknk084sn02q";
    for id in [project.as_str(), nothing] {
        assert_eq!(create(&eve, id).await.code(), "NOT_FOUND");
    }
    assert_eq!(
        app.admin("root")
            .await
            .graphql(
                CREATE,
                json!({"input": {"title": "x", "projectId": nothing}})
            )
            .await
            .code(),
        "NOT_FOUND"
    );
    let nobody = json!({"title": "x", "projectId": project, "assigneeId": "user_01h455vb4pex5vsknk084sn02q"});
    let reply = ada.graphql(CREATE, json!({"input": nobody})).await;
    assert_eq!(reply.user_error("createTask").0, "UNKNOWN_ASSIGNEE");
    let dan = app.person("dan").await;
    ada.adds_member(&project, &dan, "EDITOR").await;
    let reply = create(&dan, &project).await;
    assert_eq!(reply.data()["createTask"]["task"]["key"], "OPS-1");
}

#[rstest]
#[tokio::test]
async fn nothing_changes_in_an_archived_project(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let root = app.admin("root").await;
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "EDITOR").await;
    let task = ada
        .creates(json!({"title": "x", "projectId": project, "assigneeId": bob.id}))
        .await;
    let set = async |field: &str| {
        let query = format!(
            "mutation($id: ID!) {{ {field}(input: {{id: $id}}) {{ userErrors {{ code }} }} }}"
        );
        ada.graphql(&query, json!({"id": project})).await.data();
    };
    let all = [
        "updateTask(input: {id: $task, title: \"y\"}) { userErrors { code } }",
        "assignTask(input: {taskId: $task, assigneeId: $ada}) { userErrors { code } }",
        "unassignTask(input: {taskId: $task}) { userErrors { code } }",
        "deleteTask(input: {id: $task}) { userErrors { code } }",
        "updateProject(input: {id: $project, name: \"y\"}) { userErrors { code } }",
        "addProjectMember(input: {projectId: $project, userId: $root, role: VIEWER}) { userErrors { code } }",
        "updateProjectMember(input: {projectId: $project, userId: $bob, role: VIEWER}) { userErrors { code } }",
        "removeProjectMember(input: {projectId: $project, userId: $bob}) { userErrors { code } }",
    ];
    let variables =
        json!({"task": task, "project": project, "ada": ada.id, "bob": bob.id, "root": root.id});
    let run = async |person: &Person, selection: &str| {
        let mut query = selection.to_owned();
        for (name, value) in variables.as_object().unwrap() {
            query = query.replace(&format!("${name}"), &value.to_string());
        }
        person
            .graphql(&format!("mutation {{ {query} }}"), json!({}))
            .await
    };
    set("archiveProject").await;
    let events = app.number("SELECT COUNT(*) FROM events").await;
    for person in [&ada, &root] {
        for selection in all {
            let reply = run(person, selection).await;
            assert_eq!(reply.code(), "FORBIDDEN", "{selection}");
            let message = reply.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains("unarchive"), "{message}");
        }
        let told = ("INVALID".to_owned(), "input.projectId".to_owned());
        assert_eq!(
            create(person, &project).await.user_error("createTask"),
            told
        );
    }
    // Whom it is assigned to, neither. It can be read as before.
    assert_eq!(run(&bob, all[0]).await.code(), "FORBIDDEN");
    assert_eq!(app.number("SELECT COUNT(*) FROM events").await, events);
    let read =
        "query($id: ID!) { task(id: $id) { key viewerCanDelete project { key archivedAt } } }";
    let reply = ada.graphql(read, json!({"id": task})).await;
    assert_eq!(reply.data()["task"]["key"], "OPS-1");
    assert_eq!(reply.data()["task"]["viewerCanDelete"], false);
    assert!(reply.data()["task"]["project"]["archivedAt"].is_string());
    set("unarchiveProject").await;
    let reply = ada.graphql(read, json!({"id": task})).await;
    assert_eq!(reply.data()["task"]["viewerCanDelete"], true);
    for selection in all
        .iter()
        .filter(|selection| !selection.starts_with("deleteTask"))
    {
        let reply = run(&ada, selection).await;
        reply.data();
    }
    run(&ada, all[3]).await.data();
}

#[rstest]
#[tokio::test]
async fn a_project_that_is_archived_meanwhile_gets_no_task_after_it(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let project = ada.creates_project("OPS").await;
    let task = ada
        .creates(json!({"title": "0", "projectId": project}))
        .await;
    let update = "mutation($id: ID!, $title: String!) { updateTask(input: {id: $id, title: $title}) { task { id } } }";
    let archive = "mutation($id: ID!) { archiveProject(input: {id: $id}) { project { id } } }";
    let edits = (0..10).map(|i| {
        let edit = json!({"id": task, "title": format!("{i}.")});
        ada.graphql(update, edit)
    });
    let creates = (0..10).map(|_| create(&ada, &project));
    let archived = async {
        ada.graphql(archive, json!({"id": project})).await.data();
    };
    tokio::join!(join_all(edits), archived, join_all(creates));
    // The event of the archiving is the last in the project's stream.
    let last = "SELECT COUNT(*) FROM stream_entries e JOIN events v ON v.id = e.event_id
        JOIN streams s ON s.name = e.stream AND s.last_seq = e.seq WHERE v.topic = 'project.archived'";
    assert_eq!(app.number(last).await, 1);
}

#[rstest]
#[tokio::test]
async fn the_projects_of_many_tasks_take_as_many_statements_as_that_of_one(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let query = "{ tasks(first: 100) { nodes { number key eventCursor viewerCanDelete
        project { name viewerRole viewerCanUpdate eventCursor members(first: 1) { nodes { role } } } } } }";
    let mut costs = Vec::new();
    for key in ["A1", "B1", "C1"] {
        let project = ada.creates_project(key).await;
        for _ in 0..3 {
            ada.creates(json!({"title": "x", "projectId": project}))
                .await;
        }
        let before = app.app.db.statements();
        let reply = ada.graphql(query, json!({})).await;
        costs.push(app.app.db.statements() - before);
        let nodes = reply.data()["tasks"]["nodes"].as_array().unwrap();
        for node in nodes {
            assert_eq!(node["eventCursor"], node["project"]["eventCursor"]);
            assert_eq!(
                node["project"]["members"]["nodes"],
                json!([{"role": "OWNER"}])
            );
            assert_ne!(node["key"], Value::Null);
        }
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
}
