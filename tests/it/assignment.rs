//! The main job: assign a task, and the assignee hears of it at once, wherever they listen, and
//! also when they were away.

use rstest::rstest;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::PATIENCE;
use crate::support::redis::RedisServer;
use crate::support::{Person, Socket, TestApp};

async fn listening(app: &TestApp, person: &Person) -> Socket {
    let address = app.listen().await;
    let cursor = person.event_cursor().await;
    let mut socket = Socket::signed_in(address, person.token.as_deref().unwrap()).await;
    socket.follow("1", &cursor).await;
    socket
}

async fn heard(socket: &mut Socket) -> Value {
    socket.event("1").await["taskAssigned"].clone()
}

#[rstest]
#[tokio::test]
async fn the_assignee_hears_of_the_task_and_gets_a_mail(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let mut socket = listening(&app, &bob).await;
    let before = bob.event_cursor().await;

    let task = ada
        .creates(json!({"title": "Write the notes", "assigneeId": bob.id}))
        .await;

    let event = heard(&mut socket).await;
    assert_eq!(
        event["task"],
        json!({"id": task, "title": "Write the notes"})
    );
    assert_eq!(event["assignedBy"]["name"], "Name of ada");
    assert_ne!(event["cursor"], json!(before));
    assert_eq!(event["cursor"], json!(bob.event_cursor().await));
    assert_eq!(
        app.work().await,
        2,
        "one job to find who is told, one to tell"
    );
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("bob@example.org"), "{}", mails[0]);
}

#[rstest]
#[tokio::test]
async fn what_a_person_has_open_many_times_is_read_once(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let mut sockets = vec![listening(&app, &bob).await];
    let mut costs = Vec::new();
    for title in ["For one", "For five", "Again for five"] {
        let before = app.app.db.statements();
        let task = ada
            .creates(json!({"title": title, "assigneeId": bob.id}))
            .await;
        for socket in &mut sockets {
            let event = heard(socket).await;
            assert_eq!(event["task"], json!({"id": task, "title": title}));
            assert_eq!(event["assignedBy"]["name"], "Name of ada");
        }
        costs.push(app.app.db.statements() - before);
        while sockets.len() < 5 {
            sockets.push(listening(&app, &bob).await);
        }
    }
    // In the second round they begin to follow. Each by itself would read the entry and the task.
    let most = costs[0] + 4 * 2;
    assert!(costs[2] < most, "{costs:?}");
}

#[rstest]
#[tokio::test]
async fn nobody_hears_what_is_not_theirs(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    let mut bobs = listening(&app, &bob).await;
    let mut eves = listening(&app, &eve).await;
    let mut adas = listening(&app, &ada).await;
    let first = ada
        .creates(json!({"title": "For Bob", "assigneeId": bob.id}))
        .await;
    let second = ada
        .creates(json!({"title": "For Eve", "assigneeId": eve.id}))
        .await;
    let third = ada
        .creates(json!({"title": "Mine", "assigneeId": ada.id}))
        .await;
    // Were there anything else on these sockets, it would come first.
    assert_eq!(heard(&mut eves).await["task"]["id"], json!(second));
    assert_eq!(heard(&mut bobs).await["task"]["id"], json!(first));
    assert_eq!(heard(&mut adas).await["task"]["id"], json!(third));
}

#[rstest]
#[tokio::test]
async fn who_was_away_hears_what_was_missed_in_order_and_then_what_happens(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let mut socket = listening(&app, &bob).await;
    let first = ada
        .creates(json!({"title": "0", "assigneeId": bob.id}))
        .await;
    let event = heard(&mut socket).await;
    assert_eq!(event["task"]["id"], json!(first));
    let cursor = event["cursor"].as_str().unwrap().to_owned();
    drop(socket);

    let mut missed = Vec::new();
    for i in 1..=30 {
        missed.push(
            ada.creates(json!({"title": format!("{i}"), "assigneeId": bob.id}))
                .await,
        );
    }
    let mut socket = Socket::signed_in(app.listen().await, bob.token.as_deref().unwrap()).await;
    socket.follow("1", &cursor).await;
    for task in &missed {
        assert_eq!(heard(&mut socket).await["task"]["id"], json!(task));
    }
    let live = ada
        .creates(json!({"title": "live", "assigneeId": bob.id}))
        .await;
    assert_eq!(heard(&mut socket).await["task"]["id"], json!(live));
}

#[rstest]
#[tokio::test]
async fn a_small_page_replays_all_the_same(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::with(mode, &[("TASKFLOW_EVENTS__REPLAY_PAGE", "2")]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let cursor = bob.event_cursor().await;
    for i in 0..7 {
        ada.creates(json!({"title": format!("{i}"), "assigneeId": bob.id}))
            .await;
    }
    let mut socket = Socket::signed_in(app.listen().await, bob.token.as_deref().unwrap()).await;
    socket.follow("1", &cursor).await;
    for i in 0..7 {
        assert_eq!(
            heard(&mut socket).await["task"]["title"],
            json!(format!("{i}"))
        );
    }
}

/// After a failure of the network everybody comes back at once.
#[tokio::test]
async fn a_storm_of_replays_leaves_connections_for_others() {
    let settings = [
        ("TASKFLOW_EVENTS__REPLAY_CONCURRENCY", "2"),
        ("TASKFLOW_DATABASE__LOCK_TIMEOUT_MS", "60000"),
        ("TASKFLOW_DATABASE__STATEMENT_TIMEOUT_SECONDS", "60"),
    ];
    let app = TestApp::with(Full, &settings).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let titles = ["0", "1", "2"];
    let mut cursors = Vec::new();
    for title in titles {
        cursors.push(bob.event_cursor().await);
        let task = json!({"title": title, "assigneeId": bob.id});
        ada.creates(task).await;
    }
    // Reading the entries takes for as long as the test wants.
    let db = app.sql().await;
    #[expect(
        clippy::disallowed_methods,
        reason = "it must stay open, and is never tried again"
    )]
    let held = db.begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE stream_entries IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let address = app.listen().await;
    let mut sockets = Vec::new();
    // Those that go on at the same place read together, so there are three reads.
    for number in 0..30 {
        let first = number % titles.len();
        let mut socket = Socket::signed_in(address, bob.token.as_deref().unwrap()).await;
        socket.follow("1", &cursors[first]).await;
        sockets.push((socket, first));
    }
    let reading = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock' AND query LIKE '%stream_entries%'";
    let two = async { while app.number(reading).await < 2 {} };
    timeout(PATIENCE, two).await.expect("two of them read");
    // Each answer takes a connection.
    for _ in 0..20 {
        ada.event_cursor().await;
    }
    assert_eq!(app.number(reading).await, 2);
    held.commit().await.unwrap();
    for (socket, first) in &mut sockets {
        for title in &titles[*first..] {
            assert_eq!(heard(socket).await["task"]["title"], json!(title));
        }
    }
}

#[rstest]
#[tokio::test]
async fn many_assigners_at_once_leave_no_hole(#[values(Embedded, Full)] mode: Mode) {
    // However slow the disk is, all get their turn.
    let patient = [("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "120")];
    let app = TestApp::with(mode, &patient).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let mut socket = listening(&app, &bob).await;
    let tasks = futures_util::future::join_all(
        (0..40).map(|i| ada.creates(json!({"title": format!("{i}"), "assigneeId": bob.id}))),
    )
    .await;
    let mut seen = Vec::new();
    for _ in &tasks {
        seen.push(
            heard(&mut socket).await["task"]["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let (mut seen, mut tasks) = (seen, tasks);
    seen.sort();
    tasks.sort();
    assert_eq!(seen, tasks);
    assert_eq!(
        app.number("SELECT last_seq FROM streams WHERE name LIKE 'assigned:%'")
            .await,
        40
    );
    assert_eq!(
        app.number("SELECT count(DISTINCT seq) FROM stream_entries WHERE stream LIKE 'assigned:%'")
            .await,
        40
    );
}

#[tokio::test]
async fn a_replica_tells_what_another_one_committed() {
    // The safety poll is far away: what arrives came over Redis.
    let app = TestApp::with(Full, &[("TASKFLOW_EVENTS__POLL_SECONDS", "3600")]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let other = app.replica().await;
    other.bus_is_up().await;
    let mut socket = listening(&other, &bob.at(&other.router)).await;
    let task = ada
        .creates(json!({"title": "Across", "assigneeId": bob.id}))
        .await;
    assert_eq!(heard(&mut socket).await["task"]["id"], json!(task));
    // The worker of either does the mail.
    other.work().await;
    assert_eq!(app.mails().len() + other.mails().len(), 1);
}

#[rstest]
#[tokio::test]
async fn what_is_assigned_again_tells_the_new_one_and_keeps_the_old_ones_place(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob, eve) = (
        app.person("ada").await,
        app.person("bob").await,
        app.person("eve").await,
    );
    let cursor = bob.event_cursor().await;
    let task = ada
        .creates(json!({"title": "Hot", "assigneeId": bob.id}))
        .await;
    ada.assigns(&task, &eve).await.data();
    let kept = ada
        .creates(json!({"title": "Kept", "assigneeId": bob.id}))
        .await;
    let mut socket = Socket::signed_in(app.listen().await, bob.token.as_deref().unwrap()).await;
    socket.follow("1", &cursor).await;
    // Bob may not see it any more, but his places stay contiguous.
    assert_eq!(heard(&mut socket).await["task"], Value::Null);
    assert_eq!(heard(&mut socket).await["task"]["id"], json!(kept));
}

#[rstest]
#[tokio::test]
async fn assigning_to_whom_it_is_assigned_does_nothing(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let task = ada
        .creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    let reply = ada.assigns(&task, &bob).await;
    assert_eq!(reply.data()["assignTask"]["task"]["version"], 1);
    let told = "SELECT count(*) FROM stream_entries WHERE stream LIKE 'assigned:%'";
    assert_eq!(app.number(told).await, 1);
    assert_eq!(app.number("SELECT count(*) FROM jobs").await, 1);

    let unassign = "mutation($id: ID!) { unassignTask(input: {taskId: $id}) { task { version assignee { id } } userErrors { code } } }";
    for _ in 0..2 {
        let reply = ada.graphql(unassign, json!({"id": task})).await;
        assert_eq!(
            reply.data()["unassignTask"]["task"],
            json!({"version": 2, "assignee": null})
        );
    }
    assert_eq!(app.number(told).await, 1);
    // Given back, it is told again.
    ada.assigns(&task, &bob).await.data();
    assert_eq!(app.number(told).await, 2);
}

#[rstest]
#[tokio::test]
async fn assigning_to_oneself_is_told_and_sends_no_mail(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let mut socket = listening(&app, &ada).await;
    let task = ada
        .creates(json!({"title": "Mine", "assigneeId": ada.id}))
        .await;
    assert_eq!(heard(&mut socket).await["task"]["id"], json!(task));
    assert_eq!(app.work().await, 0);
    assert!(app.mails().is_empty());
}

#[rstest]
#[tokio::test]
async fn who_has_a_disabled_task_hears_of_it_when_it_is_enabled(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let mut socket = listening(&app, &bob).await;
    let off = json!({"title": "off", "enabled": false, "assigneeId": bob.id});
    let off = ada.creates(off).await;
    let given = ada.creates(json!({"title": "given"})).await;
    let update = "mutation($input: UpdateTaskInput!) { updateTask(input: $input) {
        userErrors { code } } }";
    let both = json!({"id": given, "enabled": false, "assigneeId": bob.id});
    ada.graphql(update, json!({"input": both})).await.data();
    assert_eq!(app.work().await, 0, "nobody is told of a disabled task");
    let enable = "mutation($input: EnableTaskInput!) { enableTask(input: $input) {
        userErrors { code } } }";
    ada.graphql(enable, json!({"input": {"id": off}}))
        .await
        .data();
    let on = json!({"id": given, "enabled": true, "title": "on"});
    ada.graphql(update, json!({"input": on})).await.data();
    for task in [&off, &given] {
        assert_eq!(heard(&mut socket).await["task"]["id"], json!(task));
    }
    app.work().await;
    assert_eq!(app.mails().len(), 2);
    // Once: who was told is not told again.
    for enabled in [false, true] {
        let again = json!({"id": given, "enabled": enabled});
        ada.graphql(update, json!({"input": again})).await.data();
    }
    app.work().await;
    assert_eq!(app.mails().len(), 2);
    // Who follows the tasks knows already whose they are.
    let own = "SELECT count(*) FROM stream_entries s JOIN events e ON e.id = s.event_id
        WHERE s.stream LIKE 'task:%' AND e.topic = 'task.assigned'";
    assert_eq!(app.number(own).await, 2);
}

#[rstest]
#[tokio::test]
async fn a_cursor_that_is_not_good_is_told(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let start = bob.event_cursor().await;
    for i in 0..5 {
        ada.creates(json!({"title": format!("{i}"), "assigneeId": bob.id}))
            .await;
    }
    let address = app.listen().await;
    let mut socket = Socket::signed_in(address, bob.token.as_deref().unwrap()).await;
    let refusal = async |socket: &mut Socket, cursor: &str| {
        socket.follow("1", cursor).await;
        let message = socket.next().await;
        assert_eq!(message["type"], "error", "{message:#}");
        message["payload"][0]["extensions"].clone()
    };
    let ada_cursor = ada.event_cursor().await;
    for nonsense in ["nonsense", "", &ada_cursor] {
        assert_eq!(
            refusal(&mut socket, nonsense).await["code"],
            "BAD_USER_INPUT",
            "{nonsense}"
        );
    }
    // What a cursor stands on was pruned.
    app.execute("DELETE FROM stream_entries WHERE seq <= 2 AND stream LIKE 'assigned:%'")
        .await;
    app.execute("UPDATE streams SET min_seq = 3 WHERE name LIKE 'assigned:%'")
        .await;
    let told = refusal(&mut socket, &start).await;
    assert_eq!(told["code"], "CURSOR_EXPIRED");
    socket.follow("2", told["oldest"].as_str().unwrap()).await;
    assert_eq!(
        socket.event("2").await["taskAssigned"]["task"]["title"],
        "2"
    );
    let latest = bob.event_cursor().await;
    assert_eq!(told["latest"], json!(latest));
    // The database is older than the cursor: restored from a backup.
    app.execute("DELETE FROM stream_entries WHERE seq = 5 AND stream LIKE 'assigned:%'")
        .await;
    app.execute("UPDATE streams SET last_seq = 4 WHERE name LIKE 'assigned:%'")
        .await;
    let mut fresh = Socket::signed_in(address, bob.token.as_deref().unwrap()).await;
    assert_eq!(refusal(&mut fresh, &latest).await["code"], "CURSOR_EXPIRED");
}

#[rstest]
#[tokio::test]
async fn what_no_hint_told_of_is_found_by_the_safety_poll(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::with(mode, &[("TASKFLOW_EVENTS__POLL_SECONDS", "1")]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    ada.creates(json!({"title": "Template", "assigneeId": bob.id}))
        .await;
    let mut socket = listening(&app, &bob).await;
    // Committed by a process whose hint was lost.
    app.execute(
        "INSERT INTO stream_entries (stream, seq, event_id) SELECT stream, 2, event_id FROM stream_entries WHERE stream LIKE 'assigned:%'",
    )
    .await;
    app.execute("UPDATE streams SET last_seq = 2 WHERE name LIKE 'assigned:%'")
        .await;
    assert_eq!(heard(&mut socket).await["task"]["title"], "Template");
}

#[rstest]
#[tokio::test]
async fn of_a_task_that_somebody_else_has_by_now_there_is_nothing_to_see(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let before = ada.event_cursor().await;
    let own = ada
        .creates(json!({"title": "x", "assigneeId": ada.id}))
        .await;
    ada.assigns(&own, &bob).await.data();
    let address = app.listen().await;
    let mut socket = Socket::signed_in(address, ada.token.as_deref().unwrap()).await;
    socket.follow("1", &before).await;
    assert_eq!(
        heard(&mut socket).await["task"],
        json!(null),
        "its creator sees it, still"
    );
}

#[tokio::test]
async fn a_redis_that_hangs_stops_nobody() {
    let redis = RedisServer::start_private();
    let url = redis.url().to_owned();
    let app = TestApp::with(Full, &[("REDIS_URL", &url)]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    app.bus_is_up().await;
    let mut socket = listening(&app, &bob).await;
    redis.pause();
    for i in 0..3 {
        let task = ada
            .creates(json!({"title": format!("{i}"), "assigneeId": bob.id}))
            .await;
        assert_eq!(heard(&mut socket).await["task"]["id"], json!(task));
    }
    // A frozen connection looks alive; a ping that is not answered says otherwise.
    let mut up = app.app.bus.up();
    timeout(PATIENCE, up.wait_for(|up| !up))
        .await
        .unwrap()
        .unwrap();
    redis.resume();
    app.bus_is_up().await;
    let ready = app.anybody().get("/readyz").await;
    assert_eq!(ready.body["status"], "ok");
}
