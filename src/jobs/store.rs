//! The statements of the queue.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entity::JobId;
use entity::job::{self, Column, Entity, State};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, SimpleExpr};
use sea_orm::{
    ActiveValue, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Set,
};

use super::{Claimed, DEFAULT_QUEUE, JobError, NewJob};
use crate::db::{Clock, Db, DbError, Tx, new_id};
use crate::events::Bus;
use crate::events::bus::Hint;
use crate::telemetry;

/// Writes jobs into the transaction of the change that causes them. A job with the same
/// `dedupe_key` is made once.
///
/// # Errors
/// The database's failure.
pub async fn enqueue(
    tx: &Tx,
    bus: &Bus,
    new: impl IntoIterator<Item = NewJob>,
) -> Result<(), DbError> {
    let now = tx.clock().now();
    let rows: Vec<_> = new
        .into_iter()
        .map(|new| job::ActiveModel {
            id: Set(JobId(new_id(tx.clock()))),
            queue: Set(DEFAULT_QUEUE.to_owned()),
            kind: Set(new.kind.to_owned()),
            dedupe_key: Set(Some(new.dedupe_key)),
            payload: Set(new.payload),
            state: Set(State::Ready),
            attempt: Set(0),
            crash_count: Set(0),
            max_attempts: Set(new.max_attempts),
            run_at: Set(now),
            lease_owner: ActiveValue::NotSet,
            lease_token: Set(0),
            lease_until: ActiveValue::NotSet,
            last_error: ActiveValue::NotSet,
            created_at: Set(now),
            done_at: ActiveValue::NotSet,
            trace: Set(telemetry::request_id()),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    Entity::insert_many(rows)
        .on_conflict_do_nothing_on([Column::DedupeKey])
        .exec_without_returning(tx.conn())
        .await?;
    let bus = bus.clone();
    tx.after_commit(move || {
        bus.publish(Hint::Wake {
            queue: DEFAULT_QUEUE.to_owned(),
        });
    });
    Ok(())
}

/// Takes up to `limit` jobs that are due.
pub async fn claim(
    db: &Db,
    owner: &str,
    limit: u64,
    lease: Duration,
) -> Result<Vec<Claimed>, DbError> {
    // Taken before the statement runs: this process's view of the lease ends early, never late.
    let lease_ends = Instant::now() + lease;
    let jobs = db
        .write(|tx| async move {
            let conn = tx.conn();
            let clock = tx.clock();
            // Expired leases are the reaper's: an OR here would ruin the plan. SQLite has one
            // writer and drops the row lock from the statement.
            let due = Entity::find()
                .select_only()
                .column(Column::Id)
                .filter(Column::Queue.eq(DEFAULT_QUEUE))
                .filter(Column::State.eq(State::Ready))
                .filter(Expr::col(Column::RunAt).lte(clock.sql_now(conn)))
                .order_by_asc(Column::RunAt)
                .limit(limit)
                .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
                .into_query();
            let jobs = Entity::update_many()
                .col_expr(Column::State, Expr::value(State::Running))
                .col_expr(Column::Attempt, Expr::col(Column::Attempt).add(1))
                .col_expr(Column::LeaseOwner, Expr::value(owner))
                .col_expr(Column::LeaseToken, Expr::col(Column::LeaseToken).add(1))
                .col_expr(Column::LeaseUntil, clock.sql_after(conn, delta(lease)))
                .filter(Column::Id.in_subquery(due))
                .exec_with_returning(conn)
                .await?;
            Ok::<_, DbError>(jobs)
        })
        .await?;
    Ok(jobs
        .into_iter()
        .map(|job| Claimed { job, lease_ends })
        .collect())
}

/// Marks a job done, in the transaction of what its handler wrote.
///
/// # Errors
/// [`JobError::LeaseLost`] when another worker has the job: let the transaction roll back.
pub async fn finish(tx: &Tx, claimed: &Claimed) -> Result<(), JobError> {
    let now = tx.clock().now();
    settle(
        tx,
        claimed,
        vec![
            (Column::State, Expr::value(State::Done)),
            (Column::DoneAt, Expr::value(now)),
            (Column::LastError, Expr::value(None::<String>)),
        ],
    )
    .await
}

/// Gives a job up, in the transaction of what its handler wrote. It stays, to be looked at.
///
/// # Errors
/// As [`finish`].
pub async fn bury(tx: &Tx, claimed: &Claimed, error: &str) -> Result<(), JobError> {
    let now = tx.clock().now();
    settle(
        tx,
        claimed,
        vec![
            (Column::State, Expr::value(State::Dead)),
            (Column::DoneAt, Expr::value(now)),
            (Column::LastError, Expr::value(error)),
        ],
    )
    .await
}

/// Puts a job back, to run not before `after` from now.
pub async fn put_back(
    tx: &Tx,
    claimed: &Claimed,
    after: Duration,
    error: &str,
) -> Result<(), JobError> {
    let run_at = tx.clock().sql_after(tx.conn(), delta(after));
    settle(
        tx,
        claimed,
        vec![
            (Column::State, Expr::value(State::Ready)),
            (Column::RunAt, run_at),
            (Column::LastError, Expr::value(error)),
        ],
    )
    .await
}

/// Changes a job this process holds, and ends the lease. The fence: no row matches once the lease
/// went to another worker.
async fn settle(
    tx: &Tx,
    claimed: &Claimed,
    changes: Vec<(Column, SimpleExpr)>,
) -> Result<(), JobError> {
    let mut update = Entity::update_many()
        .col_expr(Column::LeaseOwner, Expr::value(None::<String>))
        .col_expr(
            Column::LeaseUntil,
            Expr::value(None::<chrono::DateTime<chrono::Utc>>),
        )
        .filter(Column::Id.eq(claimed.job.id))
        .filter(Column::State.eq(State::Running))
        .filter(Column::LeaseToken.eq(claimed.job.lease_token));
    for (column, value) in changes {
        update = update.col_expr(column, value);
    }
    let result = update.exec(tx.conn()).await.map_err(DbError::from)?;
    if result.rows_affected == 0 {
        return Err(JobError::LeaseLost);
    }
    Ok(())
}

/// Which leases the reaper ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reap {
    /// Those whose time is over.
    Expired,
    /// All. On SQLite one process uses the file, so at its start every lease is a dead one's.
    All,
}

/// Gives the jobs of vanished workers back, or gives them up after too many crashes. Answers how
/// many it touched.
pub async fn reap(db: &Db, which: Reap, max_crashes: u32) -> Result<u64, DbError> {
    db.write(|tx| async move {
        let conn = tx.conn();
        let now = tx.clock().now();
        let vanished = || {
            let mut update = Entity::update_many()
                .col_expr(Column::CrashCount, Expr::col(Column::CrashCount).add(1))
                .col_expr(Column::LeaseOwner, Expr::value(None::<String>))
                .col_expr(
                    Column::LastError,
                    Expr::value("the worker vanished while it had this job"),
                )
                .filter(Column::State.eq(State::Running));
            if which == Reap::Expired {
                update = update.filter(Expr::col(Column::LeaseUntil).lt(tx.clock().sql_now(conn)));
            }
            update
        };
        let hopeless = Expr::col(Column::CrashCount)
            .gte(max_crashes.saturating_sub(1))
            .or(Expr::col(Column::Attempt).gte(Expr::col(Column::MaxAttempts)));
        let buried = vanished()
            .col_expr(Column::State, Expr::value(State::Dead))
            .col_expr(Column::DoneAt, Expr::value(now))
            .filter(hopeless)
            .exec(conn)
            .await?;
        let returned = vanished()
            .col_expr(Column::State, Expr::value(State::Ready))
            .exec(conn)
            .await?;
        Ok(buried.rows_affected + returned.rows_affected)
    })
    .await
}

/// The jobs that were given up, the newest first.
///
/// # Errors
/// The database's failure.
pub async fn list_dead(db: &Db, limit: u64) -> Result<Vec<job::Model>, DbError> {
    db.read(|conn| async move {
        Entity::find()
            .filter(Column::State.eq(State::Dead))
            .order_by_desc(Column::DoneAt)
            .limit(limit)
            .all(&conn)
            .await
            .map_err(DbError::from)
    })
    .await
}

/// How long until the next job is due; none when none waits.
pub async fn next_due(db: &Db, clock: &Clock) -> Result<Option<TimeDelta>, DbError> {
    let next = db
        .read(|conn| async move {
            Entity::find()
                .filter(Column::Queue.eq(DEFAULT_QUEUE))
                .filter(Column::State.eq(State::Ready))
                .order_by_asc(Column::RunAt)
                .one(&conn)
                .await
                .map_err(DbError::from)
        })
        .await?;
    Ok(next.map(|job| job.run_at - clock.now()))
}

fn delta(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX)
}
