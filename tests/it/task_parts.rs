//! Tasks that are parts of others.

use entity::project_member::Role;
use entity::{ProjectId, TaskId, UserId, project, project_member};
use rstest::rstest;
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use taskflow::db::new_id;
use taskflow::graphql::Kind;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

const UPDATE: &str = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
    task { id parent { title } } userErrors { code message field } } }";
const TASK: &str = "query($id: ID!, $first: Int, $after: String) { task(id: $id) {
    parent { title } subtasks(first: $first, after: $after) {
      totalCount nodes { title } pageInfo { hasNextPage hasPreviousPage endCursor } } } }";

async fn moves(person: &Person, task: &str, parent: Value) -> Reply {
    let input = json!({"id": task, "parentId": parent});
    person.graphql(UPDATE, json!({"input": input})).await
}

async fn read(person: &Person, task: &str) -> Value {
    let reply = person.graphql(TASK, json!({"id": task})).await;
    reply.data()["task"].clone()
}

fn titles(connection: &Value) -> Vec<&str> {
    let nodes = connection["nodes"].as_array().unwrap().iter();
    nodes.map(|node| node["title"].as_str().unwrap()).collect()
}

/// A chain of so many tasks, the top first.
async fn chain(person: &Person, length: usize) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for i in 0..length {
        let input = json!({"title": format!("{i}"), "parentId": chain.last()});
        chain.push(person.creates(input).await);
    }
    chain
}

/// A project with these members, put into the database, and these tasks put into it.
async fn project(app: &TestApp, members: &[(&Person, Role)], tasks: &[&str]) {
    let db = app.sql().await;
    let now = app.clock.now();
    let id = ProjectId(new_id(&app.clock));
    let user = |person: &Person| UserId(Kind::User.decode(&person.id).unwrap());
    let row = project::Model {
        id,
        key: format!("P{}", app.number("SELECT count(*) FROM projects").await),
        name: "P".to_owned(),
        name_norm: "p".to_owned(),
        description: None,
        creator_id: user(members[0].0),
        last_number: 0,
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
            project_id: id,
            user_id: user(person),
            role: *role,
            created_at: now,
        };
        project_member::Entity::insert(row.into_active_model())
            .exec_without_returning(&db)
            .await
            .unwrap();
    }
    for (number, task) in (1..).zip(tasks) {
        let task = TaskId(Kind::Task.decode(task).unwrap());
        let task = entity::task::Entity::find_by_id(task).one(&db).await;
        let mut task = task.unwrap().unwrap();
        task.project_id = Some(id);
        task.number = Some(number);
        let row = sea_orm::ActiveModelTrait::reset_all(task.into_active_model());
        entity::task::Entity::update(row).exec(&db).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn a_task_is_a_part_of_another_until_it_is_told_otherwise(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let whole = ada.creates(json!({"title": "whole"})).await;
    let part = ada
        .creates(json!({"title": "part", "parentId": whole}))
        .await;
    assert_eq!(read(&ada, &part).await["parent"]["title"], "whole");
    let subtasks = read(&ada, &whole).await["subtasks"].clone();
    assert_eq!(titles(&subtasks), ["part"]);
    assert_eq!(subtasks["totalCount"], 1);
    let edit = json!({"input": {"id": part, "title": "part 2"}});
    let reply = ada.graphql(UPDATE, edit).await;
    assert_eq!(
        reply.data()["updateTask"]["task"]["parent"]["title"],
        "whole"
    );
    let reply = moves(&ada, &part, Value::Null).await;
    assert_eq!(reply.data()["updateTask"]["task"]["parent"], Value::Null);
    let history = "SELECT count(*) FROM task_history WHERE field = 'parent' AND new_value IS NULL AND old_value LIKE 'task_%'";
    assert_eq!(app.number(history).await, 1);
    moves(&ada, &part, json!(whole)).await.data();
    // A deleted whole is not shown, and there again when it is back.
    for (what, wanted) in [("deleteTask", Value::Null), ("restoreTask", json!("whole"))] {
        let query = format!(
            "mutation($id: ID!) {{ {what}(input: {{id: $id}}) {{ userErrors {{ code }} }} }}"
        );
        ada.graphql(&query, json!({"id": whole})).await.data();
        assert_eq!(read(&ada, &part).await["parent"]["title"], wanted);
    }
}

#[rstest]
#[tokio::test]
async fn one_sees_only_what_one_may_see(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    let whole = ada.creates(json!({"title": "whole"})).await;
    let part = json!({"title": "bob's", "parentId": whole, "assigneeId": bob.id});
    let part = ada.creates(part).await;
    let inner = json!({"title": "inner", "parentId": part, "assigneeId": eve.id});
    let inner = ada.creates(inner).await;
    for other in [
        json!({"title": "off", "parentId": whole, "enabled": false}),
        json!({"title": "ada's", "parentId": part}),
    ] {
        ada.creates(other).await;
    }
    assert_eq!(read(&bob, &part).await["parent"], Value::Null);
    let parts = read(&bob, &part).await["subtasks"].clone();
    assert_eq!((titles(&parts).len(), &parts["totalCount"]), (0, &json!(0)));
    let parts = read(&ada, &part).await["subtasks"].clone();
    assert_eq!(titles(&parts), ["inner", "ada's"]);
    let parts = read(&ada, &whole).await["subtasks"].clone();
    assert_eq!(titles(&parts), ["bob's"]);
    assert_eq!(read(&eve, &inner).await["parent"], Value::Null);
    // Nobody hangs anything on what is none of their business.
    let own = eve.creates(json!({"title": "own"})).await;
    assert_eq!(moves(&eve, &own, json!(whole)).await.code(), "NOT_FOUND");
    let create =
        "mutation($id: ID!) { createTask(input: {title: \"x\", parentId: $id}) { task { id } } }";
    let reply = eve.graphql(create, json!({"id": whole})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    // An assignee edits the task, so takes it out of what they cannot see.
    moves(&eve, &inner, Value::Null).await.data();
}

#[rstest]
#[tokio::test]
async fn both_belong_to_one_project_and_one_may_edit_both(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let outside = ada.creates(json!({"title": "outside"})).await;
    let mut inside = Vec::new();
    for i in 0..4 {
        inside.push(ada.creates(json!({"title": format!("{i}")})).await);
    }
    let members = [(&ada, Role::Owner), (&bob, Role::Viewer)];
    project(&app, &members, &[&inside[0], &inside[1]]).await;
    project(&app, &[(&ada, Role::Editor)], &[&inside[2]]).await;
    let told = ("INVALID".to_owned(), "input.parentId".to_owned());
    for (task, parent) in [
        (&inside[0], &outside),
        (&outside, &inside[0]),
        (&inside[0], &inside[2]),
    ] {
        let reply = moves(&ada, task, json!(parent)).await;
        assert_eq!(reply.user_error("updateTask"), told);
    }
    moves(&ada, &inside[1], json!(inside[0])).await.data();
    // Bob may do what he likes with what is his to do, and sees the rest.
    ada.assigns(&inside[1], &bob).await.data();
    moves(&bob, &inside[1], Value::Null).await.data();
    let reply = moves(&bob, &inside[1], json!(inside[0])).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    // Nothing hangs on a disabled task.
    let off = ada.creates(json!({"title": "off", "enabled": false})).await;
    let reply = moves(&ada, &outside, json!(off)).await;
    let told = ("DISABLED".to_owned(), "input.parentId".to_owned());
    assert_eq!(reply.user_error("updateTask"), told);
}

#[rstest]
#[tokio::test]
async fn nothing_is_above_itself_and_no_more_than_twenty_are_above_anything(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let tasks = chain(&ada, 21).await;
    let told = ("INVALID".to_owned(), "input.parentId".to_owned());
    for below in [0, 1, 20] {
        let reply = moves(&ada, &tasks[0], json!(tasks[below])).await;
        assert_eq!(reply.user_error("updateTask"), told, "{below}");
    }
    let create = "mutation($id: ID!) { createTask(input: {title: \"x\", parentId: $id}) {
        task { id } userErrors { code field } } }";
    let reply = ada.graphql(create, json!({"id": tasks[20]})).await;
    assert_eq!(reply.user_error("createTask"), told);
    // What hangs below counts, too.
    let pair = chain(&ada, 2).await;
    let reply = moves(&ada, &pair[0], json!(tasks[19])).await;
    assert_eq!(reply.user_error("updateTask"), told);
    moves(&ada, &pair[0], json!(tasks[18])).await.data();
    let lone = ada.creates(json!({"title": "lone"})).await;
    let reply = moves(&ada, &lone, json!(tasks[19])).await;
    assert_eq!(reply.data()["updateTask"]["userErrors"], json!([]));
    let parents = "SELECT count(*) FROM tasks WHERE parent_id IS NOT NULL";
    assert_eq!(app.number(parents).await, 20 + 2 + 1);
}

#[rstest]
#[tokio::test]
async fn of_two_moves_that_make_a_circle_together_one_wins(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for round in 0..10 {
        let one = chain(&ada, 3).await;
        let other = chain(&ada, 3).await;
        let (first, second) = tokio::join!(
            moves(&ada, &one[0], json!(other[2])),
            moves(&ada, &other[0], json!(one[2])),
        );
        let won = [&first, &second]
            .iter()
            .filter(|reply| reply.data()["updateTask"]["userErrors"] == json!([]))
            .count();
        assert_eq!(won, 1, "{round}: {first:?} {second:?}");
    }
    let tops = "SELECT count(*) FROM tasks WHERE parent_id IS NULL";
    assert_eq!(app.number(tops).await, 10);
}

#[rstest]
#[tokio::test]
async fn the_parts_of_many_tasks_are_loaded_together(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let whole = ada.creates(json!({"title": "whole"})).await;
    let mut counts = Vec::new();
    for i in 0..6 {
        let part = json!({"title": format!("{i}"), "parentId": whole});
        let part = ada.creates(part).await;
        for j in 0..3 {
            let inner = json!({"title": format!("{i}.{j}"), "parentId": part});
            ada.creates(inner).await;
        }
        let query = "query($id: ID!) { task(id: $id) { subtasks(first: 50) { nodes {
            title parent { title } subtasks(first: 2) {
              totalCount nodes { title parent { title } } pageInfo { hasNextPage } } } } } }";
        let before = app.app.db.statements();
        let reply = ada.graphql(query, json!({"id": whole})).await;
        counts.push(app.app.db.statements() - before);
        let parts = reply.data()["task"]["subtasks"]["nodes"]
            .as_array()
            .unwrap();
        assert_eq!(parts.len(), i + 1);
        for (i, part) in parts.iter().enumerate() {
            assert_eq!(part["parent"]["title"], "whole");
            let inner = &part["subtasks"];
            assert_eq!(titles(inner), [format!("{i}.0"), format!("{i}.1")]);
            assert_eq!(inner["totalCount"], 3);
            assert_eq!(inner["pageInfo"]["hasNextPage"], true);
            assert_eq!(inner["nodes"][0]["parent"]["title"], part["title"]);
        }
    }
    assert_eq!(counts[0], counts[5], "{counts:?}");
    assert!(counts[0] <= 6, "{counts:?}");
}

#[rstest]
#[tokio::test]
async fn the_pages_of_the_parts_together_are_all_parts(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let whole = ada.creates(json!({"title": "whole"})).await;
    let parts: Vec<_> = (0..7)
        .map(|i| json!({"title": format!("{i}"), "parentId": whole}))
        .collect();
    let create = "mutation($input: CreateTasksInput!) { createTasks(input: $input) { userErrors { code } } }";
    let reply = ada
        .graphql(create, json!({"input": {"tasks": parts}}))
        .await;
    reply.data();
    let (mut paged, mut after) = (Vec::new(), Value::Null);
    for page in 0.. {
        let variables = json!({"id": whole, "first": 3, "after": after});
        let reply = ada.graphql(TASK, variables).await;
        let subtasks = &reply.data()["task"]["subtasks"];
        paged.extend(titles(subtasks).into_iter().map(str::to_owned));
        let info = &subtasks["pageInfo"];
        assert_eq!(info["hasPreviousPage"], json!(page > 0));
        if info["hasNextPage"] == json!(false) {
            break;
        }
        after = info["endCursor"].clone();
    }
    // In the order they were given, though they are of one moment.
    assert_eq!(paged, ["0", "1", "2", "3", "4", "5", "6"]);
    for (first, after) in [
        (json!(0), Value::Null),
        (json!(101), Value::Null),
        (json!(1), json!("x")),
    ] {
        let variables = json!({"id": whole, "first": first, "after": after});
        assert_eq!(ada.graphql(TASK, variables).await.code(), "BAD_USER_INPUT");
    }
}
