//! Inserts that nothing else in their transaction reads or waits for: they are gathered and written together,
//! on PostgreSQL by one statement, because each statement is a round trip.

use std::sync::PoisonError;

use sea_orm::sea_query::{
    CommonTableExpression, InsertStatement, SelectStatement, SubQueryStatement, WithClause,
    WithQuery,
};
use sea_orm::{ConnectionTrait, DatabaseBackend, QueryResult};

use super::{DbError, Tx};

/// The most inserts of one statement. PostgreSQL takes 65,535 values, and an insert of ours has at most 500 rows.
const MOST: usize = 8;

impl Tx {
    /// Has an insert written with others, before the transaction commits. Its failure is that of all of them: what is
    /// put off must not fail for a reason that has a name, unless nothing else in the transaction fails for that.
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
        let inserts = self.take_later();
        let conn = self.conn();
        if conn.get_database_backend() != DatabaseBackend::Postgres {
            for insert in inserts {
                conn.execute(&insert).await?;
            }
            return Ok(());
        }
        self.write_together(inserts).await
    }

    /// Writes what was put off so far and these inserts, and answers the query, by one statement. Each of the
    /// inserts, and the query, may read by their names what those before it return. Only for PostgreSQL.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn flush_with<const N: usize>(
        &self,
        named: [(&'static str, InsertStatement); N],
        query: SelectStatement,
    ) -> Result<Vec<QueryResult>, DbError> {
        let mut inserts = self.take_later();
        let some = inserts.len().min(MOST - N);
        let last = inserts.split_off(inserts.len() - some);
        self.write_together(inserts).await?;
        let mut with = parts(last);
        for (name, insert) in named {
            with.cte(part(name.to_owned(), insert));
        }
        Ok(self.conn().query_all(&together(with, query)).await?)
    }

    async fn write_together(&self, inserts: Vec<InsertStatement>) -> Result<(), DbError> {
        let mut inserts = inserts.into_iter();
        loop {
            let mut some: Vec<_> = inserts.by_ref().take(MOST).collect();
            let Some(last) = some.pop() else {
                return Ok(());
            };
            if some.is_empty() {
                self.conn().execute(&last).await?;
            } else {
                self.conn().execute(&together(parts(some), last)).await?;
            }
        }
    }

    fn take_later(&self) -> Vec<InsertStatement> {
        std::mem::take(&mut *self.0.later.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// The library's own short ways to these copy all of it, and dropping the copy costs as much again.

fn together(with: WithClause, last: impl Into<SubQueryStatement>) -> WithQuery {
    let mut query = WithQuery::new();
    query.with_clause(with).query(last);
    query
}

fn parts(inserts: Vec<InsertStatement>) -> WithClause {
    let mut with = WithClause::new();
    for (number, insert) in inserts.into_iter().enumerate() {
        with.cte(part(format!("part_{number}"), insert));
    }
    with
}

fn part(name: String, insert: InsertStatement) -> CommonTableExpression {
    let mut part = CommonTableExpression::new();
    part.table_name(name).query(insert);
    part
}
