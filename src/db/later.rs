//! Inserts and deletes that nothing else in their transaction reads or waits for: they are gathered and written
//! together, on PostgreSQL by one statement, because each statement is a round trip.

use sea_orm::sea_query::{
    CommonTableExpression, DeleteStatement, InsertStatement, SelectStatement, SubQueryStatement,
    WithClause, WithQuery,
};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, ExecResult, QueryResult};

use super::tx::AfterCommit;
use super::{DbError, Tx};

/// The most of them in one statement. PostgreSQL takes 65,535 values, and an insert of ours has at most 500 rows.
const MOST: usize = 8;

/// What can be put off.
#[derive(Debug)]
pub enum Later {
    /// An insert.
    Insert(InsertStatement),
    /// A delete. It sees none of the rows that are inserted with it.
    Delete(DeleteStatement),
}

impl From<InsertStatement> for Later {
    fn from(insert: InsertStatement) -> Self {
        Self::Insert(insert)
    }
}

impl From<DeleteStatement> for Later {
    fn from(delete: DeleteStatement) -> Self {
        Self::Delete(delete)
    }
}

impl From<Later> for SubQueryStatement {
    fn from(later: Later) -> Self {
        match later {
            Later::Insert(insert) => insert.into(),
            Later::Delete(delete) => delete.into(),
        }
    }
}

impl Later {
    async fn run(&self, conn: &impl ConnectionTrait) -> Result<ExecResult, DbErr> {
        match self {
            Self::Insert(insert) => conn.execute(insert).await,
            Self::Delete(delete) => conn.execute(delete).await,
        }
    }
}

impl Tx {
    /// Has an insert or a delete written with others, before the transaction commits. Its failure is that of all of them: what is
    /// put off must not fail for a reason that has a name, unless nothing else in the transaction fails for that.
    pub fn later(&self, statement: impl Into<Later>) {
        self.put_off().push(statement.into());
    }

    /// Writes what was put off so far.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn flush(&self) -> Result<(), DbError> {
        self.run_kept().await?;
        let all = self.take_later();
        let conn = self.conn();
        if conn.get_database_backend() != DatabaseBackend::Postgres {
            for one in all {
                one.run(conn).await?;
            }
            return Ok(());
        }
        self.write_together(all).await
    }

    /// Keeps for the end of the transaction one statement that writes what was put off so far and these inserts, and
    /// answers the query; `then` makes a hint of that. Each of the inserts, and the query, may read by their names what
    /// those before it return. Only for PostgreSQL.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn end_with<const N: usize>(
        &self,
        named: [(&'static str, InsertStatement); N],
        query: SelectStatement,
        then: impl FnOnce(Vec<QueryResult>) -> Result<AfterCommit, DbError> + Send + 'static,
    ) -> Result<(), DbError> {
        self.run_kept().await?;
        let mut all = self.take_later();
        let some = all.len().min(MOST - N);
        let last = all.split_off(all.len() - some);
        self.write_together(all).await?;
        let mut with = parts(last);
        for (name, insert) in named {
            with.cte(part(name.to_owned(), insert));
        }
        let statement = DatabaseBackend::Postgres.build(&together(with, query));
        self.keep_last(statement, Box::new(then));
        Ok(())
    }

    async fn write_together(&self, all: Vec<Later>) -> Result<(), DbError> {
        let mut all = all.into_iter();
        loop {
            let mut some: Vec<_> = all.by_ref().take(MOST).collect();
            let Some(last) = some.pop() else {
                return Ok(());
            };
            if some.is_empty() {
                last.run(self.conn()).await?;
            } else {
                self.conn().execute(&together(parts(some), last)).await?;
            }
        }
    }

    fn take_later(&self) -> Vec<Later> {
        std::mem::take(&mut *self.put_off())
    }
}

// The library's own short ways to these copy all of it, and dropping the copy costs as much again.

fn together(with: WithClause, last: impl Into<SubQueryStatement>) -> WithQuery {
    let mut query = WithQuery::new();
    query.with_clause(with).query(last);
    query
}

fn parts(all: Vec<Later>) -> WithClause {
    let mut with = WithClause::new();
    for (number, one) in all.into_iter().enumerate() {
        with.cte(part(format!("part_{number}"), one));
    }
    with
}

fn part(name: String, statement: impl Into<SubQueryStatement>) -> CommonTableExpression {
    let mut part = CommonTableExpression::new();
    part.table_name(name).query(statement);
    part
}
