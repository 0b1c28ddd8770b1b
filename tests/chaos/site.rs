//! The processes under test and the servers they use, each behind a proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::faults::postgres::Postgres;
use crate::faults::proxy::Proxy;
use crate::support::process::{Proc, free_port};
use crate::support::redis::RedisServer;
use crate::support::smtp::{SmtpOptions, SmtpServer};
use crate::{lock, pause};

const TASKFLOW: &str = env!("CARGO_BIN_EXE_taskflow");

/// Which servers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One process on an SQLite file.
    Sqlite,
    /// Two servers and a worker or two, `PostgreSQL` and Redis.
    Postgres,
}

/// How long a lease lasts here, in seconds.
pub const LEASE: u64 = 4;
/// How long one try to send may take, in seconds.
const SEND: u64 = 2;

/// Leases, pauses and polls that make a fault pass in seconds. A setting of a row wins.
const SHRUNK: [(&str, &str); 22] = [
    // A lease has to outlast every kind of send.
    ("TASKFLOW_PUSH__TIMEOUT_SECONDS", "2"),
    ("TASKFLOW_OUTBOUND__TIMEOUT_SECONDS", "2"),
    ("TASKFLOW_OUTBOUND__CONNECT_TIMEOUT_SECONDS", "1"),
    ("TASKFLOW_EVENTS__POLL_SECONDS", "2"),
    ("TASKFLOW_EVENTS__POLL_DOWN_SECONDS", "1"),
    ("TASKFLOW_EVENTS__REPLAY_PAGE", "20"),
    ("TASKFLOW_JOBS__POLL_MIN_MS", "50"),
    ("TASKFLOW_JOBS__POLL_MAX_MS", "200"),
    ("TASKFLOW_JOBS__BACKOFF_BASE_SECONDS", "1"),
    ("TASKFLOW_JOBS__BACKOFF_CAP_SECONDS", "1"),
    ("TASKFLOW_JOBS__MAX_CRASHES", "1000"),
    ("TASKFLOW_JOBS__MAX_ATTEMPTS", "1000"),
    ("TASKFLOW_MAIL__PROBE_BASE_SECONDS", "1"),
    ("TASKFLOW_MAIL__PROBE_CAP_SECONDS", "2"),
    ("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "2"),
    ("TASKFLOW_DATABASE__MAX_CONNECTIONS", "10"),
    ("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_USER", "10000"),
    ("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_ADDRESS", "10000"),
    ("TASKFLOW_SERVER__MAX_CONNECTIONS_PER_ADDRESS", "20000"),
    ("TASKFLOW_AUTH__VERIFY_EMAIL", "false"),
    ("TASKFLOW_AUTH__PASSWORD__ARGON2_MEMORY_KIB", "8"),
    ("TASKFLOW_AUTH__PASSWORD__ARGON2_ITERATIONS", "1"),
];

/// One of the processes under test.
struct Process {
    args: &'static [&'static str],
    port: Option<u16>,
    proc: Option<Proc>,
}

/// All of them, and their servers.
pub struct Site {
    pub mode: Mode,
    pub folder: TempDir,
    pub postgres: Option<Postgres>,
    pub redis: Option<RedisServer>,
    pub smtp: Arc<SmtpServer>,
    pub to_postgres: Option<Proxy>,
    pub to_redis: Option<Proxy>,
    pub to_smtp: Proxy,
    env: Vec<(String, String)>,
    processes: Vec<Process>,
    /// When a mail may have been taken by the mail server without us knowing.
    doubts: Mutex<Vec<(Instant, Instant)>>,
}

impl Site {
    /// Starts everything, with some settings of the row's own, and waits until it serves.
    /// Every process is armed with the failpoint, if there is one.
    pub async fn start(
        mode: Mode,
        seed: u64,
        settings: &[(&str, &str)],
        workers: usize,
        failpoint: &str,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let smtp = Arc::new(SmtpServer::start(SmtpOptions::default()).await);
        let to_smtp = Proxy::start(smtp.address(), seed ^ 1).await;
        let (mut postgres, mut redis, mut to_postgres, mut to_redis) = (None, None, None, None);
        let mut env = vec![
            ("JWT_PRIVATE_KEY_FILE".to_owned(), path("key.pem")),
            ("METRICS_PORT".to_owned(), "0".to_owned()),
            (
                "SMTP_URL".to_owned(),
                format!("smtp://{}", to_smtp.address()),
            ),
            (
                "TASKFLOW_SERVER__PUBLIC_URL".to_owned(),
                "http://taskflow.test".to_owned(),
            ),
            ("TASKFLOW_JOBS__LEASE_SECONDS".to_owned(), LEASE.to_string()),
            (
                "TASKFLOW_MAIL__TIMEOUT_SECONDS".to_owned(),
                SEND.to_string(),
            ),
            ("TASKFLOW_LOG__LEVEL".to_owned(), "warn".to_owned()),
        ];
        let mut processes = Vec::new();
        let mut process = |args, serves: bool| {
            let port = serves.then(free_port);
            processes.push(Process {
                args,
                port,
                proc: None,
            });
        };
        if mode == Mode::Postgres {
            let server = tokio::task::spawn_blocking(Postgres::start)
                .await
                .expect("a server");
            let proxy = Proxy::start(server.address(), seed ^ 2).await;
            let url = format!("postgres://postgres@{}/postgres", proxy.address());
            env.push(("DATABASE_URL".to_owned(), url));
            (postgres, to_postgres) = (Some(server), Some(proxy));
            let server = RedisServer::start_private();
            let at = server
                .url()
                .trim_start_matches("redis://")
                .trim_end_matches('/');
            let proxy = Proxy::start(at.parse().expect("an address"), seed ^ 3).await;
            env.push((
                "REDIS_URL".to_owned(),
                format!("redis://{}/", proxy.address()),
            ));
            (redis, to_redis) = (Some(server), Some(proxy));
            process(&["serve", "--no-worker"] as &[&str], true);
            process(&["serve", "--no-worker"], true);
            for _ in 0..workers {
                process(&["worker"], false);
            }
        } else {
            env.push((
                "DATABASE_URL".to_owned(),
                format!("sqlite://{}", path("taskflow.db")),
            ));
            process(&["serve"], true);
        }
        let known = SHRUNK.iter().chain(settings);
        env.extend(known.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut site = Self {
            mode,
            folder,
            postgres,
            redis,
            smtp,
            to_postgres,
            to_redis,
            to_smtp,
            env,
            processes,
            doubts: Mutex::default(),
        };
        // The first one makes the tables.
        site.run(0, failpoint);
        site.is_ready(0).await;
        for index in 1..site.processes.len() {
            site.run(index, failpoint);
        }
        for index in 1..site.servers().len() {
            site.is_ready(index).await;
        }
        site
    }

    /// Where the servers listen.
    pub fn servers(&self) -> Vec<SocketAddr> {
        let ports = self.processes.iter().filter_map(|process| process.port);
        ports
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .collect()
    }

    /// How many processes there are: servers first, then workers.
    pub fn count(&self) -> usize {
        self.processes.len()
    }

    /// The first that does jobs.
    pub fn worker(&self) -> usize {
        if self.mode == Mode::Sqlite { 0 } else { 2 }
    }

    /// Starts a process that does not run, armed with a failpoint or with none.
    pub fn run(&mut self, index: usize, failpoint: &str) {
        self.run_as(index, failpoint, TASKFLOW, &[]);
    }

    /// The same by another program that becomes the server.
    pub fn run_as(&mut self, index: usize, failpoint: &str, program: &str, before: &[&str]) {
        let process = &mut self.processes[index];
        let port = process.port.unwrap_or_default().to_string();
        let mut env: Vec<(&str, &str)> = self
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        env.push(("PORT", &port));
        if !failpoint.is_empty() {
            env.push(("FAILPOINT", failpoint));
        }
        let args = [before, process.args].concat();
        process.proc = Some(Proc::spawn_in(self.folder.path(), program, &args, &env));
    }

    /// Waits until a server answers.
    pub async fn is_ready(&self, index: usize) {
        let url = format!(
            "http://127.0.0.1:{}/readyz",
            self.processes[index].port.unwrap_or(0)
        );
        let client = reqwest::Client::new();
        for _ in 0..600 {
            if let Ok(answer) = client.get(&url).send().await
                && answer.status().is_success()
            {
                return;
            }
            pause(Duration::from_millis(100)).await;
        }
        panic!("process {index} is not ready:\n{}", self.output());
    }

    /// What a process counts, by a line of its metrics; 0 when it has no such line.
    pub async fn metric(&self, index: usize, series: &str) -> f64 {
        let output = self.processes[index].proc.as_ref().map(Proc::output);
        let output = output.unwrap_or_default();
        let url = output
            .split_whitespace()
            .find(|word| word.ends_with("/metrics"));
        let Some(url) = url else { return 0.0 };
        let Ok(answer) = reqwest::get(url).await else {
            return 0.0;
        };
        let text = answer.text().await.unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(series));
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or_default()
    }

    /// The process id.
    pub fn pid(&self, index: usize) -> Option<u32> {
        self.processes[index].proc.as_ref().map(Proc::id)
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, index: usize, name: &str) {
        if let Some(proc) = &self.processes[index].proc {
            proc.signal(name);
        }
    }

    /// Waits at most so long for a process to end by itself; whether it did.
    pub async fn ends(&mut self, index: usize, within: Duration) -> bool {
        let process = &mut self.processes[index];
        let Some(proc) = &mut process.proc else {
            return true;
        };
        let ended = timeout(within, proc.wait()).await.is_ok();
        if ended {
            process.proc = None;
        }
        ended
    }

    /// Ends a process with SIGKILL.
    pub async fn kill(&mut self, index: usize) {
        self.signal(index, "KILL");
        self.ends(index, Duration::from_secs(20)).await;
    }

    /// Asks a process to end, and waits until it has.
    pub async fn stop(&mut self, index: usize) {
        self.signal(index, "TERM");
        let has_ended = self.ends(index, Duration::from_secs(40)).await;
        assert!(
            has_ended,
            "process {index} does not stop:\n{}",
            self.output()
        );
    }

    /// Kills a process when it still runs, and starts it again, armed or not.
    pub async fn again(&mut self, index: usize, failpoint: &str) {
        self.kill(index).await;
        self.run(index, failpoint);
    }

    /// Remembers that whether a mail was taken is in doubt between a moment and now.
    pub fn doubt_since(&self, since: Instant) {
        lock(&self.doubts).push((since, Instant::now()));
    }

    /// Whether a mail that was taken at this moment may be sent once more.
    pub fn may_repeat(&self, taken: Instant) -> bool {
        // What was under way when the fault began was taken a little before.
        let slack = Duration::from_secs(SEND + 1);
        let doubts = lock(&self.doubts);
        doubts
            .iter()
            .any(|(from, to)| taken + slack >= *from && taken <= *to + slack)
    }

    /// Ends every fault: the proxies let through, and all processes run.
    pub async fn heal(&mut self) {
        for proxy in [&self.to_postgres, &self.to_redis].into_iter().flatten() {
            proxy.heal();
        }
        self.to_smtp.heal();
        self.smtp
            .behave_by_default(crate::support::smtp::Behaviour::Accept);
        self.smtp.release();
        if let Some(postgres) = &self.postgres {
            postgres.stay_away(false);
        }
        for index in 0..self.count() {
            self.signal(index, "CONT");
            if self.ends(index, Duration::from_millis(1)).await {
                self.run(index, "");
            }
        }
    }

    /// A connection of the checker's own, past the proxy.
    pub async fn sql(&self) -> DatabaseConnection {
        let url = match &self.postgres {
            Some(postgres) => format!("postgres://postgres@{}/postgres", postgres.address()),
            None => format!(
                "sqlite://{}",
                self.folder.path().join("taskflow.db").display()
            ),
        };
        let mut options = ConnectOptions::new(url);
        options.max_connections(2).sqlx_logging(false);
        for _ in 0..100 {
            if let Ok(connection) = Database::connect(options.clone()).await {
                return connection;
            }
            pause(Duration::from_millis(200)).await;
        }
        panic!("the database does not answer");
    }

    /// What the processes said last, to explain a failure.
    pub fn output(&self) -> String {
        let mut said = String::new();
        for process in &self.processes {
            if let Some(proc) = &process.proc {
                let (id, output) = (proc.id().to_string(), proc.output());
                said.extend(["  process ", &id, ":\n", &output]);
            }
        }
        said
    }
}
