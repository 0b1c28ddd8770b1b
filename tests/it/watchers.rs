//! Who follows a task, and who is told of what happens to it.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entity::project_member::Role;
use entity::{ProjectId, TaskId, UserId, event, project, project_member, task, task_watcher};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseConnection, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, Set,
};
use serde_json::{Value, json};
use taskflow::graphql::Kind;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Reply, TestApp};

async fn sends(person: &Person, mutation: &str, input: Value) -> Reply {
    let capital = mutation[..1].to_uppercase() + &mutation[1..];
    let query = format!(
        "mutation($input: {capital}Input!) {{ {mutation}(input: $input) {{ userErrors {{ code field }} }} }}"
    );
    person.graphql(&query, json!({"input": input})).await
}

async fn does(person: &Person, mutation: &str, input: Value) {
    let reply = sends(person, mutation, input).await;
    assert_eq!(reply.data()[mutation]["userErrors"], json!([]), "{reply:?}");
}

/// Who follows a task, and whether the one who asks does, or has muted it.
async fn followers(person: &Person, task: &str) -> (Vec<String>, bool, bool) {
    let query = "query($id: ID!) { task(id: $id) { viewerIsWatching viewerHasMuted
        watchers { totalCount nodes { username } } } }";
    let reply = person.graphql(query, json!({"id": task})).await;
    let task = &reply.data()["task"];
    let nodes = task["watchers"]["nodes"].as_array().unwrap();
    let names: Vec<_> = nodes
        .iter()
        .map(|node| node["username"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(task["watchers"]["totalCount"], names.len());
    let flag = |name: &str| task[name].as_bool().unwrap();
    (names, flag("viewerIsWatching"), flag("viewerHasMuted"))
}

fn uuid(kind: Kind, id: &str) -> uuid::Uuid {
    kind.decode(id).unwrap()
}

/// The recipients of the newest event of a topic about a task.
async fn told(db: &DatabaseConnection, topic: &str, task: &str) -> BTreeSet<UserId> {
    let task = json!(TaskId(uuid(Kind::Task, task)));
    let events = event::Entity::find()
        .filter(event::Column::Topic.eq(topic))
        .order_by_desc(event::Column::OccurredAt)
        .all(db)
        .await
        .unwrap();
    let event = events.iter().find(|event| event.payload["task_id"] == task);
    serde_json::from_value(event.unwrap().payload["recipients"].clone()).unwrap()
}

#[rstest]
#[tokio::test]
async fn who_watches_mutes_and_stops_is_seen_at_the_task(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let input = json!({"taskId": task});
    let ada_watches = vec!["ada".to_owned()];
    let both = vec!["ada".to_owned(), "bob".to_owned()];
    assert_eq!(
        followers(&ada, &task).await,
        (ada_watches.clone(), true, false),
        "who makes a task follows it"
    );
    assert_eq!(
        followers(&bob, &task).await,
        (ada_watches.clone(), false, false)
    );
    for _ in 0..2 {
        does(&bob, "watchTask", input.clone()).await;
        assert_eq!(followers(&bob, &task).await, (both.clone(), true, false));
    }
    for _ in 0..2 {
        does(&bob, "muteTask", input.clone()).await;
        assert_eq!(
            followers(&bob, &task).await,
            (ada_watches.clone(), false, true)
        );
    }
    does(&bob, "watchTask", input.clone()).await;
    assert_eq!(followers(&bob, &task).await, (both, true, false));
    does(&bob, "muteTask", input.clone()).await;
    for _ in 0..2 {
        does(&bob, "unwatchTask", input.clone()).await;
        assert_eq!(
            followers(&bob, &task).await,
            (ada_watches.clone(), false, false)
        );
    }
    // None of it is a change of the task.
    let reply = ada
        .graphql(
            "query($id: ID!) { task(id: $id) { version history { totalCount } } }",
            json!({"id": task}),
        )
        .await;
    assert_eq!(
        reply.data()["task"],
        json!({"version": 1, "history": {"totalCount": 0}})
    );
}

#[rstest]
#[tokio::test]
async fn the_task_of_somebody_else_is_neither_followed_nor_muted(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, eve) = (app.person("ada").await, app.person("eve").await);
    let task = ada.creates(json!({"title": "x"})).await;
    for mutation in ["watchTask", "unwatchTask", "muteTask"] {
        let reply = sends(&eve, mutation, json!({"taskId": task})).await;
        assert_eq!(reply.code(), "NOT_FOUND");
    }
    does(&ada, "deleteTask", json!({"id": task})).await;
    let reply = sends(&ada, "watchTask", json!({"taskId": task})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    assert_eq!(app.number("SELECT COUNT(*) FROM task_watchers").await, 1);
}

#[rstest]
#[tokio::test]
async fn followers_come_in_pages(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let task = root.creates(json!({"title": "x"})).await;
    for name in ["one", "two"] {
        app.clock.advance(TimeDelta::seconds(1));
        let person = app.admin(name).await;
        does(&person, "watchTask", json!({"taskId": task})).await;
    }
    let query = "query($id: ID!, $after: String) { task(id: $id) {
        watchers(first: 2, after: $after) { totalCount nodes { username }
          pageInfo { hasNextPage hasPreviousPage endCursor } } } }";
    let reply = root.graphql(query, json!({"id": task})).await;
    let page = reply.data()["task"]["watchers"].clone();
    assert_eq!(
        page["nodes"],
        json!([{"username": "root"}, {"username": "one"}])
    );
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let variables = json!({"id": task, "after": page["pageInfo"]["endCursor"]});
    let reply = root.graphql(query, variables).await;
    let page = &reply.data()["task"]["watchers"];
    assert_eq!(page["nodes"], json!([{"username": "two"}]));
    assert_eq!(page["pageInfo"]["hasNextPage"], false);
    assert_eq!(page["totalCount"], 3);
    let variables = json!({"id": task, "after": "nonsense"});
    assert_eq!(
        root.graphql(query, variables).await.code(),
        "BAD_USER_INPUT"
    );
}

#[rstest]
#[tokio::test]
async fn of_an_assignment_only_the_assignee_gets_a_mail_if_they_want_to_hear_of_it(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let db = app.sql().await;
    let task = root.creates(json!({"title": "Watched"})).await;
    let id = |person: &Person| UserId(uuid(Kind::User, &person.id));
    // Bob has it, and gives it on: Root follows and is told, Ada alone gets the mail.
    root.assigns(&task, &bob).await.data();
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    bob.assigns(&task, &ada).await.data();
    assert_eq!(
        told(&db, "task.assigned", &task).await,
        BTreeSet::from([id(&root), id(&ada)])
    );
    app.work().await;
    let mails = app.mails();
    assert_eq!(mails.len(), 2);
    assert!(mails[1].contains("ada@example.org"), "{}", mails[1]);
    // To oneself.
    let own = ada.creates(json!({"title": "Own"})).await;
    ada.assigns(&own, &ada).await.data();
    // A disabled one.
    let idle = root
        .creates(json!({"title": "Idle", "enabled": false, "assigneeId": ada.id}))
        .await;
    assert_eq!(told(&db, "task.assigned", &idle).await, BTreeSet::new());
    // A muted one, which Ada has seen before.
    let muted = root
        .creates(json!({"title": "Muted", "assigneeId": ada.id}))
        .await;
    app.work().await;
    assert_eq!(app.mails().len(), 3);
    does(&ada, "muteTask", json!({"taskId": muted})).await;
    root.assigns(&muted, &bob).await.data();
    root.assigns(&muted, &ada).await.data();
    assert_eq!(told(&db, "task.assigned", &muted).await, BTreeSet::new());
    app.work().await;
    let mails = app.mails().len();
    // Bob's was skipped: it is Ada's by then.
    assert_eq!(mails, 3);
    // Muted between the assignment and the mail.
    let late = root
        .creates(json!({"title": "Late", "assigneeId": ada.id}))
        .await;
    does(&ada, "muteTask", json!({"taskId": late})).await;
    app.work().await;
    assert_eq!(app.mails().len(), mails);
    let skipped = "SELECT COUNT(*) FROM deliveries WHERE reason = 'muted'";
    assert_eq!(app.number(skipped).await, 1);
}

#[rstest]
#[tokio::test]
async fn an_event_of_before_there_were_followers_is_mailed_still(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let db = app.sql().await;
    let row = event::Entity::find()
        .filter(event::Column::Topic.eq("task.assigned"))
        .one(&db)
        .await
        .unwrap()
        .unwrap();
    let bob_id = UserId(uuid(Kind::User, &bob.id));
    let mut row = row.into_active_model();
    row.schema_version = Set(1);
    row.payload = Set(
        json!({"task_id": TaskId(uuid(Kind::Task, &task)), "assignee_id": bob_id,
        "recipients": [bob_id]}),
    );
    row.update(&db).await.unwrap();
    app.work().await;
    assert_eq!(app.mails().len(), 1);
}

/// What is true of somebody in a case of the property.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is true or not whatever the others are"
)]
struct Facts {
    is_assignee: bool,
    is_member: bool,
    is_watching: bool,
    has_muted: bool,
    is_mentioned: bool,
}

#[derive(Clone, Debug)]
struct Case {
    in_project: bool,
    enabled: bool,
    assignee: Option<usize>,
    creator: usize,
    actor: usize,
    facts: Vec<Facts>,
}

const PEOPLE: usize = 6;
/// Two of the people are special.
const ADMIN: usize = 0;
const DISABLED: usize = 1;

fn case() -> impl Strategy<Value = Case> {
    let facts =
        any::<[bool; 4]>().prop_map(|[is_member, is_watching, has_muted, is_mentioned]| Facts {
            is_assignee: false,
            is_member,
            is_watching,
            has_muted,
            is_mentioned,
        });
    let place = 0..PEOPLE;
    (
        any::<bool>(),
        prop::bool::weighted(0.8),
        prop::option::of(place.clone()),
        place.clone(),
        place,
        prop::collection::vec(facts, PEOPLE),
    )
        .prop_map(
            |(in_project, enabled, assignee, creator, actor, mut facts)| {
                for (i, facts) in facts.iter_mut().enumerate() {
                    facts.is_assignee = assignee == Some(i);
                }
                Case {
                    in_project,
                    enabled,
                    assignee,
                    creator,
                    actor,
                    facts,
                }
            },
        )
}

/// The rule, word by word. A change that is no comment mentions nobody.
fn model(case: &Case, says: bool) -> BTreeSet<usize> {
    let mut told = BTreeSet::new();
    for (i, facts) in case.facts.iter().enumerate() {
        let belongs = if case.in_project {
            facts.is_member
        } else {
            case.creator == i
        };
        let sees = i != DISABLED && (facts.is_assignee || i == ADMIN || belongs);
        let concerned = facts.is_assignee || facts.is_watching || (says && facts.is_mentioned);
        if case.enabled && sees && concerned && !facts.has_muted && case.actor != i {
            told.insert(i);
        }
    }
    told
}

/// People, and a project of which each case says anew who belongs to it.
struct World {
    app: TestApp,
    db: DatabaseConnection,
    people: Vec<Person>,
    project: ProjectId,
}

impl World {
    async fn new(mode: Mode) -> Self {
        let app = TestApp::start(mode).await;
        let mut people = vec![app.admin("person0").await];
        for i in 1..PEOPLE {
            people.push(app.person(&format!("person{i}")).await);
        }
        does(
            &people[ADMIN],
            "disableUser",
            json!({"id": people[DISABLED].id}),
        )
        .await;
        let db = app.sql().await;
        let now = app.clock.now();
        let project = ProjectId(taskflow::db::new_id(&app.clock));
        let row = project::Model {
            id: project,
            key: "OPS".to_owned(),
            name: "Operations".to_owned(),
            name_norm: "operations".to_owned(),
            description: None,
            creator_id: UserId(uuid(Kind::User, &people[ADMIN].id)),
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
        Self {
            app,
            db,
            people,
            project,
        }
    }

    fn id(&self, i: usize) -> UserId {
        UserId(uuid(Kind::User, &self.people[i].id))
    }

    /// Puts a task there of which the case is true, and answers its id.
    async fn lay(&self, case: &Case, number: i32) -> String {
        let root = &self.people[ADMIN];
        let task = root.creates(json!({"title": "x"})).await;
        let id = TaskId(uuid(Kind::Task, &task));
        let now = self.app.clock.now();
        let row = task::Entity::find_by_id(id).one(&self.db).await.unwrap();
        let mut row = row.unwrap().into_active_model();
        row.creator_id = Set(self.id(case.creator));
        row.assignee_id = Set(case.assignee.map(|i| self.id(i)));
        row.project_id = Set(case.in_project.then_some(self.project));
        row.number = Set(case.in_project.then_some(number));
        row.update(&self.db).await.unwrap();
        project_member::Entity::delete_many()
            .exec(&self.db)
            .await
            .unwrap();
        task_watcher::Entity::delete_many()
            .filter(task_watcher::Column::TaskId.eq(id))
            .exec(&self.db)
            .await
            .unwrap();
        for (i, facts) in case.facts.iter().enumerate() {
            if facts.is_member {
                let row = project_member::Model {
                    project_id: self.project,
                    user_id: self.id(i),
                    role: Role::Viewer,
                    created_at: now,
                };
                project_member::Entity::insert(row.into_active_model())
                    .exec_without_returning(&self.db)
                    .await
                    .unwrap();
            }
            if facts.is_watching || facts.has_muted {
                let row = task_watcher::Model {
                    task_id: id,
                    user_id: self.id(i),
                    muted: facts.has_muted,
                    created_at: now,
                };
                task_watcher::Entity::insert(row.into_active_model())
                    .exec_without_returning(&self.db)
                    .await
                    .unwrap();
            }
        }
        task
    }

    async fn check(&self, case: &Case, number: i32) {
        let task = self.lay(case, number).await;
        // Only who may edit can be an actor; the rule asks nothing else of them.
        let mut case = case.clone();
        let may_edit = case.actor == ADMIN
            || (case.actor != DISABLED
                && (case.assignee == Some(case.actor)
                    || (!case.in_project && case.creator == case.actor)));
        if !may_edit {
            case.actor = ADMIN;
        }
        let actor = &self.people[case.actor];
        let ids = |told: BTreeSet<usize>| -> BTreeSet<UserId> {
            told.into_iter().map(|i| self.id(i)).collect()
        };
        if !case.enabled {
            self.app.clock.advance(TimeDelta::seconds(1));
            does(actor, "updateTask", json!({"id": task, "enabled": false})).await;
            let found = told(&self.db, "task.updated", &task).await;
            assert_eq!(found, BTreeSet::new(), "{case:?}");
            return;
        }
        self.app.clock.advance(TimeDelta::seconds(1));
        does(actor, "updateTask", json!({"id": task, "title": "y"})).await;
        let found = told(&self.db, "task.updated", &task).await;
        assert_eq!(found, ids(model(&case, false)), "{case:?}");
        let mentioned = case.facts.iter().enumerate();
        let mentioned = mentioned.filter(|(_, facts)| facts.is_mentioned);
        let mentioned: Vec<_> = mentioned.map(|(i, _)| &self.people[i].id).collect();
        let input = json!({"taskId": task, "body": "x", "mentionIds": mentioned});
        does(actor, "createComment", input).await;
        let found = told(&self.db, "comment.created", &task).await;
        assert_eq!(found, ids(model(&case, true)), "{case:?}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_is_told_is_as_the_rule_says(#[values(Embedded, Full)] mode: Mode) {
    let world = World::new(mode).await;
    let handle = tokio::runtime::Handle::current();
    let number = std::cell::Cell::new(0);
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config {
            cases: 60,
            failure_persistence: None,
            ..Config::default()
        });
        let result = runner.run(&case(), |case| {
            number.set(number.get() + 1);
            handle.block_on(world.check(&case, number.get()));
            Ok(())
        });
        result.unwrap();
    });
}
