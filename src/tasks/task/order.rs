//! In which order tasks are listed.

use async_graphql::{Enum, InputObject};
use entity::TaskId;
use entity::task::{COMPLETED_ORDER, Column, Model, PRIORITY_RANK, Priority, completed_order};
use sea_orm::Value;
use sea_orm::sea_query::{Expr, Order, SimpleExpr};
use serde::{Deserialize, Serialize};

use super::search::Search;
use crate::db::keyset::Key;
use crate::graphql::{ApiError, CursorTime, ErrorCode};

/// What a list of tasks is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum TaskOrderField {
    /// When the task was made.
    CreatedAt,
    /// When the task was last changed.
    UpdatedAt,
    /// When the task should be done; tasks without a date count as later than all others.
    DueAt,
    /// How much the task matters.
    Priority,
    /// When the task was completed; tasks that are not count as later than all others.
    CompletedAt,
    /// How well the task fits `search`, `DESC` for the best first: words that stand in the title
    /// count, and whole ones more than beginnings. Only with `search`.
    Relevance,
}

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum OrderDirection {
    /// The smallest, earliest, least first.
    Asc,
    /// The greatest, latest, most first.
    Desc,
}

/// One step of the order of a list of tasks.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct TaskOrder {
    /// What it is sorted by.
    field: TaskOrderField,
    /// Which way.
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

/// The order of a list of tasks. The id decides between equals, so no two rows tie.
#[derive(Clone, Debug)]
pub struct Sort {
    steps: Vec<TaskOrder>,
    search: Option<Search>,
}

/// The keys of a row in an order, as a cursor holds them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SortKeys(Vec<SortValue>, TaskId);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum SortValue {
    Rank(i32),
    Time(CursorTime),
}

impl Sort {
    /// The order that was asked for. When none was: the best first of what a search finds, the newest
    /// first of all else.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when a field stands twice, and for the relevance of nothing.
    pub fn new(order: Option<Vec<TaskOrder>>, search: Option<Search>) -> Result<Self, ApiError> {
        let mut steps = order.unwrap_or_default();
        let twice = steps
            .iter()
            .enumerate()
            .any(|(i, step)| steps[..i].iter().any(|before| before.field == step.field));
        if twice {
            return Err(bad("`orderBy` names a field twice."));
        }
        if steps.is_empty() {
            steps.push(TaskOrder {
                field: match search {
                    Some(_) => TaskOrderField::Relevance,
                    None => TaskOrderField::CreatedAt,
                },
                direction: OrderDirection::Desc,
            });
        }
        let sort = Self { steps, search };
        if sort.is_by_relevance() && sort.search.is_none() {
            return Err(bad(
                "`RELEVANCE` is an order of what `search` finds: give one.",
            ));
        }
        Ok(sort)
    }

    fn is_by_relevance(&self) -> bool {
        let is = |step: &TaskOrder| step.field == TaskOrderField::Relevance;
        self.steps.iter().any(is)
    }

    /// Whether what is searched for has a part in it.
    pub fn is_of_a_search(&self) -> bool {
        self.search.is_some()
    }

    /// The name of the order, which its cursors carry.
    pub fn name(&self) -> String {
        let steps: Vec<String> = self
            .steps
            .iter()
            .map(|step| format!("{:?}{:?}", step.field, step.direction))
            .collect();
        let mut name = steps.join(",");
        if let Some(search) = self.search.as_ref().filter(|_| self.is_by_relevance()) {
            name = format!("{name}:{}", search.name());
        }
        name
    }

    /// What to sort by.
    pub fn expressions(&self) -> Vec<(SimpleExpr, Order)> {
        let steps = self
            .steps
            .iter()
            .map(|step| (self.expr(step.field), step.direction.sql()));
        steps.chain([(Expr::col(Column::Id), self.tie())]).collect()
    }

    /// The keys of a row.
    pub fn keys(&self, task: &Model) -> SortKeys {
        let values = self.steps.iter().map(|step| match step.field {
            TaskOrderField::CreatedAt => SortValue::Time(CursorTime::of(task.created_at)),
            TaskOrderField::UpdatedAt => SortValue::Time(CursorTime::of(task.updated_at)),
            TaskOrderField::DueAt => SortValue::Time(CursorTime::of(task.due_order)),
            TaskOrderField::Priority => SortValue::Rank(rank(task.priority)),
            TaskOrderField::CompletedAt => {
                SortValue::Time(CursorTime::of(completed_order(task.completed_at)))
            }
            TaskOrderField::Relevance => {
                let rank = |search: &Search| search.rank(&task.title);
                SortValue::Rank(self.search.as_ref().map_or(0, rank))
            }
        });
        SortKeys(values.collect(), task.id)
    }

    /// The keys of a cursor, for the condition of the next page.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when they do not fit the order.
    pub fn after(&self, SortKeys(values, id): SortKeys) -> Result<Vec<Key>, ApiError> {
        let mut keys = Vec::with_capacity(values.len() + 1);
        let mut values = values.into_iter();
        for step in &self.steps {
            let last: Value = match (step.field, values.next()) {
                (
                    TaskOrderField::Priority | TaskOrderField::Relevance,
                    Some(SortValue::Rank(rank)),
                ) => rank.into(),
                (
                    TaskOrderField::CreatedAt
                    | TaskOrderField::UpdatedAt
                    | TaskOrderField::DueAt
                    | TaskOrderField::CompletedAt,
                    Some(SortValue::Time(at)),
                ) => at.into(),
                _ => {
                    return Err(bad(
                        "`after` is not a cursor of this list in this order. Start again without it.",
                    ));
                }
            };
            keys.push(Key {
                expr: self.expr(step.field),
                order: step.direction.sql(),
                last,
            });
        }
        keys.push(Key {
            expr: Expr::col(Column::Id),
            order: self.tie(),
            last: id.into(),
        });
        Ok(keys)
    }

    fn expr(&self, field: TaskOrderField) -> SimpleExpr {
        match field {
            TaskOrderField::CreatedAt => Expr::col(Column::CreatedAt),
            TaskOrderField::UpdatedAt => Expr::col(Column::UpdatedAt),
            TaskOrderField::DueAt => Expr::col(Column::DueOrder),
            TaskOrderField::Priority => Expr::cust(PRIORITY_RANK),
            TaskOrderField::CompletedAt => Expr::cust(COMPLETED_ORDER),
            TaskOrderField::Relevance => self
                .search
                .as_ref()
                .map_or(Expr::value(0), Search::rank_sql),
        }
    }

    /// Ids follow the direction of the first step, so that one index serves both.
    fn tie(&self) -> Order {
        self.steps
            .first()
            .map_or(Order::Asc, |step| step.direction.sql())
    }
}

impl OrderDirection {
    fn sql(self) -> Order {
        match self {
            Self::Asc => Order::Asc,
            Self::Desc => Order::Desc,
        }
    }
}

fn bad(message: &str) -> ApiError {
    ApiError::new(ErrorCode::BadUserInput, message)
}

fn rank(priority: Priority) -> i32 {
    match priority {
        Priority::Low => 1,
        Priority::Medium => 2,
        Priority::High => 3,
    }
}
