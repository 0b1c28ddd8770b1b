//! In which order tasks are listed.

use async_graphql::{Enum, InputObject};
use chrono::{DateTime, Datelike, Utc};
use entity::TaskId;
use entity::task::{Column, Model, Priority};
use sea_orm::Value;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, Order, SimpleExpr};
use serde::{Deserialize, Serialize};

use crate::db::keyset::Key;
use crate::graphql::{ApiError, ErrorCode};

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
pub struct Sort(Vec<TaskOrder>);

/// The keys of a row in an order, as a cursor holds them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SortKeys(Vec<SortValue>, TaskId);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum SortValue {
    Rank(i32),
    Time(DateTime<Utc>),
}

impl Sort {
    /// The order that was asked for; the newest first when none was.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when a field stands twice.
    pub fn new(order: Option<Vec<TaskOrder>>) -> Result<Self, ApiError> {
        let order = order.unwrap_or_default();
        let twice = order
            .iter()
            .enumerate()
            .any(|(i, step)| order[..i].iter().any(|before| before.field == step.field));
        if twice {
            return Err(ApiError::new(
                ErrorCode::BadUserInput,
                "`orderBy` names a field twice.",
            ));
        }
        Ok(Self(if order.is_empty() {
            vec![TaskOrder {
                field: TaskOrderField::CreatedAt,
                direction: OrderDirection::Desc,
            }]
        } else {
            order
        }))
    }

    /// The name of the order, which its cursors carry.
    pub fn name(&self) -> String {
        let steps: Vec<String> = self
            .0
            .iter()
            .map(|step| format!("{:?}{:?}", step.field, step.direction))
            .collect();
        steps.join(",")
    }

    /// What to sort by.
    pub fn expressions(&self) -> Vec<(SimpleExpr, Order)> {
        let steps = self
            .0
            .iter()
            .map(|step| (step.field.expr(), step.direction.sql()));
        steps.chain([(Expr::col(Column::Id), self.tie())]).collect()
    }

    /// The keys of a row.
    pub fn keys(&self, task: &Model) -> SortKeys {
        let values = self.0.iter().map(|step| match step.field {
            TaskOrderField::CreatedAt => SortValue::Time(task.created_at),
            TaskOrderField::UpdatedAt => SortValue::Time(task.updated_at),
            TaskOrderField::DueAt => SortValue::Time(task.due_order),
            TaskOrderField::Priority => SortValue::Rank(rank(task.priority)),
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
        for step in &self.0 {
            let last: Value = match (step.field, values.next()) {
                (TaskOrderField::Priority, Some(SortValue::Rank(rank))) => rank.into(),
                (
                    TaskOrderField::CreatedAt | TaskOrderField::UpdatedAt | TaskOrderField::DueAt,
                    Some(SortValue::Time(at)),
                ) if (1..=9_999).contains(&at.year()) => at.into(),
                _ => {
                    return Err(ApiError::new(
                        ErrorCode::BadUserInput,
                        "`after` is not a cursor of this list in this order. Start again without it.",
                    ));
                }
            };
            keys.push(Key {
                expr: step.field.expr(),
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

    /// Ids follow the direction of the first step, so that one index serves both.
    fn tie(&self) -> Order {
        self.0
            .first()
            .map_or(Order::Asc, |step| step.direction.sql())
    }
}

impl TaskOrderField {
    fn expr(self) -> SimpleExpr {
        match self {
            Self::CreatedAt => Expr::col(Column::CreatedAt),
            Self::UpdatedAt => Expr::col(Column::UpdatedAt),
            Self::DueAt => Expr::col(Column::DueOrder),
            Self::Priority => {
                let is = |priority: Priority| Expr::col(Column::Priority).eq(Value::from(priority));
                CaseStatement::new()
                    .case(is(Priority::Low), rank(Priority::Low))
                    .case(is(Priority::Medium), rank(Priority::Medium))
                    .finally(rank(Priority::High))
                    .into()
            }
        }
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

fn rank(priority: Priority) -> i32 {
    match priority {
        Priority::Low => 1,
        Priority::Medium => 2,
        Priority::High => 3,
    }
}
