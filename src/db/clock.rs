//! What time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ConnectionTrait, DatabaseBackend, Value};

use crate::failpoint::{self, Point};

/// The clock of the application. An offset, which only tests set, lets them travel in time without
/// waiting. Cheap to clone; clones share the offset.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_micros: Arc<AtomicI64>,
}

impl Clock {
    /// Now, cut to microseconds: PostgreSQL keeps no more, and what is answered must equal what is
    /// stored.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the system's clock"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        let mut now = Utc::now() + self.offset();
        if failpoint::fails(Point::ClockAhead, &"") {
            now += TimeDelta::hours(1);
        }
        now.trunc_subsecs(6)
    }

    /// Turns the clock forward. For tests.
    pub fn advance(&self, by: TimeDelta) {
        self.offset_micros
            .fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }

    /// Now plus a span, as an expression of SQL. On PostgreSQL the database's own clock decides, so
    /// that a worker whose clock is wrong cannot steal a lease (the time at which the statement came, which
    /// an index can be asked by); SQLite has one process and one
    /// clock, and its own text format for time is not ours.
    pub fn sql_after(&self, db: &impl ConnectionTrait, span: TimeDelta) -> SimpleExpr {
        if db.get_database_backend() == DatabaseBackend::Postgres {
            let micros = (self.offset() + span).num_microseconds().unwrap_or(0);
            return Expr::cust_with_values(
                "statement_timestamp() + $1 * interval '1 microsecond'",
                [micros],
            );
        }
        Expr::value(self.now() + span)
    }

    /// Now, as an expression of SQL; see [`Clock::sql_after`].
    pub fn sql_now(&self, db: &impl ConnectionTrait) -> SimpleExpr {
        self.sql_after(db, TimeDelta::zero())
    }

    /// The same as text for [`Sql`](super::Sql), with its value.
    pub fn text_now(&self, db: &impl ConnectionTrait) -> (&'static str, Value) {
        if db.get_database_backend() == DatabaseBackend::Postgres {
            let micros = self.offset().num_microseconds().unwrap_or(0);
            let now = "statement_timestamp() + $ * interval '1 microsecond'";
            return (now, micros.into());
        }
        ("$", self.now().into())
    }

    /// How far tests have turned the clock.
    pub fn offset(&self) -> TimeDelta {
        TimeDelta::microseconds(self.offset_micros.load(Ordering::Relaxed))
    }
}
