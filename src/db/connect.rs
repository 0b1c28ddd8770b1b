//! Opens the pools with the settings that the promises rest on.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use secrecy::ExposeSecret;

use super::conn::Seen;
use super::gate::Gate;
use super::lock_file::{LockError, LockFile};
use super::{Clock, Conn, Db, DbError};
use crate::settings;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It did not answer.
    #[error("cannot open the database {url}: {reason}. Is it running, and is DATABASE_URL right?")]
    Unreachable {
        /// Where, without the password.
        url: String,
        /// What the driver said.
        reason: String,
    },
    /// Another process uses the file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The folder of the file could not be made.
    #[error("cannot create the folder {path} for the database: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be made or opened.
    #[error("cannot open the database {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A database without a file cannot be shared by a writer and readers.
    #[error(
        "DATABASE_URL must name a file, as in sqlite://data/taskflow.db: nothing survives in memory"
    )]
    InMemory,
}

impl Db {
    /// Opens the database the settings name; on SQLite creates the file and takes its lock.
    ///
    /// # Errors
    /// [`ConnectError`] says what to do.
    pub async fn connect(
        settings: &settings::DatabaseSettings,
        clock: Clock,
    ) -> Result<Self, ConnectError> {
        let url = settings.url.expose_secret();
        match url.strip_prefix("sqlite:") {
            Some(rest) => sqlite(rest.strip_prefix("//").unwrap_or(rest), settings, clock).await,
            None => postgres(url, settings, clock).await,
        }
    }

    /// Opens the database for reading alone, beside a process that uses it: an SQLite file must be
    /// there, and is neither locked nor changed.
    ///
    /// # Errors
    /// [`ConnectError`] says what to do.
    pub async fn open_to_read(
        settings: &settings::DatabaseSettings,
        clock: Clock,
    ) -> Result<Self, ConnectError> {
        let url = settings.url.expose_secret();
        let Some(rest) = url.strip_prefix("sqlite:") else {
            return postgres(url, settings, clock).await;
        };
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let path = path.split('?').next().unwrap_or(path);
        let seen = Arc::default();
        let reader = readers(path, settings, &seen).await?;
        Ok(Self {
            writer: reader.clone(),
            reader,
            clock,
            gate: None,
            seen,
            _lock: None,
        })
    }
}

async fn sqlite(
    path: &str,
    settings: &settings::DatabaseSettings,
    clock: Clock,
) -> Result<Db, ConnectError> {
    let path = path.split('?').next().unwrap_or(path);
    if path.is_empty() || path.contains(":memory:") {
        return Err(ConnectError::InMemory);
    }
    let file = Path::new(path);
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        // For the owner only: the file holds password hashes and addresses.
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(folder)
            .map_err(|source| ConnectError::Folder {
                path: folder.to_owned(),
                source,
            })?;
    }
    let lock = LockFile::acquire(file)?;
    // Made here and not by SQLite, so that nobody else can read what will be in it.
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)
        .map_err(|source| ConnectError::File {
            path: file.to_owned(),
            source,
        })?;
    let url = format!("sqlite://{path}?mode=rwc");
    let busy = Duration::from_millis(settings.sqlite_busy_timeout_ms);

    // The writer comes first: it creates the file and switches it to WAL.
    let mut options = base_options(&url, settings);
    options
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .map_sqlx_sqlite_opts(move |options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(busy)
                .foreign_keys(true)
        });
    let seen = Arc::default();
    let writer = Conn::sqlite(open(options, path, &seen).await?);

    let reader = readers(path, settings, &seen).await?;
    Ok(Db {
        writer,
        reader,
        clock,
        gate: Some(Gate::new(Duration::from_secs(
            settings.acquire_timeout_seconds,
        ))),
        seen,
        _lock: Some(Arc::new(lock)),
    })
}

/// The connections that read an SQLite file that is there.
async fn readers(
    path: &str,
    settings: &settings::DatabaseSettings,
    seen: &Arc<Seen>,
) -> Result<Conn, ConnectError> {
    let busy = Duration::from_millis(settings.sqlite_busy_timeout_ms);
    let mut options = base_options(&format!("sqlite://{path}?mode=rw"), settings);
    options
        .max_connections(settings.sqlite_readers)
        .min_connections(1)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .map_sqlx_sqlite_opts(move |options| {
            options
                .busy_timeout(busy)
                .foreign_keys(true)
                .pragma("query_only", "on")
        });
    Ok(Conn::sqlite(open(options, path, seen).await?))
}

async fn postgres(
    url: &str,
    settings: &settings::DatabaseSettings,
    clock: Clock,
) -> Result<Db, ConnectError> {
    // sea-orm knows only the first of the two spellings of the scheme.
    let url = match url.strip_prefix("postgresql://") {
        Some(rest) => format!("postgres://{rest}"),
        None => url.to_owned(),
    };
    let session = [
        (
            "statement_timeout",
            format!("{}s", settings.statement_timeout_seconds),
        ),
        ("lock_timeout", format!("{}ms", settings.lock_timeout_ms)),
        (
            "idle_in_transaction_session_timeout",
            format!("{}s", settings.idle_in_transaction_seconds),
        ),
        ("timezone", "UTC".to_owned()),
        // Each statement reads little: compiling one took 1.2 s where reading took 15 ms.
        ("jit", "off".to_owned()),
    ];
    let mut options = base_options(&url, settings);
    options
        .max_connections(settings.max_connections)
        .max_lifetime(Duration::from_secs(settings.max_lifetime_seconds))
        // A ping before every query would double the round trips.
        .test_before_acquire(false)
        .test_before_acquire_if_idle_for(Duration::from_secs(settings.idle_ping_seconds))
        .set_application_name("taskflow")
        .map_sqlx_postgres_opts(move |options| options.options(session.clone()));
    let shown = crate::settings::hide_password(&url);
    let seen = Arc::default();
    let pool = open(options, &shown, &seen).await?;
    let pool = Conn::postgres(pool, settings, seen.clone());
    warn_if_commits_are_not_durable(&pool).await;
    Ok(Db {
        writer: pool.clone(),
        reader: pool,
        clock,
        gate: None,
        seen,
        _lock: None,
    })
}

fn base_options(url: &str, settings: &settings::DatabaseSettings) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    let acquire = Duration::from_secs(settings.acquire_timeout_seconds);
    options
        .acquire_timeout(acquire)
        .connect_timeout(acquire)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

async fn open(
    options: ConnectOptions,
    shown: &str,
    seen: &Arc<Seen>,
) -> Result<DatabaseConnection, ConnectError> {
    let mut pool = Database::connect(options)
        .await
        .map_err(|error| ConnectError::Unreachable {
            url: shown.to_owned(),
            reason: error.to_string(),
        })?;
    let told = seen.clone();
    pool.set_metric_callback(move |one| told.note(one.statement, one.elapsed));
    Ok(pool)
}

/// "Nothing is lost" rests on PostgreSQL saying "committed" only when it is on disk.
async fn warn_if_commits_are_not_durable(db: &Conn) {
    let query = Statement::from_string(db.get_database_backend(), "SHOW synchronous_commit");
    let answer = match db.query_one_raw(query).await {
        Ok(row) => row.and_then(|row| row.try_get_by_index::<String>(0).ok()),
        Err(error) => {
            tracing::warn!(error = %DbError::from(error), "cannot read synchronous_commit");
            None
        }
    };
    if answer.as_deref() == Some("off") {
        tracing::warn!(
            "synchronous_commit is off on this PostgreSQL: a crash of its machine loses what was \
             acknowledged. Turn it on unless this is a test."
        );
    }
}
