//! Standing in line for something that is no single row, until the end of the transaction: some
//! share it, one has it alone. Whoever comes later stands behind who waits already, so one who wants
//! it alone gets a turn, however many share it; the locks of rows do not promise that. PostgreSQL
//! keeps the lines (advisory locks; `lock_timeout` bounds the wait). SQLite has one writer, so there
//! is nothing to wait for.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement, Value};
use uuid::Uuid;

use super::{DbError, Tx};
use crate::crypto::sha256;

/// Something that people stand in line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(i64);

impl Line {
    /// The line for this aspect of an object. Two that get one number by chance wait for each other
    /// and lose nothing.
    pub fn of(aspect: &str, id: Uuid) -> Self {
        let hash = sha256([aspect.as_bytes(), id.as_bytes().as_slice()].concat());
        Self(i64::from_be_bytes(std::array::from_fn(|at| hash[at])))
    }
}

/// Waits until nobody who came before has one of these alone, and keeps it so.
///
/// # Errors
/// The database's failure.
pub async fn share(tx: &Tx, lines: impl IntoIterator<Item = Line>) -> Result<(), DbError> {
    take(tx, "pg_advisory_xact_lock_shared", lines).await
}

/// Waits until nobody who came before has one of these, and keeps it so.
///
/// # Errors
/// The database's failure.
pub async fn have_alone(tx: &Tx, lines: impl IntoIterator<Item = Line>) -> Result<(), DbError> {
    take(tx, "pg_advisory_xact_lock", lines).await
}

/// All in one statement and in one order, so that nobody waits in a circle.
async fn take(
    tx: &Tx,
    function: &str,
    lines: impl IntoIterator<Item = Line>,
) -> Result<(), DbError> {
    let conn = tx.conn();
    let backend = conn.get_database_backend();
    let lines: BTreeSet<_> = lines.into_iter().collect();
    if lines.is_empty() || backend != DatabaseBackend::Postgres {
        return Ok(());
    }
    let places: Vec<_> = (1..=lines.len())
        .map(|place| format!("(${place}::bigint)"))
        .collect();
    let query = format!(
        "SELECT {function}(line) FROM (VALUES {}) AS lines (line)",
        places.join(", ")
    );
    let values = lines.into_iter().map(|line| Value::from(line.0));
    conn.execute_raw(Statement::from_sql_and_values(backend, query, values))
        .await?;
    Ok(())
}
