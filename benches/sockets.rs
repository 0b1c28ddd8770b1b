//! What idle sockets cost a server in memory, and what an assignment costs in time of the processor
//! with and without them: who does not follow a stream should not notice what happens there.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::site::{milliseconds, percentile};

/// How many sockets do nothing.
const IDLE: u32 = 10_000;
/// Whose they are.
const PEOPLE: u32 = 20;
/// How many assignments are measured.
const ASSIGNMENTS: u32 = 300;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn run() {
    let server = Server::start().await;
    let (ada, bob) = (server.registers("ada").await, server.registers("bob").await);
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(server.registers(&format!("person{number}")).await);
    }
    let mut hears = server.opens(&bob.token).await;
    follow(&mut hears).await;
    server.assigns(&ada, &bob, &mut hears).await;
    let alone = server.assigns(&ada, &bob, &mut hears).await;
    server.is_quiet(1).await;
    let before = server.memory();
    let begun = Instant::now();
    let tokens = people.iter().cycle().take(IDLE as usize);
    let idle: Vec<Socket> = stream::iter(tokens)
        .map(|person: &Account| {
            let server = &server;
            async move { server.opens(&person.token).await }
        })
        .buffer_unordered(50)
        .collect()
        .await;
    server.is_quiet(1).await;
    let open = server.memory();
    let idle: Vec<Socket> = stream::iter(idle)
        .map(|mut socket| async move {
            follow(&mut socket).await;
            socket
        })
        .buffer_unordered(50)
        .collect()
        .await;
    server.is_quiet(IDLE + 1).await;
    let opened = begun.elapsed();
    let after = server.memory();
    let beside = server.assigns(&ada, &bob, &mut hears).await;
    println!("Sockets");
    println!(
        "{} idle ones: {:.1} KiB each, and {:.1} KiB when each follows a stream ({} to {} MiB), in {:.1} s",
        idle.len(),
        f64::from(open.saturating_sub(before)) / f64::from(IDLE),
        f64::from(after.saturating_sub(before)) / f64::from(IDLE),
        before / 1_024,
        after / 1_024,
        opened.as_secs_f64()
    );
    for (name, cost) in [("alone", alone), ("beside them", beside)] {
        let Cost {
            processor,
            mut delays,
        } = cost;
        println!(
            "an assignment, {name:<12} {:>6.2} ms of the processor, heard after {:>6.2} ms (median), {:>6.2} ms (p99)",
            processor.as_secs_f64() * 1_000.0 / f64::from(ASSIGNMENTS),
            percentile(&mut delays, 50),
            percentile(&mut delays, 99),
        );
    }
}

/// Somebody with an account.
struct Account {
    id: String,
    token: String,
}

/// What some assignments cost.
struct Cost {
    processor: Duration,
    /// From the call to the event, in milliseconds.
    delays: Vec<f64>,
}

/// A server in a process of its own, on SQLite.
struct Server {
    process: Child,
    address: SocketAddr,
    metrics: SocketAddr,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        let metrics = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics_address = metrics.local_addr().unwrap();
        drop((port, metrics));
        let path = |name: &str| folder.path().join(name).display().to_string();
        let process = Command::new(env!("CARGO_BIN_EXE_taskflow"))
            .arg("serve")
            .current_dir(folder.path())
            .env("PORT", address.port().to_string())
            .env("METRICS_PORT", metrics_address.port().to_string())
            .env("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "120")
            .env("DATABASE_URL", format!("sqlite://{}", path("taskflow.db")))
            .env("JWT_PRIVATE_KEY_FILE", path("key.pem"))
            .env("TASKFLOW_LOG__LEVEL", "error")
            .env("TASKFLOW_MAIL__TRANSPORT", "none")
            .env("TASKFLOW_LIMITS__USER", "off")
            .env("TASKFLOW_LIMITS__ANONYMOUS", "off")
            .env("TASKFLOW_LIMITS__REGISTER_ADDRESS", "off")
            .env("TASKFLOW_LIMITS__CREATE_TASK", "off")
            // Nobody reads the idle ones, so nobody would answer.
            .env("TASKFLOW_WEBSOCKET__PING_INTERVAL_SECONDS", "3600")
            .env("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_USER", "20000")
            .env("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_ADDRESS", "20000")
            .env("TASKFLOW_SERVER__MAX_CONNECTIONS_PER_ADDRESS", "20000")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let client = reqwest::Client::new();
        let ready = format!("http://{address}/readyz");
        while !matches!(client.get(&ready).send().await, Ok(answer) if answer.status().is_success())
        {
            tokio::task::yield_now().await;
        }
        Self {
            process,
            address,
            metrics: metrics_address,
            client,
            _folder: folder,
        }
    }

    /// Waits until so many subscriptions run, and nothing else does.
    async fn is_quiet(&self, subscriptions: u32) {
        let url = format!("http://{}/metrics", self.metrics);
        let wanted = format!("graphql_subscriptions {subscriptions}");
        loop {
            let before = self.processor();
            let page = self.client.get(&url).send().await.unwrap();
            let page = page.text().await.unwrap();
            tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>())
                .await
                .ok();
            let is_idle = self.processor().saturating_sub(before) < Duration::from_millis(200);
            if is_idle && page.lines().any(|line| line == wanted) {
                return;
            }
        }
    }

    /// What `/proc` says of the process in this file.
    fn proc(&self, file: &str) -> String {
        let id = self.process.id();
        std::fs::read_to_string(format!("/proc/{id}/{file}")).expect("Linux")
    }

    /// What it has in memory, in KiB.
    fn memory(&self) -> u32 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    /// The time of the processor it has had.
    fn processor(&self) -> Duration {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        // The 14th and 15th of all, in hundredths of a second: proc_pid_stat(5).
        let ticks = |place: usize| fields[place].parse::<u64>().expect("a number");
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    async fn asks(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        let mut request = self.client.post(format!("http://{}/graphql", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let request = request.json(&json!({"query": query, "variables": variables}));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    async fn registers(&self, name: &str) -> Account {
        let query = "mutation($input: RegisterInput!) { register(input: $input) { accessToken user { id } } }";
        let input = json!({"username": name, "name": name, "password": "Correct-Horse-7-Battery"});
        let data = self.asks(None, query, json!({"input": input})).await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Account {
            id: text(&data["register"]["user"]["id"]),
            token: text(&data["register"]["accessToken"]),
        }
    }

    /// A socket of somebody.
    async fn opens(&self, token: &str) -> Socket {
        let mut request = format!("ws://{}/graphql", self.address)
            .into_client_request()
            .unwrap();
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (mut socket, _) = connect_async(request).await.unwrap();
        let payload = json!({"Authorization": format!("Bearer {token}")});
        let init = json!({"type": "connection_init", "payload": payload});
        socket.send(Message::text(init.to_string())).await.unwrap();
        while !next(&mut socket).await.contains("ack") {}
        socket
    }

    /// One person gives tasks to another, one after the other, each when the one before was heard of.
    async fn assigns(&self, by: &Account, to: &Account, hears: &mut Socket) -> Cost {
        let create =
            "mutation($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }";
        let before = self.processor();
        let mut delays = Vec::new();
        for number in 0..ASSIGNMENTS {
            let begun = Instant::now();
            let input = json!({"title": format!("Task {number}"), "assigneeId": to.id});
            self.asks(Some(&by.token), create, json!({"input": input}))
                .await;
            while !next(hears).await.contains("taskAssigned") {}
            delays.push(milliseconds(begun));
        }
        Cost {
            processor: self.processor().saturating_sub(before),
            delays,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Follows what is assigned to whose socket it is.
async fn follow(socket: &mut Socket) {
    let payload = json!({"query": "subscription { taskAssigned { cursor task { id title } } }"});
    for message in [
        json!({"type": "subscribe", "id": "1", "payload": payload}),
        json!({"type": "ping"}),
    ] {
        socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }
    while !next(socket).await.contains("pong") {}
}

async fn next(socket: &mut Socket) -> String {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
        Some(Ok(_)) => String::new(),
        other => panic!("the socket ended: {other:?}"),
    }
}
