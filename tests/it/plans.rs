//! What the databases do for the statements that are sent most: with 100,000 tasks none of them
//! reads a whole table.

use std::sync::{Arc, Mutex};

use entity::task::Column;
use entity::user_role::Role;
use entity::{UserId, project_member};
use rstest::rstest;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, Statement,
};
use serde_json::json;
use taskflow::events::{Kept, prune_streams};
use taskflow::graphql::Kind;
use taskflow::ops::demo::{self, Plan};
use taskflow::{accounts, auth};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

/// Tables that grow.
const LARGE: [&str; 6] = [
    "tasks",
    "task_words",
    "task_labels",
    "comments",
    "task_history",
    "task_watchers",
];

/// What is asked often, of a member of some projects and of an administrator. `$task`, `$project`,
/// `$other` (of the same project), `$label` and `$me` stand for ids, `$key` for that of the task.
const OPERATIONS: [(&str, &str); 26] = [
    ("the default list", "{ tasks { nodes { id } } }"),
    (
        "the list of a project",
        r#"{ tasks(filter: {project: {eq: "$project"}}) { nodes { id } } }"#,
    ),
    (
        "my tasks by due date",
        r#"{ tasks(filter: {assignee: {eq: "$me"}, status: {neq: COMPLETED}}, orderBy: [{field: DUE_AT}]) { nodes { id } } }"#,
    ),
    (
        "overdue ones",
        "{ tasks(filter: {isOverdue: true}, orderBy: [{field: DUE_AT}]) { nodes { id } } }",
    ),
    (
        "due soon",
        r#"{ tasks(filter: {dueAt: {lt: "$soon"}}, orderBy: [{field: DUE_AT}]) { nodes { id } } }"#,
    ),
    (
        "by status",
        "{ tasks(filter: {status: {eq: IN_PROGRESS}}) { nodes { id } } }",
    ),
    (
        "by priority",
        "{ tasks(orderBy: [{field: PRIORITY, direction: DESC}]) { nodes { id } } }",
    ),
    (
        "by completion",
        "{ tasks(orderBy: [{field: COMPLETED_AT}]) { nodes { id } } }",
    ),
    (
        "by last change",
        "{ tasks(orderBy: [{field: UPDATED_AT, direction: DESC}]) { nodes { id } } }",
    ),
    (
        "by label",
        r#"{ tasks(filter: {label: {eq: "$label"}}) { nodes { id } } }"#,
    ),
    (
        "without a label",
        "{ tasks(filter: {label: {isNull: true}}) { nodes { id } } }",
    ),
    (
        "sub-tasks",
        r#"{ tasks(filter: {parent: {eq: "$task"}}) { nodes { id } } }"#,
    ),
    ("a search", r#"{ tasks(search: "w123") { nodes { id } } }"#),
    (
        "a search for two words",
        r#"{ tasks(search: "wor w777") { nodes { id } } }"#,
    ),
    (
        "a search by date",
        r#"{ tasks(search: "w123", orderBy: [{field: CREATED_AT, direction: DESC}]) { nodes { id } } }"#,
    ),
    ("a task", r#"{ task(id: "$task") { id creator { name } } }"#),
    ("nodes", r#"{ nodes(ids: ["$task", "$task"]) { id } }"#),
    ("a task by its key", r#"{ task(key: "$key") { id } }"#),
    (
        "a task with what is around it",
        r#"{ task(id: "$task") { labels { id } viewerIsWatching parent { id }
             comments { nodes { id mentions { id } } } history { nodes { id } }
             watchers { nodes { id } } subtasks { nodes { id } } } }"#,
    ),
    ("the trash", "{ tasks(trash: true) { nodes { id } } }"),
    (
        "parts of nothing",
        "{ tasks(filter: {parent: {isNull: true}}) { nodes { id } } }",
    ),
    (
        "a count of parts",
        r#"{ task(id: "$task") { subtasks { totalCount } comments { totalCount }
             history { totalCount } watchers { totalCount } } }"#,
    ),
    (
        "a move",
        r#"mutation { updateTask(input: {id: "$task", parentId: "$other"}) { task { id } } }"#,
    ),
    (
        "a move back, in a list",
        r#"mutation { updateTasks(input: {tasks: [{id: "$task", parentId: null}, {id: "$other", title: "Others"}]}) { tasks { id } } }"#,
    ),
    (
        "a comment",
        r#"mutation { createComment(input: {taskId: "$task", body: "Words"}) { comment { id } } }"#,
    ),
    (
        "a change",
        r#"mutation { updateTask(input: {id: "$task", title: "Another"}) { task { id isOverdue } } }"#,
    ),
];

/// What is asked of a member alone: administrators see all labels' tasks, and counting reads what it
/// counts, so what everybody sees of everything is not here.
const OF_USERS: [(&str, &str); 4] = [
    (
        "what may be done with labels",
        "{ labels { nodes { viewerCanUpdate viewerCanDelete } } }",
    ),
    (
        "a count of mine",
        r#"{ tasks(first: 20, filter: {assignee: {eq: "$me"}}) { totalCount } }"#,
    ),
    (
        "a count of a project",
        r#"{ tasks(first: 20, filter: {project: {eq: "$project"}}) { totalCount } }"#,
    ),
    (
        "a count of a search",
        r#"{ tasks(first: 20, search: "w123") { totalCount } }"#,
    ),
];

/// By what lists of tasks are sorted.
const ORDERS: [&str; 5] = [
    "CREATED_AT",
    "UPDATED_AT",
    "DUE_AT",
    "PRIORITY",
    "COMPLETED_AT",
];

const TASKS: u32 = 100_000;

/// Rows are as long as those of people.
const LONG: &str = "words of a description that has about as many of them as people write when they \
    want somebody else to know what is to be done and why and until when it would be good to have it";

#[rstest]
#[tokio::test]
async fn no_hot_statement_reads_a_whole_table(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let plan = Plan {
        users: 1_000,
        tasks: 0,
        seed: 1,
        today: app.clock.now().date_naive(),
    };
    demo::seed(&app.app, &plan, "no hash", |_| {})
        .await
        .unwrap();
    fill(&app).await;
    let db = app.sql().await;
    let users = entity::user::Entity::find()
        .order_by_asc(entity::user::Column::Id)
        .all(&db)
        .await
        .unwrap();
    let (user, admin) = (users[0].id, users[1].id);
    let granted = app
        .app
        .db
        .write(|tx| async move { accounts::grant(&tx, admin, Role::Admin).await })
        .await;
    granted.unwrap();
    let project = entity::project::Entity::find()
        .one(&db)
        .await
        .unwrap()
        .unwrap();
    let label = entity::label::Entity::find()
        .one(&db)
        .await
        .unwrap()
        .unwrap();
    let soon = app.clock.now() + chrono::TimeDelta::days(2);
    let tasks = entity::task::Entity::find()
        .filter(Column::AssigneeId.eq(user))
        .filter(Column::DeletedAt.is_null())
        .filter(Column::Enabled.eq(true))
        .filter(Column::ProjectId.is_not_null());
    let task = tasks.one(&db).await.unwrap().unwrap();
    let others = entity::task::Entity::find()
        .filter(Column::ProjectId.eq(task.project_id))
        .filter(Column::DeletedAt.is_null())
        .filter(Column::Enabled.eq(true))
        .filter(Column::ParentId.is_null())
        .filter(Column::Id.ne(task.id));
    let other = others.one(&db).await.unwrap().unwrap();
    let edits = project_member::Model {
        project_id: task.project_id.unwrap(),
        user_id: user,
        role: project_member::Role::Editor,
        created_at: app.clock.now(),
    };
    let both = [
        project_member::Column::ProjectId,
        project_member::Column::UserId,
    ];
    let again = OnConflict::columns(both)
        .update_column(project_member::Column::Role)
        .to_owned();
    let edits = project_member::Entity::insert(edits.into_active_model()).on_conflict(again);
    edits.exec_without_returning(&db).await.unwrap();
    let its_project = entity::project::Entity::find_by_id(task.project_id.unwrap());
    let its_project = its_project.one(&db).await.unwrap().unwrap();
    let key = format!("{}-{}", its_project.key, task.number.unwrap());
    let with = |query: &str, me: UserId| {
        query
            .replace("$key", &key)
            .replace("$task", &Kind::Task.encode(task.id.0))
            .replace("$other", &Kind::Task.encode(other.id.0))
            .replace("$project", &Kind::Project.encode(project.id.0))
            .replace("$label", &Kind::Label.encode(label.id.0))
            .replace("$me", &Kind::User.encode(me.0))
            .replace("$soon", &soon.to_rfc3339())
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let to = seen.clone();
    app.app
        .db
        .watch(move |statement| to.lock().unwrap().push(statement.clone()));
    let mut bad = Vec::new();
    let ways = [
        (admin, &OPERATIONS[..]),
        (user, &OPERATIONS[..]),
        (user, &OF_USERS[..]),
    ];
    for (who, operations) in ways {
        let token = auth::token_of(&app.app, who).await.unwrap();
        let person = app.anybody().with_token(&token);
        for (name, query) in operations {
            let plans = explained(&app, &person, &seen, &with(query, who)).await;
            assert!(!plans.is_empty(), "{name} sends nothing");
            for (sql, plan) in plans.iter().filter(|(_, plan)| reads_all(plan)) {
                let whose = if who == admin {
                    "of an administrator"
                } else {
                    "of a member"
                };
                bad.push(format!("{name} {whose}:\n{sql}\n{plan}"));
            }
        }
    }
    let token = auth::token_of(&app.app, admin).await.unwrap();
    let person = app.anybody().with_token(&token);
    for order in ORDERS {
        let first = format!(
            "{{ tasks(first: 5, orderBy: [{{field: {order}}}]) {{ pageInfo {{ endCursor }} }} }}"
        );
        let answer = person.graphql(&first, json!({})).await;
        let cursor = &answer.data()["tasks"]["pageInfo"]["endCursor"];
        let next = format!(
            "{{ tasks(after: {cursor}, orderBy: [{{field: {order}}}]) {{ nodes {{ id }} }} }}"
        );
        for (sql, plan) in explained(&app, &person, &seen, &next).await {
            if !begins_in_an_index(&plan) {
                bad.push(format!("a page further on by {order}:\n{sql}\n{plan}"));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}

/// Whether the rows before a page are passed over by an index, and not read one by one.
fn begins_in_an_index(plan: &str) -> bool {
    plan.lines().any(|line| {
        let line = line.trim();
        let on_postgres = line.starts_with("Index Cond:") && line.contains(">= ");
        let on_sqlite = line.starts_with("SEARCH tasks USING") && line.contains(">?");
        on_postgres || on_sqlite
    })
}

/// The statements an operation sends that read one of the large tables, and what becomes of them.
async fn explained(
    app: &TestApp,
    person: &Person,
    seen: &Mutex<Vec<Statement>>,
    query: &str,
) -> Vec<(String, String)> {
    seen.lock().unwrap().clear();
    person.graphql(query, json!({})).await.data();
    let statements = std::mem::take(&mut *seen.lock().unwrap());
    let db = app.sql().await;
    let mut plans = Vec::new();
    for statement in statements {
        let reads = |table: &&str| {
            let (quoted, plain) = (format!("\"{table}\""), format!(" {table}"));
            statement.sql.contains(&quoted) || statement.sql.contains(&plain)
        };
        if statement.sql.starts_with("INSERT") || !LARGE.iter().any(reads) {
            continue;
        }
        let how = match statement.db_backend {
            DatabaseBackend::Postgres => "EXPLAIN",
            _ => "EXPLAIN QUERY PLAN",
        };
        let explain = Statement {
            sql: format!("{how} {}", statement.sql),
            ..statement.clone()
        };
        let rows = db.query_all_raw(explain).await.unwrap();
        let line = |row: &sea_orm::QueryResult| match statement.db_backend {
            DatabaseBackend::Postgres => row.try_get_by_index::<String>(0).unwrap(),
            _ => row.try_get::<String>("", "detail").unwrap(),
        };
        let lines: Vec<String> = rows.iter().map(line).collect();
        plans.push((statement.sql, lines.join("\n")));
    }
    plans
}

fn reads_all(plan: &str) -> bool {
    // That of a task is called so where it is joined to the task.
    LARGE.iter().chain(&["parent"]).any(|table| {
        plan.lines().any(|line| {
            let line = line.trim();
            let on_postgres = line.contains(&format!("Seq Scan on {table} "))
                || line.contains(&format!("Seq Scan on tasks {table}"))
                || line.ends_with(&format!("Seq Scan on {table}"));
            // With an index it is the order of the list, read until the page is full.
            let on_sqlite = line.starts_with(&format!("SCAN {table}")) && !line.contains("INDEX");
            on_postgres || on_sqlite
        })
    })
}

/// Tasks by one statement, and what belongs to them by one each.
async fn fill(app: &TestApp) {
    let db = app.sql().await;
    let now = app.clock.now().format("%Y-%m-%d %H:%M:%S");
    let is_postgres = db.get_database_backend() == DatabaseBackend::Postgres;
    let (series, ago, due);
    let id: fn(&str) -> String;
    if is_postgres {
        series = format!("s AS (SELECT generate_series(1, {TASKS}) AS n)");
        id = |n: &str| format!("CAST(lpad(to_hex({n}), 32, '0') AS uuid)");
        ago = format!("timestamptz '{now}+00' - s.n * interval '5 minutes'");
        due = format!("timestamptz '{now}+00' + (s.n * 7919 % 600 - 30) * interval '1 day'");
    } else {
        series = format!("s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {TASKS})");
        id = |n: &str| format!("unhex(printf('%032x', {n}))");
        let at = |by: &str| format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', '{now}', {by})");
        ago = at("'-' || (s.n * 5) || ' minutes'");
        due = at("(s.n * 7919 % 600 - 30) || ' days'");
    }
    let recursive = if is_postgres { "" } else { "RECURSIVE" };
    let tasks = format!(
        "INSERT INTO tasks (id, title, description, status, priority, enabled, project_id, number,
             parent_id, due_at, due_order, creator_id, assignee_id, completed_at, deleted_at,
             version, created_at, updated_at)
         WITH {recursive} {series},
         u AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM users),
         p AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM projects)
         SELECT {own}, 'W' || (s.n % 997) || ' task ' || s.n, '{LONG}',
             CASE WHEN s.n % 10 < 7 THEN 'completed' WHEN s.n % 10 = 7 THEN 'in_progress' ELSE 'pending' END,
             CASE s.n % 5 WHEN 0 THEN 'low' WHEN 1 THEN 'high' ELSE 'medium' END,
             s.n % 33 <> 0,
             CASE WHEN s.n % 7 > 0 THEN p.id END, CASE WHEN s.n % 7 > 0 THEN s.n END,
             CASE WHEN s.n % 20 BETWEEN 1 AND 3 AND s.n > 20 THEN {parent} END,
             {due}, {due}, u.id, CASE WHEN s.n * 4327 % 10037 % 4 > 0 THEN u.id END,
             CASE WHEN s.n % 10 < 7 THEN {ago} END,
             CASE WHEN s.n % 50 = 1 THEN {ago} END, 1, {ago}, {ago}
         FROM s JOIN u ON u.n = s.n * 7919 % 10007 % 1000
             JOIN p ON p.n = s.n * 6101 % 10009 % (SELECT count(*) FROM projects)",
        own = id("s.n"),
        parent = id("s.n - s.n % 20"),
    );
    let others = [
        "INSERT INTO task_words (task_id, title_words, description_words)
         SELECT id, ' ' || lower(title) || ' ', ' ' || description || ' ' FROM tasks",
        "INSERT INTO task_labels (task_id, label_id)
         WITH l AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM labels)
         SELECT tasks.id, l.id FROM tasks JOIN l ON l.n = tasks.number % 14",
        "INSERT INTO comments (id, task_id, author_id, body, created_at)
         SELECT id, id, creator_id, 'words', created_at FROM tasks",
        "INSERT INTO task_history (id, task_id, actor_id, field, new_value, created_at)
         SELECT id, id, creator_id, 'status', 'COMPLETED', created_at FROM tasks",
        "INSERT INTO task_watchers (task_id, user_id, muted, created_at)
         SELECT id, creator_id, false, created_at FROM tasks",
        "ANALYZE",
    ];
    for statement in [tasks.as_str()].into_iter().chain(others) {
        db.execute_unprepared(statement).await.expect(statement);
    }
}

/// PostgreSQL would merge the two tables and read what stands before the page, for every page.
#[tokio::test]
async fn the_oldest_entry_of_a_stream_is_found_by_its_index_and_not_by_all_that_stand_before() {
    let app = TestApp::start(Full).await;
    let db = app.sql().await;
    let fill = "
        INSERT INTO events (id, topic, schema_version, payload, occurred_at)
          VALUES (gen_random_uuid(), 'task.created', 1, '{}', now());
        INSERT INTO streams (name, last_seq, min_seq)
          SELECT 'task:' || number, 3, 1 FROM generate_series(1, 5000) number;
        INSERT INTO stream_entries (stream, seq, event_id)
          SELECT name, seq, events.id FROM streams, generate_series(1, 3) seq, events
          WHERE name LIKE 'task:%' AND topic = 'task.created';
        ANALYZE streams, stream_entries";
    db.execute_unprepared(fill).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let to = seen.clone();
    app.app
        .db
        .watch(move |statement| to.lock().unwrap().push(statement.clone()));
    let kept = Kept {
        since: app.clock.now() - chrono::TimeDelta::days(1),
        most: 10,
    };
    prune_streams(&app.app.db, kept, 100).await.unwrap();
    let statements = std::mem::take(&mut *seen.lock().unwrap());
    assert!(statements.len() > 4, "{statements:?}");
    for statement in statements {
        let explain = Statement {
            sql: format!("EXPLAIN {}", statement.sql),
            ..statement
        };
        let rows = db.query_all_raw(explain).await.unwrap();
        let lines = rows
            .iter()
            .map(|row| row.try_get_by_index::<String>(0).unwrap());
        let plan = lines.collect::<Vec<_>>().join("\n");
        let by_index = "Index Cond: ((stream = streams.name) AND (seq = streams.min_seq))";
        assert!(plan.contains(by_index), "{plan}");
    }
}
