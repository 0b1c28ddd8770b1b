//! Random commands by several people, against a small model of the rules: who sees what, who may do
//! what, versions, counts, no cycles.

mod rules;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rstest::rstest;
use serde_json::{Value, json};

use self::rules::{ADMIN, Model, OWNER, PEOPLE, Step};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

const CASES: u32 = 12;
const STEPS: usize = 40;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..PEOPLE;
    // Most steps are about one of the first tasks: rules meet each other there.
    let task = || 0..6_usize;
    let step = prop_oneof![
        3 => (who(), any::<bool>(), prop::option::of(who()), prop::option::weighted(0.3, task()))
            .prop_map(|(by, in_project, assignee, parent)| Step::Create {
                by, in_project, assignee, parent
            }),
        3 => (who(), task(), 0..4_u8, prop::option::of(any::<bool>()))
            .prop_map(|(by, task, title, is_current)| Step::Update { by, task, title, is_current }),
        2 => (who(), task(), 0..3_u8).prop_map(|(by, task, status)| Step::Status { by, task, status }),
        3 => (who(), task(), who()).prop_map(|(by, task, to)| Step::Assign { by, task, to }),
        1 => (who(), task()).prop_map(|(by, task)| Step::Unassign { by, task }),
        3 => (who(), task(), prop::option::of(task()))
            .prop_map(|(by, task, parent)| Step::Move { by, task, parent }),
        2 => (who(), task(), any::<bool>())
            .prop_map(|(by, task, enabled)| Step::Enable { by, task, enabled }),
        2 => (who(), task(), any::<bool>())
            .prop_map(|(by, task, deleted)| Step::Delete { by, task, deleted }),
        2 => (who(), task()).prop_map(|(by, task)| Step::Comment { by, task }),
        2 => (who(), vec(task(), 1..4), any::<bool>())
            .prop_map(|(by, tasks, is_current)| Step::UpdateAll { by, tasks, is_current }),
        2 => (2..PEOPLE, prop::option::of(0..3_u8))
            .prop_map(|(who, role)| Step::Member { who, role }),
    ];
    vec(step, 1..=STEPS)
}

#[rstest]
#[tokio::test]
async fn whatever_people_do_the_rules_hold(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let mut runner = TestRunner::default();
    let admin = app.admin("root").await;
    for case in 0..CASES {
        let mut tree = steps().new_tree(&mut runner).unwrap();
        let mut failed = None;
        // The shortest that fails is told. Each run has people of its own.
        for round in 0.. {
            let name = format!("c{case}r{round}");
            match run(&app, &admin, &name, &tree.current()).await {
                Err(what) => {
                    failed = Some((what, tree.current()));
                    if round > 60 || !tree.simplify() {
                        break;
                    }
                }
                Ok(()) if failed.is_none() || !tree.complicate() => break,
                Ok(()) => {}
            }
        }
        if let Some((what, steps)) = failed {
            panic!("{what}\nafter {steps:#?}");
        }
    }
}

/// The people and tasks of one run.
struct World {
    people: Vec<Person>,
    project: String,
    tasks: Vec<String>,
}

async fn run(app: &TestApp, admin: &Person, name: &str, steps: &[Step]) -> Result<(), String> {
    let mut people = Vec::new();
    for who in 0..PEOPLE {
        people.push(match who {
            ADMIN => admin.clone(),
            _ => app.person(&format!("{name}p{who}")).await,
        });
    }
    let input = json!({"key": name.to_uppercase(), "name": name});
    let query = "mutation($input: CreateProjectInput!) { createProject(input: $input) {
        project { id } userErrors { code message } } }";
    let made = people[OWNER].graphql(query, json!({"input": input})).await;
    let project = made.data()["createProject"]["project"]["id"].clone();
    let mut world = World {
        people,
        project: project.as_str().ok_or(format!("{made:?}"))?.to_owned(),
        tasks: Vec::new(),
    };
    let mut model = Model::default();
    for (at, step) in steps.iter().enumerate() {
        let expected = model.apply(step);
        let got = world.ask(step, &model).await;
        if got != expected {
            return Err(format!("step {at} {step:?}: {got}, and not {expected}"));
        }
    }
    world.compare(&model).await
}

impl World {
    fn task(&self, at: usize) -> String {
        let nothing = || format!("task_01h455vb4pex5vsknk084sn0{at:02}");
        self.tasks.get(at).cloned().unwrap_or_else(nothing)
    }

    /// Does a step and says what came of it.
    async fn ask(&mut self, step: &Step, model: &Model) -> String {
        let id = |who: usize| self.people[who].id.clone();
        let (by, field, input) = match step {
            Step::Create {
                by,
                in_project,
                assignee,
                parent,
            } => {
                let mut input = json!({"title": "0"});
                if *in_project {
                    input["projectId"] = json!(self.project);
                }
                if let Some(who) = assignee {
                    input["assigneeId"] = json!(id(*who));
                }
                if let Some(parent) = parent {
                    input["parentId"] = json!(self.task(*parent));
                }
                (*by, "createTask", input)
            }
            Step::Update {
                by,
                task,
                title,
                is_current,
            } => {
                let mut input = json!({"id": self.task(*task), "title": title.to_string()});
                if let Some(is_current) = is_current {
                    // The version before this step: the model is a step ahead.
                    let version = model.version_before(*task);
                    input["expectedVersion"] = json!(version + i32::from(!is_current) * 100);
                }
                (*by, "updateTask", input)
            }
            Step::Status { by, task, status } => {
                let status = ["PENDING", "IN_PROGRESS", "COMPLETED"][usize::from(*status)];
                let input = json!({"id": self.task(*task), "status": status});
                (*by, "updateTask", input)
            }
            Step::Assign { by, task, to } => {
                let input = json!({"taskId": self.task(*task), "assigneeId": id(*to)});
                (*by, "assignTask", input)
            }
            Step::Unassign { by, task } => {
                (*by, "unassignTask", json!({"taskId": self.task(*task)}))
            }
            Step::Move { by, task, parent } => {
                let parent = parent.map(|parent| self.task(parent));
                let input = json!({"id": self.task(*task), "parentId": parent});
                (*by, "updateTask", input)
            }
            Step::Enable { by, task, enabled } => {
                let field = if *enabled {
                    "enableTask"
                } else {
                    "disableTask"
                };
                (*by, field, json!({"id": self.task(*task)}))
            }
            Step::Delete { by, task, deleted } => {
                let field = if *deleted {
                    "deleteTask"
                } else {
                    "restoreTask"
                };
                (*by, field, json!({"id": self.task(*task)}))
            }
            Step::Comment { by, task } => {
                let input = json!({"taskId": self.task(*task), "body": "I say"});
                (*by, "createComment", input)
            }
            Step::UpdateAll {
                by,
                tasks,
                is_current,
            } => {
                let change = |task: &usize| {
                    let mut change = json!({"id": self.task(*task), "priority": "HIGH"});
                    if !is_current {
                        change["expectedVersion"] = json!(model.version_before(*task) + 100);
                    }
                    change
                };
                let changes: Vec<_> = tasks.iter().map(change).collect();
                (*by, "updateTasks", json!({"tasks": changes}))
            }
            Step::Member { who, role } => {
                return self.member(*who, *role, model).await;
            }
        };
        self.send(by, field, input).await
    }

    /// Gives somebody a role in the project, or none.
    async fn member(&self, who: usize, role: Option<u8>, model: &Model) -> String {
        let mut input = json!({"projectId": self.project, "userId": self.people[who].id});
        let field = match (role, model.was_member(who)) {
            (None, _) => "removeProjectMember",
            (Some(_), true) => "updateProjectMember",
            (Some(_), false) => "addProjectMember",
        };
        if let Some(role) = role {
            input["role"] = json!(["VIEWER", "COMMENTER", "EDITOR"][usize::from(role)]);
        }
        if role.is_none() && !model.was_member(who) {
            return "DONE".to_owned();
        }
        let done = self.ask_raw(OWNER, field, input).await;
        result(&done, field)
    }

    async fn send(&mut self, by: usize, field: &str, input: Value) -> String {
        let body = self.ask_raw(by, field, input).await;
        if field == "createTask"
            && let Some(id) = body["data"]["createTask"]["task"]["id"].as_str()
        {
            self.tasks.push(id.to_owned());
        }
        result(&body, field)
    }

    async fn ask_raw(&self, by: usize, field: &str, input: Value) -> Value {
        let (first, rest) = field.split_at(1);
        let ty = format!("{}{rest}Input", first.to_uppercase());
        let more = if field == "createTask" {
            "task { id }"
        } else {
            ""
        };
        let query = format!(
            "mutation($input: {ty}!) {{ {field}(input: $input) {{ {more} userErrors {{ code message }} }} }}"
        );
        self.people[by]
            .graphql(&query, json!({"input": input}))
            .await
            .body
    }

    /// Whether everybody sees what the model says, and nothing else.
    async fn compare(&self, model: &Model) -> Result<(), String> {
        let query = "query($filter: TaskFilter) { tasks(first: 50, filter: $filter) { totalCount nodes {
            id title status priority enabled version number completedAt assignee { id } parent { id }
            comments { totalCount } subtasks(first: 40) { totalCount nodes { id } }
            viewerCanUpdate viewerCanDelete viewerCanComment } } }";
        let all =
            json!({"filter": {"or": [{"enabled": {"eq": true}}, {"enabled": {"eq": false}}]}});
        for (who, person) in self.people.iter().enumerate() {
            let reply = person.graphql(query, all.clone()).await;
            if reply.body["errors"].is_array() {
                return Err(format!("{reply:?}"));
            }
            let nodes = reply.body["data"]["tasks"]["nodes"].as_array().cloned();
            let nodes = nodes.unwrap_or_default();
            for (at, id) in self.tasks.iter().enumerate() {
                let mut seen = nodes.iter().find(|node| node["id"] == **id).cloned();
                if let Some(node) = &mut seen {
                    node["completedAt"] = json!(node["completedAt"].is_string());
                }
                let expected = self.as_told(model, who, at);
                // An administrator sees other runs, too.
                if who == ADMIN && seen.is_none() && nodes.len() == 50 {
                    continue;
                }
                if seen != expected {
                    return Err(format!(
                        "{who} sees task {at} as {seen:#?}, not as {expected:#?}"
                    ));
                }
                let by_id = "query($id: ID!) { task(id: $id) { id } }";
                let reply = person.graphql(by_id, json!({"id": id})).await;
                let is_there = reply.body["data"]["task"].is_object();
                if is_there != expected.is_some() {
                    return Err(format!("{who} asks for task {at}: {reply:?}"));
                }
            }
            let count = (0..self.tasks.len())
                .filter(|at| model.sees(who, *at))
                .count();
            if who != ADMIN && reply.body["data"]["tasks"]["totalCount"] != count {
                return Err(format!("{who} should see {count}: {:#}", reply.body));
            }
        }
        Ok(())
    }

    /// A task as somebody should see it.
    fn as_told(&self, model: &Model, who: usize, at: usize) -> Option<Value> {
        let task = model.tasks.get(at).filter(|_| model.sees(who, at))?;
        let status = ["PENDING", "IN_PROGRESS", "COMPLETED"][usize::from(task.status)];
        let parent = task.parent.filter(|parent| model.sees(who, *parent));
        // The newest first or last is not the point here.
        let parts: Vec<_> = (0..model.tasks.len())
            .filter(|part| model.tasks[*part].parent == Some(at) && model.tasks[*part].enabled)
            .filter(|part| model.sees(who, *part))
            .map(|part| json!({"id": self.tasks[part]}))
            .collect();
        Some(json!({
            "id": self.tasks[at],
            "title": task.title.to_string(),
            "status": status,
            "priority": if task.is_high { "HIGH" } else { "MEDIUM" },
            "enabled": task.enabled,
            "version": task.version,
            "number": task.number,
            "completedAt": task.status == 2,
            "assignee": task.assignee.map(|who| json!({"id": self.people[who].id})),
            "parent": parent.map(|parent| json!({"id": self.tasks[parent]})),
            "comments": {"totalCount": task.comments},
            "subtasks": {"totalCount": parts.len(), "nodes": parts},
            "viewerCanUpdate": model.may_edit(who, at),
            "viewerCanDelete": model.may_delete(who, at),
            "viewerCanComment": model.may_comment(who, at),
        }))
    }
}

/// What came of a mutation: `DONE`, or the first code.
fn result(body: &Value, field: &str) -> String {
    let code = &body["errors"][0]["extensions"]["code"];
    let told = &body["data"][field]["userErrors"][0]["code"];
    match (code.as_str(), told.as_str()) {
        (Some(code), _) | (None, Some(code)) => code.to_owned(),
        (None, None) if body["data"][field].is_object() => "DONE".to_owned(),
        (None, None) => body.to_string(),
    }
}
