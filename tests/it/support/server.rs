//! The real executable as a process of its own.

use std::net::SocketAddr;

use tempfile::TempDir;

use super::Mode;
use super::app::servers;
use super::postgres::TestDatabase;
use super::process::Proc;

/// The executable under test.
pub const TASKFLOW: &str = env!("CARGO_BIN_EXE_taskflow");

/// Servers and settings for real processes.
pub struct Site {
    pub folder: TempDir,
    pub env: Vec<(String, String)>,
    _database: Option<TestDatabase>,
}

impl Site {
    /// A site with some settings of its own.
    pub async fn new(mode: Mode, settings: &[(&str, &str)]) -> Self {
        let (folder, database, mut env) = servers(mode, settings).await;
        // The same for all processes of the site, whatever their ports.
        env.entry("TASKFLOW_SERVER__PUBLIC_URL".to_owned())
            .or_insert_with(|| "http://taskflow.test".to_owned());
        Self {
            folder,
            env: env.into_iter().collect(),
            _database: database,
        }
    }

    /// Runs a command of the executable.
    pub fn spawn(&self, args: &[&str]) -> Proc {
        self.spawn_program(TASKFLOW, args)
    }

    fn spawn_program(&self, program: &str, args: &[&str]) -> Proc {
        let env: Vec<(&str, &str)> = self
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Proc::spawn_in(self.folder.path(), program, args, &env)
    }

    /// Starts a server, and answers its address once it is ready.
    pub async fn serve(&self, args: &[&str]) -> (Proc, SocketAddr) {
        self.serve_with(TASKFLOW, args).await
    }

    /// The same, started by another program that becomes the server.
    pub async fn serve_with(&self, program: &str, args: &[&str]) -> (Proc, SocketAddr) {
        let mut server = self.spawn_program(program, args);
        // The address is said on stdout and "ready" in the log on stderr: either may come first.
        let (mut address, mut ready) = (None, false);
        server
            .wait_for_line(|line| {
                if line.contains("GraphQL ") {
                    address = Some(line.to_owned());
                }
                ready |= line.contains(" ready ") || line.contains("\"ready\"");
                address.is_some() && ready
            })
            .await;
        let line = address.expect("it was waited for");
        let port = line
            .split("localhost:")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .and_then(|port| port.parse().ok())
            .unwrap_or_else(|| panic!("a port in {line}"));
        (server, SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// Sends an operation to a real server.
pub async fn post(
    address: SocketAddr,
    token: Option<&str>,
    query: &str,
    variables: serde_json::Value,
) -> serde_json::Value {
    let mut request = reqwest::Client::new()
        .post(format!("http://{address}/graphql"))
        .json(&serde_json::json!({"query": query, "variables": variables}));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON")
}
