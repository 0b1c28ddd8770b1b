//! Statements that nothing else in their transaction reads or waits for: they are gathered and run together, on
//! PostgreSQL as one statement, because each is a round trip.

use sea_orm::{ConnectionTrait, DatabaseBackend, QueryResult};

use super::sql::Numbered;
use super::tx::AfterCommit;
use super::{DbError, Sql, Tx};

/// The most of them in one statement. PostgreSQL takes 65,535 values, and an insert of ours has at most 500 rows.
const MOST: usize = 8;

impl Tx {
    /// Has an insert or a delete run with others, before the transaction commits. Its failure is that of all of them: what is
    /// put off must not fail for a reason that has a name, unless nothing else in the transaction fails for that.
    /// A delete sees none of the rows that are inserted with it.
    pub fn later(&self, statement: Sql) {
        self.put_off().push(statement);
    }

    /// Runs what was put off so far.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn flush(&self) -> Result<(), DbError> {
        self.run_kept().await?;
        let all = self.take_later();
        let backend = self.backend();
        if backend == DatabaseBackend::Postgres {
            return self.run_together(all).await;
        }
        for one in all {
            self.conn().execute_raw(one.statement(backend)).await?;
        }
        Ok(())
    }

    /// Keeps for the end of the transaction one statement that runs what was put off so far and these, and
    /// answers the query; `then` makes a hint of that. Each of these, and the query, may read by their names what
    /// those before it return. Only for PostgreSQL.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn end_with<const N: usize>(
        &self,
        named: [(&'static str, Sql); N],
        query: Sql,
        then: impl FnOnce(Vec<QueryResult>) -> Result<AfterCommit, DbError> + Send + 'static,
    ) -> Result<(), DbError> {
        self.run_kept().await?;
        let mut all = self.take_later();
        let some = all.len().min(MOST - N);
        let last = all.split_off(all.len() - some);
        self.run_together(all).await?;
        let parts = NAMES.into_iter().zip(last).chain(named);
        let statement = together(parts, query).statement();
        self.keep_last(statement, Box::new(then));
        Ok(())
    }

    async fn run_together(&self, all: Vec<Sql>) -> Result<(), DbError> {
        let mut all = all.into_iter();
        loop {
            let mut some: Vec<_> = all.by_ref().take(MOST).collect();
            let Some(last) = some.pop() else {
                return Ok(());
            };
            let statement = together(NAMES.into_iter().zip(some), last).statement();
            self.conn().execute_raw(statement).await?;
        }
    }

    fn take_later(&self) -> Vec<Sql> {
        std::mem::take(&mut *self.put_off())
    }
}

/// For parts of a statement that nothing refers to.
const NAMES: [&str; MOST] = [
    "part_0", "part_1", "part_2", "part_3", "part_4", "part_5", "part_6", "part_7",
];

fn together(parts: impl IntoIterator<Item = (&'static str, Sql)>, last: Sql) -> Numbered {
    let mut all = Numbered::new(DatabaseBackend::Postgres);
    for (place, (name, part)) in parts.into_iter().enumerate() {
        all.say(if place == 0 { "WITH " } else { ", " });
        all.say(name);
        all.say(" AS (");
        all.add(part);
        all.say(") ");
    }
    all.add(last);
    all
}
