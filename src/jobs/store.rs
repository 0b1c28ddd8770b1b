//! The statements of the queue.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entity::job::{self, Column, Entity, State};
use entity::{JobId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, QueryTrait, Select, Set, UpdateMany,
};

use super::{Buried, Claimed, JobError, NewJob, admin};
use crate::db::{Clock, Db, DbError, Sql, Tx, new_id, padded};
use crate::events::Bus;
use crate::events::bus::Hint;
use crate::telemetry;

/// How many jobs one statement writes.
const PIECE: usize = 500;

/// Writes jobs into the transaction of the change that causes them, at its end. A job with the same
/// `dedupe_key` is made once.
pub fn enqueue(tx: &Tx, bus: &Bus, new: impl IntoIterator<Item = NewJob>) {
    for insert in inserts(tx, bus, new) {
        tx.later(insert.and(" ON CONFLICT (dedupe_key) DO NOTHING", []));
    }
}

/// Writes jobs as [`enqueue`] does; one with the same `dedupe_key` that is done or dead begins anew.
///
/// # Errors
/// The database's failure.
pub async fn enqueue_again(
    tx: &Tx,
    bus: &Bus,
    new: impl IntoIterator<Item = NewJob>,
) -> Result<(), DbError> {
    let again = " ON CONFLICT (dedupe_key) DO UPDATE SET payload = excluded.payload,
        max_attempts = excluded.max_attempts, state = excluded.state, attempt = excluded.attempt,
        crash_count = excluded.crash_count, run_at = excluded.run_at, trace = excluded.trace,
        done_at = NULL, last_error = NULL, discard_reason = NULL, retried_at = $
        WHERE jobs.state IN ('done', 'dead')";
    for insert in inserts(tx, bus, new) {
        let insert = insert.and(again, [tx.clock().now().into()]);
        tx.conn()
            .execute_raw(insert.statement(tx.backend()))
            .await?;
    }
    Ok(())
}

/// The statements that write jobs. Those who wait for such hear of them after the commit.
fn inserts(tx: &Tx, bus: &Bus, new: impl IntoIterator<Item = NewJob>) -> Vec<Sql> {
    let new: Vec<_> = new.into_iter().collect();
    let queues: BTreeSet<_> = new.iter().map(|new| new.queue).collect();
    for queue in queues {
        wake(tx, bus, queue);
    }
    // A statement has so many values and no more.
    new.chunks(PIECE)
        .map(|piece| insert_of(tx, piece))
        .collect()
}

fn insert_of(tx: &Tx, new: &[NewJob]) -> Sql {
    let clock = tx.clock();
    let rows = new.iter().map(|new| job::ActiveModel {
        id: Set(JobId(new_id(clock))),
        queue: Set(new.queue.to_owned()),
        kind: Set(new.kind.to_owned()),
        dedupe_key: Set(Some(new.dedupe_key.clone())),
        payload: Set(new.payload.clone()),
        state: Set(State::Ready),
        attempt: Set(0),
        crash_count: Set(0),
        max_attempts: Set(new.max_attempts),
        lease_token: Set(0),
        created_at: Set(clock.now()),
        trace: Set(telemetry::request_id()),
        ..Default::default()
    });
    // By the clock that claims are made by: one that is ahead must not put it off.
    let (now, value) = clock.text_now(tx.conn());
    Sql::insert_with(tx.backend(), rows, Some(("run_at", now, value)))
}

/// Which jobs a claim takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that no process has died with yet.
    Sound,
    /// Those that a process had when it died: one of them may have killed it.
    Suspect,
}

impl Which {
    /// Literals, which the partial indexes have as well.
    fn filter(self) -> SimpleExpr {
        Expr::cust(match self {
            Self::Sound => "crash_count = 0",
            Self::Suspect => "crash_count > 0",
        })
    }
}

/// Marks `done` jobs as done, and takes up to `limit` jobs that are due, in one transaction. Answers those
/// taken, and how many of `done` were another worker's by now.
pub async fn claim(
    db: &Db,
    queue: &str,
    owner: &str,
    which: Which,
    limit: u64,
    lease: Duration,
    done: &[Arc<Claimed>],
) -> Result<(Vec<Claimed>, usize), DbError> {
    // Taken before the statement runs: this process's view of the lease ends early, never late.
    let lease_ends = Instant::now() + lease;
    let (mut jobs, lost) = db
        .write(|tx| async move {
            let lost = done.len() - finish_all(&tx, done).await?.len();
            let conn = tx.conn();
            let clock = tx.clock();
            if limit == 0 {
                return Ok((Vec::new(), lost));
            }
            // Expired leases are the reaper's: an OR here would ruin the plan. SQLite has one
            // writer and drops the row lock from the statement.
            let due = due(queue, clock.sql_now(conn), which)
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
            Ok::<_, DbError>((jobs, lost))
        })
        .await?;
    // A RETURNING is in no order. Those written by one statement are due at the same moment.
    jobs.sort_by_key(|job| (job.run_at, job.created_at));
    let jobs = jobs.into_iter().map(|job| Claimed { job, lease_ends });
    Ok((jobs.collect(), lost))
}

/// Marks jobs done. Answers the fences of those: such that are not this worker's any more stay as they are, and so must
/// everything that their handlers would write in this transaction.
///
/// # Errors
/// The database's failure.
pub async fn finish_all(tx: &Tx, done: &[Arc<Claimed>]) -> Result<HashSet<(JobId, i64)>, DbError> {
    if done.is_empty() {
        return Ok(HashSet::new());
    }
    let held = padded(done.iter().map(|claimed| claimed.fence()).collect());
    let own = Expr::tuple([Expr::col(Column::Id), Expr::col(Column::LeaseToken)]).in_tuples(held);
    let now = tx.clock().now();
    let mut finished = no_lease(Entity::update_many())
        .col_expr(Column::State, Expr::value(State::Done))
        .col_expr(Column::DoneAt, Expr::value(now))
        .col_expr(Column::LastError, Expr::value(None::<String>))
        .filter(Column::State.eq(State::Running))
        .filter(own)
        .into_query();
    let finished = finished.returning(Query::returning().columns([Column::Id, Column::LeaseToken]));
    let finished = tx.conn().query_all(finished).await?;
    let fence = |row: &QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    Ok(finished.iter().map(fence).collect::<Result<_, DbErr>>()?)
}

/// Ends the lease of the jobs that are changed.
fn no_lease(update: UpdateMany<Entity>) -> UpdateMany<Entity> {
    update
        .col_expr(Column::LeaseOwner, Expr::value(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<Timestamp>))
}

/// The ids of the jobs that a claim may take.
fn due(queue: &str, now: SimpleExpr, which: Which) -> Select<Entity> {
    Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Queue.eq(queue))
        .filter(Column::State.eq(State::Ready))
        .filter(which.filter())
        .filter(Expr::col(Column::RunAt).lte(now))
        .filter(Expr::not_exists(admin::pause_of(queue)))
}

/// Whether a claim of suspects would take one.
pub async fn has_suspects(db: &Db, queue: &str) -> Result<bool, DbError> {
    db.read(|conn| async move {
        let found = due(queue, db.clock().sql_now(&conn), Which::Suspect).limit(1);
        let found: Option<JobId> = found.into_tuple().one(&conn).await?;
        Ok(found.is_some())
    })
    .await
}

/// Keeps a job this worker's until the transaction ends, for what its handler writes before it is done.
///
/// # Errors
/// As [`finish`].
pub async fn hold(tx: &Tx, claimed: &Claimed) -> Result<(), JobError> {
    let held: Option<JobId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.eq(claimed.job.id))
        .filter(Column::State.eq(State::Running))
        .filter(Column::LeaseToken.eq(claimed.job.lease_token))
        .lock(LockType::Update)
        .into_tuple()
        .one(tx.conn())
        .await
        .map_err(DbError::from)?;
    held.map(|_| ()).ok_or(JobError::LeaseLost)
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

/// Hints at work after the commit.
fn wake(tx: &Tx, bus: &Bus, queue: &str) {
    let (bus, queue) = (bus.clone(), queue.to_owned());
    tx.after_commit(move || bus.publish(Hint::Wake { queue }));
}

/// Puts a job back, to run not before `after` from now. It has lived through an attempt, so it kills
/// nobody.
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
            (Column::CrashCount, Expr::value(0)),
            (Column::LastError, Expr::value(error)),
        ],
    )
    .await
}

/// Puts a job back, to run not before `after` from now, and takes back that the attempt was counted.
pub async fn postpone(
    tx: &Tx,
    claimed: &Claimed,
    after: Duration,
    reason: &str,
) -> Result<(), JobError> {
    let run_at = tx.clock().sql_after(tx.conn(), delta(after));
    settle(
        tx,
        claimed,
        vec![
            (Column::State, Expr::value(State::Ready)),
            (Column::Attempt, Expr::col(Column::Attempt).sub(1)),
            (Column::CrashCount, Expr::value(0)),
            (Column::RunAt, run_at),
            (Column::LastError, Expr::value(reason)),
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
    let mut update = no_lease(Entity::update_many())
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

/// Gives the jobs of other workers back that vanished, or gives them up after too many crashes and tells of
/// those. Answers how many it touched.
pub async fn reap(
    db: &Db,
    queue: &str,
    owner: &str,
    which: Reap,
    max_crashes: u32,
    tell: Option<&Buried>,
) -> Result<u64, DbError> {
    db.write(|tx| async move {
        let conn = tx.conn();
        let now = tx.clock().now();
        let vanished = || {
            let mut update = no_lease(Entity::update_many())
                .col_expr(Column::CrashCount, Expr::col(Column::CrashCount).add(1))
                .col_expr(
                    Column::LastError,
                    Expr::value("the worker vanished while it had this job"),
                )
                .filter(Column::Queue.eq(queue))
                .filter(Column::State.eq(State::Running))
                .filter(Column::LeaseOwner.ne(owner));
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
            .filter(hopeless.clone())
            .exec_with_returning(conn)
            .await?;
        let returned = vanished()
            .col_expr(Column::State, Expr::value(State::Ready))
            // A lease that ended in between is for the next time.
            .filter(hopeless.not())
            .exec(conn)
            .await?;
        let count = buried.len() as u64 + returned.rows_affected;
        if let Some(tell) = tell.filter(|_| !buried.is_empty()) {
            tell(tx.clone(), buried).await?;
        }
        Ok(count)
    })
    .await
}

/// Gives back what a worker still has and does not do: because it stops, or because it could not write
/// down in time what became of it. That is no crash; the attempt stays counted. Answers how many that
/// were.
pub async fn release(db: &Db, owner: &str, which: Reap) -> Result<u64, DbError> {
    db.write(|tx| async move {
        let mut release = no_lease(Entity::update_many())
            .col_expr(Column::State, Expr::value(State::Ready))
            .col_expr(
                Column::LastError,
                Expr::value("the worker did not get this job done in time"),
            )
            .filter(Column::State.eq(State::Running))
            .filter(Column::LeaseOwner.eq(owner));
        if which == Reap::Expired {
            let now = tx.clock().sql_now(tx.conn());
            release = release.filter(Expr::col(Column::LeaseUntil).lt(now));
        }
        Ok(release.exec(tx.conn()).await?.rows_affected)
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
pub async fn next_due(db: &Db, queue: &str, clock: &Clock) -> Result<Option<TimeDelta>, DbError> {
    let next = db
        .read(|conn| async move {
            Entity::find()
                .filter(Column::Queue.eq(queue))
                .filter(Column::State.eq(State::Ready))
                .filter(Which::Sound.filter())
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
