//! The database: pools, the one way to write (`write`), the one way to read (`read`), the clock.
//!
//! SQLite has one writer connection and a few readers; PostgreSQL has one pool. Everything above
//! this room is written once for both.

mod clock;
mod conn;
mod connect;
mod error;
mod gate;
pub mod idempotency;
pub mod keyset;
mod later;
mod lender;
pub mod line;
mod lock_file;
pub mod migrate;
mod prune;
mod shared_reads;
mod sql;
mod together;
mod tx;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, QueryResult, Statement, TryInsertResult};
use uuid::Uuid;

pub use self::clock::Clock;
pub use self::conn::Conn;
use self::conn::Seen;
pub use self::connect::ConnectError;
pub use self::error::DbError;
use self::gate::Gate;
use self::lock_file::LockFile;
pub use self::prune::{hourly, in_steps};
pub use self::shared_reads::SharedReads;
pub use self::sql::Sql;
pub use self::together::Together;
pub use self::tx::{Tx, TxConn};
use crate::failpoint::{self, Point};

/// A transaction that lost against another is tried this often before the caller hears of it.
const WRITE_TRIES: u32 = 5;

/// The database of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    writer: Conn,
    reader: Conn,
    clock: Clock,
    /// Guards the one writer connection of SQLite.
    gate: Option<Arc<Gate>>,
    seen: Arc<Seen>,
    /// Held as long as the process uses an SQLite file.
    _lock: Option<Arc<LockFile>>,
}

impl Db {
    /// Runs `work` in one write transaction and commits when it answers `Ok`. On PostgreSQL a
    /// serialisation failure (40001) or a deadlock (40P01) runs it again, so it must change nothing
    /// outside the transaction. `Err` rolls back: a refusal that has to be remembered is an `Ok`.
    ///
    /// # Errors
    /// What `work` answered, or the database's failure.
    pub async fn write<T, E, F, W>(&self, work: F) -> Result<T, E>
    where
        F: Fn(Tx) -> W,
        W: Future<Output = Result<T, E>>,
        E: From<DbError> + WriteError,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.write_once(&work).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if tries >= WRITE_TRIES || !error.as_db().is_some_and(DbError::is_lost_race) {
                return Err(error);
            }
            tracing::debug!(tries, "a write transaction lost a race and runs again");
        }
    }

    async fn write_once<T, E, F, W>(&self, work: &F) -> Result<T, E>
    where
        F: Fn(Tx) -> W,
        W: Future<Output = Result<T, E>>,
        E: From<DbError> + WriteError,
    {
        let pass = match &self.gate {
            Some(gate) => Some(gate.enter(self.writer.pool()).await?),
            None => None,
        };
        let tx = Tx::begin(self.writer.clone(), self.clock.clone()).await?;
        // On the heap: it holds all that the work holds, and whoever waits for it is moved from place to place.
        let mut result = Box::pin(work(tx.clone())).await;
        if result.is_ok()
            && let Err(error) = tx.finish().await
        {
            result = Err(error.into());
        }
        let ending = tx.into_ending()?;
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                let rolled_back = ending.roll_back().await;
                // After a failure of the database nothing is known of the connection.
                if let Some(pass) = pass.filter(|_| rolled_back && error.as_db().is_none()) {
                    pass.ended_well();
                }
                return Err(error);
            }
        };
        // By itself, so that it comes to its end when the caller goes away in the middle: what was
        // committed is always hinted at, and what ended is ended in this process, too.
        let end = async move {
            let hints = ending.commit().await?;
            if let Some(pass) = pass {
                pass.ended_well();
            }
            if !hints.is_empty() {
                failpoint::dies(Point::AfterCommit, &"");
            }
            for hint in hints {
                hint();
            }
            Ok::<_, DbError>(())
        };
        let ended = tokio::spawn(end).await;
        ended
            .map_err(|error| DbErr::Custom(format!("a commit: {error}")))
            .map_err(DbError::from)??;
        Ok(value)
    }

    /// Runs one statement that writes, which is a transaction by itself. Answers its row, if it answers one.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn write_one(&self, statement: Statement) -> Result<Option<QueryResult>, DbError> {
        if self.backend() == DatabaseBackend::Postgres {
            // To the end of its answer, which comes when it is committed: who wants one row does not wait for that.
            let rows = self.writer.query_all_raw(statement).await?;
            return Ok(rows.into_iter().next());
        }
        let statement = &statement;
        self.write(|tx| async move { Ok(tx.conn().query_one_raw(statement.clone()).await?) })
            .await
    }

    /// Runs a read. After a restart of PostgreSQL there are still dead connections: a read
    /// that met one is tried once more.
    ///
    /// # Errors
    /// What `work` answered.
    pub async fn read<T, E, F, R>(&self, work: F) -> Result<T, E>
    where
        F: Fn(Conn) -> R,
        R: Future<Output = Result<T, E>>,
        E: WriteError,
    {
        match work(self.reader.clone()).await {
            Err(error) if error.as_db().is_some_and(DbError::is_connection_lost) => {
                work(self.reader.clone()).await
            }
            result => result,
        }
    }

    /// The clock of the application.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether this is SQLite or PostgreSQL.
    pub fn backend(&self) -> DatabaseBackend {
        self.writer.get_database_backend()
    }

    /// How many statements were sent to the database since the start, those that begin and end
    /// transactions not counted: what an operation costs can be told from it.
    pub fn statements(&self) -> u64 {
        self.seen.count()
    }

    /// Shows every statement from now on, with its values, to the first who asks: so that a test can
    /// have the database explain what is really sent.
    pub fn watch(&self, see: impl Fn(&Statement) + Send + Sync + 'static) {
        self.seen.watch(see);
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read(|db| async move {
            db.query_one_raw(Statement::from_string(
                db.get_database_backend(),
                "SELECT 1",
            ))
            .await
            .map(|_| ())
            .map_err(DbError::from)
        })
        .await
    }

    /// Ends the connections; those that hang are left after this long.
    pub async fn close(self, at_most: Duration) {
        let close = async {
            for pool in [self.reader, self.writer] {
                if let Err(error) = pool.close().await {
                    tracing::warn!(%error, "a database pool did not close cleanly");
                }
            }
        };
        if tokio::time::timeout(at_most, close).await.is_err() {
            tracing::warn!("the database did not let go in time");
        }
    }
}

/// What [`Db::write`] and [`Db::read`] need to know about an error to try again.
pub trait WriteError {
    /// The database's failure inside, if that is what it is.
    fn as_db(&self) -> Option<&DbError>;
}

impl WriteError for DbError {
    fn as_db(&self) -> Option<&DbError> {
        Some(self)
    }
}

/// Whether `ON CONFLICT DO NOTHING` did something. Without RETURNING the library answers a conflict
/// as an insert of no rows.
pub fn was_inserted(result: &TryInsertResult<u64>) -> bool {
    matches!(result, TryInsertResult::Inserted(1..))
}

/// The same ids, the last one as often as makes their number a power of two. Each number of values is another
/// statement to the database, and connections remember how some of them are to be run.
pub fn padded<T: Clone>(mut ids: Vec<T>) -> Vec<T> {
    if let Some(last) = ids.last().cloned() {
        ids.resize(ids.len().next_power_of_two(), last);
    }
    ids
}

/// A new id: UUID version 7 of this moment on the application's clock, so that ids and
/// timestamps sort alike even when a test turns the clock.
pub fn new_id(clock: &Clock) -> Uuid {
    id_at(clock.now())
}

/// The least of all ids of a moment: those of before are less, since ids sort by time.
pub fn least_id_at(at: entity::Timestamp) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}

/// A new id of a moment.
pub fn id_at(at: entity::Timestamp) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::ContextV7::new(),
        seconds,
        at.timestamp_subsec_nanos(),
    ))
}
