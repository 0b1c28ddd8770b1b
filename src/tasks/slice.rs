//! A page of a list inside each task of a list: the same page of all of them by one statement.

use entity::TaskId;
use sea_orm::Value;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};

/// A page of a list of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slice<K> {
    /// Of which task.
    pub task: TaskId,
    /// How many rows.
    pub limit: u64,
    /// The key of the last row seen.
    pub after: Option<K>,
}

/// The same page of several tasks.
#[derive(Clone, Debug)]
pub struct Slices<K> {
    /// Of which tasks.
    pub tasks: Vec<TaskId>,
    limit: u64,
    after: Option<K>,
}

/// A table with rows of tasks.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Its name.
    pub table: &'static str,
    /// What the rows of a task are sorted by; no two of a task have the same.
    pub key: &'static str,
    /// Whether the greatest key comes first.
    pub descending: bool,
    /// Only rows of which this holds.
    pub only: Option<fn() -> Expr>,
}

/// Those that are alike together: the resolvers of a list ask for the same page of each task.
pub fn alike<K: Copy + PartialEq>(slices: Vec<Slice<K>>) -> Vec<Slices<K>> {
    let mut groups: Vec<Slices<K>> = Vec::new();
    for Slice { task, limit, after } in slices {
        let group = groups
            .iter_mut()
            .find(|group| group.limit == limit && group.after == after);
        match group {
            Some(group) => group.tasks.push(task),
            None => groups.push(Slices {
                tasks: vec![task],
                limit,
                after,
            }),
        }
    }
    groups
}

impl<K: Copy + Into<Value>> Slices<K> {
    /// The page of one of the tasks.
    pub fn of(&self, task: TaskId) -> Slice<K> {
        Slice {
            task,
            limit: self.limit,
            after: self.after,
        }
    }

    /// Selects columns of the rows of these pages, each page in its order.
    pub fn select(&self, rows: &Rows, columns: &[&'static str]) -> SelectStatement {
        let Rows {
            table,
            key,
            descending,
            only,
        } = *rows;
        let way = if descending { "DESC" } else { "ASC" };
        let place = format!("ROW_NUMBER() OVER (PARTITION BY task_id ORDER BY {key} {way})");
        let mut ranked = Query::select();
        ranked
            .columns(columns.iter().copied())
            .expr_as(Expr::cust(place), "place")
            .from(table)
            .and_where(Expr::col("task_id").is_in(self.tasks.iter().copied()));
        if let Some(after) = self.after {
            let (key, after): (Expr, Value) = (Expr::col(key), after.into());
            ranked.and_where(if descending {
                key.lt(after)
            } else {
                key.gt(after)
            });
        }
        if let Some(only) = only {
            ranked.and_where(only());
        }
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        Query::select()
            .columns(columns.iter().copied())
            .from_subquery(ranked, "ranked")
            .and_where(Expr::col("place").lte(limit))
            .take()
    }
}
