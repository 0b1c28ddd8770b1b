//! A real `PostgreSQL` server for the test process, and a migrated database of its own per test.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr};
use tokio::sync::OnceCell;

use super::process::{ServerCommand, ServerProcess, at_end, find_program, free_port, temp_dir};

/// How often another port is tried when somebody else was faster.
const ATTEMPTS: usize = 5;

const MISSING: &str = "PostgreSQL is not installed: run `make test-deps` (Debian/Ubuntu), or \
                       install postgresql so that initdb is on PATH";

/// Initialises the folder `$1` with the `initdb` beside the server `$2`.
const INITDB: &str = r#""${2%/*}/initdb" -D "$1/data" -A trust -E UTF8 --locale=C.UTF-8 \
    --no-sync --no-instructions -U postgres"#;

/// Drops what this process made on a server that outlives it, once it is gone. `$1` is the
/// admin URL, `$2` the beginning of the names.
const CLEAN_UP: &str = r#"
psql -XAtq "$1" -c "SELECT datname FROM pg_database WHERE starts_with(datname, '$2')" |
while read -r name; do
    psql -Xq "$1" -c "DROP DATABASE IF EXISTS \"$name\" WITH (FORCE)"
done
"#;

/// The server, started on first use.
pub async fn server() -> &'static PgServer {
    static SERVER: OnceCell<PgServer> = OnceCell::const_new();
    SERVER
        .get_or_init(|| async {
            // `initdb` takes a second; the other tasks of this test may go on meanwhile.
            let started =
                tokio::task::spawn_blocking(|| match std::env::var("TEST_DATABASE_URL") {
                    Ok(url) if !url.is_empty() => PgServer::existing(url),
                    _ => PgServer::start(),
                });
            match started.await {
                Ok(server) => server,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        })
        .await
}

/// A `PostgreSQL` server on which databases may be created.
#[derive(Debug)]
pub struct PgServer {
    admin_url: String,
    _process: Option<ServerProcess>,
}

impl PgServer {
    fn start() -> Self {
        let program = find_postgres();
        let user = user_to_run_as();
        let mut refused = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            match run(&program, user, port) {
                Ok(process) => {
                    let admin_url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
                    return Self {
                        admin_url,
                        _process: Some(process),
                    };
                }
                Err(log) if log.contains("Address already in use") => refused = log,
                Err(log) => panic!("PostgreSQL does not start: {log}"),
            }
        }
        panic!("PostgreSQL found no free port in {ATTEMPTS} attempts: {refused}");
    }

    fn existing(admin_url: String) -> Self {
        at_end(CLEAN_UP, &[&admin_url, &name_prefix()]);
        Self {
            admin_url,
            _process: None,
        }
    }

    /// The URL of another database on this server.
    pub fn url_of(&self, database: &str) -> String {
        // The name is the path: after `//host`, up to the parameters.
        let (base, parameters) = match self.admin_url.split_once('?') {
            Some((base, parameters)) => (base, format!("?{parameters}")),
            None => (self.admin_url.as_str(), String::new()),
        };
        let host = base.find("://").map_or(0, |at| at + 3);
        let end = base[host..].find('/').map_or(base.len(), |at| host + at);
        format!("{}/{database}{parameters}", &base[..end])
    }

    async fn create(&self, name: &str, template: Option<&str>) {
        let template = template.unwrap_or("template1");
        let sql = format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"");
        execute(&self.admin_url, &[sql])
            .await
            .expect("a database can be created");
    }
}

/// The database of one test; dropped with it.
#[derive(Debug)]
pub struct TestDatabase {
    server: &'static PgServer,
    name: String,
    url: String,
}

impl TestDatabase {
    /// The URL to connect to.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Dropping a database takes a checkpoint, so one thread does it behind the tests' backs.
        // What it has not done when the test process ends goes with the whole server.
        static JANITOR: OnceLock<mpsc::Sender<(String, String)>> = OnceLock::new();
        let janitor = JANITOR.get_or_init(|| {
            let (sender, names) = mpsc::channel::<(String, String)>();
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let Ok(runtime) = runtime else { return };
                for (admin_url, name) in names {
                    let sql = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
                    drop(runtime.block_on(execute(&admin_url, &[sql])));
                }
            });
            sender
        });
        drop(janitor.send((
            self.server.admin_url.clone(),
            std::mem::take(&mut self.name),
        )));
    }
}

/// A database of the test's own, copied from a template that `migrate` prepares at the first
/// call in the test process; it gets the URL and must leave no work running.
pub async fn database_from_template<F>(migrate: F) -> TestDatabase
where
    F: AsyncFnOnce(&str),
{
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let server = server().await;
    let template = TEMPLATE
        .get_or_init(|| async {
            // A new name each time: the attempt of a test that failed half-way may be there.
            let name = new_name();
            server.create(&name, None).await;
            migrate(&server.url_of(&name)).await;
            // A database can be copied only while nobody is connected to it.
            let close = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false");
            let disconnect = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            );
            execute(&server.admin_url, &[close, disconnect])
                .await
                .expect("a template is made");
            name
        })
        .await;
    let name = new_name();
    server.create(&name, Some(template)).await;
    TestDatabase {
        server,
        url: server.url_of(&name),
        name,
    }
}

/// Runs statements on a connection of its own: each test has its own runtime, and a connection
/// must not outlive the one it was made in.
async fn execute(url: &str, statements: &[String]) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await?;
    let mut result = Ok(());
    for sql in statements {
        result = connection.execute_unprepared(sql).await.map(|_| ());
        if result.is_err() {
            break;
        }
    }
    connection.close().await?;
    result
}

/// How the names of all databases of this test process begin. The time tells apart processes
/// that have the same id on different machines.
fn name_prefix() -> String {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX
        .get_or_init(|| {
            let now = std::time::UNIX_EPOCH
                .elapsed()
                .map_or(0, |since| since.as_millis());
            format!("taskflow_test_{}_{now}_", std::process::id())
        })
        .clone()
}

fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}{}", name_prefix(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn run(program: &Path, user: Option<(u32, u32)>, port: u16) -> Result<ServerProcess, String> {
    let dir = temp_dir();
    if let Some((uid, gid)) = user {
        chown(&dir, Some(uid), Some(gid)).expect("root may give a folder away");
    }
    let folder = dir.display();
    let mut args = vec![
        format!("-D{folder}/data"),
        "-h127.0.0.1".into(),
        format!("-p{port}"),
    ];
    let settings = [
        format!("unix_socket_directories={folder}"),
        // The data need not survive anything.
        "fsync=off".into(),
        "full_page_writes=off".into(),
        "synchronous_commit=off".into(),
        "autovacuum=off".into(),
        "shared_buffers=64MB".into(),
        // Every test has a pool of its own.
        "max_connections=400".into(),
    ];
    for setting in settings {
        args.extend(["-c".into(), setting]);
    }
    ServerProcess::start(&ServerCommand {
        program,
        args,
        dir: &dir,
        user,
        prepare: INITDB,
        // QUIT is the immediate end, in which the server frees its shared memory. A server that
        // has only just started still ignores it, as background jobs of a shell do: TERM ends it.
        stop_signals: "TERM QUIT",
        ready: "ready to accept connections",
    })
}

/// The server executable beside the `initdb` on PATH, or of the newest version where Debian
/// keeps them, which is not on PATH.
pub fn find_postgres() -> PathBuf {
    let debian = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let newest = versions
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join("bin/initdb").is_file())
            .max_by_key(|path| path.file_name()?.to_str()?.parse::<u32>().ok())?;
        Some(newest.join("bin/initdb"))
    };
    let initdb = find_program("initdb").or_else(debian).expect(MISSING);
    // The one on PATH may be a link to where the others are.
    let initdb = initdb.canonicalize().expect("initdb is a file");
    let postgres = initdb.with_file_name("postgres");
    assert!(
        postgres.is_file(),
        "{MISSING}; there is no server beside {}",
        initdb.display()
    );
    postgres
}

/// `PostgreSQL` refuses to run as root; then it runs as the user `postgres`.
pub fn user_to_run_as() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let probe = tempfile::tempfile().expect("a temporary file can be made");
    let uid = probe.metadata().expect("a file has an owner").uid();
    if uid != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
    let ids = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Some(ids.expect(
        "the tests run as root, which PostgreSQL refuses, and there is no user `postgres`: run \
         them as another user, or run `make test-deps` (Debian/Ubuntu)",
    ))
}
