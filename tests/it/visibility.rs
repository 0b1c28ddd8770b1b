//! Who may do what with tasks and projects: the table of the policy, driven through every operation,
//! and as `docs/API.md` prints it.

use std::fmt::Write;

use entity::project_member::Role;
use rstest::rstest;
use serde_json::{Value, json};
use taskflow::tasks::policy::{Actor, Command};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, Socket, TestApp};

fn actor_name(actor: Actor) -> &'static str {
    match actor {
        Actor::Admin => "administrator of the server",
        Actor::Member(Role::Owner) => "owner of the project",
        Actor::Member(Role::Editor) => "editor",
        Actor::Member(Role::Commenter) => "commenter",
        Actor::Member(Role::Viewer) => "viewer",
        Actor::Creator => "creator, outside projects",
        Actor::Assignee => "assignee, member or not",
    }
}

fn command_name(command: Command) -> &'static str {
    match command {
        Command::See => "see, follow",
        Command::Comment => "comment",
        Command::Edit => "edit, assign",
        Command::Delete => "delete, restore",
        Command::Manage => "manage the project",
    }
}

#[test]
fn the_table_of_the_policy_is_the_one_in_the_documentation() {
    let mut table = "| |".to_owned();
    for command in Command::ALL {
        write!(table, " {} |", command_name(command)).unwrap();
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(Command::ALL.len()));
    for actor in Actor::ALL {
        write!(table, "\n| {} |", actor_name(actor)).unwrap();
        for command in Command::ALL {
            let may = if actor.may(command) { "yes" } else { "no" };
            write!(table, " {may} |").unwrap();
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        text.contains(&table),
        "docs/API.md has not this table:\n{table}"
    );
}

/// What is asked with a task: for what it counts, and the operation. `$task` is a task, `$key` its
/// key, `$other` somebody else.
#[rustfmt::skip]
const OF_TASKS: &[(Command, &str)] = &[
    (Command::See, "query { task(id: $task) { id } }"),
    (Command::See, "query { task(key: $key) { id } }"),
    (Command::See, "query { node(id: $task) { id } }"),
    (Command::See, "query { nodes(ids: [$task]) { id } }"),
    (Command::Edit, "mutation { updateTask(input: {id: $task, title: \"y\"}) { userErrors { code } } }"),
    (Command::Edit, "mutation { assignTask(input: {taskId: $task, assigneeId: $other}) { userErrors { code } } }"),
    (Command::Edit, "mutation { unassignTask(input: {taskId: $task}) { userErrors { code } } }"),
    (Command::Delete, "mutation { deleteTask(input: {id: $task}) { userErrors { code } } }"),
];

/// The same with a project, in an order in which each still means something.
#[rustfmt::skip]
const OF_PROJECTS: &[(Command, &str)] = &[
    (Command::See, "query { project(id: $project) { id } }"),
    (Command::See, "query { node(id: $project) { id } }"),
    (Command::See, "query { nodes(ids: [$project]) { id } }"),
    (Command::Edit, "mutation { createTask(input: {title: \"x\", projectId: $project}) { userErrors { code } } }"),
    (Command::Manage, "mutation { updateProject(input: {id: $project, description: $key}) { userErrors { code } } }"),
    (Command::Manage, "mutation { addProjectMember(input: {projectId: $project, userId: $other, role: VIEWER}) { userErrors { code } } }"),
    (Command::Manage, "mutation { updateProjectMember(input: {projectId: $project, userId: $other, role: EDITOR}) { userErrors { code } } }"),
    (Command::Manage, "mutation { removeProjectMember(input: {projectId: $project, userId: $other}) { userErrors { code } } }"),
    (Command::Manage, "mutation { archiveProject(input: {id: $project}) { userErrors { code } } }"),
    (Command::Manage, "mutation { unarchiveProject(input: {id: $project}) { userErrors { code } } }"),
];

/// The code that comes of it; empty when it is done.
fn code(reply: &Reply) -> String {
    if reply.body["errors"].is_array() {
        return reply.code().to_owned();
    }
    for (_, payload) in reply.data().as_object().unwrap() {
        let errors = &payload["userErrors"];
        assert!(errors.is_null() || errors == &json!([]), "{:#}", reply.body);
    }
    String::new()
}

/// What the table says to somebody who is these.
fn expected(actors: &[Actor], command: Command) -> &'static str {
    let may = |command| actors.iter().any(|actor| actor.may(command));
    match (may(command), may(Command::See)) {
        (true, _) => "",
        (false, true) => "FORBIDDEN",
        (false, false) => "NOT_FOUND",
    }
}

struct Scene {
    app: TestApp,
    root: Person,
    owner: Person,
    other: Person,
    project: String,
}

/// Somebody, and what they are to the project, to the tasks in it, and to tasks outside.
struct Part {
    person: Person,
    of_project: Vec<Actor>,
    of_task: Vec<Actor>,
}

impl Scene {
    async fn new(mode: Mode) -> Self {
        let app = TestApp::start(mode).await;
        let root = app.admin("root").await;
        let (owner, other) = (app.person("owner").await, app.person("other").await);
        let project = owner.creates_project("OPS").await;
        Self {
            app,
            root,
            owner,
            other,
            project,
        }
    }

    async fn cast(&self) -> Vec<Part> {
        let mut cast = vec![
            Part {
                person: self.root.clone(),
                of_project: vec![Actor::Admin],
                of_task: vec![Actor::Admin],
            },
            Part {
                person: self.owner.clone(),
                of_project: vec![Actor::Member(Role::Owner)],
                of_task: vec![Actor::Member(Role::Owner)],
            },
        ];
        for (name, role) in [
            ("EDITOR", Role::Editor),
            ("COMMENTER", Role::Commenter),
            ("VIEWER", Role::Viewer),
        ] {
            let person = self.app.person(&name.to_lowercase()).await;
            self.owner.adds_member(&self.project, &person, name).await;
            cast.push(Part {
                person,
                of_project: vec![Actor::Member(role)],
                of_task: vec![Actor::Member(role)],
            });
        }
        cast.push(Part {
            person: self.app.person("assignee").await,
            of_project: vec![],
            of_task: vec![Actor::Assignee],
        });
        cast.push(Part {
            person: self.app.person("stranger").await,
            of_project: vec![],
            of_task: vec![],
        });
        cast
    }

    /// A new task in the project, and its key; the assignee's when that is whom it is about.
    async fn task(&self, who: &Part) -> (String, String) {
        let mut input = json!({"title": "x", "projectId": self.project});
        if who.of_task.contains(&Actor::Assignee) {
            input["assigneeId"] = json!(who.person.id);
        }
        let task = self.owner.creates(input).await;
        let query = "query($id: ID!) { task(id: $id) { key } }";
        let reply = self.owner.graphql(query, json!({"id": task})).await;
        let key = reply.data()["task"]["key"].as_str().unwrap().to_owned();
        (task, key)
    }

    /// Asks, and sees that what was refused changed nothing.
    async fn ask(&self, who: &Person, operation: &str, task: &str, key: &str, wanted: &str) {
        let mut document = operation.to_owned();
        for (name, value) in [
            ("$task", task),
            ("$key", key),
            ("$project", &self.project),
            ("$other", &self.other.id),
        ] {
            document = document.replace(name, &format!("\"{value}\""));
        }
        let events = "SELECT COUNT(*) FROM events";
        let before = self.app.number(events).await;
        let reply = who.graphql(&document, json!({})).await;
        assert_eq!(code(&reply), wanted, "{} {document}", who.name);
        if !wanted.is_empty() {
            assert_eq!(self.app.number(events).await, before, "{document}");
            let message = reply.body["errors"][0]["message"].as_str().unwrap();
            assert!(!message.contains("OPS"), "{message}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn every_path_does_what_the_table_says(#[values(Embedded, Full)] mode: Mode) {
    let scene = Scene::new(mode).await;
    for who in scene.cast().await {
        for (command, operation) in OF_TASKS {
            let (task, key) = scene.task(&who).await;
            let wanted = expected(&who.of_task, *command);
            scene.ask(&who.person, operation, &task, &key, wanted).await;
        }
        for (command, operation) in OF_PROJECTS {
            let wanted = expected(&who.of_project, *command);
            let key = who.person.name.as_str();
            scene.ask(&who.person, operation, "", key, wanted).await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn outside_projects_it_is_the_creator_and_the_assignee(#[values(Embedded, Full)] mode: Mode) {
    let scene = Scene::new(mode).await;
    let creator = scene.app.person("creator").await;
    let assignee = scene.app.person("assignee").await;
    for (command, operation) in OF_TASKS {
        if operation.contains("$key") {
            continue;
        }
        for (who, actors) in [
            (&creator, vec![Actor::Creator]),
            (&assignee, vec![Actor::Assignee]),
            (&scene.root, vec![Actor::Admin]),
            (&scene.owner, vec![]),
        ] {
            let input = json!({"title": "x", "assigneeId": assignee.id});
            let task = creator.creates(input).await;
            let wanted = expected(&actors, *command);
            scene.ask(who, operation, &task, "", wanted).await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn who_made_a_task_in_a_project_and_left_it_sees_it_no_more(
    #[values(Embedded, Full)] mode: Mode,
) {
    let scene = Scene::new(mode).await;
    let editor = scene.app.person("editor").await;
    scene
        .owner
        .adds_member(&scene.project, &editor, "EDITOR")
        .await;
    let task = editor
        .creates(json!({"title": "x", "projectId": scene.project}))
        .await;
    let kept = json!({"title": "x", "projectId": scene.project, "assigneeId": editor.id});
    let kept = editor.creates(kept).await;
    scene
        .owner
        .removes_member(&scene.project, &editor)
        .await
        .data();
    for (_, operation) in OF_TASKS {
        scene
            .ask(&editor, operation, &task, "OPS-1", "NOT_FOUND")
            .await;
    }
    // What is assigned to them stays theirs.
    for (command, operation) in OF_TASKS.iter().filter(|row| row.0 != Command::Edit) {
        let wanted = expected(&[Actor::Assignee], *command);
        scene.ask(&editor, operation, &kept, "OPS-2", wanted).await;
    }
}

#[rstest]
#[tokio::test]
async fn lists_and_the_fields_of_the_viewer_say_the_same(#[values(Embedded, Full)] mode: Mode) {
    let scene = Scene::new(mode).await;
    let query = "{ tasks { totalCount nodes { id viewerCanDelete } }
        projects { totalCount nodes { id viewerCanUpdate viewerCanArchive viewerCanCreateTask
          viewerCanManageMembers } } }";
    for who in scene.cast().await {
        scene
            .app
            .execute("UPDATE tasks SET assignee_id = NULL, deleted_at = created_at")
            .await;
        let (task, _) = scene.task(&who).await;
        let reply = who.person.graphql(query, json!({})).await;
        let (tasks, projects) = (&reply.data()["tasks"], &reply.data()["projects"]);
        let may = |actors: &[Actor], command| expected(actors, command).is_empty();
        let of_task = |command| may(&who.of_task, command);
        let of_project = |command| may(&who.of_project, command);
        let wanted: Vec<Value> = of_task(Command::See)
            .then(|| json!({"id": task, "viewerCanDelete": of_task(Command::Delete)}))
            .into_iter()
            .collect();
        assert_eq!(tasks["totalCount"], wanted.len(), "{}", who.person.name);
        assert_eq!(tasks["nodes"], json!(wanted), "{}", who.person.name);
        let manages = of_project(Command::Manage);
        let wanted: Vec<Value> = of_project(Command::See)
            .then(|| {
                json!({"id": scene.project, "viewerCanUpdate": manages, "viewerCanArchive": manages,
                    "viewerCanCreateTask": of_project(Command::Edit), "viewerCanManageMembers": manages})
            })
            .into_iter()
            .collect();
        assert_eq!(projects["totalCount"], wanted.len(), "{}", who.person.name);
        assert_eq!(projects["nodes"], json!(wanted), "{}", who.person.name);
    }
}

#[rstest]
#[tokio::test]
async fn who_may_see_it_may_follow_it(#[values(Embedded, Full)] mode: Mode) {
    let scene = Scene::new(mode).await;
    let address = scene.app.listen().await;
    let query = "query($id: ID!) { task(id: $id) { eventCursor } }";
    for who in scene.cast().await {
        let (task, _) = scene.task(&who).await;
        let reply = scene.root.graphql(query, json!({"id": task})).await;
        let after = &reply.data()["task"]["eventCursor"];
        let update =
            "mutation($id: ID!) { updateTask(input: {id: $id, title: \"y\"}) { task { id } } }";
        scene.root.graphql(update, json!({"id": task})).await.data();
        for (subject, actors) in [
            (format!("taskId: \"{task}\""), &who.of_task),
            (format!("projectId: \"{}\"", scene.project), &who.of_project),
        ] {
            let document = format!(
                "subscription {{ taskChanged({subject}, after: {after}) {{ task {{ id }} }} }}"
            );
            let token = who.person.token.as_deref().unwrap();
            let mut socket = Socket::signed_in(address, token).await;
            socket.subscribe("s", &document, json!({})).await;
            let message = socket.next().await;
            let wanted = expected(actors, Command::See);
            if wanted.is_empty() {
                let event = &message["payload"]["data"]["taskChanged"];
                assert_eq!(event["task"]["id"], json!(task), "{message:#}");
            } else {
                let found = &message["payload"][0]["extensions"]["code"];
                assert_eq!(found, wanted, "{} {message:#}", who.person.name);
            }
        }
    }
}

/// Else a list with something forbidden in it would tell which of the others exist.
#[rstest]
#[tokio::test]
async fn what_cannot_be_seen_is_as_what_is_not_there_in_a_list_with_others(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "VIEWER").await;
    let input = json!({"title": "Seen", "projectId": project});
    let seen = ada.creates(input).await;
    let hidden = ada.creates(json!({"title": "Hidden"})).await;
    let nothing = "task_01h455vb4pex5vsknk084sn02q";
    for other in [hidden.as_str(), nothing] {
        for (field, input) in [
            (
                "updateTasks",
                [&seen, other].map(|id| json!({"id": id, "title": "x"})),
            ),
            (
                "createTasks",
                [&seen, other].map(|id| json!({"title": "x", "parentId": id})),
            ),
        ] {
            let (first, rest) = field.split_at(1);
            let ty = format!("{}{rest}Input", first.to_uppercase());
            let query = format!(
                "mutation($input: {ty}!) {{ {field}(input: $input) {{ userErrors {{ code }} }} }}"
            );
            let reply = bob
                .graphql(&query, json!({"input": {"tasks": input}}))
                .await;
            assert_eq!(reply.code(), "NOT_FOUND", "{field} {other}");
        }
    }
}
