//! Real Redis servers: one shared by the test process, and private ones a test may disturb.

use std::sync::OnceLock;

use super::process::{ServerCommand, ServerProcess, find_program, free_port, temp_dir};

/// How often another port is tried when somebody else was faster.
const ATTEMPTS: usize = 5;

/// The shared server, started on first use, or the one `TEST_REDIS_URL` names. Tests must use
/// key prefixes or channels of their own.
pub fn server() -> &'static RedisServer {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("TEST_REDIS_URL") {
        Ok(url) if !url.is_empty() => RedisServer {
            url,
            port: 0,
            process: None,
        },
        _ => RedisServer::start_private(),
    })
}

/// A Redis server that keeps nothing on disk; dropping it ends it.
#[derive(Debug)]
pub struct RedisServer {
    url: String,
    port: u16,
    process: Option<ServerProcess>,
}

impl RedisServer {
    /// Starts a server of the test's own, on a port that stays its own.
    pub fn start_private() -> Self {
        let mut refused = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            match run(port) {
                Ok(process) => {
                    let url = format!("redis://127.0.0.1:{port}/");
                    return Self {
                        url,
                        port,
                        process: Some(process),
                    };
                }
                Err(log) if log.contains("Address already in use") => refused = log,
                Err(log) => panic!("redis-server does not start: {log}"),
            }
        }
        panic!("redis-server found no free port in {ATTEMPTS} attempts: {refused}");
    }

    /// The URL clients connect to; it stays the same over [`Self::kill`] and [`Self::start`].
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills the server with SIGKILL; it is gone, with all it stored, when this returns.
    pub fn kill(&mut self) {
        assert!(
            self.port != 0,
            "a server from TEST_REDIS_URL is not ours to kill"
        );
        self.process = None;
    }

    /// Starts the killed server again, empty, on the same port.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "the server runs already");
        match run(self.port) {
            Ok(process) => self.process = Some(process),
            Err(log) => panic!("redis-server does not start again: {log}"),
        }
    }

    /// Stops the server in its tracks: connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.process().signal("STOP");
    }

    /// Lets the paused server go on.
    pub fn resume(&self) {
        self.process().signal("CONT");
    }

    fn process(&self) -> &ServerProcess {
        self.process
            .as_ref()
            .expect("the server runs and is one of ours")
    }
}

fn run(port: u16) -> Result<ServerProcess, String> {
    let Some(program) = find_program("redis-server") else {
        panic!(
            "Redis is not installed: run `make test-deps` (Debian/Ubuntu), or install redis so \
             that redis-server is on PATH"
        );
    };
    let dir = temp_dir();
    let folder = dir.display().to_string();
    let port = port.to_string();
    let args = [
        ["--bind", "127.0.0.1"],
        ["--port", &port],
        ["--save", ""],
        ["--appendonly", "no"],
        ["--daemonize", "no"],
        ["--dir", &folder],
    ];
    ServerProcess::start(&ServerCommand {
        program: &program,
        args: args.concat().into_iter().map(str::to_owned).collect(),
        dir: &dir,
        user: None,
        prepare: ":",
        // There is nothing to save, and a paused server hears no other signal.
        stop_signals: "KILL",
        ready: "Ready to accept connections",
    })
}
