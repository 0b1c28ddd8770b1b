//! What the database can answer instead of rows.

use sea_orm::sqlx::postgres::{PgDatabaseError, PgSeverity};
use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError};

/// A failure of the database. Its text is for logs, never for clients.
#[derive(Debug, thiserror::Error)]
#[error("the database failed")]
pub struct DbError(#[from] DbErr);

impl DbError {
    /// Whether a unique constraint refused the write, and which: its name on PostgreSQL, its
    /// columns (`users.email_norm`) on SQLite.
    pub fn unique_violation(&self) -> Option<String> {
        match self.0.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a row that was referred to does not exist.
    pub fn is_foreign_key_violation(&self) -> bool {
        matches!(
            self.0.sql_err(),
            Some(SqlErr::ForeignKeyConstraintViolation(_))
        )
    }

    /// Whether PostgreSQL cannot hold a value: a NUL character in a text, a date too far away.
    pub fn is_unstorable(&self) -> bool {
        matches!(
            self.code().as_deref(),
            Some("22021" | "22P05" | "22007" | "22008" | "22003")
        )
    }

    /// Whether running the transaction again may succeed: a serialisation failure or a deadlock.
    pub fn is_lost_race(&self) -> bool {
        matches!(self.code().as_deref(), Some("40001" | "40P01"))
    }

    /// Whether others were in the way for too long: a lock that took too long, a transaction that lost
    /// against others each time. The database itself is well.
    pub fn is_busy(&self) -> bool {
        // SQLite: busy and locked, each with its extended codes in the higher bytes. PostgreSQL: lock
        // not available.
        let is_locked = |code: String| {
            let number = code.parse::<u32>().ok();
            code == "55P03"
                || number.is_some_and(|code| matches!(code & 0xff, 5 | 6) && code < 10_000)
        };
        self.is_lost_race() || self.code().is_some_and(is_locked)
    }

    /// Whether the connection died, or the server is going down or coming up.
    pub fn is_connection_lost(&self) -> bool {
        self.sqlx().is_some_and(is_lost)
    }

    /// Whether trying again later may succeed: no connection, a busy or a full database, a lock
    /// that took too long.
    pub fn is_unavailable(&self) -> bool {
        if self.is_connection_lost() || self.is_busy() {
            return true;
        }
        if matches!(self.0, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
            return true;
        }
        match self.sqlx() {
            Some(SqlxError::PoolTimedOut | SqlxError::PoolClosed) => true,
            // SQLite: disk failing, disk full, each with its extended codes in the higher bytes.
            // PostgreSQL: too many connections, disk full, out of memory, statement cancelled by its
            // timeout.
            _ => self.code().is_some_and(|code| {
                matches!(code.as_str(), "53100" | "53200" | "53300" | "57014")
                    || code
                        .parse::<u32>()
                        .is_ok_and(|code| matches!(code & 0xff, 10 | 13) && code < 10_000)
            }),
        }
    }

    fn sqlx(&self) -> Option<&SqlxError> {
        match &self.0 {
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
            _ => None,
        }
    }

    fn code(&self) -> Option<String> {
        match self.sqlx() {
            Some(SqlxError::Database(error)) => error.code().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }
}

/// Whether the connection died, or the server is going down or coming up.
pub(super) fn is_lost(error: &SqlxError) -> bool {
    match error {
        SqlxError::Io(_) | SqlxError::WorkerCrashed | SqlxError::Protocol(_) => true,
        // PostgreSQL ends the connection with it.
        SqlxError::Database(error) => error
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)),
        _ => false,
    }
}
