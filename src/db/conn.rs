//! Where statements outside transactions go: to a pool, which lends a connection to each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sea_orm::prelude::async_trait;
use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, Postgres};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction,
    DbErr, ExecResult, QueryResult, RuntimeErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_query_sqlx::SqlxValues;

/// A pool of connections. Cheap to clone.
///
/// Statements to PostgreSQL go straight to the driver: the library's own way moves a future of 15 KB from place to
/// place for each, 45 KB in all, which took more than building the statement.
#[derive(Clone, Debug)]
pub struct Conn {
    pool: DatabaseConnection,
    seen: Arc<Seen>,
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

    fn show(&self, statement: &Statement) {
        if let Some(Watcher(see)) = self.watcher.get() {
            see(statement);
        }
    }

    fn note_time(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        metrics::histogram!("database_statement_duration_seconds").record(took);
    }
}

impl Conn {
    pub(super) fn new(pool: DatabaseConnection, seen: Arc<Seen>) -> Self {
        Self { pool, seen }
    }

    /// The pool, as the library has it.
    pub(super) fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Begins a transaction. On SQLite IMMEDIATE takes the write lock at the start: one that reads first and writes
    /// later fails when another wrote in between. PostgreSQL ignores it.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that begins"
        )]
        let begun = self.pool.begin_with_options(options);
        begun.await
    }

    /// A connection to PostgreSQL; none on SQLite.
    async fn postgres(&self) -> Result<Option<PoolConnection<Postgres>>, DbErr> {
        if self.get_database_backend() != DatabaseBackend::Postgres {
            return Ok(None);
        }
        let lent = self.pool.get_postgres_connection_pool().acquire().await;
        lent.map(Some).map_err(|error| match error {
            sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
            sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
        })
    }

    /// The statement as the driver wants it.
    fn query(&self, statement: Statement) -> (AssertSqlSafe<String>, SqlxValues) {
        self.seen.show(&statement);
        let values = statement.values.unwrap_or(Values(Vec::new()));
        // A builder wrote it, or it stands in a source file.
        (AssertSqlSafe(statement.sql), SqlxValues(values))
    }
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

#[async_trait::async_trait]
impl ConnectionTrait for Conn {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let Some(mut lent) = self.postgres().await? else {
            return self.pool.execute_raw(statement).await;
        };
        let (sql, values) = self.query(statement);
        let begun = Instant::now();
        let done = lent.execute(sqlx::query_with(sql, values)).await;
        self.seen.note_time(begun.elapsed());
        let failed = |error: sqlx::Error| DbErr::Exec(RuntimeErr::SqlxError(error.into()));
        done.map(ExecResult::from).map_err(failed)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.pool.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let Some(mut lent) = self.postgres().await? else {
            return self.pool.query_one_raw(statement).await;
        };
        let (sql, values) = self.query(statement);
        let begun = Instant::now();
        let row = lent.fetch_optional(sqlx::query_with(sql, values)).await;
        self.seen.note_time(begun.elapsed());
        Ok(row.map_err(failed)?.map(QueryResult::from))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let Some(mut lent) = self.postgres().await? else {
            return self.pool.query_all_raw(statement).await;
        };
        let (sql, values) = self.query(statement);
        let begun = Instant::now();
        let rows = lent.fetch_all(sqlx::query_with(sql, values)).await;
        self.seen.note_time(begun.elapsed());
        Ok(rows
            .map_err(failed)?
            .into_iter()
            .map(QueryResult::from)
            .collect())
    }
}
