//! When a task begins and when it is due: a point in time, or a day wherever the reader is.

use async_graphql::MaybeUndefined::{self, Null, Undefined, Value};
use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta};
use entity::Timestamp;
use entity::task::Model;
use serde::{Serialize, Serializer};

use super::input::{is_storable, problem};
use crate::graphql::UserError;

/// The last midnight of a day is that of the zone UTC-12, the first that of UTC+14.
const LAST_ZONE: TimeDelta = TimeDelta::hours(12);
const FIRST_ZONE: TimeDelta = TimeDelta::hours(14);

/// A point in time or a day, as a client gives it: absent keeps, null clears.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Moment {
    /// The point in time.
    #[serde(serialize_with = "told_apart")]
    pub at: MaybeUndefined<Timestamp>,
    /// The day.
    #[serde(serialize_with = "told_apart")]
    pub on: MaybeUndefined<NaiveDate>,
}

/// The two names of a moment in the input.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    at: &'static str,
    on: &'static str,
}

/// When a task begins.
pub const START: Names = Names {
    at: "startAt",
    on: "startDate",
};
/// When it is due.
pub const DUE: Names = Names {
    at: "dueAt",
    on: "dueDate",
};

impl Moment {
    /// Whether it says anything.
    pub fn is_given(self) -> bool {
        !(self.at.is_undefined() && self.on.is_undefined())
    }

    /// What is wrong with it by itself.
    pub fn problem(self, names: Names) -> Option<UserError> {
        let years = "The date must lie in the years 1 to 9998.";
        match (self.at, self.on) {
            (Value(_), Value(_)) => Some(problem(
                format!("Give a point in time (`{}`) or a day, not both.", names.at),
                names.on,
            )),
            (Value(at), _) if !is_storable(at) => Some(problem(years.to_owned(), names.at)),
            (_, Value(on)) if !(1..=9_998).contains(&on.year()) => {
                Some(problem(years.to_owned(), names.on))
            }
            _ => None,
        }
    }

    /// Puts it where it is kept: one replaces the other, null of either clears both.
    pub fn put(self, at: &mut Option<Timestamp>, on: &mut Option<NaiveDate>) {
        (*at, *on) = match (self.at, self.on) {
            (Value(new), _) => (Some(new), None),
            (_, Value(new)) => (None, Some(new)),
            (Undefined, Undefined) => return,
            (Null, _) | (_, Null) => (None, None),
        };
    }
}

/// What is wrong with a task that begins after it is due, if one of the two was just given. Between a
/// point in time and a day it is wrong only where it is so in every time zone.
pub fn order_problem(task: &Model, start_given: bool, due_given: bool) -> Option<UserError> {
    if !start_given && !due_given {
        return None;
    }
    let too_late = match (task.start_at, task.start_on, task.due_at, task.due_on) {
        (Some(start), _, Some(due), _) => start > due,
        (_, Some(start), _, Some(due)) => start > due,
        (Some(start), _, _, Some(due)) => start >= midnight(due) + TimeDelta::days(1) + LAST_ZONE,
        (_, Some(start), Some(due), _) => due < midnight(start) - FIRST_ZONE,
        _ => false,
    };
    let name = if start_given {
        task.start_at.map_or(START.on, |_| START.at)
    } else {
        task.due_at.map_or(DUE.on, |_| DUE.at)
    };
    too_late.then(|| problem("The task would begin after it is due.".to_owned(), name))
}

/// Writes a value so that what is absent differs from what is null: the library writes both alike, and
/// they are different inputs.
pub fn told_apart<T: Serialize, S: Serializer>(
    value: &MaybeUndefined<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(value.as_opt_ref())
}

fn midnight(day: NaiveDate) -> Timestamp {
    day.and_time(NaiveTime::MIN).and_utc()
}
