//! Servers, each below a shell that ends it and removes its folder.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use super::{PATIENCE, for_each_line, signal};

/// Runs the server as its child and reads its stdin, which is the pipe the test process holds.
/// The arguments are: folder to remove, signals that end the server, a snippet that prepares the
/// folder (it ends by itself, so the pipe need not be watched meanwhile), and the command.
/// The inner shell prints the server's id before it becomes the server.
const SERVER_WATCHDOG: &str = r#"
dir=$1 signals=$2 prepare=$3
shift 3
if ! sh -c "$prepare" sh "$dir" "$@" </dev/null 2>&1; then
    cd / && rm -rf "$dir"
    exit 1
fi
sh -c 'echo "watchdog-pid $$"; exec "$@"' sh "$@" </dev/null 2>&1 &
pid=$!
# The log must end when the server ends, so the watchdog lets go of it.
exec >/dev/null 2>&1
# When the test process dies while the server is stopped, the system sends HUP to both.
trap '' HUP
read -r _
for signal in $signals; do kill -s "$signal" "$pid"; done
wait "$pid"
cd / && rm -rf "$dir"
"#;

/// What is needed to run a server below a watchdog.
pub struct ServerCommand<'a> {
    /// The executable.
    pub program: &'a Path,
    /// Its arguments.
    pub args: Vec<String>,
    /// The server's own folder: its working folder, removed when the server has ended.
    pub dir: &'a Path,
    /// The user and group to run as, when not the current ones.
    pub user: Option<(u32, u32)>,
    /// A shell snippet run first; it gets the folder and the command as arguments.
    pub prepare: &'a str,
    /// The signals that end the server, separated by spaces.
    pub stop_signals: &'a str,
    /// The text of the log line that tells that connections are welcome.
    pub ready: &'a str,
}

/// A running server; dropping it ends the server and removes its folder.
#[derive(Debug)]
pub struct ServerProcess {
    shell: Child,
    lifeline: Option<ChildStdin>,
    pid: u32,
}

impl ServerProcess {
    /// Starts the server and waits until it says that it is ready; the error is its log.
    pub fn start(command: &ServerCommand<'_>) -> Result<Self, String> {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SERVER_WATCHDOG, "sh"])
            .arg(command.dir)
            .args([command.stop_signals, command.prepare])
            .arg(command.program)
            .args(&command.args)
            .current_dir(command.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        if let Some((uid, gid)) = command.user {
            shell.uid(uid).gid(gid);
        }
        let mut shell = shell.spawn().expect("`sh` starts");
        let lifeline = shell.stdin.take();
        let log = shell.stdout.take().expect("stdout is a pipe");
        // From here on an early return ends the server.
        let mut server = Self {
            shell,
            lifeline,
            pid: 0,
        };

        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Goes on reading when nobody listens any more: a full pipe would block the server.
            for_each_line(log, |line| drop(sender.send(line)));
        });
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(command.ready) => return Ok(server),
                Ok(line) => {
                    if let Some(pid) = line.strip_prefix("watchdog-pid ") {
                        server.pid = pid.parse().expect("the watchdog prints a number");
                    } else {
                        seen.push_str(&line);
                        seen.push('\n');
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(format!("it ended:\n{seen}")),
                Err(RecvTimeoutError::Timeout) => return Err(format!("it is not ready:\n{seen}")),
            }
        }
    }

    /// Sends a signal, such as `STOP`, to the server itself.
    pub fn signal(&self, name: &str) {
        signal(name, &self.pid.to_string());
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // The end of the pipe is the watchdog's order to clean up; its end means all is gone.
        self.lifeline = None;
        drop(self.shell.wait());
    }
}
