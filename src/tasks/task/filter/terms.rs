//! The conditions of a filter, for the database. Each is true or false and never NULL, so that `not`
//! turns it round: what is missing is not before, not after and not one of anything.

use async_graphql::{ID, InputType};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use entity::task::{Column, Status};
use entity::{LabelId, task, task_label};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, Value};

use super::comparators::{Comparator, Comparisons, LabelComparator, Op};
use super::reader::{Reader, Sight};
use crate::graphql::{ApiError, Date, ErrorCode, Kind};
use crate::tasks::task::service::is_storable;

/// More comparisons than this make no sense for people and trouble for a database.
pub const MAX_COMPARISONS: usize = 100;

/// Conditions that all hold, and how many more may come.
pub struct Terms<'a> {
    pub all: Condition,
    pub left: &'a mut usize,
    pub reader: &'a Reader,
    pub sight: &'a Sight,
}

/// A date that is a point in time or a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A day counts from its beginning.
    Start,
    /// A day counts at its end.
    Due,
}

impl Moment {
    fn columns(self) -> (Column, Column) {
        match self {
            Self::Start => (Column::StartAt, Column::StartOn),
            Self::Due => (Column::DueAt, Column::DueOn),
        }
    }

    /// What a day must be, so that its moment compares like this with a point in time.
    fn day(self, op: Op, at: DateTime<Utc>, reader: &Reader) -> SimpleExpr {
        let micro = TimeDelta::microseconds(1);
        let on = self.columns().1;
        match (self, op) {
            // The last moment of a day is before a point in time if that is on a later day.
            (Self::Due, Op::Lt) => on.lt(reader.day(at)),
            (Self::Due, Op::Lte) => on.lt(reader.day(at + micro)),
            (Self::Due, Op::Gt) => on.gte(reader.day(at + micro)),
            (Self::Due, Op::Gte) => on.gte(reader.day(at)),
            (Self::Start, Op::Lt) => on.lte(reader.day(at - micro)),
            (Self::Start, Op::Lte) => on.lte(reader.day(at)),
            (Self::Start, Op::Gt) => on.gt(reader.day(at)),
            (Self::Start, Op::Gte) => on.gt(reader.day(at - micro)),
        }
    }

    /// What follows from a comparison for the column that has an index: it takes days as they are in
    /// UTC, which is less than a day off.
    fn near(self, op: Op, at: DateTime<Utc>) -> Option<SimpleExpr> {
        let day = TimeDelta::days(1);
        (self == Self::Due).then(|| match op {
            Op::Lt | Op::Lte => Column::DueOrder.lt(at + day),
            Op::Gt | Op::Gte => Column::DueOrder.gt(at - day),
        })
    }
}

impl Terms<'_> {
    pub fn add(&mut self, term: impl Into<Condition>) -> Added {
        self.spend(1)?;
        self.all = std::mem::replace(&mut self.all, Condition::all()).add(term);
        Ok(())
    }

    pub fn spend(&mut self, count: usize) -> Added {
        *self.left = self.left.checked_sub(count).ok_or_else(|| {
            bad(format!(
                "The filter has more than {MAX_COMPARISONS} comparisons; each filter inside `and`, `or` and `not` counts as one, too."
            ))
        })?;
        Ok(())
    }

    /// One of a set of values, or none of them.
    pub fn choose<T: InputType>(
        &mut self,
        column: Column,
        is: &Comparator<T>,
        db: impl Fn(&T) -> Result<Value, ApiError>,
    ) -> Added {
        for values in lists(is.eq.as_ref(), is.one_of.as_deref(), &db)? {
            // The term itself costs one, as its first value.
            self.spend(values.len().saturating_sub(1))?;
            let term = self.seen(column, known(column, column.is_in(values)));
            self.add(term)?;
        }
        for values in lists(is.neq.as_ref(), is.nin.as_deref(), &db)? {
            self.spend(values.len().saturating_sub(1))?;
            let term = self.seen(column, known(column, column.is_in(values)));
            self.add(term.not())?;
        }
        Ok(())
    }

    pub fn labels(&mut self, is: &LabelComparator) -> Added {
        let db = |id: &ID| Ok(LabelId(Kind::Label.decode(id)?).into());
        for values in lists(is.eq.as_ref(), is.one_of.as_deref(), &db)? {
            self.spend(values.len().saturating_sub(1))?;
            let tasks = labelled().and_where(of_labels(values)).take();
            self.add(Column::Id.in_subquery(tasks))?;
        }
        for values in lists(is.neq.as_ref(), is.nin.as_deref(), &db)? {
            self.spend(values.len().saturating_sub(1))?;
            let own = labelled()
                .and_where(own_label())
                .and_where(of_labels(values))
                .take();
            self.add(Expr::not_exists(own))?;
        }
        if let Some(missing) = is.is_null {
            let own = labelled().and_where(own_label()).take();
            self.add(if missing {
                Expr::not_exists(own)
            } else {
                Expr::exists(own)
            })?;
        }
        Ok(())
    }

    /// A column of points in time.
    pub fn times(&mut self, column: Column, is: Comparisons<DateTime<Utc>>) -> Added {
        for (op, at) in is {
            storable(at)?;
            self.add(known(column, compare(column, op, at)))?;
        }
        Ok(())
    }

    /// A date that is a point in time or a day, compared with a point in time.
    pub fn moments(&mut self, of: Moment, is: Comparisons<DateTime<Utc>>) -> Added {
        let (column, on) = of.columns();
        for (op, at) in is {
            storable(at)?;
            let either = Condition::any()
                .add(known(column, compare(column, op, at)))
                .add(known(on, of.day(op, at, self.reader)));
            self.near(either, of.near(op, at))?;
        }
        Ok(())
    }

    /// The same, compared with a day.
    pub fn days(&mut self, of: Moment, is: Comparisons<Date>) -> Added {
        let (column, on) = of.columns();
        for (op, Date(day)) in is {
            storable_day(day)?;
            let (begin, end) = (self.reader.begin(day), self.reader.end(day));
            let (at, bound) = match op {
                Op::Lt => (column.lt(begin), begin),
                Op::Lte => (column.lt(end), end),
                Op::Gt => (column.gte(end), end),
                Op::Gte => (column.gte(begin), begin),
            };
            let either = Condition::any()
                .add(known(column, at))
                .add(known(on, compare(on, op, day)));
            self.near(either, of.near(op, bound))?;
        }
        Ok(())
    }

    fn near(&mut self, term: Condition, near: Option<SimpleExpr>) -> Added {
        self.add(match near {
            Some(near) => Condition::all().add(near).add(term),
            None => term,
        })
    }

    pub fn overdue(&mut self, is: Option<bool>) -> Added {
        let Some(is) = is else { return Ok(()) };
        let Reader { now, .. } = *self.reader;
        let today = self.reader.day(now);
        let over = Condition::any()
            .add(known(Column::DueAt, Column::DueAt.lt(now)))
            .add(known(Column::DueOn, Column::DueOn.lt(today)));
        let overdue = Condition::all()
            .add(Column::Status.ne(Status::Completed))
            .add(Column::DueOrder.lt(now + TimeDelta::days(1)))
            .add(over);
        self.add(if is { overdue } else { overdue.not() })
    }

    pub fn missing(&mut self, columns: &[Column], missing: Option<bool>) -> Added {
        let Some(missing) = missing else {
            return Ok(());
        };
        let all = columns.iter().fold(Condition::all(), |all, column| {
            all.add(self.is_null(*column))
        });
        self.add(if missing { all } else { all.not() })
    }

    /// Makes a comparison false where the reader does not see what is compared.
    fn seen(&self, column: Column, term: SimpleExpr) -> SimpleExpr {
        match self.sight.sees(column) {
            Some(seen) => term.and(seen),
            None => term,
        }
    }

    fn is_null(&self, column: Column) -> SimpleExpr {
        match self.sight.sees(column) {
            Some(seen) => column.is_null().or(seen.not()),
            None => column.is_null(),
        }
    }

    pub fn moment_missing(&mut self, of: Moment, missing: Option<bool>) -> Added {
        let (at, on) = of.columns();
        self.missing(&[at, on], missing)
    }
}

/// Added, or why not.
pub type Added = Result<(), ApiError>;

fn lists<T>(
    one: Option<&T>,
    many: Option<&[T]>,
    db: &impl Fn(&T) -> Result<Value, ApiError>,
) -> Result<Vec<Vec<Value>>, ApiError> {
    let one = one.map(std::slice::from_ref);
    let lists = [one, many].into_iter().flatten();
    lists.map(|list| list.iter().map(db).collect()).collect()
}

/// Makes a comparison false, and not NULL, where there is nothing to compare.
fn known(column: Column, term: SimpleExpr) -> SimpleExpr {
    let may_be_missing = matches!(
        column,
        Column::ProjectId
            | Column::ParentId
            | Column::AssigneeId
            | Column::StartAt
            | Column::StartOn
            | Column::DueAt
            | Column::DueOn
            | Column::CompletedAt
    );
    if may_be_missing {
        column.is_not_null().and(term)
    } else {
        term
    }
}

fn compare(column: Column, op: Op, value: impl Into<Value>) -> SimpleExpr {
    match op {
        Op::Lt => column.lt(value),
        Op::Lte => column.lte(value),
        Op::Gt => column.gt(value),
        Op::Gte => column.gte(value),
    }
}

fn labelled() -> SelectStatement {
    Query::select()
        .column(task_label::Column::TaskId)
        .from(task_label::Entity)
        .take()
}

fn of_labels(labels: Vec<Value>) -> SimpleExpr {
    Expr::col(task_label::Column::LabelId).is_in(labels)
}

fn own_label() -> SimpleExpr {
    Expr::col((task_label::Entity, task_label::Column::TaskId))
        .equals((task::Entity, task::Column::Id))
}

fn storable(at: DateTime<Utc>) -> Added {
    if is_storable(at) {
        return Ok(());
    }
    Err(out_of_range())
}

fn storable_day(day: NaiveDate) -> Added {
    if (1..=9_998).contains(&day.year()) {
        return Ok(());
    }
    Err(out_of_range())
}

fn out_of_range() -> ApiError {
    bad("A date to compare with must lie in the years 1 to 9998.")
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::BadUserInput, message)
}
