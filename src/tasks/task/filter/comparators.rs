//! What a filter compares with.

use async_graphql::{ID, InputObject, InputType};
use chrono::{DateTime, Utc};

use crate::graphql::Date;
use crate::tasks::task::api::{TaskPriority, TaskStatus};

/// Compares what is always there.
#[derive(Clone, Debug, InputObject)]
#[graphql(
    concrete(name = "TaskStatusComparator", params(TaskStatus)),
    concrete(name = "TaskPriorityComparator", params(TaskPriority)),
    concrete(name = "IdComparator", params(ID))
)]
pub struct Comparator<T: InputType> {
    /// Is this.
    pub eq: Option<T>,
    /// Is not this.
    pub neq: Option<T>,
    /// Is one of these.
    #[graphql(name = "in")]
    pub one_of: Option<Vec<T>>,
    /// Is none of these.
    pub nin: Option<Vec<T>>,
}

/// Compares an id that may be missing.
#[derive(Clone, Debug, InputObject)]
pub struct NullableIdComparator {
    /// Is this.
    pub eq: Option<ID>,
    /// Is not this; what is missing is not this either.
    pub neq: Option<ID>,
    /// Is one of these.
    #[graphql(name = "in")]
    pub one_of: Option<Vec<ID>>,
    /// Is none of these; what is missing is none of these either.
    pub nin: Option<Vec<ID>>,
    /// Is missing, or is not.
    pub is_null: Option<bool>,
}

impl NullableIdComparator {
    /// Without what is said of missing ones.
    pub fn values(&self) -> Comparator<ID> {
        Comparator {
            eq: self.eq.clone(),
            neq: self.neq.clone(),
            one_of: self.one_of.clone(),
            nin: self.nin.clone(),
        }
    }
}

/// Compares the labels of a task, of which it may have none or many.
#[derive(Clone, Debug, InputObject)]
pub struct LabelComparator {
    /// Has this.
    pub eq: Option<ID>,
    /// Has not this.
    pub neq: Option<ID>,
    /// Has at least one of these.
    #[graphql(name = "in")]
    pub one_of: Option<Vec<ID>>,
    /// Has none of these.
    pub nin: Option<Vec<ID>>,
    /// Has no label at all, or has one.
    pub is_null: Option<bool>,
}

/// Compares a yes or no.
#[derive(Clone, Debug, InputObject)]
pub struct BooleanComparator {
    /// Is this.
    pub eq: Option<bool>,
}

/// Compares a point in time.
#[derive(Clone, Debug, InputObject)]
pub struct DateTimeComparator {
    /// Is before this.
    pub lt: Option<DateTime<Utc>>,
    /// Is this or before.
    pub lte: Option<DateTime<Utc>>,
    /// Is after this.
    pub gt: Option<DateTime<Utc>>,
    /// Is this or after.
    pub gte: Option<DateTime<Utc>>,
}

/// Compares a point in time that may be missing; what is missing is neither before nor after.
#[derive(Clone, Debug, InputObject)]
pub struct NullableDateTimeComparator {
    /// Is before this.
    pub lt: Option<DateTime<Utc>>,
    /// Is this or before.
    pub lte: Option<DateTime<Utc>>,
    /// Is after this.
    pub gt: Option<DateTime<Utc>>,
    /// Is this or after.
    pub gte: Option<DateTime<Utc>>,
    /// Is missing, or is not.
    pub is_null: Option<bool>,
}

/// Compares a day of the calendar that may be missing; what is missing is neither before nor after.
#[derive(Clone, Debug, InputObject)]
pub struct NullableDateComparator {
    /// Is this.
    pub eq: Option<Date>,
    /// Is before this.
    pub lt: Option<Date>,
    /// Is this or before.
    pub lte: Option<Date>,
    /// Is after this.
    pub gt: Option<Date>,
    /// Is this or after.
    pub gte: Option<Date>,
    /// Is missing, or is not.
    pub is_null: Option<bool>,
}

/// Compares a text.
#[derive(Clone, Debug, InputObject)]
pub struct StringComparator {
    /// Is exactly this.
    pub eq: Option<String>,
    /// Contains this. Of the letters A to Z, capital and small ones are the same.
    pub contains: Option<String>,
}

/// A way to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Lt,
    Lte,
    Gt,
    Gte,
}

/// What is compared, and how.
pub type Comparisons<T> = Vec<(Op, T)>;

fn given<T>(ops: [(Op, Option<T>); 4]) -> Comparisons<T> {
    ops.into_iter()
        .filter_map(|(op, value)| Some((op, value?)))
        .collect()
}

impl DateTimeComparator {
    pub fn comparisons(&self) -> Comparisons<DateTime<Utc>> {
        given([
            (Op::Lt, self.lt),
            (Op::Lte, self.lte),
            (Op::Gt, self.gt),
            (Op::Gte, self.gte),
        ])
    }
}

impl NullableDateTimeComparator {
    pub fn comparisons(&self) -> Comparisons<DateTime<Utc>> {
        given([
            (Op::Lt, self.lt),
            (Op::Lte, self.lte),
            (Op::Gt, self.gt),
            (Op::Gte, self.gte),
        ])
    }
}

impl NullableDateComparator {
    /// To be a day is to be no earlier and no later.
    pub fn comparisons(&self) -> Comparisons<Date> {
        let mut all = given([
            (Op::Lt, self.lt),
            (Op::Lte, self.lte),
            (Op::Gt, self.gt),
            (Op::Gte, self.gte),
        ]);
        all.extend(
            self.eq
                .into_iter()
                .flat_map(|day| [(Op::Gte, day), (Op::Lte, day)]),
        );
        all
    }
}
