//! Filters of tasks: what they choose is what a plain reading of them says, on both databases.

mod model;

use chrono::{Days, TimeDelta};
use chrono_tz::Tz;
use entity::project_member::{self, Role};
use entity::task::due_order;
use entity::{LabelId, ProjectId, TaskId, UserId, label, project, task, task_label};
use proptest::test_runner::TestRunner;
use rstest::rstest;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use taskflow::graphql::Kind;

use self::model::{
    Sample, World, filter, holds, id, is_overdue, now, point, sample, speaks_of_enabled,
};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

const LIST: &str =
    "query($filter: TaskFilter, $orderBy: [TaskOrder!], $first: Int, $after: String) {
    tasks(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes { id isOverdue } totalCount pageInfo { hasNextPage endCursor } } }";

/// Two projects of Ada, three labels, and some tasks that differ in everything.
async fn fill(app: &TestApp, world: &mut World, runner: &mut TestRunner) -> Vec<Sample> {
    let db = app.sql().await;
    let at = point(0);
    let owner = world.users[0];
    for n in 0..2 {
        let project_id = ProjectId(id(900 + n));
        world.projects.push(project_id);
        let project = project::Model {
            id: project_id,
            key: format!("P{n}"),
            name: format!("P{n}"),
            name_norm: format!("p{n}"),
            description: None,
            creator_id: owner,
            last_number: 100,
            archived_at: None,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        project::Entity::insert(project.into_active_model())
            .exec_without_returning(&db)
            .await
            .unwrap();
        let member = project_member::Model {
            project_id,
            user_id: owner,
            role: Role::Owner,
            created_at: at,
        };
        project_member::Entity::insert(member.into_active_model())
            .exec_without_returning(&db)
            .await
            .unwrap();
    }
    for n in 0..3 {
        world.labels.push(LabelId(id(800 + n)));
        let label = label::Model {
            id: LabelId(id(800 + n)),
            name: format!("l{n}"),
            name_norm: format!("l{n}"),
            color: "#123456".to_owned(),
            creator_id: owner,
            created_at: at,
            updated_at: at,
        };
        label::Entity::insert(label.into_active_model())
            .exec_without_returning(&db)
            .await
            .unwrap();
    }
    let mut samples = Vec::new();
    for n in 0..50 {
        let parents: &[TaskId] = if n < 2 {
            &[]
        } else {
            &[TaskId(id(0)), TaskId(id(1))]
        };
        samples.push(now(&sample(world, n, parents), runner));
    }
    let tasks = samples
        .iter()
        .map(|sample: &Sample| sample.task.clone().into_active_model());
    task::Entity::insert_many(tasks)
        .exec_without_returning(&db)
        .await
        .unwrap();
    let labels = samples.iter().flat_map(|sample| {
        let of = |label_id: &LabelId| task_label::Model {
            task_id: sample.task.id,
            label_id: *label_id,
        };
        sample.labels.iter().map(of).collect::<Vec<_>>()
    });
    task_label::Entity::insert_many(labels.map(IntoActiveModel::into_active_model))
        .exec_without_returning(&db)
        .await
        .unwrap();
    samples
}

async fn found(person: &Person, filter: &Value) -> (Vec<String>, Vec<Value>, Value) {
    let variables = json!({"filter": filter, "first": 100, "orderBy": [{"field": "CREATED_AT"}]});
    let reply = person.graphql(LIST, variables).await;
    let list = &reply.data()["tasks"];
    let nodes = list["nodes"].as_array().unwrap();
    let mut ids: Vec<_> = nodes
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    (ids, nodes.clone(), list["totalCount"].clone())
}

#[rstest]
#[case("America/New_York", 40)]
#[case("Asia/Tokyo", 40)]
#[tokio::test]
async fn a_filter_chooses_what_it_says(
    #[case] zone: &str,
    #[case] tries: usize,
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    app.execute(&format!(
        "UPDATE users SET timezone = '{zone}' WHERE username = 'ada'"
    ))
    .await;
    let user = |person: &Person| UserId(Kind::User.decode(&person.id).unwrap());
    let mut world = World {
        users: vec![user(&ada), user(&bob)],
        projects: Vec::new(),
        labels: Vec::new(),
        now: app.clock.now(),
        zone: zone.parse().unwrap(),
    };
    let mut runner = TestRunner::deterministic();
    let mut samples = fill(&app, &mut world, &mut runner).await;
    // Some are due around the moment of the test.
    let today = world.day(world.now);
    for (sample, (at, on)) in samples.iter_mut().zip([
        (Some(world.now - TimeDelta::hours(1)), None),
        (Some(world.now + TimeDelta::hours(1)), None),
        (None, Some(today)),
        (None, Some(today - Days::new(1))),
        (None, Some(today + Days::new(1))),
    ]) {
        (sample.task.due_at, sample.task.due_on) = (at, on);
        (sample.task.due_order, sample.task.enabled) = (due_order(at, on), true);
        let row = sample.task.clone().into_active_model().reset_all();
        task::Entity::update(row)
            .exec(&app.sql().await)
            .await
            .unwrap();
    }
    let filters = filter(&world);
    let mut asked = vec![
        json!({"isOverdue": true}),
        json!({"isOverdue": false}),
        json!({"not": {"isOverdue": true}}),
    ];
    asked.extend((0..tries).map(|_| now(&filters, &mut runner)));
    for filter in asked {
        let mut wanted: Vec<String> = samples
            .iter()
            .filter(|sample| sample.task.enabled || speaks_of_enabled(&filter))
            .filter(|sample| holds(&world, sample, &filter))
            .map(|sample| Kind::Task.encode(sample.task.id.0).to_string())
            .collect();
        wanted.sort_unstable();
        let (ids, nodes, total) = found(&ada, &filter).await;
        assert_eq!(ids, wanted, "{filter}");
        assert_eq!(total, wanted.len(), "{filter}");
        for node in nodes {
            let of = |sample: &&Sample| json!(Kind::Task.encode(sample.task.id.0)) == node["id"];
            let sample = samples.iter().find(of).unwrap();
            assert_eq!(
                node["isOverdue"],
                is_overdue(&world, &sample.task),
                "{sample:?}"
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_is_no_filter_is_refused(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = Kind::Task.encode(id(1));
    for bad in [
        json!({"project": {"eq": task}}),
        json!({"label": {"in": [task]}}),
        json!({"parent": {"eq": "user_01h455vb4pex5vsknk084sn02q"}}),
        json!({"dueDate": {"lt": "0000-01-01"}}),
        json!({"dueDate": {"eq": "9999-01-01"}}),
        json!({"startAt": {"lt": "0000-01-01T00:00:00Z"}}),
        json!({"completedAt": {"gte": "9999-12-31T23:59:59Z"}}),
        json!({"label": {"in": vec![Kind::Label.encode(id(1)); 100]}}),
    ] {
        let reply = ada.graphql(LIST, json!({"filter": bad})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{bad}");
    }
    // The edges of what is taken.
    for good in [
        json!({"dueDate": {"gte": "0001-01-01", "lte": "9998-12-31"}}),
        json!({"dueAt": {"gte": "0001-01-01T00:00:00Z", "lte": "9998-12-31T23:59:59.999999999Z"}}),
        json!({"startAt": {"gte": "0001-01-01T00:00:00Z", "lt": "9998-12-31T23:59:59Z"}}),
    ] {
        ada.graphql(LIST, json!({"filter": good})).await.data();
    }
    let reply = ada
        .graphql(LIST, json!({"filter": {"dueDate": {"eq": "2026-02-30"}}}))
        .await;
    assert!(!reply.body["errors"].is_null());
}

/// In whatever order, the pages together are the list.
#[rstest]
#[tokio::test]
async fn pages_of_every_order_are_the_list(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let mut world = World {
        users: vec![UserId(Kind::User.decode(&ada.id).unwrap())],
        projects: Vec::new(),
        labels: Vec::new(),
        now: app.clock.now(),
        zone: Tz::UTC,
    };
    fill(&app, &mut world, &mut TestRunner::deterministic()).await;
    for fields in [
        vec!["COMPLETED_AT"],
        vec!["PRIORITY", "DUE_AT"],
        vec!["DUE_AT", "COMPLETED_AT"],
        vec!["PRIORITY", "COMPLETED_AT", "UPDATED_AT", "CREATED_AT"],
    ] {
        for direction in ["ASC", "DESC"] {
            let order: Vec<_> = fields
                .iter()
                .map(|field| json!({"field": field, "direction": direction}))
                .collect();
            let page = async |first: u32, after: Value| {
                let variables = json!({"orderBy": order, "first": first, "after": after});
                let reply = ada.graphql(LIST, variables).await;
                let list = reply.data()["tasks"].clone();
                let nodes = list["nodes"].as_array().unwrap().clone();
                (nodes, list["pageInfo"].clone())
            };
            let (whole, _) = page(100, Value::Null).await;
            let (mut paged, mut after) = (Vec::new(), Value::Null);
            loop {
                let (nodes, info) = page(7, after).await;
                paged.extend(nodes);
                if info["hasNextPage"] == false {
                    break;
                }
                after = info["endCursor"].clone();
            }
            assert_eq!(paged, whole, "{order:?}");
            assert!(whole.len() > 30);
        }
    }
}
