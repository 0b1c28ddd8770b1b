//! A `PostgreSQL` server that can be ended as a loss of power would, and keeps what it promised.

use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use crate::support::postgres::{find_postgres, user_to_run_as};
use crate::support::process::{ServerCommand, ServerProcess, find_program, free_port, temp_dir};

/// Runs the server `$@` again whenever it ends, but for as long as there is a file `down`.
const LOOP: &str = r#"
trap 'kill -s TERM "$pid"; kill -s QUIT "$pid"; wait "$pid"; exit' TERM
while :; do
    if [ ! -e down ]; then
        "$@" &
        pid=$!
        wait "$pid"
    fi
    sleep 0.05
done
"#;

/// The arguments are: folder, shell, `-c`, the loop, `sh`, the server.
const INITDB: &str = r#""${6%/*}/initdb" -D "$1/data" -A trust -E UTF8 --locale=C.UTF-8 \
    --no-sync --no-instructions -U postgres"#;

/// The server; dropping it ends it and removes its data.
pub struct Postgres {
    address: SocketAddr,
    folder: PathBuf,
    _process: ServerProcess,
}

impl Postgres {
    /// Starts a server with an empty database. Unlike that of other tests it syncs to the disk.
    pub fn start() -> Self {
        Self::start_with(&["shared_buffers=32MB"])
    }

    /// The same with settings, such as `shared_buffers=32MB`.
    pub fn start_with(settings: &[&str]) -> Self {
        let folder = temp_dir();
        let user = user_to_run_as();
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let port = free_port();
        let place = folder.display();
        let mut args = vec![
            "-c".to_owned(),
            LOOP.to_owned(),
            "sh".to_owned(),
            find_postgres().display().to_string(),
            format!("-D{place}/data"),
            "-h127.0.0.1".to_owned(),
            format!("-p{port}"),
            format!("-cunix_socket_directories={place}"),
            "-cmax_connections=200".to_owned(),
        ];
        args.extend(settings.iter().map(|setting| format!("-c{setting}")));
        let process = ServerProcess::start(&ServerCommand {
            program: &find_program("sh").expect("a shell"),
            args,
            dir: &folder,
            user,
            prepare: INITDB,
            stop_signals: "TERM",
            ready: "ready to accept connections",
        });
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            _process: process.unwrap_or_else(|log| panic!("PostgreSQL does not start: {log}")),
            folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it at once (`immediate`), and it comes back by itself.
    pub fn crash(&self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid"));
        let Ok(pid) = pid else { return };
        let pid = pid.lines().next().unwrap_or_default();
        Command::new("sh")
            .args(["-c", r#"kill -s QUIT "$1" 2>/dev/null"#, "sh", pid])
            .status()
            .ok();
    }

    /// Whether it stays away after the next crash.
    pub fn stay_away(&self, yes: bool) {
        let down = self.folder.join("down");
        if yes {
            std::fs::write(down, "").expect("a file");
        } else {
            std::fs::remove_file(down).ok();
        }
    }
}
