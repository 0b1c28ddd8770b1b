//! A write transaction: where its statements go, and what is kept for its end.
//!
//! On PostgreSQL it begins with the first statement that writes or locks. One that has nothing to do but its
//! last statement is that statement, which is a transaction by itself: `BEGIN` and `COMMIT` are a round trip each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::prelude::async_trait;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::OnceCell;

use super::conn::Begun;
use super::{Clock, Conn, DbError, Sql};

/// What is called once a transaction is committed.
pub(super) type AfterCommit = Box<dyn FnOnce() + Send>;

/// Makes a hint of what the last statement answered.
type Then = Box<dyn FnOnce(Vec<QueryResult>) -> Result<AfterCommit, DbError> + Send>;

/// An open write transaction. Only [`Db::write`] makes one, so a service that takes `&Tx` cannot
/// open a second one inside the first, which on SQLite would wait for itself. A handle: the
/// transaction ends with `write`, whoever still holds one.
///
/// [`Db::write`]: super::Db::write
#[derive(Clone)]
pub struct Tx(Arc<Parts>);

struct Parts {
    conn: TxConn,
    clock: Clock,
    /// What was put off.
    later: Mutex<Vec<Sql>>,
    last: Mutex<Option<Last>>,
    after_commit: Mutex<Vec<AfterCommit>>,
}

/// What is done between the work of a transaction and its commit.
struct Last {
    statement: Statement,
    then: Then,
}

impl Tx {
    /// Begins one, on SQLite at once.
    ///
    /// # Errors
    /// The database's failure.
    pub(super) async fn begin(writer: Conn, clock: Clock) -> Result<Self, DbError> {
        let conn = TxConn {
            writer,
            begun: OnceCell::new(),
        };
        if conn.get_database_backend() != DatabaseBackend::Postgres {
            conn.begun().await?;
        }
        Ok(Self(Arc::new(Parts {
            conn,
            clock,
            later: Mutex::default(),
            last: Mutex::default(),
            after_commit: Mutex::default(),
        })))
    }

    /// The connection to run statements on.
    pub fn conn(&self) -> &TxConn {
        &self.0.conn
    }

    /// Whether this is SQLite or PostgreSQL.
    pub fn backend(&self) -> DatabaseBackend {
        self.conn().get_database_backend()
    }

    /// The connection for a read that neither locks nor must see what this transaction wrote: of what others have
    /// committed it sees the same as within the transaction (READ COMMITTED), which need not begin for it.
    pub fn peek(&self) -> Peek<'_> {
        Peek(&self.0.conn)
    }

    /// The clock of the application.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Runs a short function after the commit, and never when it fails: for hints, which may be
    /// lost. It must not wait.
    pub fn after_commit(&self, hint: impl FnOnce() + Send + 'static) {
        lock(&self.0.after_commit).push(Box::new(hint));
    }

    pub(super) fn put_off(&self) -> MutexGuard<'_, Vec<Sql>> {
        lock(&self.0.later)
    }

    /// Keeps a statement for the end.
    pub(super) fn keep_last(&self, statement: Statement, then: Then) {
        *lock(&self.0.last) = Some(Last { statement, then });
    }

    /// Runs the statement that was kept, if one was: something comes after it, which may refer to what it writes.
    pub(super) async fn run_kept(&self) -> Result<(), DbError> {
        let kept = lock(&self.0.last).take();
        if let Some(Last { statement, then }) = kept {
            let hint = then(self.conn().query_all_raw(statement).await?)?;
            lock(&self.0.after_commit).push(hint);
        }
        Ok(())
    }

    /// Writes what was put off, when the work is done. A statement that was kept and has nothing behind it is still to
    /// come.
    ///
    /// # Errors
    /// The database's failure.
    pub(super) async fn finish(&self) -> Result<(), DbError> {
        if self.put_off().is_empty() {
            return Ok(());
        }
        self.flush().await
    }

    /// What is left to do.
    ///
    /// # Errors
    /// When somebody still holds the transaction.
    pub(super) fn into_ending(self) -> Result<Ending, DbError> {
        let parts = Arc::into_inner(self.0);
        let parts =
            parts.ok_or_else(|| DbErr::Custom("a transaction outlived its work".to_owned()))?;
        Ok(Ending {
            writer: parts.conn.writer,
            begun: parts.conn.begun.into_inner(),
            last: inner(parts.last),
            hints: inner(parts.after_commit),
        })
    }
}

/// A transaction whose work is done.
pub(super) struct Ending {
    writer: Conn,
    begun: Option<Begun>,
    last: Option<Last>,
    hints: Vec<AfterCommit>,
}

impl Ending {
    /// Runs the last statement and commits. Answers the hints.
    ///
    /// # Errors
    /// The database's failure.
    pub(super) async fn commit(mut self) -> Result<Vec<AfterCommit>, DbError> {
        if let Some(Last { statement, then }) = self.last {
            let rows = match &self.begun {
                Some(tx) => tx.query_all_raw(statement).await?,
                None => self.writer.query_all_raw(statement).await?,
            };
            self.hints.push(then(rows)?);
        }
        if let Some(tx) = self.begun {
            tx.commit().await?;
        }
        Ok(self.hints)
    }

    /// Undoes it. Answers whether that went well.
    pub(super) async fn roll_back(self) -> bool {
        match self.begun {
            Some(tx) => tx.roll_back().await.is_ok(),
            None => true,
        }
    }
}

/// The connection of a transaction.
pub struct TxConn {
    writer: Conn,
    begun: OnceCell<Begun>,
}

impl TxConn {
    async fn begun(&self) -> Result<&Begun, DbErr> {
        self.begun.get_or_try_init(|| self.writer.begin()).await
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for TxConn {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.writer.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.begun().await?.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.begun().await?.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.begun().await?.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.begun().await?.query_all_raw(statement).await
    }
}

/// The connection of a transaction for reads that it need not begin for.
pub struct Peek<'a>(&'a TxConn);

#[async_trait::async_trait]
impl ConnectionTrait for Peek<'_> {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self.0.begun.get() {
            Some(tx) => tx.query_one_raw(statement).await,
            None => self.0.writer.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self.0.begun.get() {
            Some(tx) => tx.query_all_raw(statement).await,
            None => self.0.writer.query_all_raw(statement).await,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
