//! A database that fails, slowly or altogether: nothing of its text gets out.

use rstest::rstest;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Reply, Socket, TestApp};

/// What a driver, its errors or our own code would say.
const INSIDE: [&str; 15] = [
    "sql", "relation", "column", "no such", "exist", "syntax", "select", "insert", "driver",
    "postgres", "dberr", "panick", ".rs", "src/", "/tmp",
];

impl Reply {
    /// That something of ours failed, and that nothing says what.
    fn is_our_fault(&self) {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.only("INTERNAL_SERVER_ERROR");
        assert_eq!(
            self.body["errors"][0]["message"],
            "Something went wrong on our side. Tell the operator the requestId."
        );
        self.hides(&INSIDE);
    }

    fn is_unavailable(&self) {
        self.only("UNAVAILABLE");
        let wait = &self.body["errors"][0]["extensions"]["retryAfter"];
        assert!(wait.as_u64().is_some_and(|seconds| seconds >= 1), "{wait}");
        self.hides(&INSIDE);
    }
}

#[rstest]
#[tokio::test]
async fn no_text_of_the_database_leaves_the_server(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let db = app.sql().await;
    db.execute_unprepared("ALTER TABLE tasks RENAME TO elsewhere")
        .await
        .unwrap();
    // The list under another name, so that its path does not say the table's.
    for (query, variables, data) in [
        (
            "query Q($id: ID!) { task(id: $id) { id } }",
            json!({"id": task}),
            json!({"task": null}),
        ),
        (
            "query Q($id: ID!) { node(id: $id) { id } }",
            json!({"id": task}),
            json!({"node": null}),
        ),
        ("{ list: tasks { nodes { id } } }", json!({}), Value::Null),
        (
            "mutation M($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }",
            json!({"input": {"title": "x"}}),
            Value::Null,
        ),
        (
            "mutation M($input: UpdateTaskInput!) { updateTask(input: $input) { task { id } } }",
            json!({"input": {"id": task, "title": "y"}}),
            Value::Null,
        ),
        (
            "mutation M($input: AssignTaskInput!) { assignTask(input: $input) { task { id } } }",
            json!({"input": {"taskId": task, "assigneeId": ada.id}}),
            Value::Null,
        ),
        (
            "mutation M($input: DeleteTaskInput!) { deleteTask(input: $input) { deletedTaskId } }",
            json!({"input": {"id": task}}),
            Value::Null,
        ),
    ] {
        let reply = ada.graphql(query, variables).await;
        reply.is_our_fault();
        reply.hides(&["tasks", "elsewhere"]);
        assert_eq!(reply.body["data"], data, "{query}");
    }
    // What does not need the table still works.
    let reply = ada.graphql("{ viewer { user { id } } }", json!({})).await;
    assert_eq!(reply.data()["viewer"]["user"]["id"], ada.id);
}

#[rstest]
#[tokio::test]
async fn no_text_of_the_database_leaves_by_the_socket_or_when_signing_in(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let cursor = ada.event_cursor().await;
    let mut socket = Socket::signed_in(app.listen().await, ada.token.as_deref().unwrap()).await;
    let db = app.sql().await;
    for table in ["stream_entries", "streams", "users", "sessions"] {
        let rename = format!("ALTER TABLE {table} RENAME TO elsewhere_{table}");
        db.execute_unprepared(&rename).await.unwrap();
    }
    socket.follow("1", &cursor).await;
    let message = socket.next().await;
    assert_eq!(message["type"], "error", "{message:#}");
    let reply = Reply {
        body: json!({"errors": message["payload"]}),
        ..ada.graphql("{", json!({})).await
    };
    let code = &reply.body["errors"][0]["extensions"]["code"];
    assert_eq!(code, "INTERNAL_SERVER_ERROR");
    reply.hides(&INSIDE);
    reply.hides(&["stream", "users"]);
    for document in [
        "mutation { login(input: {identifier: \"ada\", password: \"x\"}) { accessToken } }",
        "mutation { register(input: {username: \"bob\", name: \"Bob\", password: \"Correct-Horse-7-Battery\"}) { accessToken } }",
        "mutation { logout { endedSessions } }",
        "{ list: users { nodes { id } } }",
    ] {
        let reply = ada.graphql(document, json!({})).await;
        reply.is_our_fault();
        reply.hides(&["users", "sessions", "elsewhere"]);
    }
}

#[rstest]
#[tokio::test]
async fn a_row_that_somebody_else_holds_is_unavailable_for_now(
    #[values(Embedded, Full)] mode: Mode,
) {
    let settings = [
        ("TASKFLOW_DATABASE__LOCK_TIMEOUT_MS", "50"),
        ("TASKFLOW_DATABASE__SQLITE_BUSY_TIMEOUT_MS", "50"),
    ];
    let app = TestApp::with(mode, &settings).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "Held"})).await;
    let db = app.sql().await;
    #[expect(
        clippy::disallowed_methods,
        reason = "this transaction is to be in the way"
    )]
    let hand = db.begin().await.unwrap();
    hand.execute_unprepared("UPDATE tasks SET title = title")
        .await
        .unwrap();
    let update =
        "mutation U($input: UpdateTaskInput!) { updateTask(input: $input) { task { version } } }";
    let input = json!({"input": {"id": task, "title": "Changed"}});
    let reply = ada.graphql(update, input.clone()).await;
    reply.is_unavailable();
    let busy = "Others are changing the same at this moment. Try again.";
    assert_eq!(reply.body["errors"][0]["message"], busy);
    // Reading goes on.
    let title = "query Q($id: ID!) { task(id: $id) { title } }";
    let reply = ada.graphql(title, json!({"id": task})).await;
    assert_eq!(reply.data()["task"]["title"], "Held");
    hand.rollback().await.unwrap();
    let reply = ada.graphql(update, input).await;
    assert_eq!(reply.data()["updateTask"]["task"]["version"], 2);
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable_and_its_return_is_noticed() {
    let app = TestApp::start(Full).await;
    let ada = app.person("ada").await;
    let task = ada.creates(json!({"title": "x"})).await;
    let mut url = url::Url::parse(&app.env["DATABASE_URL"]).unwrap();
    let name = url.path().trim_start_matches('/').to_owned();
    url.set_path("/postgres");
    let db = sea_orm::Database::connect(url.as_str()).await.unwrap();
    let allow = async |allow: bool| {
        let sql = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS {allow}");
        db.execute_unprepared(&sql).await.unwrap();
    };
    allow(false).await;
    db.execute_unprepared(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    ))
    .await
    .unwrap();
    let query = "query Q($id: ID!) { task(id: $id) { id } }";
    // As many times as there were connections, and more.
    for _ in 0..8 {
        let reply = ada.graphql(query, json!({"id": task})).await;
        reply.is_unavailable();
        reply.hides(&[&name]);
    }
    let create =
        "mutation C($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }";
    let input = json!({"input": {"title": "y"}});
    ada.graphql(create, input).await.is_unavailable();
    let health = axum::http::Request::get("/readyz");
    let health = ada
        .send(health.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(health.status, 503);
    assert_eq!(health.body["checks"]["database"], "unavailable");
    allow(true).await;
    let reply = ada.graphql(query, json!({"id": task})).await;
    assert_eq!(reply.data()["task"]["id"], task);
}

#[tokio::test]
async fn nothing_of_an_embedded_database_is_told_either() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let db = app.sql().await;
    // A row that cannot be read: the text where a number should stand.
    ada.creates(json!({"title": "x"})).await;
    db.execute_unprepared("UPDATE tasks SET due_at = 'hunter2'")
        .await
        .unwrap();
    let reply = ada
        .graphql("{ list: tasks { nodes { dueAt } } }", json!({}))
        .await;
    reply.is_our_fault();
    reply.hides(&["hunter2", "due_at"]);
}
