//! For whom, and when, something is compared: a day begins and ends where the reader is, and a task has
//! the project and the parent that the reader may see.

use async_graphql::Context;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use entity::task::{Column, Model, Status, in_project_of, parent_seen_by};
use entity::{Timestamp, Viewer};
use sea_orm::DatabaseBackend;
use sea_orm::sea_query::SimpleExpr;

use crate::accounts::load_user;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt};

/// The moment and the time zone of whoever reads.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// Now.
    pub now: Timestamp,
    /// Their time zone.
    pub zone: Tz,
}

/// What of a task somebody may compare: one sees a task that is assigned to one, and perhaps neither its
/// project nor what it is a part of, which may be deleted, too. These are then as if there were none.
#[derive(Clone, Debug)]
pub struct Sight {
    viewer: Viewer,
    backend: DatabaseBackend,
}

impl Sight {
    /// The viewer's.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without one.
    pub fn of(ctx: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            viewer: ctx.viewer()?.clone(),
            backend: ctx.app().db.backend(),
        })
    }

    /// Whether they see what a column names; none when everybody who sees the task does.
    pub fn sees(&self, column: Column) -> Option<SimpleExpr> {
        let (viewer, backend) = (&self.viewer, self.backend);
        match column {
            Column::ProjectId if !viewer.is_admin() => Some(in_project_of(viewer, backend)),
            Column::ParentId => Some(parent_seen_by(viewer, backend)),
            _ => None,
        }
    }
}

impl Reader {
    /// The viewer, now.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn of(ctx: &Context<'_>) -> Result<Self, ApiError> {
        let user = load_user(ctx, ctx.viewer()?.user_id).await?;
        let name = user.and_then(|user| user.timezone);
        let zone = name.and_then(|name| name.parse().ok());
        Ok(Self {
            zone: zone.unwrap_or(Tz::UTC),
            ..Self::anywhere(ctx)
        })
    }

    /// Somebody somewhere, for what does not ask where.
    pub fn anywhere(ctx: &Context<'_>) -> Self {
        Self {
            now: ctx.app().db.clock().now(),
            zone: Tz::UTC,
        }
    }

    /// The day it is there at a point in time.
    pub fn day(&self, at: Timestamp) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// When a day begins there. Where the clocks skip midnight, or the whole day: when they go on.
    pub fn begin(&self, day: NaiveDate) -> Timestamp {
        let mut local = day.and_time(NaiveTime::MIN);
        for _ in 0..200 {
            if let Some(at) = self.zone.from_local_datetime(&local).earliest() {
                return at.with_timezone(&Utc);
            }
            local += TimeDelta::minutes(15);
        }
        day.and_time(NaiveTime::MIN).and_utc()
    }

    /// When a day is over there: the beginning of the next.
    pub fn end(&self, day: NaiveDate) -> DateTime<Utc> {
        day.checked_add_days(Days::new(1))
            .map_or(DateTime::<Utc>::MAX_UTC, |next| self.begin(next))
    }

    /// Whether a task should be finished by now, and is not.
    pub fn is_overdue(&self, task: &Model) -> bool {
        let at = task.due_at.is_some_and(|at| at < self.now);
        let on = task.due_on.is_some_and(|day| day < self.day(self.now));
        task.status != Status::Completed && (at || on)
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::Reader;

    fn reader(zone: &str, now: &str) -> Reader {
        Reader {
            now: now.parse().unwrap(),
            zone: zone.parse().unwrap(),
        }
    }

    #[test]
    fn a_day_begins_where_the_reader_is() {
        for (zone, day, begin, end) in [
            (
                "UTC",
                "2026-11-22",
                "2026-11-22T00:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                "Asia/Tokyo",
                "2026-11-22",
                "2026-11-21T15:00:00Z",
                "2026-11-22T15:00:00Z",
            ),
            // The clocks go from 23:59:59 to 01:00.
            (
                "America/Sao_Paulo",
                "2018-11-04",
                "2018-11-04T03:00:00Z",
                "2018-11-05T02:00:00Z",
            ),
            // A day of 25 hours.
            (
                "Europe/Berlin",
                "2026-10-25",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            // Samoa went over the date line.
            (
                "Pacific/Apia",
                "2011-12-30",
                "2011-12-30T10:00:00Z",
                "2011-12-30T10:00:00Z",
            ),
        ] {
            let reader = reader(zone, begin);
            let day: NaiveDate = day.parse().unwrap();
            assert_eq!(
                reader.begin(day).to_rfc3339().replace("+00:00", "Z"),
                begin,
                "{zone}"
            );
            assert_eq!(
                reader.end(day).to_rfc3339().replace("+00:00", "Z"),
                end,
                "{zone}"
            );
        }
    }
}
