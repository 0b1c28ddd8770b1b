//! `taskChanged`: whoever follows a project or a task hears of every change, in order, once, and as
//! long as they may see it.

use std::net::SocketAddr;

use entity::{ProjectId, TaskId};
use futures_util::future::join_all;
use rstest::rstest;
use serde::Serialize;
use serde_json::{Value, json};
use taskflow::events::{Event, Log, project_stream};
use taskflow::graphql::Kind;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Socket, TestApp};

const CHANGED: &str = "subscription($project: ID, $task: ID, $after: String) {
    taskChanged(projectId: $project, taskId: $task, after: $after) {
      cursor kind taskId fields changedAt changedBy { name } task { id title version } } }";
const UPDATE: &str = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
    task { id } userErrors { code } } }";
const UNASSIGN: &str =
    "mutation($id: ID!) { unassignTask(input: {taskId: $id}) { task { id } userErrors { code } } }";
const DELETE: &str = "mutation($id: ID!) { deleteTask(input: {id: $id}) { deletedTaskId } }";

/// Follows what the variables say, from now on or after a cursor.
async fn follow(address: SocketAddr, person: &Person, variables: Value) -> Socket {
    let mut socket = Socket::signed_in(address, person.token.as_deref().unwrap()).await;
    socket.subscribe("1", CHANGED, variables).await;
    socket
}

async fn heard(socket: &mut Socket) -> Value {
    socket.event("1").await["taskChanged"].clone()
}

/// The code with which a subscription ends, and that it ends.
async fn refused(socket: &mut Socket) -> String {
    let message = socket.next().await;
    let error = if message["type"] == "error" {
        message["payload"][0].clone()
    } else {
        assert_eq!(socket.next().await["type"], "complete");
        message["payload"]["errors"][0].clone()
    };
    let code = &error["extensions"]["code"];
    code.as_str()
        .unwrap_or_else(|| panic!("{message:#}"))
        .to_owned()
}

async fn cursor(person: &Person, id: &str) -> String {
    let query = "query($id: ID!) { node(id: $id) { ... on Task { eventCursor }
        ... on Project { eventCursor } } }";
    let reply = person.graphql(query, json!({"id": id})).await;
    reply.data()["node"]["eventCursor"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn renames(person: &Person, task: &str, title: &str) {
    let input = json!({"id": task, "title": title});
    person.graphql(UPDATE, json!({"input": input})).await.data();
}

#[rstest]
#[tokio::test]
async fn every_change_is_told_in_order_with_what_it_was(
    #[values(Embedded, Full)] mode: Mode,
    #[values(true, false)] in_project: bool,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let address = app.listen().await;
    let (task, mut socket) = if in_project {
        let project = ada.creates_project("OPS").await;
        let after = cursor(&ada, &project).await;
        let task = ada
            .creates(json!({"title": "One", "projectId": project}))
            .await;
        let mut socket = follow(address, &ada, json!({"project": project, "after": after})).await;
        let made = heard(&mut socket).await;
        assert_eq!(
            (&made["kind"], &made["fields"]),
            (&json!("CREATED"), &json!([]))
        );
        assert_eq!(
            made["task"],
            json!({"id": task, "title": "One", "version": 1})
        );
        (task, socket)
    } else {
        let task = ada.creates(json!({"title": "One"})).await;
        let after = cursor(&ada, &task).await;
        let socket = follow(address, &ada, json!({"task": task, "after": after})).await;
        (task, socket)
    };
    let change = json!({"id": task, "title": "Two", "priority": "HIGH"});
    ada.graphql(UPDATE, json!({"input": change})).await.data();
    let event = heard(&mut socket).await;
    assert_eq!(event["kind"], "UPDATED");
    assert_eq!(event["fields"], json!(["TITLE", "PRIORITY"]));
    assert_eq!(event["taskId"], json!(task));
    assert_eq!(
        event["task"],
        json!({"id": task, "title": "Two", "version": 2})
    );
    assert_eq!(event["changedBy"]["name"], "Name of ada");
    assert!(event["changedAt"].is_string());
    ada.assigns(&task, &bob).await.data();
    let event = heard(&mut socket).await;
    let told = (&event["kind"], &event["fields"]);
    assert_eq!(told, (&json!("ASSIGNED"), &json!(["ASSIGNEE"])));
    let done = json!({"id": task, "status": "COMPLETED"});
    bob.graphql(UPDATE, json!({"input": done})).await.data();
    let event = heard(&mut socket).await;
    assert_eq!(
        (&event["kind"], &event["fields"]),
        (&json!("UPDATED"), &json!(["STATUS"]))
    );
    assert_eq!(event["changedBy"]["name"], "Name of bob");
    assert_eq!(heard(&mut socket).await["kind"], "COMPLETED");
    ada.graphql(UNASSIGN, json!({"id": task})).await.data();
    assert_eq!(heard(&mut socket).await["kind"], "UNASSIGNED");
    ada.graphql(DELETE, json!({"id": task})).await.data();
    let event = heard(&mut socket).await;
    assert_eq!(
        (&event["kind"], &event["task"]),
        (&json!("DELETED"), &Value::Null)
    );
    assert_eq!(event["taskId"], json!(task));
    // Who comes for it now is told that there is no such task.
    let mut late = follow(address, &ada, json!({"task": task})).await;
    assert_eq!(refused(&mut late).await, "NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn who_was_cut_off_goes_on_where_they_were_with_no_event_twice(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::with(mode, &[("TASKFLOW_EVENTS__REPLAY_PAGE", "3")]).await;
    let ada = app.person("ada").await;
    let address = app.listen().await;
    let project = ada.creates_project("OPS").await;
    let after = cursor(&ada, &project).await;
    let task = ada
        .creates(json!({"title": "0", "projectId": project}))
        .await;
    let alone = ada.creates(json!({"title": "0"})).await;
    let alone_after = cursor(&ada, &alone).await;
    let mut of_project = follow(address, &ada, json!({"project": project, "after": after})).await;
    let first = heard(&mut of_project).await;
    assert_eq!(first["kind"], "CREATED");
    drop(of_project);
    for number in 1..=10 {
        renames(&ada, &task, &format!("{number}.")).await;
        renames(&ada, &alone, &format!("{number}.")).await;
    }
    for (subject, after) in [
        (json!({"project": project}), first["cursor"].clone()),
        (json!({"task": task}), first["cursor"].clone()),
        (json!({"task": alone}), json!(alone_after)),
    ] {
        // Twice cut in the middle, and on to what happens live.
        let mut after = after;
        let mut cursors = Vec::new();
        for _ in 0..2 {
            let mut variables = subject.clone();
            variables["after"] = after;
            let mut socket = follow(address, &ada, variables).await;
            for _ in 0..4 {
                let event = heard(&mut socket).await;
                assert_eq!(
                    (&event["kind"], &event["fields"]),
                    (&json!("UPDATED"), &json!(["TITLE"]))
                );
                cursors.push(event["cursor"].clone());
            }
            after = cursors.last().unwrap().clone();
        }
        let mut variables = subject.clone();
        variables["after"] = after;
        let mut socket = follow(address, &ada, variables).await;
        cursors.push(heard(&mut socket).await["cursor"].clone());
        cursors.push(heard(&mut socket).await["cursor"].clone());
        let id = if subject["task"] == json!(alone) {
            &alone
        } else {
            &task
        };
        renames(&ada, id, &format!("live {subject}").replace('"', "")).await;
        let live = heard(&mut socket).await;
        assert!(live["task"]["title"].as_str().unwrap().starts_with("live"));
        let mut all: Vec<_> = cursors
            .iter()
            .map(|cursor| cursor.as_str().unwrap())
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10, "none twice");
    }
}

#[tokio::test]
async fn a_replica_tells_what_another_committed_and_takes_over_where_it_stood() {
    // The safety poll is far away: what arrives came over Redis.
    let app = TestApp::with(Full, &[("TASKFLOW_EVENTS__POLL_SECONDS", "3600")]).await;
    let ada = app.person("ada").await;
    let other = app.replica().await;
    other.bus_is_up().await;
    let (here, there) = (app.listen().await, other.listen().await);
    let project = ada.creates_project("OPS").await;
    let task = ada
        .creates(json!({"title": "0", "projectId": project}))
        .await;
    let mut after = cursor(&ada, &project).await;
    for (round, address) in [there, here, there].into_iter().enumerate() {
        let mut socket = follow(address, &ada, json!({"project": project, "after": after})).await;
        for number in 0..3 {
            let title = format!("{round} {number}");
            renames(&ada, &task, &title).await;
            let event = heard(&mut socket).await;
            assert_eq!(event["task"]["title"], json!(title));
            after = event["cursor"].as_str().unwrap().to_owned();
        }
        drop(socket);
    }
    assert_eq!(after, cursor(&ada, &task).await, "of the project's stream");
}

#[rstest]
#[tokio::test]
async fn a_task_of_a_project_has_only_its_own_events(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let address = app.listen().await;
    let project = ada.creates_project("OPS").await;
    let task = ada
        .creates(json!({"title": "Mine", "projectId": project}))
        .await;
    let other = ada
        .creates(json!({"title": "Other", "projectId": project}))
        .await;
    let after = cursor(&ada, &task).await;
    let mut socket = follow(address, &ada, json!({"task": task, "after": after})).await;
    for number in 0..5 {
        renames(&ada, &other, &format!("{number}")).await;
    }
    let rename =
        "mutation($id: ID!) { updateProject(input: {id: $id, name: \"x\"}) { project { id } } }";
    ada.graphql(rename, json!({"id": project})).await.data();
    renames(&ada, &task, "Now").await;
    let event = heard(&mut socket).await;
    assert_eq!(
        (&event["taskId"], &event["task"]["title"]),
        (&json!(task), &json!("Now"))
    );
}

#[rstest]
#[tokio::test]
async fn what_is_not_ones_own_cannot_be_followed(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, eve) = (app.person("ada").await, app.person("eve").await);
    let address = app.listen().await;
    let project = ada.creates_project("OPS").await;
    let task = ada
        .creates(json!({"title": "x", "projectId": project}))
        .await;
    let alone = ada.creates(json!({"title": "x"})).await;
    let after = cursor(&ada, &project).await;
    let own = eve.creates(json!({"title": "x"})).await;
    for (variables, code) in [
        (json!({"project": project}), "NOT_FOUND"),
        (json!({"project": project, "after": after}), "NOT_FOUND"),
        (json!({"task": task}), "NOT_FOUND"),
        (json!({"task": alone}), "NOT_FOUND"),
        (
            json!({"task": "task_01h455vb4pex5vsknk084sn02q"}),
            "NOT_FOUND",
        ),
        (
            json!({"project": "project_01h455vb4pex5vsknk084sn02q"}),
            "NOT_FOUND",
        ),
        (json!({"project": task}), "BAD_USER_INPUT"),
        (json!({"task": project}), "BAD_USER_INPUT"),
        (json!({}), "BAD_USER_INPUT"),
        (json!({"project": project, "task": task}), "BAD_USER_INPUT"),
        // The cursor of another stream.
        (json!({"task": own, "after": after}), "BAD_USER_INPUT"),
        (json!({"task": own, "after": "x"}), "BAD_USER_INPUT"),
        (
            json!({"task": own, "after": eve.event_cursor().await}),
            "BAD_USER_INPUT",
        ),
    ] {
        let mut socket = follow(address, &eve, variables.clone()).await;
        assert_eq!(refused(&mut socket).await, code, "{variables}");
    }
}

#[rstest]
#[tokio::test]
async fn who_may_see_it_no_more_is_told_nothing_more(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let address = app.listen().await;
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "VIEWER").await;
    let task = ada
        .creates(json!({"title": "x", "projectId": project}))
        .await;
    let alone = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let after = cursor(&bob, &project).await;
    let alone_after = cursor(&bob, &alone).await;
    let mut of_project = follow(address, &bob, json!({"project": project, "after": after})).await;
    let mut of_task = follow(address, &bob, json!({"task": task, "after": after})).await;
    let mut of_alone = follow(address, &bob, json!({"task": alone, "after": alone_after})).await;
    renames(&ada, &task, "Seen").await;
    renames(&ada, &alone, "Seen").await;
    for socket in [&mut of_project, &mut of_task, &mut of_alone] {
        assert_eq!(heard(socket).await["task"]["title"], "Seen");
    }
    ada.removes_member(&project, &bob).await.data();
    ada.graphql(UNASSIGN, json!({"id": alone})).await.data();
    renames(&ada, &task, "Secret").await;
    renames(&ada, &alone, "Secret").await;
    for socket in [&mut of_project, &mut of_task, &mut of_alone] {
        assert_eq!(refused(socket).await, "NOT_FOUND");
    }
    // Nor by resuming.
    let mut socket = follow(address, &bob, json!({"project": project, "after": after})).await;
    assert_eq!(refused(&mut socket).await, "NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn twenty_followers_hear_all_of_it_for_a_few_statements_each(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let address = app.listen().await;
    let project = ada.creates_project("OPS").await;
    let task = ada
        .creates(json!({"title": "0", "projectId": project}))
        .await;
    let mut sockets = Vec::new();
    let after = cursor(&ada, &project).await;
    for name in ["bob", "cat", "dan", "eve"] {
        let person = app.person(name).await;
        ada.adds_member(&project, &person, "VIEWER").await;
        for number in 0..5 {
            let mut variables = json!({"project": project});
            if number % 2 == 0 {
                variables = json!({"task": task});
            }
            variables["after"] = json!(after);
            sockets.push(follow(address, &person, variables).await);
        }
    }
    renames(&ada, &task, "begin").await;
    join_all(sockets.iter_mut().map(heard)).await;
    let before = app.app.db.statements();
    for number in 0..10 {
        renames(&ada, &task, &format!("{number}.")).await;
    }
    let all = join_all(sockets.iter_mut().map(async |socket| {
        let mut titles = Vec::new();
        for _ in 0..10 {
            let event = heard(socket).await;
            titles.push(event["cursor"].as_str().unwrap().to_owned());
        }
        titles
    }))
    .await;
    assert!(all.iter().all(|cursors| cursors == &all[0]), "{all:?}");
    // A page with the event, a look after it, who may see, the task, who did it.
    let statements = app.app.db.statements() - before;
    assert!(statements <= 10 * (20 + 20 * 6), "{statements}");
}

/// What a later version of the server may write.
#[derive(Serialize)]
struct Polished {
    task_id: TaskId,
    fields: Vec<&'static str>,
}

impl Event for Polished {
    const TOPIC: &'static str = "task.polished";
    const SCHEMA_VERSION: i32 = 7;
}

#[rstest]
#[tokio::test]
async fn what_a_newer_server_says_is_an_update_that_says_read_it_anew(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let project = ada.creates_project("OPS").await;
    let task = ada
        .creates(json!({"title": "x", "projectId": project}))
        .await;
    let after = cursor(&ada, &project).await;
    let ids = (
        Kind::Task.decode(&task).unwrap(),
        Kind::Project.decode(&project).unwrap(),
    );
    let (task_id, project_id) = (TaskId(ids.0), ProjectId(ids.1));
    let bus = &app.app.bus;
    app.app
        .db
        .write(|tx| async move {
            let mut log = Log::default();
            for fields in [vec![], vec!["title", "shine"]] {
                let event = Polished { task_id, fields };
                log.add(&tx, &event, None, [project_stream(project_id)])?;
            }
            log.write(&tx, bus).await
        })
        .await
        .unwrap();
    let address = app.listen().await;
    for subject in [json!({"project": project}), json!({"task": task})] {
        let mut variables = subject;
        variables["after"] = json!(after);
        let mut socket = follow(address, &ada, variables).await;
        for fields in [json!([]), json!(["TITLE"])] {
            let event = heard(&mut socket).await;
            assert_eq!(
                (&event["kind"], &event["fields"]),
                (&json!("UPDATED"), &fields)
            );
            assert_eq!(
                (&event["task"]["id"], &event["changedBy"]),
                (&json!(task), &Value::Null)
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_deleted_task_that_comes_back_goes_on(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let address = app.listen().await;
    let task = ada.creates(json!({"title": "x"})).await;
    let after = cursor(&ada, &task).await;
    let mut socket = follow(address, &ada, json!({"task": task, "after": after})).await;
    // It is followed before it is deleted: who comes later finds no such task.
    renames(&ada, &task, "y").await;
    assert_eq!(heard(&mut socket).await["task"]["title"], "y");
    ada.graphql(DELETE, json!({"id": task})).await.data();
    let deleted = heard(&mut socket).await;
    assert_eq!(
        (&deleted["kind"], &deleted["task"]),
        (&json!("DELETED"), &Value::Null)
    );
    app.execute("UPDATE tasks SET deleted_at = NULL").await;
    renames(&ada, &task, "back").await;
    let event = heard(&mut socket).await;
    assert_eq!(
        (&event["kind"], &event["task"]["title"]),
        (&json!("UPDATED"), &json!("back"))
    );
}
