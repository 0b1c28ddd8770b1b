//! Tasks by the words of their titles and descriptions.
//!
//! All words must be there, each as the beginning of a word. The index of the database finds them:
//! a `tsvector` on PostgreSQL, FTS5 on SQLite. Both hold what [`entity::task_words`] made of the
//! texts, and are given nothing but words made the same way, so they find the same, whatever signs
//! somebody types. The rank is made of the words of the title alone, so it is the same on both, and
//! does not shift when other tasks are made or changed.

use entity::task;
use entity::task_words::{self, Column, words};
use sea_orm::DatabaseBackend;
use sea_orm::sea_query::{
    BinOper, CaseStatement, Expr, ExprTrait, Query, SelectStatement, SimpleExpr, SubQueryStatement,
};

use crate::graphql::{ApiError, Meter, search_text};

/// What a word of the search is worth that is a word of the title, or the beginning of one. One that
/// stands in the description alone is worth nothing.
const WHOLE: i32 = 3;
const BEGUN: i32 = 2;

/// What somebody looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Each once, sorted, and none that is the beginning of another: it would find the same.
    words: Vec<String>,
}

impl Search {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when it is too long.
    pub fn new(text: &str) -> Result<Self, ApiError> {
        let mut all = words(&search_text(text)?);
        all.sort_unstable();
        all.dedup();
        let mut kept: Vec<String> = Vec::with_capacity(all.len());
        for word in all {
            // Sorted, what a word begins stands right after it.
            if kept
                .last()
                .is_some_and(|last| word.starts_with(last.as_str()))
            {
                kept.pop();
            }
            kept.push(word);
        }
        Ok(Self { words: kept })
    }

    /// What makes it different from another search, for cursors.
    pub fn name(&self) -> String {
        self.words.join(" ")
    }

    /// Which tasks are found: none, if there is no word to look for.
    ///
    /// # Errors
    /// `QUERY_TOO_COMPLEX`: each word counts as a comparison.
    pub fn condition(
        &self,
        meter: &Meter,
        backend: DatabaseBackend,
    ) -> Result<SimpleExpr, ApiError> {
        meter.compare(self.words.len())?;
        if self.words.is_empty() {
            return Ok(Expr::value(1).eq(0));
        }
        if backend == DatabaseBackend::Postgres {
            let query = self.in_words(|word| format!("'{word}':*"), " & ");
            // As an array, so that the index of the tasks is used: the planner thinks
            // that the beginning of a word finds far more tasks than it does.
            return Ok(Expr::cust_with_values(
                "tasks.id = ANY(ARRAY(SELECT task_id FROM task_words WHERE words @@ CAST($1 AS tsquery)))",
                [query],
            ));
        }
        let query = self.in_words(|word| format!("\"{word}\" *"), " ");
        let rows = Query::select()
            .column("rowid")
            .from("task_fts")
            .and_where(Expr::col("task_fts").binary(BinOper::Custom("MATCH"), query))
            .take();
        let found = Expr::col("row_id").in_subquery(rows);
        let tasks = select(Expr::col(Column::TaskId)).and_where(found).take();
        Ok(Expr::col((task::Entity, task::Column::Id)).in_subquery(tasks))
    }

    fn in_words(&self, each: impl Fn(&String) -> String, between: &str) -> String {
        let words: Vec<String> = self.words.iter().map(each).collect();
        words.join(between)
    }

    /// The rank of a task in SQL. Of no use for tasks that were not found.
    pub fn rank_sql(&self) -> SimpleExpr {
        let worth = self.words.iter().map(|word| -> SimpleExpr {
            let title = || Expr::col(Column::TitleWords);
            CaseStatement::new()
                .case(title().like(format!("% {word} %")), WHOLE)
                .case(title().like(format!("% {word}%")), BEGUN)
                .finally(0)
                .into()
        });
        let sum = worth.reduce(ExprTrait::add).unwrap_or(Expr::value(0));
        let own = Expr::col((task_words::Entity, Column::TaskId))
            .equals((task::Entity, task::Column::Id));
        let query = select(sum).and_where(own).take();
        SubQueryStatement::SelectStatement(query).into()
    }

    /// The same for a row that was read.
    pub fn rank(&self, title: &str) -> i32 {
        let title = words(title);
        let worth = self.words.iter().map(|word| {
            if title.contains(word) {
                WHOLE
            } else if title.iter().any(|of| of.starts_with(word.as_str())) {
                BEGUN
            } else {
                0
            }
        });
        worth.sum()
    }
}

fn select(what: SimpleExpr) -> SelectStatement {
    Query::select().expr(what).from(task_words::Entity).take()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Search;

    #[test]
    fn a_search_is_words() {
        for (text, wanted) in [
            ("Fix  the fix", "fix the"),
            ("re report rep", "report"),
            ("NEAR(a b, 3) AND -x* \"q\":!&|<->", "3 and b near q x"),
            ("…!", ""),
            ("", ""),
        ] {
            assert_eq!(Search::new(text).unwrap().name(), wanted, "{text}");
        }
        assert!(Search::new(&"x".repeat(201)).is_err());
        let search = Search::new("report wr").unwrap();
        let ranks = ["Write report", "Write reports", "reporters", "Other"].map(|t| search.rank(t));
        assert_eq!(ranks, [5, 4, 2, 0]);
    }

    proptest! {
        #[test]
        fn nothing_but_letters_and_digits_is_sent(text in "\\PC{0,200}") {
            let search = Search::new(&text).unwrap();
            let plain = |word: &String| !word.is_empty() && word.chars().all(char::is_alphanumeric);
            prop_assert!(search.words.iter().all(plain));
        }
    }
}
