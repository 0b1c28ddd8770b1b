//! The sample team: believable, the same for the same seed, all of it or nothing; and access tokens
//! for trying.

use rstest::rstest;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use taskflow::ops::demo::{self, DemoError, Plan};

use crate::start::{PRODUCTION, at};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::server::{Site, post};
use crate::support::{PASSWORD, TestApp};

fn plan(app: &TestApp, seed: u64) -> Plan {
    Plan {
        users: 60,
        tasks: 1_500,
        seed,
        today: app.clock.now().date_naive(),
    }
}

async fn seed(app: &TestApp, plan: &Plan) -> Result<demo::Seeded, DemoError> {
    let hash = app.app.passwords.hash(PASSWORD.to_owned()).await.unwrap();
    demo::seed(&app.app, plan, &hash, |_| {}).await
}

const TABLES: [&str; 10] = [
    "users",
    "projects",
    "project_members",
    "labels",
    "tasks",
    "task_words",
    "task_labels",
    "comments",
    "task_watchers",
    "task_history",
];

/// Every row of the team, as text.
async fn rows(app: &TestApp) -> Vec<String> {
    let db = app.sql().await;
    let backend = db.get_database_backend();
    let mut all = Vec::new();
    for table in TABLES {
        let query = match (backend, table) {
            // A salt makes the hash another one each time.
            (sea_orm::DatabaseBackend::Postgres, "users") => {
                "SELECT CAST(users.id AS text) || name || coalesce(timezone, '') AS it FROM users".to_owned()
            }
            (sea_orm::DatabaseBackend::Postgres, _) => format!("SELECT CAST({table} AS text) AS it FROM {table}"),
            (_, "users") => "SELECT hex(id) || name || coalesce(timezone, '') AS it FROM users".to_owned(),
            (_, "tasks") => "SELECT hex(id) || title || coalesce(description, '') || status || priority
                || enabled || coalesce(hex(project_id), '') || coalesce(number, '') || coalesce(hex(parent_id), '')
                || due_order || coalesce(start_on, '') || hex(creator_id) || coalesce(hex(assignee_id), '')
                || coalesce(completed_at, '') || coalesce(deleted_at, '') || version || created_at || updated_at AS it FROM tasks".to_owned(),
            (_, "task_words") => "SELECT hex(task_id) || title_words AS it FROM task_words".to_owned(),
            (_, "comments") => "SELECT hex(id) || hex(author_id) || body || created_at AS it FROM comments".to_owned(),
            (_, "projects" | "labels") => format!("SELECT hex(id) || name || created_at AS it FROM {table}"),
            (_, "task_history") => "SELECT hex(id) || new_value AS it FROM task_history".to_owned(),
            (_, "task_labels") => "SELECT hex(task_id) || hex(label_id) AS it FROM task_labels".to_owned(),
            (_, "project_members") => "SELECT hex(project_id) || hex(user_id) || role AS it FROM project_members".to_owned(),
            (_, table) => format!("SELECT hex(task_id) || hex(user_id) || muted AS it FROM {table}"),
        };
        let found = db
            .query_all_raw(Statement::from_string(backend, query))
            .await
            .unwrap();
        assert!(!found.is_empty(), "{table}");
        all.extend(
            found
                .iter()
                .map(|row| format!("{table} {}", row.try_get::<String>("", "it").unwrap())),
        );
    }
    all.sort_unstable();
    all
}

#[rstest]
#[tokio::test]
async fn the_same_seed_gives_the_same_team(#[values(Embedded, Full)] mode: Mode) {
    let (one, two, other) = (
        TestApp::start(mode).await,
        TestApp::start(mode).await,
        TestApp::start(mode).await,
    );
    seed(&one, &plan(&one, 7)).await.unwrap();
    seed(&two, &plan(&one, 7)).await.unwrap();
    seed(&other, &plan(&one, 8)).await.unwrap();
    let first = rows(&one).await;
    assert!(first == rows(&two).await);
    assert!(first != rows(&other).await);
    // A second team does not fit, and nothing of it stays.
    let again = seed(&one, &plan(&one, 9)).await;
    assert!(matches!(again, Err(DemoError::AlreadyThere)), "{again:?}");
    assert!(first == rows(&one).await);
}

#[rstest]
#[tokio::test]
async fn the_team_is_believable(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let seeded = seed(&app, &plan(&app, 1)).await.unwrap();
    assert_eq!(app.number("SELECT count(*) FROM users").await, 60);
    assert_eq!(app.number("SELECT count(*) FROM tasks").await, 1_500);
    assert_eq!(app.number("SELECT count(*) FROM task_words").await, 1_500);
    let comments = i64::try_from(seeded.comments).unwrap();
    assert_eq!(app.number("SELECT count(*) FROM comments").await, comments);
    for some in [
        "status = 'pending'",
        "status = 'in_progress'",
        "status = 'completed'",
        "priority = 'low'",
        "priority = 'high'",
        "NOT enabled",
        "deleted_at IS NOT NULL",
        "project_id IS NULL",
        "parent_id IS NOT NULL",
        "assignee_id IS NULL",
        "assignee_id IS NOT NULL",
        "due_on IS NOT NULL",
        "due_at IS NOT NULL",
        "start_on IS NOT NULL",
        "description IS NULL",
    ] {
        let count = app
            .number(&format!("SELECT count(*) FROM tasks WHERE {some}"))
            .await;
        assert!(count >= 10, "{count} with {some}");
    }
    for none in [
        // Every rule that the server keeps is kept.
        "SELECT count(*) FROM tasks WHERE (status = 'completed') <> (completed_at IS NOT NULL)",
        "SELECT count(*) FROM tasks WHERE updated_at < created_at",
        "SELECT count(*) FROM tasks t JOIN tasks p ON p.id = t.parent_id
            WHERE coalesce(t.number, 0) <> 0 AND p.project_id <> t.project_id OR p.parent_id IS NOT NULL",
        "SELECT count(*) FROM projects p WHERE last_number <>
            (SELECT count(*) FROM tasks t WHERE t.project_id = p.id)",
        "SELECT count(*) FROM tasks t WHERE project_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM
            project_members m WHERE m.project_id = t.project_id AND m.user_id = t.creator_id AND role IN ('owner', 'editor'))",
        "SELECT count(*) FROM users u WHERE email_verified_at IS NULL OR NOT EXISTS
            (SELECT 1 FROM project_members m WHERE m.user_id = u.id)",
        "SELECT count(*) FROM events",
        "SELECT count(*) FROM jobs",
    ] {
        assert_eq!(app.number(none).await, 0, "{none}");
    }
    let latest = app
        .number("SELECT count(*) FROM project_members WHERE role = 'viewer'")
        .await;
    assert!(latest > 0);
    let projects = i64::try_from(seeded.projects).unwrap();
    for role in ["owner", "editor", "commenter", "viewer"] {
        let with =
            format!("SELECT count(DISTINCT project_id) FROM project_members WHERE role = '{role}'");
        assert_eq!(app.number(&with).await, projects, "{role}");
    }
    // They log in and find their tasks.
    let login = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let input = json!({"identifier": "user1@example.org", "password": PASSWORD});
    let reply = app.anybody().graphql(login, json!({"input": input})).await;
    let token = reply.data()["login"]["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let list =
        "{ tasks(search: \"the\", first: 5) { totalCount nodes { title creator { name } } } }";
    let reply = app
        .anybody()
        .with_token(&token)
        .graphql(list, json!({}))
        .await;
    assert!(reply.data()["tasks"]["totalCount"].as_i64().unwrap() > 100);
}

/// On PostgreSQL they are put aside for the time it takes.
#[tokio::test]
async fn the_indexes_and_the_foreign_keys_are_as_they_were() {
    let app = TestApp::start(Full).await;
    let definitions = async || {
        let db = app.sql().await;
        let query = "SELECT conrelid::regclass::text || ' ' || conname || ' '
                || pg_get_constraintdef(oid) || ' ' || convalidated AS it
            FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
            ORDER BY it";
        let rows = db
            .query_all_raw(Statement::from_string(db.get_database_backend(), query))
            .await
            .unwrap();
        let texts = rows.iter().map(|row| row.try_get::<String>("", "it"));
        texts.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let before = definitions().await;
    assert!(before.len() > 50, "{before:#?}");
    seed(&app, &plan(&app, 1)).await.unwrap();
    assert_eq!(definitions().await, before);
}

#[rstest]
#[tokio::test]
async fn the_command_seeds_and_a_token_lets_in(#[values(Embedded, Full)] mode: Mode) {
    let site = Site::new(mode, &[]).await;
    let args = ["demo", "seed", "--users", "3", "--tasks", "20"];
    let done = at(&site, &PRODUCTION, &args, "");
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.err.contains("--yes"), "{done:?}");
    let done = at(&site, &[], &args, "");
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(
        done.out.contains("made 3 people, 1 projects, 20 tasks"),
        "{done:?}"
    );
    let password = done
        .out
        .lines()
        .find_map(|line| line.strip_prefix("password: "))
        .unwrap();
    let done = at(&site, &[], &args, "");
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.err.contains("user1@example.org"), "{done:?}");

    let nobody = at(
        &site,
        &[],
        &["admin", "token", "--user", "nobody@example.org"],
        "",
    );
    assert_eq!(
        (nobody.status, nobody.out.as_str()),
        (Some(1), ""),
        "{nobody:?}"
    );
    let token = [
        "admin",
        "token",
        "--user",
        "user2@example.org",
        "--minutes",
        "600",
    ];
    let printed = at(&site, &[], &token, "");
    assert_eq!(printed.status, Some(0), "{printed:?}");
    let token = printed.out.trim_end();
    assert_eq!(printed.out.lines().count(), 1);

    let (_server, address) = site.serve(&[]).await;
    let query = "{ viewer { user { email } } sessions { nodes { deviceName } } }";
    let reply = post(address, Some(token), query, json!({})).await;
    assert_eq!(
        reply["data"]["viewer"]["user"]["email"], "user2@example.org",
        "{reply:#}"
    );
    assert_eq!(
        reply["data"]["sessions"]["nodes"][0]["deviceName"],
        "taskflow admin token"
    );
    let login = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let input = json!({"identifier": "user3@example.org", "password": password});
    let reply = post(address, None, login, json!({"input": input})).await;
    assert_ne!(
        reply["data"]["login"]["accessToken"],
        Value::Null,
        "{reply:#}"
    );
}

#[rstest]
#[tokio::test]
async fn a_small_team_is_a_team_and_a_taken_name_makes_none(#[values(Embedded, Full)] mode: Mode) {
    for tasks in 1..=3 {
        let app = TestApp::start(mode).await;
        let small = Plan {
            users: 2,
            tasks,
            ..plan(&app, 1)
        };
        seed(&app, &small).await.unwrap();
        assert_eq!(rows_of(&app, "tasks").await, tasks);
    }
    let app = TestApp::start(mode).await;
    // Neither the first nor the user name, but the address of the last.
    app.person("ada").await;
    app.execute("UPDATE users SET email = 'user60@example.org', email_norm = 'user60@example.org'")
        .await;
    let refused = seed(&app, &plan(&app, 1)).await;
    assert!(
        matches!(refused, Err(DemoError::AlreadyThere)),
        "{refused:?}"
    );
    assert_eq!(rows_of(&app, "users").await, 1);
}

async fn rows_of(app: &TestApp, table: &str) -> usize {
    let count = app.number(&format!("SELECT count(*) FROM {table}")).await;
    usize::try_from(count).unwrap()
}
