//! Inserts that nothing else in their transaction reads or waits for: they are gathered and written together,
//! on PostgreSQL by one statement, because each statement is a round trip.

use std::sync::PoisonError;

use sea_orm::sea_query::{CommonTableExpression, InsertStatement, WithClause};
use sea_orm::{ConnectionTrait, DatabaseBackend};

use super::{DbError, Tx};

/// The most inserts of one statement. PostgreSQL takes 65,535 values, and an insert of ours has at most 500 rows.
const MOST: usize = 8;

impl Tx {
    /// Has an insert written with others, before the transaction commits. It must not fail for a reason that the
    /// caller could name, such as a row that is there already.
    pub fn later(&self, insert: InsertStatement) {
        self.0
            .later
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(insert);
    }

    /// Writes what was put off so far.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn flush(&self) -> Result<(), DbError> {
        let inserts =
            std::mem::take(&mut *self.0.later.lock().unwrap_or_else(PoisonError::into_inner));
        let conn = self.conn();
        if conn.get_database_backend() != DatabaseBackend::Postgres {
            for insert in inserts {
                conn.execute(&insert).await?;
            }
            return Ok(());
        }
        for together in inserts.chunks(MOST) {
            let Some((last, others)) = together.split_last() else {
                continue;
            };
            if others.is_empty() {
                conn.execute(last).await?;
                continue;
            }
            let mut with = WithClause::new();
            for (number, insert) in others.iter().enumerate() {
                let part = CommonTableExpression::new()
                    .table_name(format!("part_{number}"))
                    .query(insert.clone())
                    .to_owned();
                with.cte(part);
            }
            conn.execute(&last.clone().with(with)).await?;
        }
        Ok(())
    }
}
