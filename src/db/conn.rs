//! Where statements go: each to a connection of a pool, or to that of its transaction.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sea_orm::prelude::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tokio::sync::Mutex;

use super::lender::{Lender, Lent};
use crate::settings::DatabaseSettings;

/// A pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Conn {
    pool: DatabaseConnection,
    /// For PostgreSQL.
    lender: Option<Arc<Lender>>,
}

/// An open transaction.
pub(super) enum Begun {
    Sqlite(DatabaseTransaction),
    Postgres(Mutex<Lent>),
}

/// What is known of the statements that were sent.
#[derive(Debug, Default)]
pub(super) struct Seen {
    count: AtomicU64,
    watcher: OnceLock<Watcher>,
}

/// Sees statements as they are sent, with their values.
struct Watcher(Box<dyn Fn(&Statement) + Send + Sync>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

impl Seen {
    /// How many were sent.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Shows every statement from now on to the first who asks.
    pub(super) fn watch(&self, see: impl Fn(&Statement) + Send + Sync + 'static) {
        self.watcher.set(Watcher(Box::new(see))).ok();
    }

    /// Notes one, which took so long.
    pub(super) fn note(&self, statement: &Statement, took: Duration) {
        self.show(statement);
        self.note_time(took);
    }

    /// Shows one that is about to be sent.
    pub(super) fn show(&self, statement: &Statement) {
        if let Some(Watcher(see)) = self.watcher.get() {
            see(statement);
        }
    }

    /// Notes how long one took.
    pub(super) fn note_time(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        metrics::histogram!("database_statement_duration_seconds").record(took);
    }
}

impl Conn {
    /// The pool itself for SQLite.
    pub(super) fn sqlite(pool: DatabaseConnection) -> Self {
        Self { pool, lender: None }
    }

    /// A pool for PostgreSQL, opened with these settings.
    pub(super) fn postgres(
        pool: DatabaseConnection,
        settings: &DatabaseSettings,
        seen: Arc<Seen>,
    ) -> Self {
        let connections = pool.get_postgres_connection_pool().clone();
        let ping_after = Duration::from_secs(settings.idle_ping_seconds);
        let longest = Duration::from_secs(settings.statement_timeout_seconds);
        let lender = Some(Lender::new(connections, ping_after, longest, seen));
        Self { pool, lender }
    }

    /// The pool, as the library has it, with all that is not in use.
    pub(super) fn pool(&self) -> &DatabaseConnection {
        if let Some(lender) = &self.lender {
            lender.let_go();
        }
        &self.pool
    }

    /// Ends the connections, when those that are in use are back.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        if let Some(lender) = &self.lender {
            lender.close();
        }
        self.pool.close_by_ref().await
    }

    /// Begins a transaction. On SQLite IMMEDIATE takes the write lock at the start: one that reads first and writes
    /// later fails when another wrote in between.
    pub(super) async fn begin(&self) -> Result<Begun, DbErr> {
        if let Some(lender) = &self.lender {
            return Ok(Begun::Postgres(Mutex::new(lender.begin().await?)));
        }
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that begins"
        )]
        let begun = self.pool.begin_with_options(options);
        Ok(Begun::Sqlite(begun.await?))
    }
}

impl Begun {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(begun) => begun.commit().await,
            Self::Postgres(lent) => lent.into_inner().commit().await,
        }
    }

    pub(super) async fn roll_back(self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(begun) => begun.rollback().await,
            Self::Postgres(lent) => lent.into_inner().roll_back().await,
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Conn {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.lender {
            Some(lender) => lender.lend().await?.execute(statement).await,
            None => self.pool.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.lender {
            Some(lender) => lender.lend().await?.execute_unprepared(sql).await,
            None => self.pool.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.lender {
            Some(lender) => lender.lend().await?.query_one(statement).await,
            None => self.pool.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.lender {
            Some(lender) => lender.lend().await?.query_all(statement).await,
            None => self.pool.query_all_raw(statement).await,
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Begun {
    fn get_database_backend(&self) -> DatabaseBackend {
        match self {
            Self::Sqlite(_) => DatabaseBackend::Sqlite,
            Self::Postgres(_) => DatabaseBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Sqlite(begun) => begun.execute_raw(statement).await,
            Self::Postgres(lent) => lent.lock().await.execute(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Sqlite(begun) => begun.execute_unprepared(sql).await,
            Self::Postgres(lent) => lent.lock().await.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Sqlite(begun) => begun.query_one_raw(statement).await,
            Self::Postgres(lent) => lent.lock().await.query_one(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Sqlite(begun) => begun.query_all_raw(statement).await,
            Self::Postgres(lent) => lent.lock().await.query_all(statement).await,
        }
    }
}
