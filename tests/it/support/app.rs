//! The application under test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use taskflow::app::App;
use taskflow::db::Clock;
use taskflow::lifecycle::Lifecycle;
use taskflow::settings::Settings;
use taskflow::{server, worker};
use tempfile::TempDir;
use tokio::time::timeout;

use super::people::Person;
use super::postgres::{self, TestDatabase};
use super::process::PATIENCE;
use super::redis;

/// Which servers the application runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// SQLite and the in-process bus.
    Embedded,
    /// PostgreSQL and Redis.
    Full,
}

/// An application of its own, with its own database and its own Redis prefix. The worker does not
/// run by itself: a test says when, with [`TestApp::work`].
pub struct TestApp {
    pub app: App,
    pub router: Router,
    pub lifecycle: Lifecycle,
    pub clock: Clock,
    pub env: BTreeMap<String, String>,
    pub folder: TempDir,
    database: Option<TestDatabase>,
}

impl TestApp {
    /// The application as it is set by default, but for cheap password hashes.
    pub async fn start(mode: Mode) -> Self {
        Self::with(mode, &[]).await
    }

    /// The same with some settings changed.
    pub async fn with(mode: Mode, settings: &[(&str, &str)]) -> Self {
        let (folder, database, env) = servers(mode, settings).await;
        Self::on(folder, database, env, Clock::default()).await
    }

    /// A second replica on the same servers. Only for PostgreSQL: an SQLite file has one process.
    pub async fn replica(&self) -> Self {
        self.replica_with(&[]).await
    }

    /// The same with some settings changed.
    pub async fn replica_with(&self, settings: &[(&str, &str)]) -> Self {
        assert!(self.database.is_some(), "an SQLite file has one process");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut env = self.env.clone();
        for (name, value) in settings {
            env.insert((*name).to_owned(), (*value).to_owned());
        }
        Self::on(folder, None, env, self.clock.clone()).await
    }

    async fn on(
        folder: TempDir,
        database: Option<TestDatabase>,
        env: BTreeMap<String, String>,
        clock: Clock,
    ) -> Self {
        let settings = Settings::load(None, &env, folder.path()).expect("good settings");
        let (app, bus) = App::start(settings, clock.clone())
            .await
            .expect("the application starts");
        let lifecycle = Lifecycle::default();
        tokio::spawn(bus.run(lifecycle.ended.clone()));
        tokio::spawn(
            app.feed
                .clone()
                .run(app.bus.clone(), lifecycle.ended.clone()),
        );
        tokio::spawn(
            app.revocations
                .clone()
                .run(app.bus.clone(), lifecycle.ended.clone()),
        );
        Self {
            router: server::router(&app, &lifecycle),
            app,
            lifecycle,
            clock,
            env,
            folder,
            database,
        }
    }

    /// Somebody without a token.
    pub fn anybody(&self) -> Person {
        Person::new(self.router.clone(), None)
    }

    /// Somebody with an account: user name `name`, address `name@example.org`.
    pub async fn person(&self, name: &str) -> Person {
        Person::register(self.router.clone(), name).await
    }

    /// Somebody who may see and edit everything.
    pub async fn admin(&self, name: &str) -> Person {
        let person = self.person(name).await;
        let id = taskflow::graphql::Kind::User
            .decode(&person.id)
            .expect("an id");
        self.app
            .db
            .write(|tx| async move {
                taskflow::accounts::grant(&tx, entity::UserId(id), entity::user_role::Role::Admin)
                    .await
            })
            .await
            .expect("the role is granted");
        person.logged_in_again().await
    }

    /// Waits until hints of other replicas arrive.
    pub async fn bus_is_up(&self) {
        let mut up = self.app.bus.up();
        timeout(PATIENCE, up.wait_for(|up| *up))
            .await
            .expect("Redis answers")
            .expect("the bus lives");
    }

    /// Does every job that is due, and what those cause. Answers how many there were.
    pub async fn work(&self) -> usize {
        let mut done = 0;
        for runner in worker::runners(&self.app) {
            done += runner.run_until_idle().await.expect("the jobs run");
        }
        done
    }

    /// Takes all places in which passwords are hashed, until what is answered is dropped: whoever logs in
    /// meanwhile waits.
    pub async fn hold_hashes(&self) -> Vec<std::sync::mpsc::Sender<()>> {
        let passwords = &self.app.passwords;
        let (_, allowed) = passwords.most_at_once();
        let mut holds = Vec::new();
        for _ in 0..allowed {
            let (hold, wait) = std::sync::mpsc::channel();
            let (begin, has_begun) = tokio::sync::oneshot::channel();
            let passwords = passwords.clone();
            tokio::spawn(async move {
                let place = passwords.run(move || {
                    begin.send(()).ok();
                    wait.recv().ok();
                });
                place.await.expect("a place");
            });
            has_begun.await.expect("a place");
            holds.push(hold);
        }
        holds
    }

    /// Listens on a free port, for what needs a real connection.
    pub async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = self.router.clone();
        let ended = self.lifecycle.ended.clone();
        let settings = self.app.settings.server.clone();
        tokio::spawn(async move { server::serve_on(listener, router, &settings, ended).await });
        address
    }

    /// A connection of the test's own, to look behind the API or to put something there.
    pub async fn sql(&self) -> DatabaseConnection {
        let url = &self.env["DATABASE_URL"];
        Database::connect(url).await.expect("a connection")
    }

    /// The only number a query answers.
    pub async fn number(&self, query: &str) -> i64 {
        let db = self.sql().await;
        let statement = Statement::from_string(db.get_database_backend(), query);
        let row = db
            .query_one_raw(statement)
            .await
            .expect(query)
            .expect("a row");
        // A column of 32 bits stays one on PostgreSQL.
        row.try_get_by_index::<i64>(0)
            .or_else(|_| row.try_get_by_index::<i32>(0).map(i64::from))
            .expect("a number")
    }

    /// Changes something behind the API.
    pub async fn execute(&self, statement: &str) {
        let db = self.sql().await;
        db.execute_unprepared(statement).await.expect(statement);
    }

    /// The mails in the mailbox folder, oldest first.
    pub fn mails(&self) -> Vec<String> {
        let folder = self.folder.path().join("mailbox");
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .collect();
        paths.sort();
        paths
            .into_iter()
            .map(|path| std::fs::read_to_string(path).expect("a mail"))
            .collect()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.lifecycle.draining.cancel();
        self.lifecycle.ended.cancel();
    }
}

/// A folder, the servers of a mode, and the settings that lead to them.
pub async fn servers(
    mode: Mode,
    settings: &[(&str, &str)],
) -> (TempDir, Option<TestDatabase>, BTreeMap<String, String>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = match mode {
        Mode::Embedded => None,
        Mode::Full => Some(migrated_database().await),
    };
    let url = match &database {
        Some(database) => database.url().to_owned(),
        None => format!("sqlite://{}", folder.path().join("taskflow.db").display()),
    };
    let mut env = environment(&folder, &url);
    if mode == Mode::Full {
        env.insert("REDIS_URL".to_owned(), redis::server().url().to_owned());
    }
    for (name, value) in settings {
        env.insert((*name).to_owned(), (*value).to_owned());
    }
    (folder, database, env)
}

/// The settings of every test, as environment variables: also for real processes.
fn environment(folder: &TempDir, database_url: &str) -> BTreeMap<String, String> {
    static PREFIX: AtomicU32 = AtomicU32::new(0);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let prefix = PREFIX.fetch_add(1, Ordering::Relaxed);
    let settings = [
        ("DATABASE_URL", database_url.to_owned()),
        ("PORT", "0".to_owned()),
        ("METRICS_PORT", "0".to_owned()),
        ("JWT_PRIVATE_KEY_FILE", path("key.pem")),
        ("TASKFLOW_MAIL__MAILBOX_FOLDER", path("mailbox")),
        (
            "TASKFLOW_REDIS__PREFIX",
            format!("test-{}-{prefix}", std::process::id()),
        ),
        ("TASKFLOW_DATABASE__MAX_CONNECTIONS", "5".to_owned()),
        // Counting in Redis must not become counting alone because the machine is busy.
        ("TASKFLOW_LIMITS__REDIS_TIMEOUT_MS", "5000".to_owned()),
        // Most tests are about something else than the mail that asks to confirm an address.
        ("TASKFLOW_AUTH__VERIFY_EMAIL", "false".to_owned()),
        // The real cost has a suite of its own.
        ("TASKFLOW_AUTH__PASSWORD__ARGON2_MEMORY_KIB", "8".to_owned()),
        ("TASKFLOW_AUTH__PASSWORD__ARGON2_ITERATIONS", "1".to_owned()),
    ];
    settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A database of its own on PostgreSQL, with every change applied.
async fn migrated_database() -> TestDatabase {
    postgres::database_from_template(async |url: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let env = environment(&folder, url);
        let settings = Settings::load(None, &env, folder.path()).expect("good settings");
        let db = taskflow::db::Db::connect(&settings.database, Clock::default())
            .await
            .expect("PostgreSQL answers");
        db.migrate_up().await.expect("the changes apply");
        db.close(PATIENCE).await;
    })
    .await
}
