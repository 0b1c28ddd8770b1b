//! Many tasks at once: all of them or none.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const CREATE: &str = "mutation($input: CreateTasksInput!) { createTasks(input: $input) {
    tasks { id title version } userErrors { code message field } } }";
const UPDATE: &str = "mutation($input: UpdateTasksInput!) { updateTasks(input: $input) {
    tasks { id title version assignee { id } parent { id } } conflicts { id title version }
    userErrors { code message field } } }";

async fn create(person: &Person, tasks: &[Value]) -> Reply {
    let input = json!({"input": {"tasks": tasks}});
    person.graphql(CREATE, input).await
}

async fn update(person: &Person, tasks: &[Value]) -> Reply {
    let input = json!({"input": {"tasks": tasks}});
    person.graphql(UPDATE, input).await
}

/// So many new tasks, by their ids.
async fn made(person: &Person, count: usize) -> Vec<String> {
    let tasks: Vec<_> = (0..count)
        .map(|i| json!({"title": format!("{i}")}))
        .collect();
    let reply = create(person, &tasks).await;
    let tasks = reply.data()["createTasks"]["tasks"].as_array().unwrap();
    tasks
        .iter()
        .map(|task| task["id"].as_str().unwrap().to_owned())
        .collect()
}

fn told(code: &str, field: &str) -> (String, String) {
    (code.to_owned(), format!("input.{field}"))
}

#[rstest]
#[tokio::test]
async fn a_hundred_assigned_tasks_take_few_statements(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    let whole = ada.creates(json!({"title": "whole"})).await;
    let tasks: Vec<_> = (0..100)
        .map(|i| {
            let to = [&bob, &eve][i % 2];
            json!({"title": format!("{i}"), "assigneeId": to.id, "parentId": whole, "dueDate": "2026-12-24"})
        })
        .collect();
    let input = json!({"tasks": tasks, "idempotencyKey": "k"});
    let mut before = app.app.db.statements();
    let mut count = || {
        let now = app.app.db.statements();
        now - std::mem::replace(&mut before, now)
    };
    let reply = ada.graphql(CREATE, json!({"input": input})).await;
    let used = count();
    assert!(used <= 15, "{used} statements");
    let answer = reply.data()["createTasks"]["tasks"].clone();
    let titles: Vec<_> = answer
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["title"].as_str().unwrap())
        .collect();
    let wanted: Vec<_> = (0..100).map(|i| i.to_string()).collect();
    assert_eq!(titles, wanted, "each in its place");
    assert_eq!(app.number("SELECT count(*) FROM jobs").await, 100);
    let streams = "SELECT count(*) FROM stream_entries WHERE stream LIKE 'assigned:%'";
    assert_eq!(app.number(streams).await, 100);
    // A repeat makes nothing.
    let again = ada.graphql(CREATE, json!({"input": input})).await;
    assert_eq!(again.data()["createTasks"]["tasks"], answer);
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 101);
    let other = json!({"tasks": [{"title": "x"}], "idempotencyKey": "k"});
    let other = ada.graphql(CREATE, json!({"input": other})).await;
    assert_eq!(other.code(), "IDEMPOTENCY_CONFLICT");

    // A change takes a statement a task, and few more.
    let ids = answer.as_array().unwrap().iter().map(|task| &task["id"]);
    let changes: Vec<_> = ids
        .map(|id| json!({"id": id, "status": "COMPLETED", "assigneeId": eve.id, "parentId": null}))
        .collect();
    let input = json!({"tasks": changes, "idempotencyKey": "k"});
    let query = "mutation($input: UpdateTasksInput!) { updateTasks(input: $input) {
        tasks { id version } userErrors { code message field } } }";
    count();
    let reply = ada.graphql(query, json!({"input": input})).await;
    let used = count();
    assert!(used <= 115, "{used} statements");
    let tasks = reply.data()["updateTasks"]["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 100);
    assert!(tasks.iter().all(|task| task["version"] == 2));
    let again = ada.graphql(query, json!({"input": input})).await;
    assert_eq!(again.data(), reply.data(), "a repeat changes nothing");
    assert_eq!(app.number("SELECT count(*) FROM jobs").await, 350);
    let done = "SELECT count(*) FROM tasks WHERE completed_at IS NOT NULL AND parent_id IS NULL";
    assert_eq!(app.number(done).await, 100);
    let differs =
        json!({"tasks": [{"id": changes[0]["id"], "description": null}], "idempotencyKey": "n"});
    ada.graphql(query, json!({"input": differs})).await.data();
    let differs = json!({"tasks": [{"id": changes[0]["id"]}], "idempotencyKey": "n"});
    let reply = ada.graphql(query, json!({"input": differs})).await;
    assert_eq!(reply.code(), "IDEMPOTENCY_CONFLICT", "absent is not null");
}

#[rstest]
#[tokio::test]
async fn one_bad_task_and_none_is_made(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let nobody = "user_01h455vb4pex5vsknk084sn02q";
    let unknown = "task_01h455vb4pex5vsknk084sn02q";
    for (bad, code, field) in [
        (json!({"title": ""}), "INVALID", "title"),
        (
            json!({"title": "x", "description": ""}),
            "INVALID",
            "description",
        ),
        (
            json!({"title": "x", "dueDate": "9999-01-01"}),
            "INVALID",
            "dueDate",
        ),
        (
            json!({"title": "x", "startDate": "2026-12-25", "dueDate": "2026-12-24"}),
            "INVALID",
            "startDate",
        ),
        (
            json!({"title": "x", "assigneeId": nobody}),
            "UNKNOWN_ASSIGNEE",
            "assigneeId",
        ),
    ] {
        let reply = create(&ada, &[json!({"title": "good"}), bad]).await;
        let wanted = told(code, &format!("tasks.1.{field}"));
        assert_eq!(reply.user_error("createTasks"), wanted);
        assert_eq!(reply.data()["createTasks"]["tasks"], Value::Null);
    }
    let hidden = json!({"title": "x", "parentId": unknown});
    let reply = create(&ada, &[json!({"title": "good"}), hidden]).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    for count in [0, 101] {
        let tasks: Vec<_> = (0..count).map(|_| json!({"title": "x"})).collect();
        let reply = create(&ada, &tasks).await;
        assert_eq!(reply.user_error("createTasks"), told("INVALID", "tasks"));
        let tasks: Vec<_> = (0..count).map(|_| json!({"id": unknown})).collect();
        let reply = update(&ada, &tasks).await;
        assert_eq!(reply.user_error("updateTasks"), told("INVALID", "tasks"));
    }
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 0);
    let events = "SELECT count(*) FROM events WHERE topic LIKE 'task.%'";
    assert_eq!(app.number(events).await, 0);
}

#[rstest]
#[tokio::test]
async fn what_a_part_hangs_on_is_judged_as_it_will_be(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let part = ada.creates(json!({"title": "part"})).await;
    let off = ada.creates(json!({"title": "off", "enabled": false})).await;
    let moves = json!({"id": part, "parentId": off});
    let enables = json!({"id": off, "enabled": true});
    let disables = json!({"id": off, "enabled": false});
    for both in [[&moves, &enables], [&enables, &moves]] {
        let reply = update(&ada, &both.map(Value::clone)).await;
        assert_eq!(reply.data()["updateTasks"]["userErrors"], json!([]));
        let reply = update(&ada, &[json!({"id": part, "parentId": null})]).await;
        reply.data();
        let reply = update(&ada, &[disables.clone(), moves.clone()]).await;
        let wanted = told("DISABLED", "tasks.1.parentId");
        assert_eq!(reply.user_error("updateTasks"), wanted);
        let reply = update(&ada, std::slice::from_ref(&disables)).await;
        assert_eq!(reply.data()["updateTasks"]["userErrors"], json!([]));
    }
}

#[rstest]
#[tokio::test]
async fn a_chain_that_is_cut_may_hang_on_something_in_the_same_list(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let over = ada.creates(json!({"title": "over"})).await;
    let mut chain = vec![ada.creates(json!({"title": "0"})).await];
    for at in 1..=20 {
        let part = json!({"title": at.to_string(), "parentId": chain.last()});
        chain.push(ada.creates(part).await);
    }
    let hangs = json!({"id": chain[0], "parentId": over});
    let whole = update(&ada, std::slice::from_ref(&hangs)).await;
    assert_eq!(whole.user_error("updateTasks").0, "INVALID");
    let cut = json!({"id": chain[1], "parentId": null});
    let both = update(&ada, &[cut, hangs]).await;
    assert_eq!(both.data()["updateTasks"]["userErrors"], json!([]));
}

#[rstest]
#[tokio::test]
async fn one_bad_change_and_none_is_made(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, eve) = (app.person("ada").await, app.person("eve").await);
    let ids = made(&ada, 3).await;
    let off = ada.creates(json!({"title": "off", "enabled": false})).await;
    let hers = eve.creates(json!({"title": "hers"})).await;
    let change = |id: &str| json!({"id": id, "title": "changed"});
    let same = json!({"id": ids[0], "status": "COMPLETED"});
    for (bad, code, field) in [
        (json!({"id": ids[1], "title": ""}), "INVALID", ".title"),
        (same, "INVALID", ".id"),
        (change(&off), "DISABLED", ""),
        (
            json!({"id": ids[1], "parentId": ids[1]}),
            "INVALID",
            ".parentId",
        ),
        (
            json!({"id": ids[1], "assigneeId": "user_01h455vb4pex5vsknk084sn02q"}),
            "UNKNOWN_ASSIGNEE",
            ".assigneeId",
        ),
    ] {
        let reply = update(&ada, &[change(&ids[0]), bad]).await;
        let wanted = told(code, &format!("tasks.1{field}"));
        assert_eq!(reply.user_error("updateTasks"), wanted);
    }
    let reply = update(&ada, &[change(&ids[0]), change(&hers)]).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    // A conflict of some changes none, and shows those as they are.
    ada.graphql(UPDATE, json!({"input": {"tasks": [change(&ids[1])]}}))
        .await
        .data();
    let seen =
        |id: &str, version: i32| json!({"id": id, "title": "late", "expectedVersion": version});
    let late = [seen(&ids[0], 1), seen(&ids[1], 1), seen(&ids[2], 7)];
    let reply = update(&ada, &late).await;
    let payload = &reply.data()["updateTasks"];
    let fields: Vec<_> = payload["userErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["code"].clone(), error["field"].clone()))
        .collect();
    let conflict = |place: &str| {
        let field = json!(["input", "tasks", place, "expectedVersion"]);
        (json!("CONFLICT"), field)
    };
    assert_eq!(fields, [conflict("1"), conflict("2")]);
    assert_eq!(
        payload["conflicts"],
        json!([{"id": ids[1], "title": "changed", "version": 2}, {"id": ids[2], "title": "2", "version": 1}])
    );
    assert_eq!(payload["tasks"], Value::Null);
    let changed = "SELECT count(*) FROM tasks WHERE version > 1";
    assert_eq!(app.number(changed).await, 1);
}

#[rstest]
#[tokio::test]
async fn changes_of_the_same_tasks_in_other_orders_wait_for_each_other(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let ids = made(&ada, 20).await;
    let all = (0..6).map(|round| {
        let title = format!("round {round}");
        let mut tasks: Vec<_> = ids
            .iter()
            .map(|id| json!({"id": id, "title": title}))
            .collect();
        if round % 2 == 1 {
            tasks.reverse();
        }
        let ada = ada.clone();
        async move { update(&ada, &tasks).await }
    });
    for reply in futures_util::future::join_all(all).await {
        assert_eq!(reply.data()["updateTasks"]["userErrors"], json!([]));
    }
    let titles = app.number("SELECT count(DISTINCT title) FROM tasks").await;
    assert_eq!(titles, 1, "one after the other");
    assert_eq!(app.number("SELECT min(version) FROM tasks").await, 7);
}

#[rstest]
#[tokio::test]
async fn moves_count_together(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let ids = made(&ada, 3).await;
    let under = |id: usize, parent: usize| json!({"id": ids[id], "parentId": ids[parent]});
    let circle = [under(0, 1), under(1, 2), under(2, 0)];
    let reply = update(&ada, &circle).await;
    let wanted = told("INVALID", "tasks.0.parentId");
    assert_eq!(reply.user_error("updateTasks"), wanted);
    update(&ada, &circle[..2]).await.data();
    // Turned around at once, which no two moves after each other could do.
    let top = json!({"id": ids[0], "parentId": null});
    let reply = update(&ada, &[top, under(1, 0), under(2, 1)]).await;
    let tasks = &reply.data()["updateTasks"]["tasks"];
    assert_eq!(tasks[0]["parent"], Value::Null);
    assert_eq!(tasks[2]["parent"]["id"], json!(ids[1]));
}

#[rstest]
#[tokio::test]
async fn each_task_counts(#[values(Embedded, Full)] mode: Mode) {
    let limits = [
        ("TASKFLOW_LIMITS__CREATE_TASKS", "20/1h"),
        ("TASKFLOW_LIMITS__ASSIGN_TASKS", "5/1h"),
        ("TASKFLOW_LIMITS__ASSIGN_TASK", "1/1h"),
    ];
    let app = TestApp::with(mode, &limits).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let tasks = |count: usize, assigned: usize| -> Vec<_> {
        (0..count)
            .map(|i| json!({"title": "x", "assigneeId": (i < assigned).then_some(&bob.id)}))
            .collect()
    };
    assert_eq!(create(&ada, &tasks(21, 0)).await.code(), "RATE_LIMITED");
    assert_eq!(create(&ada, &tasks(6, 6)).await.code(), "RATE_LIMITED");
    let reply = create(&ada, &tasks(12, 3)).await;
    let made = reply.data()["createTasks"]["tasks"].clone();
    assert_eq!(create(&ada, &tasks(9, 0)).await.code(), "RATE_LIMITED");
    create(&ada, &tasks(8, 0)).await.data();
    assert_eq!(create(&ada, &tasks(1, 0)).await.code(), "RATE_LIMITED");
    let to = |i: usize, person: Option<&Person>| json!({"id": made[i]["id"], "assigneeId": person.map(|person| &person.id)});
    let three = [to(5, Some(&bob)), to(6, Some(&bob)), to(7, Some(&bob))];
    assert_eq!(update(&ada, &three).await.code(), "RATE_LIMITED");
    update(&ada, &[to(0, None), to(5, Some(&bob)), to(6, Some(&bob))])
        .await
        .data();
    let one = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) { task { id } } }";
    // One by one is counted by itself.
    let reply = ada.graphql(one, json!({"input": to(7, Some(&bob))})).await;
    reply.data();
    let reply = ada.graphql(one, json!({"input": to(8, Some(&bob))})).await;
    assert_eq!(reply.code(), "RATE_LIMITED");
    let reply = ada.graphql(one, json!({"input": to(6, None)})).await;
    reply.data();
}

#[rstest]
#[tokio::test]
async fn an_update_assigns_as_assigning_does(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada.creates(json!({"title": "x"})).await;
    let before = bob.event_cursor().await;
    let reply = update(&ada, &[json!({"id": task, "assigneeId": bob.id})]).await;
    let assignee = &reply.data()["updateTasks"]["tasks"][0]["assignee"];
    assert_eq!(assignee["id"], json!(bob.id));
    assert_ne!(bob.event_cursor().await, before);
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    // It is theirs already, and absent keeps.
    let same = [json!({"id": task, "assigneeId": bob.id})];
    let reply = update(&ada, &same).await;
    assert_eq!(reply.data()["updateTasks"]["tasks"][0]["version"], 2);
    update(&ada, &[json!({"id": task, "title": "y"})])
        .await
        .data();
    let reply = update(&ada, &[json!({"id": task, "assigneeId": null})]).await;
    let task = &reply.data()["updateTasks"]["tasks"][0];
    assert_eq!(
        (&task["assignee"], &task["version"]),
        (&Value::Null, &json!(4))
    );
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    for topic in ["task.assigned", "task.unassigned"] {
        let events = format!("SELECT count(*) FROM events WHERE topic = '{topic}'");
        assert_eq!(app.number(&events).await, 1, "{topic}");
    }
}

#[rstest]
#[tokio::test]
async fn batches_of_a_hundred_fit_and_count_by_task(#[values(Embedded, Full)] mode: Mode) {
    // As many as in production, and no more of them while the test runs.
    let limits = [
        ("TASKFLOW_LIMITS__CREATE_TASK", "20/31d"),
        ("TASKFLOW_LIMITS__CREATE_TASKS", "200/31d"),
        ("TASKFLOW_LIMITS__UPDATE_TASK", "600/31d"),
        ("TASKFLOW_LIMITS__ASSIGN_TASK", "30/31d"),
        ("TASKFLOW_LIMITS__ASSIGN_TASKS", "200/31d"),
    ];
    let app = TestApp::with(mode, &limits).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let new: Vec<_> = (0..100)
        .map(|i| json!({"title": format!("{i}"), "assigneeId": bob.id}))
        .collect();
    let reply = create(&ada, &new).await;
    let tasks = reply.data()["createTasks"]["tasks"].as_array().unwrap();
    let changed = |key: &str, value: &str| -> Vec<Value> {
        let change = |task: &Value| json!({"id": task["id"], key: value});
        tasks.iter().map(change).collect()
    };
    let none = json!([]);
    let reply = update(&ada, &changed("assigneeId", &ada.id)).await;
    assert_eq!(reply.data()["updateTasks"]["userErrors"], none);
    let is_refused = |reply: &Reply, bucket: &str| {
        assert_eq!(reply.code(), "RATE_LIMITED");
        assert!(reply.body.to_string().contains(&format!("`{bucket}`")));
    };
    // All assignments are used, and of the tasks the half.
    is_refused(&create(&ada, &new[..1]).await, "assign_tasks");
    let plain = vec![json!({"title": "x"}); 100];
    let reply = create(&ada, &plain).await;
    assert_eq!(reply.data()["createTasks"]["userErrors"], none);
    is_refused(&create(&ada, &plain[..1]).await, "create_tasks");
    // Of the changes one of six hundreds.
    for _ in 0..5 {
        let reply = update(&ada, &changed("priority", "HIGH")).await;
        assert_eq!(reply.data()["updateTasks"]["userErrors"], none);
    }
    let one = changed("priority", "LOW");
    is_refused(&update(&ada, &one[..1]).await, "update_task");
}
