//! The processes the tests start, and how each of them ends with the test process.
//!
//! Statics are never dropped and a killed process runs no destructor, so nothing here relies on
//! Rust code at the end: every process has a small shell watchdog that sees the end of the test
//! process as the end of a pipe. All of them live in process groups of their own, so that Ctrl-C
//! reaches the test process only and the watchdogs can still clean up.

mod server;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub use self::server::{ServerCommand, ServerProcess};

/// How long a test waits for something that must happen before it fails with an explanation.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Becomes the program; its watchdog is a child that kills the whole process group (the program,
/// what it started and the watchdog) when the last writer of the named pipe `$1` is gone.
/// The pipe is opened for both directions first, so that the opening never blocks.
const PROC_WATCHDOG: &str = r#"
exec 9<>"$1" 8<"$1" 9>&-
shift
{ trap '' HUP; read -r _ <&8; kill -s KILL 0; } </dev/null >/dev/null 2>&1 &
exec "$@" 8<&-
"#;

/// The named pipe every [`Proc`] watches: its path, and the end that closes with this process.
/// The program keeps its own stdin, which is why the watchdog needs another pipe.
static LIFELINE: LazyLock<(PathBuf, File)> = LazyLock::new(|| {
    let dir = temp_dir();
    at_end(r#"rm -rf "$1""#, &[&dir.display().to_string()]);
    let path = dir.join("lifeline");
    let made = Command::new("mkfifo")
        .arg("-m600")
        .arg(&path)
        .status()
        .expect("`mkfifo` starts");
    assert!(made.success(), "mkfifo {} failed", path.display());
    // Opening both ends does not wait for a reader.
    let file = OpenOptions::new().read(true).write(true).open(&path);
    (path, file.expect("the named pipe opens"))
});

enum Line {
    Out(String),
    Err(String),
}

/// A program run by one test: its lines can be awaited and it is killed on drop.
pub struct Proc {
    pid: u32,
    stdin: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<Line>,
    output: Arc<Mutex<VecDeque<String>>>,
    errors: Arc<Mutex<String>>,
    status: watch::Receiver<Option<ExitStatus>>,
    waiter: Option<JoinHandle<()>>,
}

impl Proc {
    /// Starts a program in the working folder of the tests.
    pub fn spawn(program: impl AsRef<OsStr>, args: &[&str], envs: &[(&str, &str)]) -> Self {
        Self::spawn_in(Path::new("."), program, args, envs)
    }

    /// Starts a program in a folder.
    pub fn spawn_in(
        dir: &Path,
        program: impl AsRef<OsStr>,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", PROC_WATCHDOG, "sh"])
            .arg(&LIFELINE.0)
            .arg(program)
            .args(args)
            .envs(envs.iter().copied())
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("`sh` starts in the given folder");
        let pid = child.id();
        let (sender, lines) = mpsc::unbounded_channel();
        let output = Arc::new(Mutex::new(VecDeque::new()));
        let errors = Arc::new(Mutex::new(String::new()));

        let stdout = child.stdout.take().expect("stdout is a pipe");
        let out = thread::spawn({
            let (sender, output) = (sender.clone(), Arc::clone(&output));
            move || {
                for_each_line(stdout, |line| {
                    remember(&output, &line);
                    drop(sender.send(Line::Out(line)));
                });
            }
        });
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let err = thread::spawn({
            let (output, errors) = (Arc::clone(&output), Arc::clone(&errors));
            move || {
                for_each_line(stderr, |line| {
                    remember(&output, &line);
                    let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
                    errors.push_str(&line);
                    errors.push('\n');
                    drop(errors);
                    drop(sender.send(Line::Err(line)));
                });
            }
        });
        let stdin = child.stdin.take();
        let (exited, status) = watch::channel(None);
        let waiter = thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for");
            // Ends the watchdog and whatever the program left behind; the watchdog is still in
            // the group, so its number cannot belong to anybody else.
            signal("KILL", &format!("-{pid}"));
            // After `wait` the output is complete.
            drop((out.join(), err.join()));
            exited.send(Some(status)).ok();
        });
        Self {
            pid,
            stdin,
            lines,
            output,
            errors,
            status,
            waiter: Some(waiter),
        }
    }

    /// The process id.
    pub const fn id(&self) -> u32 {
        self.pid
    }

    /// The next line of stdout; `None` at its end.
    pub async fn next_line(&mut self) -> Option<String> {
        loop {
            match self.receive("its next line").await? {
                Line::Out(line) => return Some(line),
                Line::Err(_) => {}
            }
        }
    }

    /// The next line of stdout or stderr that satisfies the condition; fails the test when the
    /// program ends before.
    pub async fn wait_for_line(&mut self, mut wanted: impl FnMut(&str) -> bool) -> String {
        loop {
            match self.receive("the wanted line").await {
                Some(Line::Out(line) | Line::Err(line)) if wanted(&line) => return line,
                Some(_) => {}
                None => panic!(
                    "the program ended without the wanted line:\n{}",
                    self.output()
                ),
            }
        }
    }

    async fn receive(&mut self, what: &str) -> Option<Line> {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        let Ok(line) = line else {
            panic!("waited too long for {what}; so far:\n{}", self.output());
        };
        line
    }

    /// All of stderr so far; complete after [`Proc::wait`].
    pub fn stderr(&self) -> String {
        self.errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The latest lines of stdout and stderr, to explain a failure.
    pub fn output(&self) -> String {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output
            .iter()
            .flat_map(|line| ["    ", line, "\n"])
            .collect()
    }

    /// Closes the program's stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Kills the program with SIGKILL.
    pub fn kill9(&self) {
        self.signal("KILL");
    }

    /// Asks the program to end with SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal, such as `STOP`, unless the program has ended.
    pub fn signal(&self, name: &str) {
        if self.status.borrow().is_none() {
            signal(name, &self.pid.to_string());
        }
    }

    /// Waits until the program has ended and all its output was read.
    pub async fn wait(&mut self) -> ExitStatus {
        let ended = self.status.wait_for(Option::is_some);
        // Copied out, so that the program's output can be shown.
        let status = tokio::time::timeout(PATIENCE, ended)
            .await
            .map(|status| status.map(|s| *s));
        let Ok(status) = status else {
            panic!("the program does not end; its output:\n{}", self.output());
        };
        status.expect("the waiter sends it").expect("it is there")
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        if self.status.borrow().is_none() {
            signal("KILL", &format!("-{}", self.pid));
        }
        if let Some(waiter) = self.waiter.take() {
            drop(waiter.join());
        }
    }
}

/// Keeps the latest lines only: a server may log a lot.
fn remember(output: &Mutex<VecDeque<String>>, line: &str) {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    if output.len() == 200 {
        output.pop_front();
    }
    output.push_back(line.to_owned());
}

fn for_each_line(stream: impl Read, mut each: impl FnMut(String)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(length) if length > 0) {
        each(
            String::from_utf8_lossy(&line)
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
        );
        line.clear();
    }
}

/// Sends a signal to a process, or with a leading `-` to a process group. The shell's own `kill`
/// is used because the program of that name is not part of every minimal system.
fn signal(name: &str, target: &str) {
    let status = Command::new("sh")
        .args([
            "-c",
            r#"kill -s "$1" -- "$2" 2>/dev/null"#,
            "sh",
            name,
            target,
        ])
        .status();
    // An already ended process is no failure.
    drop(status);
}

/// Runs a shell script once this process has ended in whatever way.
pub fn at_end(script: &str, args: &[&str]) {
    let shell = Command::new("sh")
        .args(["-c", &format!("read -r _\n{script}"), "sh"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    // Forgotten on purpose: the pipe closes with this process.
    std::mem::forget(shell.expect("`sh` starts"));
}

/// A new folder with a short path: socket paths are limited to about a hundred bytes, which
/// `TMPDIR` may exceed. Whoever asks for it sees to its removal, through a watchdog.
pub fn temp_dir() -> PathBuf {
    let dir = tempfile::Builder::new()
        .prefix("taskflow-test-")
        .tempdir_in("/tmp");
    dir.expect("a folder can be made in /tmp").keep()
}

/// A port of 127.0.0.1 nobody uses. It lies below the range the system takes ports from by
/// itself, so that no outgoing connection and no other test gets it before the server has it,
/// nor while a test has its server down.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(101) % 10_000;
    for _ in 0..10_000 {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + (start + next) % 10_000).expect("below 30,000");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of 127.0.0.1 between 20000 and 30000 is free");
}

/// The executable of that name on PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// The clients' own Node.js, at the version their lock file names.
pub fn node() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node_modules/.bin/node");
    assert!(
        path.exists(),
        "the npm clients are not installed: run `make test-deps`"
    );
    path
}
