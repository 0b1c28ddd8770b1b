//! Which tasks.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::UserId;
use entity::task::{Column, Priority, Status};
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, Value};

use super::api::{TaskPriority, TaskStatus};
use super::service::is_storable;
use crate::graphql::{ApiError, ErrorCode, Kind, Meter, search_text};

/// More comparisons than this make no sense for people and trouble for a database.
const MAX_COMPARISONS: usize = 100;

/// Which tasks. All conditions must hold; a condition that is null is as if it were not there.
#[derive(Clone, Debug, Default, InputObject)]
pub struct TaskFilter {
    /// How far the task has come.
    status: Option<TaskStatusComparator>,
    /// How much the task matters.
    priority: Option<TaskPriorityComparator>,
    /// Whether the task is enabled.
    enabled: Option<BooleanComparator>,
    /// Who made the task.
    creator: Option<IdComparator>,
    /// Who is to do the task.
    assignee: Option<NullableIdComparator>,
    /// When the task should be done.
    due_at: Option<NullableDateTimeComparator>,
    /// When the task was made.
    created_at: Option<DateTimeComparator>,
    /// When the task was last changed.
    updated_at: Option<DateTimeComparator>,
    /// The title.
    title: Option<StringComparator>,
    /// All of these hold.
    and: Option<Vec<TaskFilter>>,
    /// At least one of these holds.
    or: Option<Vec<TaskFilter>>,
    /// This does not hold.
    not: Option<Box<TaskFilter>>,
}

/// Compares a status.
#[derive(Clone, Debug, InputObject)]
pub struct TaskStatusComparator {
    /// Is this.
    eq: Option<TaskStatus>,
    /// Is not this.
    neq: Option<TaskStatus>,
    /// Is one of these.
    #[graphql(name = "in")]
    one_of: Option<Vec<TaskStatus>>,
    /// Is none of these.
    nin: Option<Vec<TaskStatus>>,
}

/// Compares a priority.
#[derive(Clone, Debug, InputObject)]
pub struct TaskPriorityComparator {
    /// Is this.
    eq: Option<TaskPriority>,
    /// Is not this.
    neq: Option<TaskPriority>,
    /// Is one of these.
    #[graphql(name = "in")]
    one_of: Option<Vec<TaskPriority>>,
    /// Is none of these.
    nin: Option<Vec<TaskPriority>>,
}

/// Compares a yes or no.
#[derive(Clone, Debug, InputObject)]
pub struct BooleanComparator {
    /// Is this.
    eq: Option<bool>,
}

/// Compares an id.
#[derive(Clone, Debug, InputObject)]
pub struct IdComparator {
    /// Is this.
    eq: Option<ID>,
    /// Is not this.
    neq: Option<ID>,
    /// Is one of these.
    #[graphql(name = "in")]
    one_of: Option<Vec<ID>>,
    /// Is none of these.
    nin: Option<Vec<ID>>,
}

/// Compares an id that may be missing.
#[derive(Clone, Debug, InputObject)]
pub struct NullableIdComparator {
    /// Is this.
    eq: Option<ID>,
    /// Is not this; what is missing is not this either.
    neq: Option<ID>,
    /// Is one of these.
    #[graphql(name = "in")]
    one_of: Option<Vec<ID>>,
    /// Is none of these; what is missing is none of these either.
    nin: Option<Vec<ID>>,
    /// Is missing, or is not.
    is_null: Option<bool>,
}

/// Compares a point in time.
#[derive(Clone, Debug, InputObject)]
pub struct DateTimeComparator {
    /// Is before this.
    lt: Option<DateTime<Utc>>,
    /// Is this or before.
    lte: Option<DateTime<Utc>>,
    /// Is after this.
    gt: Option<DateTime<Utc>>,
    /// Is this or after.
    gte: Option<DateTime<Utc>>,
}

/// Compares a point in time that may be missing; what is missing is neither before nor after.
#[derive(Clone, Debug, InputObject)]
pub struct NullableDateTimeComparator {
    /// Is before this.
    lt: Option<DateTime<Utc>>,
    /// Is this or before.
    lte: Option<DateTime<Utc>>,
    /// Is after this.
    gt: Option<DateTime<Utc>>,
    /// Is this or after.
    gte: Option<DateTime<Utc>>,
    /// Is missing, or is not.
    is_null: Option<bool>,
}

/// Compares a text.
#[derive(Clone, Debug, InputObject)]
pub struct StringComparator {
    /// Is exactly this.
    eq: Option<String>,
    /// Contains this. Of the letters A to Z, capital and small ones are the same.
    contains: Option<String>,
}

impl TaskFilter {
    /// The filter as a condition.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for malformed ids and for more comparisons than make sense,
    /// `QUERY_TOO_COMPLEX` for more than one operation may have.
    pub fn condition(&self, meter: &Meter) -> Result<Condition, ApiError> {
        let mut left = MAX_COMPARISONS;
        let condition = self.build(&mut left)?;
        meter.compare(MAX_COMPARISONS - left)?;
        Ok(condition)
    }

    /// Whether it says anywhere which of enabled and disabled tasks are meant.
    fn says_enabled(&self) -> bool {
        let lists = [&self.and, &self.or].into_iter().flatten().flatten();
        self.enabled.as_ref().is_some_and(|is| is.eq.is_some())
            || lists.chain(self.not.as_deref()).any(Self::says_enabled)
    }

    /// The filter as the condition of a list: without a word about it, a list has no disabled tasks.
    ///
    /// # Errors
    /// Those of [`Self::condition`].
    pub fn listed(&self, meter: &Meter) -> Result<Condition, ApiError> {
        let condition = self.condition(meter)?;
        Ok(if self.says_enabled() {
            condition
        } else {
            condition.add(Column::Enabled.eq(true))
        })
    }

    fn build(&self, left: &mut usize) -> Result<Condition, ApiError> {
        let mut all = Terms {
            all: Condition::all(),
            left,
        };
        // An empty filter costs too: thousands of them nest as deep as full ones.
        all.spend(1)?;
        if let Some(is) = &self.status {
            let db = |status: &TaskStatus| Ok(Status::from(*status).into());
            let choice = Choice::new(
                is.eq.as_ref(),
                is.neq.as_ref(),
                is.one_of.as_deref(),
                is.nin.as_deref(),
                db,
            )?;
            all.choose(Column::Status, choice)?;
        }
        if let Some(is) = &self.priority {
            let db = |priority: &TaskPriority| Ok(Priority::from(*priority).into());
            let choice = Choice::new(
                is.eq.as_ref(),
                is.neq.as_ref(),
                is.one_of.as_deref(),
                is.nin.as_deref(),
                db,
            )?;
            all.choose(Column::Priority, choice)?;
        }
        if let Some(eq) = self.enabled.as_ref().and_then(|is| is.eq) {
            all.add(Column::Enabled.eq(eq))?;
        }
        if let Some(is) = &self.creator {
            let choice = Choice::new(
                is.eq.as_ref(),
                is.neq.as_ref(),
                is.one_of.as_deref(),
                is.nin.as_deref(),
                user_id,
            )?;
            all.choose(Column::CreatorId, choice)?;
        }
        if let Some(is) = &self.assignee {
            let choice = Choice::new(
                is.eq.as_ref(),
                is.neq.as_ref(),
                is.one_of.as_deref(),
                is.nin.as_deref(),
                user_id,
            )?;
            all.choose(Column::AssigneeId, choice)?;
            all.missing(Column::AssigneeId, is.is_null)?;
        }
        if let Some(is) = &self.due_at {
            all.times(Column::DueAt, is.lt, is.lte, is.gt, is.gte)?;
            all.missing(Column::DueAt, is.is_null)?;
        }
        for (column, is) in [
            (Column::CreatedAt, &self.created_at),
            (Column::UpdatedAt, &self.updated_at),
        ] {
            if let Some(is) = is {
                all.times(column, is.lt, is.lte, is.gt, is.gte)?;
            }
        }
        if let Some(is) = &self.title {
            if let Some(text) = &is.eq {
                all.add(Column::Title.eq(text))?;
            }
            if let Some(text) = &is.contains {
                let pattern = format!(
                    "%{}%",
                    entity::user::escape_like(&search_text(text)?.to_ascii_lowercase())
                );
                let title = Func::lower(Expr::col(Column::Title));
                all.add(Expr::expr(title).like(LikeExpr::new(pattern).escape('\\')))?;
            }
        }
        let Terms { mut all, left } = all;
        for inner in self.and.iter().flatten() {
            all = all.add(inner.build(left)?);
        }
        if let Some(inner) = &self.or {
            let mut any = Condition::any();
            for inner in inner {
                any = any.add(inner.build(left)?);
            }
            all = all.add(any);
        }
        if let Some(inner) = &self.not {
            all = all.add(inner.build(left)?.not());
        }
        Ok(all)
    }
}

/// Conditions that all hold, and how many more may come.
struct Terms<'a> {
    all: Condition,
    left: &'a mut usize,
}

impl Terms<'_> {
    fn add(&mut self, term: SimpleExpr) -> Result<(), ApiError> {
        self.spend(1)?;
        self.all = std::mem::replace(&mut self.all, Condition::all()).add(term);
        Ok(())
    }

    fn spend(&mut self, count: usize) -> Result<(), ApiError> {
        *self.left = self.left.checked_sub(count).ok_or_else(|| {
            ApiError::new(
                ErrorCode::BadUserInput,
                format!(
                    "The filter has more than {MAX_COMPARISONS} comparisons; each filter inside `and`, `or` and `not` counts as one, too."
                ),
            )
        })?;
        Ok(())
    }

    fn choose(&mut self, column: Column, choice: Choice) -> Result<(), ApiError> {
        // The term itself costs one, as its first value.
        for values in choice.one_of {
            self.spend(values.len().saturating_sub(1))?;
            self.add(column.is_in(values))?;
        }
        for values in choice.none_of {
            self.spend(values.len().saturating_sub(1))?;
            // `NULL NOT IN (…)` is neither true nor false in SQL; people mean yes.
            self.add(column.is_not_in(values).or(column.is_null()))?;
        }
        Ok(())
    }

    fn times(
        &mut self,
        column: Column,
        lt: Option<DateTime<Utc>>,
        lte: Option<DateTime<Utc>>,
        gt: Option<DateTime<Utc>>,
        gte: Option<DateTime<Utc>>,
    ) -> Result<(), ApiError> {
        let terms = [
            lt.map(|at| column.lt(at)),
            lte.map(|at| column.lte(at)),
            gt.map(|at| column.gt(at)),
            gte.map(|at| column.gte(at)),
        ];
        let times = [lt, lte, gt, gte];
        if times.into_iter().flatten().any(|at| !is_storable(at)) {
            return Err(ApiError::new(
                ErrorCode::BadUserInput,
                "A date to compare with must lie in the years 1 to 9998.",
            ));
        }
        terms
            .into_iter()
            .flatten()
            .try_for_each(|term| self.add(term))
    }

    fn missing(&mut self, column: Column, missing: Option<bool>) -> Result<(), ApiError> {
        match missing {
            Some(true) => self.add(column.is_null()),
            Some(false) => self.add(column.is_not_null()),
            None => Ok(()),
        }
    }
}

/// The comparators of a set of values, as lists for the database: all hold.
struct Choice {
    one_of: Vec<Vec<Value>>,
    none_of: Vec<Vec<Value>>,
}

impl Choice {
    fn new<T>(
        eq: Option<&T>,
        neq: Option<&T>,
        one_of: Option<&[T]>,
        nin: Option<&[T]>,
        db: impl Fn(&T) -> Result<Value, ApiError>,
    ) -> Result<Self, ApiError> {
        let lists = |one: Option<&T>, many: Option<&[T]>| {
            let one = one.map(std::slice::from_ref);
            let lists = [one, many].into_iter().flatten();
            lists
                .map(|list| list.iter().map(&db).collect())
                .collect::<Result<Vec<Vec<Value>>, ApiError>>()
        };
        Ok(Self {
            one_of: lists(eq, one_of)?,
            none_of: lists(neq, nin)?,
        })
    }
}

fn user_id(id: &ID) -> Result<Value, ApiError> {
    Ok(UserId(Kind::User.decode(id)?).into())
}
