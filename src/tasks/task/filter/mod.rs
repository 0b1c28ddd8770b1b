//! Which tasks.

mod comparators;
mod reader;
mod terms;

use async_graphql::{ID, InputObject};
use entity::task::{Column, Priority, Status};
use entity::{ProjectId, TaskId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr};
use sea_orm::{ColumnTrait, Condition, Value};

use self::comparators::{
    BooleanComparator, Comparator, DateTimeComparator, LabelComparator, NullableDateComparator,
    NullableDateTimeComparator, NullableIdComparator, StringComparator,
};
pub use self::reader::{Reader, Sight};
use self::terms::{Added, MAX_COMPARISONS, Moment, Terms};
use super::api::{TaskPriority, TaskStatus};
use crate::graphql::{ApiError, Kind, Meter, search_text};

/// Which tasks. All conditions must hold; a condition that is null is as if it were not there.
/// Disabled tasks are left out unless the filter says something of `enabled`.
#[derive(Clone, Debug, Default, InputObject)]
pub struct TaskFilter {
    /// How far the task has come.
    status: Option<Comparator<TaskStatus>>,
    /// How much the task matters.
    priority: Option<Comparator<TaskPriority>>,
    /// Whether the task is enabled.
    enabled: Option<BooleanComparator>,
    /// Who made the task.
    creator: Option<Comparator<ID>>,
    /// Who is to do the task.
    assignee: Option<NullableIdComparator>,
    /// The project the task belongs to. One the signed-in person is no member of is as if there were
    /// none.
    project: Option<NullableIdComparator>,
    /// The task it is a part of. One the signed-in person may not see is as if there were none.
    parent: Option<NullableIdComparator>,
    /// The labels of the task.
    label: Option<LabelComparator>,
    /// When the task should begin. A day counts from its beginning, in the time zone of the profile
    /// of the signed-in person.
    start_at: Option<NullableDateTimeComparator>,
    /// The day on which the task should begin; of a point in time the day it is in the time zone of
    /// the profile of the signed-in person.
    start_date: Option<NullableDateComparator>,
    /// When the task should be done. A day counts as its end, in the time zone of the profile of the
    /// signed-in person.
    due_at: Option<NullableDateTimeComparator>,
    /// The day on which the task should be done; of a point in time the day it is in the time zone
    /// of the profile of the signed-in person.
    due_date: Option<NullableDateComparator>,
    /// Whether the task is not completed although its time, or its day where the signed-in person
    /// is, is over.
    is_overdue: Option<bool>,
    /// When the task was completed.
    completed_at: Option<NullableDateTimeComparator>,
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

impl TaskFilter {
    /// The filter as a condition.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for malformed ids and for more comparisons than make sense,
    /// `QUERY_TOO_COMPLEX` for more than one operation may have.
    pub fn condition(
        &self,
        meter: &Meter,
        reader: &Reader,
        sight: &Sight,
    ) -> Result<Condition, ApiError> {
        let mut left = MAX_COMPARISONS;
        let condition = self.build(&mut left, reader, sight)?;
        meter.compare(MAX_COMPARISONS - left)?;
        Ok(condition)
    }

    /// The filter as the condition of a list: without a word on `enabled` it has no disabled tasks.
    ///
    /// # Errors
    /// Those of [`Self::condition`].
    pub fn listed(
        &self,
        meter: &Meter,
        reader: &Reader,
        sight: &Sight,
    ) -> Result<Condition, ApiError> {
        let condition = self.condition(meter, reader, sight)?;
        Ok(if self.speaks_of_enabled() {
            condition
        } else {
            condition.add(Column::Enabled.eq(true))
        })
    }

    /// Whether it matters where the reader is.
    pub fn speaks_of_days(&self) -> bool {
        let inner = self.and.iter().chain(&self.or).flatten();
        self.is_overdue.is_some()
            || self.start_at.is_some()
            || self.start_date.is_some()
            || self.due_at.is_some()
            || self.due_date.is_some()
            || inner.chain(self.not.as_deref()).any(Self::speaks_of_days)
    }

    /// Whether it says anywhere which of enabled and disabled tasks are meant.
    fn speaks_of_enabled(&self) -> bool {
        let inner = self.and.iter().chain(&self.or).flatten();
        self.enabled.as_ref().is_some_and(|is| is.eq.is_some())
            || inner
                .chain(self.not.as_deref())
                .any(Self::speaks_of_enabled)
    }

    fn build(
        &self,
        left: &mut usize,
        reader: &Reader,
        sight: &Sight,
    ) -> Result<Condition, ApiError> {
        let mut all = Terms {
            all: Condition::all(),
            left,
            reader,
            sight,
        };
        // An empty filter costs too: thousands of them nest as deep as full ones.
        all.spend(1)?;
        self.values(&mut all)?;
        self.dates(&mut all)?;
        self.title(&mut all)?;
        let Terms { mut all, left, .. } = all;
        for inner in self.and.iter().flatten() {
            all = all.add(inner.build(left, reader, sight)?);
        }
        if let Some(inner) = &self.or {
            let mut any = Condition::any();
            for inner in inner {
                any = any.add(inner.build(left, reader, sight)?);
            }
            all = all.add(any);
        }
        if let Some(inner) = &self.not {
            all = all.add(inner.build(left, reader, sight)?.not());
        }
        Ok(all)
    }

    fn values(&self, all: &mut Terms<'_>) -> Added {
        if let Some(is) = &self.status {
            all.choose(Column::Status, is, |it| Ok(Status::from(*it).into()))?;
        }
        if let Some(is) = &self.priority {
            all.choose(Column::Priority, is, |it| Ok(Priority::from(*it).into()))?;
        }
        if let Some(eq) = self.enabled.as_ref().and_then(|is| is.eq) {
            all.add(Column::Enabled.eq(eq))?;
        }
        if let Some(is) = &self.creator {
            all.choose(Column::CreatorId, is, user_id)?;
        }
        if let Some(is) = &self.assignee {
            all.choose(Column::AssigneeId, &is.values(), user_id)?;
            all.missing(&[Column::AssigneeId], is.is_null)?;
        }
        if let Some(is) = &self.project {
            all.choose(Column::ProjectId, &is.values(), project_id)?;
            all.missing(&[Column::ProjectId], is.is_null)?;
        }
        if let Some(is) = &self.parent {
            all.choose(Column::ParentId, &is.values(), task_id)?;
            all.missing(&[Column::ParentId], is.is_null)?;
        }
        if let Some(is) = &self.label {
            all.labels(is)?;
        }
        Ok(())
    }

    fn dates(&self, all: &mut Terms<'_>) -> Added {
        let (start, due) = (Moment::Start, Moment::Due);
        for (of, is) in [(start, &self.start_at), (due, &self.due_at)] {
            if let Some(is) = is {
                all.moments(of, is.comparisons())?;
                all.moment_missing(of, is.is_null)?;
            }
        }
        for (of, is) in [(start, &self.start_date), (due, &self.due_date)] {
            if let Some(is) = is {
                all.days(of, is.comparisons())?;
                all.moment_missing(of, is.is_null)?;
            }
        }
        all.overdue(self.is_overdue)?;
        if let Some(is) = &self.completed_at {
            all.times(Column::CompletedAt, is.comparisons())?;
            all.missing(&[Column::CompletedAt], is.is_null)?;
        }
        for (column, is) in [
            (Column::CreatedAt, &self.created_at),
            (Column::UpdatedAt, &self.updated_at),
        ] {
            if let Some(is) = is {
                all.times(column, is.comparisons())?;
            }
        }
        Ok(())
    }

    fn title(&self, all: &mut Terms<'_>) -> Added {
        let Some(is) = &self.title else { return Ok(()) };
        if let Some(text) = &is.eq {
            all.add(Column::Title.eq(search_text(text)?))?;
        }
        if let Some(text) = &is.contains {
            let text = search_text(text)?.to_ascii_lowercase();
            let pattern = format!("%{}%", entity::user::escape_like(&text));
            let title = Func::lower(Expr::col(Column::Title));
            all.add(Expr::expr(title).like(LikeExpr::new(pattern).escape('\\')))?;
        }
        Ok(())
    }
}

fn user_id(id: &ID) -> Result<Value, ApiError> {
    Ok(UserId(Kind::User.decode(id)?).into())
}

fn project_id(id: &ID) -> Result<Value, ApiError> {
    Ok(ProjectId(Kind::Project.decode(id)?).into())
}

fn task_id(id: &ID) -> Result<Value, ApiError> {
    Ok(TaskId(Kind::Task.decode(id)?).into())
}
