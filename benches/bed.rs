//! The servers that are measured, each a process of its own, and what Linux says about a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use taskflow::app::App;
use tempfile::TempDir;

use super::postgres::Postgres;
use super::support::process::{Proc, free_port};
use super::support::redis::RedisServer;

/// The executable of this build.
pub const TASKFLOW: &str = env!("CARGO_BIN_EXE_taskflow");

/// What every server of ours is set to here: no limit on how often, tokens that last.
const SETTINGS: [(&str, &str); 12] = [
    ("TASKFLOW_LOG__LEVEL", "error"),
    ("TASKFLOW_LIMITS__USER", "off"),
    ("TASKFLOW_LIMITS__ANONYMOUS", "off"),
    ("TASKFLOW_LIMITS__CREATE_TASK", "off"),
    ("TASKFLOW_LIMITS__ASSIGN_TASK", "off"),
    ("TASKFLOW_LIMITS__LOGIN_ADDRESS", "off"),
    ("TASKFLOW_LIMITS__LOGIN_ACCOUNT", "off"),
    ("TASKFLOW_LIMITS__REGISTER_ADDRESS", "off"),
    ("TASKFLOW_AUTH__ACCESS_TOKEN_SECONDS", "86400"),
    ("TASKFLOW_AUTH__VERIFY_EMAIL", "false"),
    ("TASKFLOW_MAIL__TRANSPORT", "none"),
    ("METRICS_PORT", "0"),
];

/// A `PostgreSQL` that syncs to the disk, a Redis, and a folder: what servers under measurement share.
pub struct Bed {
    postgres: Postgres,
    redis: RedisServer,
    folder: TempDir,
}

impl Bed {
    /// Starts both.
    pub async fn start() -> Self {
        let postgres = tokio::task::spawn_blocking(|| {
            Postgres::start_with(&[
                "shared_buffers=256MB",
                "max_wal_size=4GB",
                "track_commit_timestamp=on",
            ])
        })
        .await;
        Self {
            postgres: postgres.expect("PostgreSQL starts"),
            redis: RedisServer::start_private(),
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// The folder of the signing key and of whatever else.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of a database of this name.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.postgres.address())
    }

    /// The URL of Redis.
    pub fn redis(&self) -> &str {
        self.redis.url()
    }

    /// The settings of a server of ours on this database: `postgres://…`, or `sqlite://…` for one without
    /// Redis. Those given come last and win.
    pub fn env(&self, database: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let key = self.folder().join("key.pem").display().to_string();
        let mut env = vec![
            ("DATABASE_URL".to_owned(), database.to_owned()),
            ("JWT_PRIVATE_KEY_FILE".to_owned(), key),
        ];
        if database.starts_with("postgres:") {
            env.push(("REDIS_URL".to_owned(), self.redis().to_owned()));
        }
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        env.extend(SETTINGS.iter().chain(more).map(owned));
        env
    }

    /// Makes an empty `PostgreSQL` database and fills it with `demo seed`; answers its URL.
    pub async fn seeded(&self, name: &str, users: u32, tasks: u32) -> String {
        let admin = connect(&self.url_of("postgres")).await;
        let create = format!("CREATE DATABASE \"{name}\"");
        admin.execute_unprepared(&create).await.expect("a database");
        let url = self.url_of(name);
        self.seed(&url, users, tasks).await;
        let db = connect(&url).await;
        db.execute_unprepared("VACUUM ANALYZE")
            .await
            .expect("figures for the planner");
        url
    }

    /// Fills a database with `demo seed`.
    pub async fn seed(&self, url: &str, users: u32, tasks: u32) {
        let (users, tasks) = (users.to_string(), tasks.to_string());
        self.command(url, &["migrate", "up"]).await;
        let seed = ["demo", "seed", "--users", &users, "--tasks", &tasks];
        self.command(url, &seed).await;
    }

    /// Runs a command of ours to its end.
    pub async fn command(&self, url: &str, args: &[&str]) {
        let env = self.env(url, &[]);
        let mut command = std::process::Command::new(TASKFLOW);
        command.args(args).envs(env).current_dir(self.folder());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.expect("it ends").expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "taskflow {args:?}: {said}");
    }

    /// Starts a server of ours and waits until it is ready.
    pub async fn serve(&self, database: &str, args: &[&str], more: &[(&str, &str)]) -> Service {
        let env = self.env(database, more);
        let env: Vec<(&str, &str)> = pairs(&env);
        Service::start(self.folder(), Path::new(TASKFLOW), args, &env, "/readyz").await
    }

    /// Starts a server of the benchmark's own, with one thread for its work.
    pub async fn own(&self, database: &str, key: &Path, name: &str) -> Service {
        let this = std::env::current_exe().expect("an executable");
        self.other(database, key, &this, name).await
    }

    /// Starts another's server on this database, with the key that our tokens are checked with, and waits
    /// until it is ready.
    pub async fn other(&self, database: &str, key: &Path, program: &Path, arg: &str) -> Service {
        let key = key.display().to_string();
        let env = [
            ("DATABASE_URL", database),
            ("REDIS_URL", self.redis()),
            ("JWT_PUBLIC_KEY_FILE", &key),
            ("NODE_ENV", "production"),
            ("TOKIO_WORKER_THREADS", "1"),
        ];
        Service::start(self.folder(), program, &[arg], &env, "/readyz").await
    }

    /// Writes the public key of the tokens as PEM (RFC 8410); answers where.
    pub fn public_key(&self, app: &App) -> PathBuf {
        let keys = serde_json::to_value(app.tokens.public_keys()).expect("keys");
        let point = keys["keys"][0]["x"].as_str().expect("an Ed25519 key");
        let mut der = vec![
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        der.extend(URL_SAFE_NO_PAD.decode(point).expect("base64"));
        let body = STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let path = self.folder().join("public.pem");
        std::fs::write(&path, pem).expect("a file");
        path
    }
}

/// The folder of the peers, and the Node.js they run on where both are installed.
pub fn peers() -> Option<(PathBuf, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let node = folder.join("node_modules/.bin/node");
    node.is_file().then_some((folder, node))
}

/// Name and value, borrowed.
pub fn pairs(env: &[(String, String)]) -> Vec<(&str, &str)> {
    env.iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// A connection of the benchmark's own.
pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(2).sqlx_logging(false);
    Database::connect(options)
        .await
        .expect("the database answers")
}

/// A server under measurement; killed when dropped.
pub struct Service {
    proc: Proc,
    address: SocketAddr,
}

impl Service {
    /// Starts a program that listens on `PORT` of 127.0.0.1, and waits until it answers this path with success.
    pub async fn start(
        folder: &Path,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
        ready: &str,
    ) -> Self {
        let port = free_port();
        let text = port.to_string();
        let mut all = env.to_vec();
        all.push(("PORT", &text));
        let proc = Proc::spawn_in(folder, program, args, &all);
        let service = Self {
            proc,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        };
        let url = format!("http://{}{ready}", service.address);
        let client = reqwest::Client::new();
        for _ in 0..3_000 {
            if let Ok(answer) = client.get(&url).send().await
                && answer.status().is_success()
            {
                return service;
            }
            pause(Duration::from_millis(10)).await;
        }
        panic!(
            "{} is not ready:\n{}",
            program.display(),
            service.proc.output()
        );
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it said last.
    pub fn output(&self) -> String {
        self.proc.output()
    }

    /// The time of the processor it has had.
    pub fn processor(&self) -> Duration {
        processor_of(&self.read("stat"))
    }

    /// What it has in memory, in KiB.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// What of it belongs to nothing but itself, in KiB.
    pub fn own_memory(&self) -> u64 {
        self.status("RssAnon:")
    }

    /// The most it has had in memory, in KiB.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    /// What `/proc` says of the process in this file.
    fn read(&self, file: &str) -> String {
        let id = self.proc.id();
        std::fs::read_to_string(format!("/proc/{id}/{file}")).expect("Linux")
    }
}

/// The time of the processor in a file of Linux about a process: proc_pid_stat(5).
pub fn processor_of(stat: &str) -> Duration {
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // The 14th and 15th of all, in hundredths of a second.
    let ticks = |place: usize| fields[place].parse::<u64>().expect("a number");
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// Waits: a benchmark watches what happens in a span.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures by the clock"
)]
pub async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
