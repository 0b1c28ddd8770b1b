//! What a filter means, by a plain reading of it; and random tasks and filters.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use entity::task::{Model, Priority, Status, due_order};
use entity::{LabelId, ProjectId, TaskId, UserId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sea_orm::{ActiveEnum, Iterable};
use serde_json::{Value, json};
use taskflow::graphql::Kind;
use uuid::Uuid;

/// A task as the evaluation below sees it.
#[derive(Clone, Debug)]
pub struct Sample {
    pub task: Model,
    pub labels: Vec<LabelId>,
}

/// What tasks and filters are made of.
pub struct World {
    pub users: Vec<UserId>,
    pub projects: Vec<ProjectId>,
    pub labels: Vec<LabelId>,
    pub now: DateTime<Utc>,
    pub zone: Tz,
}

impl World {
    fn begin(&self, day: NaiveDate) -> DateTime<Utc> {
        let local = self.zone.from_local_datetime(&day.and_time(NaiveTime::MIN));
        local.earliest().unwrap().to_utc()
    }

    fn end(&self, day: NaiveDate) -> DateTime<Utc> {
        self.begin(day + Days::new(1)) - TimeDelta::microseconds(1)
    }

    pub fn day(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }
}

/// The clocks of New York go forward on the 8th.
fn day(nth: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 6).unwrap() + Days::new(nth)
}

pub fn point(nth: i64) -> DateTime<Utc> {
    day(0).and_time(NaiveTime::MIN).and_utc() + TimeDelta::minutes(30 * nth)
}

pub fn id(n: u32) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 | u128::from(n))
}

fn moment() -> impl Strategy<Value = (Option<DateTime<Utc>>, Option<NaiveDate>)> {
    prop_oneof![
        Just((None, None)),
        (0..240_i64).prop_map(|n| (Some(point(n)), None)),
        (0..5_u64).prop_map(|n| (None, Some(day(n)))),
    ]
}

fn pick<T: Clone + std::fmt::Debug + 'static>(of: &[T]) -> prop::sample::Select<T> {
    prop::sample::select(of.to_vec())
}

pub fn sample(world: &World, n: u32, parents: &[TaskId]) -> impl Strategy<Value = Sample> + use<> {
    let words = ["alpha", "Beta 100%", "gamma_x", "ALPHA beta"];
    let parents: Vec<_> = parents.iter().copied().map(Some).chain([None]).collect();
    let who: Vec<_> = world
        .users
        .iter()
        .copied()
        .map(Some)
        .chain([None])
        .collect();
    let projects: Vec<_> = world
        .projects
        .iter()
        .copied()
        .map(Some)
        .chain([None])
        .collect();
    let labels = world.labels.clone();
    let owner = world.users[0];
    (
        (pick(&words), pick(&parents), pick(&who), pick(&projects)),
        (0..3_usize, 0..3_usize, prop::bool::weighted(0.8)),
        (moment(), moment(), 0..240_i64),
        prop::sample::subsequence(labels, 0..=2),
    )
        .prop_map(
            move |(
                (title, parent, assignee, project),
                (status, priority, enabled),
                (start, due, at),
                labels,
            )| {
                let status = Status::iter().nth(status).unwrap();
                Sample {
                    task: Model {
                        id: TaskId(id(n)),
                        title: title.to_owned(),
                        description: None,
                        status,
                        priority: Priority::iter().nth(priority).unwrap(),
                        enabled,
                        project_id: project,
                        number: project.map(|_| i32::try_from(n).unwrap()),
                        parent_id: parent,
                        start_at: start.0,
                        start_on: start.1,
                        due_at: due.0,
                        due_on: due.1,
                        due_order: due_order(due.0, due.1),
                        creator_id: owner,
                        assignee_id: assignee,
                        assignee_told: true,
                        completed_at: (status == Status::Completed).then(|| point(at)),
                        deleted_at: None,
                        version: 1,
                        created_at: point(at),
                        updated_at: point(240 - at),
                    },
                    labels,
                }
            },
        )
}

/// A filter of one field or two, or of filters.
#[expect(clippy::too_many_lines, reason = "a list of all fields")]
pub fn filter(world: &World) -> BoxedStrategy<Value> {
    let choices = |values: Vec<Value>, nullable: bool| {
        let list = prop::collection::vec(pick(&values), 0..3);
        let one = pick(&values);
        prop_oneof![
            one.clone().prop_map(|v| json!({"eq": v})),
            one.prop_map(|v| json!({"neq": v})),
            list.clone().prop_map(|v| json!({"in": v})),
            list.prop_map(|v| json!({"nin": v})),
            any::<bool>().prop_map(move |v| if nullable {
                json!({"isNull": v})
            } else {
                json!({})
            }),
        ]
        .boxed()
    };
    let ids = |kind: Kind, ids: Vec<Uuid>| {
        ids.into_iter()
            .map(|id| json!(kind.encode(id)))
            .collect::<Vec<_>>()
    };
    let times = |nullable: bool| {
        let op = prop::sample::select(vec!["lt", "lte", "gt", "gte"]);
        let time = (op, 0..240_i64).prop_map(|(op, n)| json!({op: point(n).to_rfc3339()}));
        if nullable {
            prop_oneof![4 => time, 1 => any::<bool>().prop_map(|v| json!({"isNull": v}))].boxed()
        } else {
            time.boxed()
        }
    };
    let days = {
        let op = prop::sample::select(vec!["lt", "lte", "gt", "gte", "eq"]);
        let day = (op, 0..5_u64).prop_map(|(op, n)| json!({op: day(n).to_string()}));
        prop_oneof![5 => day, 1 => any::<bool>().prop_map(|v| json!({"isNull": v}))].boxed()
    };
    let users = ids(Kind::User, world.users.iter().map(|id| id.0).collect());
    let fields: Vec<(&str, BoxedStrategy<Value>)> = vec![
        (
            "status",
            choices(
                vec![json!("PENDING"), json!("IN_PROGRESS"), json!("COMPLETED")],
                false,
            ),
        ),
        (
            "priority",
            choices(vec![json!("LOW"), json!("MEDIUM"), json!("HIGH")], false),
        ),
        (
            "enabled",
            any::<bool>().prop_map(|v| json!({"eq": v})).boxed(),
        ),
        ("creator", choices(users.clone(), false)),
        ("assignee", choices(users, true)),
        (
            "project",
            choices(
                ids(
                    Kind::Project,
                    world.projects.iter().map(|id| id.0).collect(),
                ),
                true,
            ),
        ),
        ("parent", choices(ids(Kind::Task, vec![id(0), id(1)]), true)),
        (
            "label",
            choices(
                ids(Kind::Label, world.labels.iter().map(|id| id.0).collect()),
                true,
            ),
        ),
        ("startAt", times(true)),
        ("dueAt", times(true)),
        ("completedAt", times(true)),
        ("createdAt", times(false)),
        ("updatedAt", times(false)),
        ("startDate", days.clone()),
        ("dueDate", days),
        ("isOverdue", any::<bool>().prop_map(|v| json!(v)).boxed()),
        (
            "title",
            pick(&["alpha", "BETA", "0%", "_"])
                .prop_map(|v| json!({"contains": v}))
                .boxed(),
        ),
    ];
    let field =
        prop::sample::select((0..fields.len()).collect::<Vec<_>>()).prop_flat_map(move |n| {
            let name = fields[n].0;
            fields[n].1.clone().prop_map(move |is| (name, is))
        });
    let leaf = prop::collection::vec(field, 1..3).prop_map(|fields| {
        Value::Object(
            fields
                .into_iter()
                .map(|(name, is)| (name.to_owned(), is))
                .collect(),
        )
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|of| json!({"and": of})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|of| json!({"or": of})),
            inner.prop_map(|of| json!({"not": of})),
        ]
    })
    .boxed()
}

/// What the documentation says, word by word.
pub fn holds(world: &World, sample: &Sample, filter: &Value) -> bool {
    let task = &sample.task;
    filter
        .as_object()
        .unwrap()
        .iter()
        .all(|(name, is)| match name.as_str() {
            "and" => is
                .as_array()
                .unwrap()
                .iter()
                .all(|inner| holds(world, sample, inner)),
            "or" => is
                .as_array()
                .unwrap()
                .iter()
                .any(|inner| holds(world, sample, inner)),
            "not" => !holds(world, sample, is),
            "status" => one_of(&[json!(task.status.to_value().to_uppercase())], is),
            "priority" => one_of(&[json!(task.priority.to_value().to_uppercase())], is),
            "enabled" => is["eq"] == json!(task.enabled),
            "creator" => one_of(&[json!(Kind::User.encode(task.creator_id.0))], is),
            "assignee" => one_of(
                &task
                    .assignee_id
                    .map(|id| json!(Kind::User.encode(id.0)))
                    .into_iter()
                    .collect::<Vec<_>>(),
                is,
            ),
            "project" => one_of(
                &task
                    .project_id
                    .map(|id| json!(Kind::Project.encode(id.0)))
                    .into_iter()
                    .collect::<Vec<_>>(),
                is,
            ),
            "parent" => one_of(
                &task
                    .parent_id
                    .map(|id| json!(Kind::Task.encode(id.0)))
                    .into_iter()
                    .collect::<Vec<_>>(),
                is,
            ),
            "label" => one_of(
                &sample
                    .labels
                    .iter()
                    .map(|id| json!(Kind::Label.encode(id.0)))
                    .collect::<Vec<_>>(),
                is,
            ),
            "startAt" => compared(
                task.start_at
                    .or(task.start_on.map(|day| world.begin(day)))
                    .as_ref(),
                is,
            ),
            "dueAt" => compared(
                task.due_at
                    .or(task.due_on.map(|day| world.end(day)))
                    .as_ref(),
                is,
            ),
            "completedAt" => compared(task.completed_at.as_ref(), is),
            "createdAt" => compared(Some(&task.created_at), is),
            "updatedAt" => compared(Some(&task.updated_at), is),
            "startDate" => compared(
                task.start_on
                    .or(task.start_at.map(|at| world.day(at)))
                    .as_ref(),
                is,
            ),
            "dueDate" => compared(
                task.due_on.or(task.due_at.map(|at| world.day(at))).as_ref(),
                is,
            ),
            "isOverdue" => json!(is_overdue(world, task)) == *is,
            "title" => task
                .title
                .to_lowercase()
                .contains(&is["contains"].as_str().unwrap().to_lowercase()),
            name => panic!("{name}"),
        })
}

pub fn is_overdue(world: &World, task: &Model) -> bool {
    let due = task.due_at.or(task.due_on.map(|day| world.end(day)));
    task.status != Status::Completed && due.is_some_and(|due| due < world.now)
}

fn one_of(values: &[Value], is: &Value) -> bool {
    is.as_object()
        .unwrap()
        .iter()
        .all(|(op, with)| match op.as_str() {
            "eq" => values.contains(with),
            "neq" => !values.contains(with),
            "in" => values
                .iter()
                .any(|value| with.as_array().unwrap().contains(value)),
            "nin" => !values
                .iter()
                .any(|value| with.as_array().unwrap().contains(value)),
            _ => json!(values.is_empty()) == *with,
        })
}

fn compared<T: PartialOrd + std::str::FromStr>(value: Option<&T>, is: &Value) -> bool {
    is.as_object().unwrap().iter().all(|(op, with)| {
        if op == "isNull" {
            return json!(value.is_none()) == *with;
        }
        let with = with.as_str().unwrap().parse::<T>().ok().unwrap();
        value.is_some_and(|value| match op.as_str() {
            "lt" => *value < with,
            "lte" => *value <= with,
            "gt" => *value > with,
            "gte" => *value >= with,
            _ => *value == with,
        })
    })
}

pub fn speaks_of_enabled(filter: &Value) -> bool {
    filter.to_string().contains("\"enabled\"")
}

pub fn now<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}
