//! The statements of looking after the queue: what stands in it, trying again, discarding, pausing,
//! and deleting what was done long ago.

use std::collections::{BTreeSet, HashMap};

use entity::job::{Column, Entity, Model, State};
use entity::{JobId, Timestamp, UserId, paused_queue};
use sea_orm::sea_query::{
    Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement, SimpleExpr,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select,
};

use super::QUEUES;
use crate::db::{Clock, DbError, Tx, least_id_at};
use crate::events::Bus;
use crate::events::bus::Hint;
use crate::graphql::Page;

/// Which jobs are meant; all, where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Those in this queue.
    pub queue: Option<String>,
    /// Those of this kind.
    pub kind: Option<String>,
    /// Those that stand so.
    pub state: Option<State>,
}

impl JobFilter {
    fn select(&self) -> Select<Entity> {
        let mut query = Entity::find();
        if let Some(queue) = &self.queue {
            query = query.filter(Column::Queue.eq(queue));
        }
        if let Some(kind) = &self.kind {
            query = query.filter(Column::Kind.eq(kind));
        }
        if let Some(state) = self.state {
            query = query.filter(Column::State.eq(state));
        }
        query
    }
}

/// A page of the jobs, the newest first.
///
/// # Errors
/// The database's failure.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &JobFilter,
    page: &Page<JobId>,
) -> Result<Vec<Model>, DbError> {
    let mut query = filter.select().order_by_desc(Column::Id);
    if let Some(after) = page.after {
        query = query.filter(Column::Id.lt(after));
    }
    Ok(query.limit(page.limit()).all(db).await?)
}

/// How many jobs there are.
///
/// # Errors
/// The database's failure.
pub async fn count(db: &impl ConnectionTrait, filter: &JobFilter) -> Result<u64, DbError> {
    Ok(filter.select().count(db).await?)
}

/// Those of these jobs that there are.
///
/// # Errors
/// The database's failure.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = JobId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}

/// Has a job begin anew and at once, that is dead or waits: nothing is counted against it. None when
/// it is neither.
///
/// # Errors
/// The database's failure.
pub async fn retry(tx: &Tx, bus: &Bus, id: JobId) -> Result<Option<Model>, DbError> {
    let can = Column::State.is_in([State::Ready, State::Dead]);
    let mut jobs = begin_anew(tx, bus, Column::Id.eq(id).and(can)).await?;
    Ok(jobs.pop())
}

/// The same of dead jobs, the oldest first, at most so many. Answers them.
///
/// # Errors
/// The database's failure.
pub async fn retry_dead(
    tx: &Tx,
    bus: &Bus,
    filter: &JobFilter,
    most: u64,
) -> Result<Vec<Model>, DbError> {
    let dead = JobFilter {
        state: Some(State::Dead),
        ..filter.clone()
    };
    let ids = dead
        .select()
        .select_only()
        .column(Column::Id)
        .order_by_asc(Column::Id)
        .limit(most)
        .lock(LockType::Update)
        .into_query();
    begin_anew(tx, bus, Column::Id.in_subquery(ids)).await
}

async fn begin_anew(tx: &Tx, bus: &Bus, which: SimpleExpr) -> Result<Vec<Model>, DbError> {
    let conn = tx.conn();
    let jobs = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Ready))
        .col_expr(Column::Attempt, Expr::value(0))
        .col_expr(Column::CrashCount, Expr::value(0))
        .col_expr(Column::RunAt, tx.clock().sql_now(conn))
        .col_expr(Column::DoneAt, Expr::value(None::<Timestamp>))
        .col_expr(Column::RetriedAt, Expr::value(tx.clock().now()))
        .filter(which)
        .exec_with_returning(conn)
        .await?;
    let queues: BTreeSet<String> = jobs.iter().map(|job| job.queue.clone()).collect();
    for queue in queues {
        wake(tx, bus, queue);
    }
    Ok(jobs)
}

fn wake(tx: &Tx, bus: &Bus, queue: String) {
    let bus = bus.clone();
    tx.after_commit(move || bus.publish(Hint::Wake { queue }));
}

/// Takes a job out of its queue that is dead or waits; it stays to be looked at, like those that are
/// done. None when it is neither.
///
/// # Errors
/// The database's failure.
pub async fn discard(tx: &Tx, id: JobId, reason: &str) -> Result<Option<Model>, DbError> {
    let mut jobs = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Done))
        .col_expr(Column::DoneAt, Expr::value(tx.clock().now()))
        .col_expr(Column::DiscardReason, Expr::value(reason))
        .filter(Column::Id.eq(id))
        .filter(Column::State.is_in([State::Ready, State::Dead]))
        .exec_with_returning(tx.conn())
        .await?;
    Ok(jobs.pop())
}

/// Lets nobody take jobs of a queue. Answers whether it was not so before.
///
/// # Errors
/// The database's failure.
pub async fn pause(tx: &Tx, name: &str, by: Option<UserId>) -> Result<bool, DbError> {
    let row = paused_queue::Model {
        name: name.to_owned(),
        paused_at: tx.clock().now(),
        paused_by: by,
    };
    let inserted = paused_queue::Entity::insert(row.into_active_model())
        .on_conflict_do_nothing_on([paused_queue::Column::Name])
        .exec_without_returning(tx.conn())
        .await?;
    Ok(crate::db::was_inserted(&inserted))
}

/// Lets the jobs of a queue be taken again. Answers whether it was paused.
///
/// # Errors
/// The database's failure.
pub async fn resume(tx: &Tx, bus: &Bus, name: &str) -> Result<bool, DbError> {
    let deleted = paused_queue::Entity::delete_by_id(name.to_owned())
        .exec(tx.conn())
        .await?;
    wake(tx, bus, name.to_owned());
    Ok(deleted.rows_affected > 0)
}

/// The queues that are paused.
async fn paused(db: &impl ConnectionTrait) -> Result<Vec<paused_queue::Model>, DbError> {
    Ok(paused_queue::Entity::find().all(db).await?)
}

/// Finds the pause of a queue, if there is one.
pub fn pause_of(queue: &str) -> SelectStatement {
    Query::select()
        .expr(Expr::value(1))
        .from(paused_queue::Entity)
        .and_where(paused_queue::Column::Name.eq(queue))
        .take()
}

/// What stands in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueCounts {
    /// Its name.
    pub name: String,
    /// How many jobs wait.
    pub ready: i64,
    /// How many of those could be done now.
    pub due: i64,
    /// Since when the first of those could be done.
    pub oldest_due: Option<Timestamp>,
    /// How many are being done.
    pub running: i64,
    /// How many were given up.
    pub dead: i64,
    /// Since when nobody takes its jobs, if so.
    pub paused_at: Option<Timestamp>,
}

/// What stands in every queue. What is done is not counted: only what waits, runs or is dead has an
/// index.
///
/// # Errors
/// The database's failure.
pub async fn statistics(
    db: &impl ConnectionTrait,
    clock: &Clock,
) -> Result<Vec<QueueCounts>, DbError> {
    let is_due = || {
        let due = Expr::col(Column::RunAt).lte(clock.sql_now(db));
        Column::State.eq(State::Ready).and(due)
    };
    let ready = by_queue(db, Column::State.eq(State::Ready)).await?;
    let due = by_queue(db, is_due()).await?;
    let running = by_queue(db, Column::State.eq(State::Running)).await?;
    let dead = by_queue(db, Column::State.eq(State::Dead)).await?;
    let paused: HashMap<_, _> = paused(db)
        .await?
        .into_iter()
        .map(|row| (row.name, row.paused_at))
        .collect();
    let mut names: BTreeSet<String> = QUEUES.map(str::to_owned).into();
    names.extend(ready.keys().chain(running.keys()).cloned());
    names.extend(dead.keys().chain(paused.keys()).cloned());
    let mut queues = Vec::new();
    for name in names {
        let of = |counts: &HashMap<String, i64>| counts.get(&name).copied().unwrap_or_default();
        let oldest = Entity::find()
            .filter(Column::Queue.eq(&name))
            .filter(is_due())
            .order_by_asc(Column::RunAt)
            .one(db)
            .await?;
        queues.push(QueueCounts {
            ready: of(&ready),
            due: of(&due),
            oldest_due: oldest.map(|job| job.run_at),
            running: of(&running),
            dead: of(&dead),
            paused_at: paused.get(&name).copied(),
            name,
        });
    }
    Ok(queues)
}

async fn by_queue(
    db: &impl ConnectionTrait,
    which: SimpleExpr,
) -> Result<HashMap<String, i64>, DbError> {
    let rows: Vec<(String, i64)> = Entity::find()
        .select_only()
        .column(Column::Queue)
        .column_as(Column::Id.count(), "jobs")
        .filter(which)
        .group_by(Column::Queue)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// When the oldest job was made that is to be done yet.
///
/// # Errors
/// The database's failure.
pub async fn oldest_open(db: &impl ConnectionTrait) -> Result<Option<Timestamp>, DbError> {
    let mut oldest = None;
    // One state a statement: each has an index of its own.
    for state in [State::Ready, State::Running] {
        let first = Entity::find()
            .filter(Column::State.eq(state))
            .order_by_asc(Column::CreatedAt)
            .one(db)
            .await?;
        let times = oldest.into_iter().chain(first.map(|job| job.created_at));
        oldest = times.min();
    }
    Ok(oldest)
}

/// Deletes jobs that were done, or discarded, before this time; at most so many. Dead ones stay.
///
/// # Errors
/// The database's failure.
pub async fn delete_done(tx: &Tx, before: Timestamp, most: u64) -> Result<u64, DbError> {
    let some = Entity::find()
        .select_only()
        .column(Column::Id)
        // What was done before was made before: ids sort by time, and need no other index.
        .filter(Column::Id.lt(JobId(least_id_at(before))))
        .filter(Column::State.eq(State::Done))
        .filter(Column::DoneAt.lt(before))
        .order_by_asc(Column::Id)
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let deleted = Entity::delete_many()
        .filter(Column::Id.in_subquery(some))
        .exec(tx.conn())
        .await?;
    Ok(deleted.rows_affected)
}

/// Makes all jobs of a queue due that wait for another try: what they waited for is there again.
///
/// # Errors
/// The database's failure.
pub async fn hurry(tx: &Tx, bus: &Bus, queue: &'static str) -> Result<(), DbError> {
    let conn = tx.conn();
    let now = tx.clock().sql_now(conn);
    let hurried = Entity::update_many()
        .col_expr(Column::RunAt, now.clone())
        .filter(Column::Queue.eq(queue))
        .filter(Column::State.eq(State::Ready))
        .filter(Expr::col(Column::RunAt).gt(now))
        .exec(conn)
        .await?;
    if hurried.rows_affected > 0 {
        wake(tx, bus, queue.to_owned());
    }
    Ok(())
}

/// Makes jobs due, by their dedupe keys, as far as they wait.
///
/// # Errors
/// The database's failure.
pub async fn hurry_these(tx: &Tx, bus: &Bus, keys: Vec<String>) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    let conn = tx.conn();
    let now = tx.clock().sql_now(conn);
    let hurried = Entity::update_many()
        .col_expr(Column::RunAt, now.clone())
        .filter(Column::DedupeKey.is_in(keys))
        .filter(Column::State.eq(State::Ready))
        .filter(Expr::col(Column::RunAt).gt(now))
        .exec_with_returning(conn)
        .await?;
    let queues: BTreeSet<_> = hurried.iter().map(|job| job.queue.as_str()).collect();
    for queue in queues {
        wake(tx, bus, queue.to_owned());
    }
    Ok(())
}
