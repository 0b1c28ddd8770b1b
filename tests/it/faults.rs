//! What fails around a real process, and that nothing is lost by it: kills at bad moments, servers
//! that are not there, ports and files that are taken.

use std::net::TcpListener;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use rstest::rstest;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::end_to_end::{assign, register};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::{PATIENCE, Proc, free_port};
use crate::support::redis::RedisServer;
use crate::support::server::{Site, post};
use crate::support::smtp::{Behaviour, Received, SmtpOptions, SmtpServer};
use crate::support::{Person, Socket, TestApp};

async fn with_smtp(mode: Mode) -> (Site, SmtpServer) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    (Site::new(mode, &[("SMTP_URL", &url)]).await, smtp)
}

/// Assigns a task at a server without a worker, and ends that server.
async fn leave_a_mail_to_send(site: &Site) {
    let (mut server, address) = site.serve(&["serve", "--no-worker"]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    assign(address, &ada, &bob, "Write the notes").await;
    kill(&mut server).await;
}

async fn kill(server: &mut Proc) {
    server.kill9();
    assert!(!server.wait().await.success());
}

/// Waits for the end of a command that must fail, and answers what it said.
async fn failure(mut command: Proc, status: i32) -> String {
    assert_eq!(
        command.wait().await.code(),
        Some(status),
        "{}",
        command.output()
    );
    command.output()
}

async fn database(site: &Site) -> DatabaseConnection {
    let url = site.env.iter().find(|(name, _)| name == "DATABASE_URL");
    Database::connect(&url.unwrap().1).await.unwrap()
}

fn text(mail: &Received) -> &str {
    std::str::from_utf8(&mail.data).unwrap()
}

#[rstest]
#[tokio::test]
async fn a_kill_between_commit_and_mail_loses_no_mail(#[values(Embedded, Full)] mode: Mode) {
    let (site, smtp) = with_smtp(mode).await;
    leave_a_mail_to_send(&site).await;
    assert!(smtp.mails().is_empty());
    let (_server, _) = site.serve(&["serve"]).await;
    let mail = smtp.next_mail().await;
    assert_eq!(mail.to, ["bob@example.org"]);
    assert!(text(&mail).contains("assigned you a task: Write the notes"));
}

#[tokio::test]
async fn kills_right_after_the_answer_lose_no_mail() {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    // By default a job that was running at three kills is taken for their cause.
    let settings = [
        ("SMTP_URL", url.as_str()),
        ("TASKFLOW_JOBS__MAX_CRASHES", "100"),
    ];
    let site = Site::new(Embedded, &settings).await;
    let (mut server, mut address) = site.serve(&[]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    let titles: Vec<String> = (1..=5).map(|round| format!("Round-{round}.")).collect();
    for title in &titles {
        assign(address, &ada, &bob, title).await;
        kill(&mut server).await;
        (server, address) = site.serve(&[]).await;
    }
    let mut missing = titles.clone();
    while !missing.is_empty() {
        let mail = smtp.next_mail().await;
        missing.retain(|title| !text(&mail).contains(title));
    }
    // One that was sent twice was sent twice the same.
    for title in &titles {
        let mut copies = smtp.mails();
        copies.retain(|mail| text(mail).contains(title));
        assert!(
            copies.iter().all(|copy| copy.data == copies[0].data),
            "{copies:?}"
        );
    }
}

/// On the first start two connections stall at the greeting: the check at start and the mail.
#[rstest]
#[case::before_the_mail(Behaviour::StallGreeting, 2, 1)]
#[case::after_the_final_dot(Behaviour::StallAfterDot, 1, 2)]
#[tokio::test]
async fn a_worker_killed_while_it_sends_leaves_the_mail_to_the_next(
    #[case] behaviour: Behaviour,
    #[case] stalls: usize,
    #[case] mails: usize,
    #[values(Embedded, Full)] mode: Mode,
) {
    let (site, smtp) = with_smtp(mode).await;
    leave_a_mail_to_send(&site).await;
    let command = if mode == Full { "worker" } else { "serve" };
    smtp.behave_by_default(behaviour);
    let mut worker = site.spawn(&[command]);
    for _ in 0..stalls {
        assert_eq!(smtp.next_attempt().await.reason, "stalled");
    }
    kill(&mut worker).await;
    smtp.behave_by_default(Behaviour::Accept);
    if mode == Full {
        // Its lease ends. An SQLite file has one process: there all leases end at its start.
        let over = "UPDATE jobs SET lease_until = created_at WHERE state = 'running'";
        let update = database(&site).await.execute_unprepared(over).await;
        assert_eq!(update.unwrap().rows_affected(), 1);
    }

    let mut worker = site.spawn(&[command]);
    let first = smtp.next_mail().await;
    assert!(text(&first).contains("Message-ID: <"));
    worker
        .wait_for_line(|line| line.contains("delivery settled"))
        .await;
    worker.terminate();
    assert!(worker.wait().await.success());
    let all = smtp.mails();
    assert_eq!(all.len(), mails, "the server had taken it over, or had not");
    assert!(all.iter().all(|mail| mail.data == first.data));
}

#[tokio::test]
async fn a_living_worker_takes_over_when_the_lease_of_a_killed_one_ends() {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    let settings = [
        ("SMTP_URL", url.as_str()),
        ("TASKFLOW_JOBS__LEASE_SECONDS", "3"),
        ("TASKFLOW_JOBS__POLL_MIN_MS", "50"),
        ("TASKFLOW_JOBS__POLL_MAX_MS", "100"),
        ("TASKFLOW_MAIL__TIMEOUT_SECONDS", "2"),
        ("TASKFLOW_PUSH__TIMEOUT_SECONDS", "2"),
        ("TASKFLOW_OUTBOUND__TIMEOUT_SECONDS", "2"),
        ("TASKFLOW_OUTBOUND__CONNECT_TIMEOUT_SECONDS", "1"),
    ];
    let site = Site::new(Full, &settings).await;
    leave_a_mail_to_send(&site).await;
    smtp.behave(Behaviour::StallAfterDot);
    let mut killed = site.spawn(&["worker"]);
    assert_eq!(smtp.next_attempt().await.reason, "stalled");
    let _other = site.spawn(&["worker"]);
    kill(&mut killed).await;
    assert_eq!(smtp.next_mail().await.data, smtp.next_mail().await.data);
}

#[rstest]
#[tokio::test]
async fn a_process_that_is_asked_to_stop_finishes_the_mail_it_sends(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (site, smtp) = with_smtp(mode).await;
    smtp.behave(Behaviour::StallAfterDot);
    let (mut server, address) = site.serve(&[]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    assign(address, &ada, &bob, "Write the notes").await;
    assert_eq!(smtp.next_attempt().await.reason, "stalled");
    server.terminate();
    server.wait_for_line(|line| line.contains("stopping")).await;
    smtp.release();
    assert_eq!(server.wait().await.code(), Some(0), "{}", server.output());
    let db = database(&site).await;
    let query = "SELECT count(*) FROM jobs WHERE state <> 'done'";
    let query = Statement::from_string(db.get_database_backend(), query);
    let row = db.query_one_raw(query).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 0);
}

/// In its order: it is not ready any more, sockets are told, what hangs is waited for and given back.
#[rstest]
#[tokio::test]
async fn a_process_that_is_asked_to_stop_gives_back_what_hangs_and_ends_in_time(
    #[values(Embedded, Full)] mode: Mode,
) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    let settings = [
        ("SMTP_URL", url.as_str()),
        ("TASKFLOW_SERVER__SHUTDOWN_SECONDS", "6"),
        // Only the end of the process ends the mail.
        ("TASKFLOW_MAIL__TIMEOUT_SECONDS", "50"),
    ];
    let site = Site::new(mode, &settings).await;
    smtp.behave(Behaviour::StallAfterDot);
    let (mut server, address) = site.serve(&[]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    let mut socket = Socket::signed_in(address, &bob.token).await;
    assign(address, &ada, &bob, "Write the notes").await;
    assert_eq!(smtp.next_attempt().await.reason, "stalled");
    server.terminate();
    server.wait_for_line(|line| line.contains("stopping")).await;
    assert_eq!(socket.close_code().await, 1012);
    server
        .wait_for_line(|line| line.contains("did not finish in time"))
        .await;
    server
        .wait_for_line(|line| line.contains("unfinished jobs back"))
        .await;
    assert_eq!(server.wait().await.code(), Some(0), "{}", server.output());
    smtp.release();
    assert_eq!(smtp.next_mail().await.to.len(), 1);
    // Nobody has to wait for the end of a lease.
    let _server = site.serve(&[]).await;
    assert_eq!(smtp.next_mail().await.to.len(), 1);
    let db = database(&site).await;
    let query = "SELECT count(*) FROM jobs WHERE crash_count > 0";
    let query = Statement::from_string(db.get_database_backend(), query);
    let row = db.query_one_raw(query).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 0);
}

#[tokio::test]
async fn an_unreachable_database_is_named_without_its_password() {
    let port = free_port();
    let url = format!("postgres://taskflow:s3cret-w0rd@127.0.0.1:{port}/tasks");
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1"),
    ];
    let site = Site::new(Embedded, &settings).await;
    for command in [&["serve"][..], &["worker"], &["migrate", "status"]] {
        let said = failure(site.spawn(command), 1).await;
        assert!(said.contains(&format!("127.0.0.1:{port}/tasks")), "{said}");
        assert!(said.contains("DATABASE_URL"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn an_unreachable_mail_server_at_start_is_a_warning_and_the_server_serves() {
    let url = format!("smtp://127.0.0.1:{}", free_port());
    let site = Site::new(Embedded, &[("SMTP_URL", &url)]).await;
    let mut server = site.spawn(&["serve"]);
    let mut line = async |part: &str| server.wait_for_line(|line| line.contains(part)).await;
    let warning = line("mail cannot leave at this moment").await;
    assert!(warning.contains("WARN"), "{warning}");
    drop(server);
    let (_server, address) = site.serve(&["serve"]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    assign(address, &ada, &bob, "Write the notes").await;
}

#[rstest]
#[case::main("PORT")]
#[case::metrics("METRICS_PORT")]
#[tokio::test]
async fn a_busy_port_ends_the_start_but_a_busy_metrics_port_only_in_production(
    #[case] setting: &str,
) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    if setting == "METRICS_PORT" {
        let site = Site::new(Embedded, &[(setting, &port)]).await;
        let (server, _) = site.serve(&[]).await;
        let said = server.output();
        assert!(
            said.contains("the metrics port is in use; taking a free one"),
            "{said}"
        );
        assert!(
            !said.contains(&format!("localhost:{port}/metrics")),
            "{said}"
        );
    }
    let production = [
        (setting, port.as_str()),
        ("TASKFLOW_ENV", "production"),
        ("TASKFLOW_SERVER__HOST", "127.0.0.1"),
        ("TASKFLOW_MAIL__TRANSPORT", "none"),
        ("ALLOWED_ORIGINS", "https://tasks.example.org"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ];
    let site = Site::new(
        Embedded,
        if setting == "PORT" {
            &production[..1]
        } else {
            &production
        },
    );
    let site = site.await;
    let said = failure(site.spawn(&["serve"]), 1).await;
    assert!(said.contains(&format!("port {port} is in use")), "{said}");
    assert!(said.contains(setting), "{said}");
    let made = site.folder.path().join("taskflow.db").exists();
    assert!(!made, "no database is left behind");
}

#[tokio::test]
async fn an_unknown_setting_is_refused_with_the_nearest_known_one() {
    let site = Site::new(Embedded, &[("TASKFLOW_SERVER__PROT", "8080")]).await;
    let said = failure(site.spawn(&["serve"]), 2).await;
    assert!(said.contains("TASKFLOW_SERVER__PROT"), "{said}");
    assert!(said.contains("TASKFLOW_SERVER__PORT"), "{said}");
}

#[tokio::test]
async fn a_second_process_on_the_same_file_is_refused_and_the_first_goes_on() {
    let site = Site::new(Embedded, &[]).await;
    let (server, address) = site.serve(&[]).await;
    let ada = register(address, "ada").await;
    for command in [&["serve"][..], &["worker"], &["admin", "jobs", "dead"]] {
        let said = failure(site.spawn(command), 1).await;
        let who = format!("another taskflow process (pid {})", server.id());
        assert!(said.contains(&who), "{said}");
    }
    let query = "{ viewer { user { name } } }";
    let reply = post(address, Some(&ada.token), query, json!({})).await;
    assert_eq!(reply["data"]["viewer"]["user"]["name"], "Name of ada");
}

#[rstest]
#[case::garbage("hello")]
#[case::empty("")]
#[case::truncated("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n")]
#[tokio::test]
async fn a_key_file_without_a_key_is_named(#[case] content: &str) {
    let site = Site::new(Embedded, &[]).await;
    let path = site.folder.path().join("key.pem");
    std::fs::write(&path, content).unwrap();
    let said = failure(site.spawn(&["serve"]), 1).await;
    let wanted = format!("{} is not an Ed25519 private key", path.display());
    assert!(said.contains(&wanted), "{said}");
    assert!(
        said.contains("openssl genpkey"),
        "it says how to make one: {said}"
    );
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        content,
        "untouched"
    );
}

/// Ada assigns at one replica, and Bob hears of it at the other.
struct Replicas {
    one: TestApp,
    other: TestApp,
    ada: Person,
    bob: Person,
    socket: Socket,
}

impl Replicas {
    async fn start(redis: &RedisServer) -> Self {
        let settings = [
            ("REDIS_URL", redis.url()),
            ("TASKFLOW_EVENTS__POLL_DOWN_SECONDS", "1"),
            // Without hints and without looking more often, Bob would wait too long.
            ("TASKFLOW_EVENTS__POLL_SECONDS", "86400"),
        ];
        let one = TestApp::with(Full, &settings).await;
        let other = one.replica().await;
        let (ada, bob) = (one.person("ada").await, one.person("bob").await);
        let address = other.listen().await;
        let mut socket = Socket::signed_in(address, bob.token.as_deref().unwrap()).await;
        let cursor = bob.event_cursor().await;
        socket.follow("1", &cursor).await;
        Self {
            one,
            other,
            ada,
            bob,
            socket,
        }
    }

    async fn bus_is(&self, up: bool) {
        for app in [&self.one, &self.other] {
            let mut state = app.app.bus.up();
            let reached = timeout(PATIENCE, state.wait_for(|now| *now == up)).await;
            reached.expect("the bus notices in time").unwrap();
        }
    }

    async fn an_assignment_arrives(&mut self, title: &str) {
        let task = json!({"title": title, "assigneeId": self.bob.id});
        self.ada.creates(task).await;
        let event = self.socket.event("1").await;
        assert_eq!(event["taskAssigned"]["task"]["title"], title);
    }

    async fn readiness(&self) -> (StatusCode, Value) {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let reply = self.other.anybody().send(request).await;
        (reply.status, reply.body["status"].clone())
    }
}

#[tokio::test]
async fn without_redis_from_the_start_events_arrive_and_with_it_hints_come_back() {
    let mut redis = RedisServer::start_private();
    redis.kill();
    let mut replicas = Replicas::start(&redis).await;
    replicas.bus_is(false).await;
    replicas.an_assignment_arrives("Without").await;
    assert_eq!(
        replicas.readiness().await,
        (StatusCode::OK, json!("degraded"))
    );
    redis.start();
    replicas.bus_is(true).await;
    replicas.an_assignment_arrives("With").await;
    assert_eq!(replicas.readiness().await, (StatusCode::OK, json!("ok")));
}

#[tokio::test]
async fn when_redis_dies_events_arrive_and_when_it_returns_hints_come_back() {
    let mut redis = RedisServer::start_private();
    let mut replicas = Replicas::start(&redis).await;
    replicas.bus_is(true).await;
    replicas.an_assignment_arrives("Before").await;
    redis.kill();
    replicas.bus_is(false).await;
    for title in ["Without one", "Without two"] {
        replicas.an_assignment_arrives(title).await;
    }
    assert_eq!(
        replicas.readiness().await,
        (StatusCode::OK, json!("degraded"))
    );
    redis.start();
    replicas.bus_is(true).await;
    replicas.an_assignment_arrives("After").await;
}

#[tokio::test]
async fn a_restart_of_redis_in_a_quiet_moment_costs_no_hint() {
    let mut redis = RedisServer::start_private();
    let mut replicas = Replicas::start(&redis).await;
    replicas.bus_is(true).await;
    replicas.an_assignment_arrives("Before").await;
    redis.kill();
    replicas.bus_is(false).await;
    redis.start();
    replicas.bus_is(true).await;
    replicas.an_assignment_arrives("After").await;
}
