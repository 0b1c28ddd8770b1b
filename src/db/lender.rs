//! Lends connections to PostgreSQL, each to one statement or one transaction at a time.
//!
//! The pool of the driver asks every connection that comes back for a sign of life: another round trip for each
//! statement, and a task that waits for its answer. One whose last answer was read to its end needs none and is kept
//! here for whoever comes next. The pool only opens connections, as many as it may.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, AssertSqlSafe, Connection, Executor, PgConnection, Postgres};
use sea_orm::{ConnAcquireErr, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};

use super::conn::Seen;
use super::error;

/// How long a connection has to give a sign of life.
const PING: Duration = Duration::from_secs(1);

/// A statement as the driver wants it.
type Bound = Query<'static, Postgres, SqlxValues>;
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'a>>;

/// Who lends. Nobody else takes connections from the pool meanwhile, but for what [`Lender::let_go`] is for.
pub(super) struct Lender {
    pool: sqlx::Pool<Postgres>,
    /// As many as the pool may open, so that who has one never waits for a connection that is kept.
    permits: Arc<Semaphore>,
    kept: Mutex<Vec<Kept>>,
    /// One that was not used for this long is asked for a sign of life first.
    ping_after: Duration,
    /// No statement takes longer.
    longest: Duration,
    seen: Arc<Seen>,
}

struct Kept {
    connection: PoolConnection<Postgres>,
    opened: Instant,
    used: Instant,
}

/// A connection that is lent. Dropped in the middle of a transaction, that is rolled back.
pub(super) struct Lent {
    /// None when it died.
    held: Option<Held>,
    lender: Arc<Lender>,
    /// Whether a transaction is open.
    is_open: bool,
    /// Whether its last answer was read to the end.
    is_whole: bool,
}

struct Held {
    kept: Kept,
    /// Given back after the connection.
    _permit: OwnedSemaphorePermit,
}

impl Lender {
    /// Lends from this pool; one that was not used for `ping_after` is asked for a sign of life first, and no statement
    /// takes longer than `longest`. How long one waits for a connection, and how old these may become, is what the
    /// pool was told.
    pub(super) fn new(
        pool: sqlx::Pool<Postgres>,
        ping_after: Duration,
        longest: Duration,
        seen: Arc<Seen>,
    ) -> Arc<Self> {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        Arc::new(Self {
            pool,
            permits: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            kept: Mutex::default(),
            ping_after,
            longest,
            seen,
        })
    }

    /// Lends one, when there is one.
    ///
    /// # Errors
    /// When there was none for too long, or the database cannot be reached.
    pub(super) async fn lend(self: &Arc<Self>) -> Result<Lent, DbErr> {
        let now = Instant::now();
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(now).await?,
        };
        // The one that was used last: it is the fastest, and the others grow old.
        let last = self.kept().pop();
        let kept = match last {
            Some(kept) if now.saturating_duration_since(kept.used) < self.ping_after => kept,
            // On the heap: opening a connection is large, and rare.
            last => Box::pin(self.find(last, now)).await?,
        };
        Ok(Lent {
            held: Some(Held {
                kept,
                _permit: permit,
            }),
            lender: self.clone(),
            is_open: false,
            is_whole: true,
        })
    }

    /// Lends one in which a transaction has begun.
    ///
    /// # Errors
    /// As [`Lender::lend`].
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Lent, DbErr> {
        let mut lent = self.lend().await?;
        if let Err(error) = lent.begin().await {
            if !error::is_lost(&error) {
                return Err(failed(error));
            }
            // It died while it was kept, and nothing was done on it.
            drop(lent);
            lent = self.lend().await?;
            lent.begin().await.map_err(failed)?;
        }
        Ok(lent)
    }

    async fn wait(&self, since: Instant) -> Result<OwnedSemaphorePermit, DbErr> {
        let permit = self.permits.clone().acquire_owned();
        let permit = timeout_at(self.deadline(since), permit).await;
        permit
            .map_err(|_| too_late())?
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }

    /// This one, if it is alive, or a new one.
    async fn find(&self, mut last: Option<Kept>, since: Instant) -> Result<Kept, DbErr> {
        while let Some(mut kept) = last {
            if self.is_young(&kept) {
                if lives(&mut kept).await {
                    return Ok(kept);
                }
                self.let_go();
            }
            end(kept);
            last = self.kept().pop();
        }
        let opened = timeout_at(self.deadline(since), self.pool.acquire()).await;
        let opened = opened.map_err(|_| too_late())?;
        let connection = opened.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => too_late(),
            sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
        })?;
        let now = Instant::now();
        Ok(Kept {
            connection,
            opened: now,
            used: now,
        })
    }

    fn deadline(&self, since: Instant) -> tokio::time::Instant {
        (since + self.pool.options().get_acquire_timeout()).into()
    }

    fn is_young(&self, one: &Kept) -> bool {
        let options = self.pool.options();
        let is_within =
            |at: Instant, most: Option<Duration>| most.is_none_or(|most| at.elapsed() < most);
        is_within(one.opened, options.get_max_lifetime())
            && is_within(one.used, options.get_idle_timeout())
    }

    /// Takes one back whose last answer was read to its end.
    fn keep(&self, mut one: Kept) {
        one.used = Instant::now();
        let mut kept = self.kept();
        kept.push(one);
        if self.permits.is_closed() {
            kept.drain(..).for_each(end);
        }
        kept.extract_if(.., |one| !self.is_young(one)).for_each(end);
    }

    /// Ends all that are kept: for who takes from the pool itself, or when a connection was lost and the others may be
    /// as dead.
    pub(super) fn let_go(&self) {
        self.kept().drain(..).for_each(end);
    }

    /// Lends no more, and ends what is given back.
    pub(super) fn close(&self) {
        self.permits.close();
        self.let_go();
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl std::fmt::Debug for Lender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lender")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// Closes a connection. Not by the pool, which would ask it for a sign of life first, and wait for that as long as the
/// kernel does: its place is free at once.
fn end(one: Kept) {
    drop(one.connection.detach());
}

/// Whether it answers.
async fn lives(one: &mut Kept) -> bool {
    matches!(timeout(PING, one.connection.ping()).await, Ok(Ok(())))
}

impl Lent {
    /// Runs a statement.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done = self.run(statement, |to, query| to.execute(query)).await;
        done.map(ExecResult::from).map_err(not_executed)
    }

    /// Runs SQL that has no values and need not be remembered.
    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = self.send(|to| to.execute(sqlx::raw_sql(sql))).await;
        done.map(ExecResult::from).map_err(not_executed)
    }

    /// The first row of a query, if it has one.
    pub(super) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        let row = self.run(statement, |to, query| to.fetch_optional(query));
        Ok(row.await.map_err(failed)?.map(QueryResult::from))
    }

    /// All rows of a query.
    pub(super) async fn query_all(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self.run(statement, |to, query| to.fetch_all(query));
        let rows = rows.await.map_err(failed)?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }

    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        // Already now: it may have begun when nobody hears so any more.
        self.is_open = true;
        self.send(|to| to.execute(sqlx::raw_sql("BEGIN"))).await?;
        Ok(())
    }

    /// Commits the transaction.
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        self.end("COMMIT").await
    }

    /// Undoes it.
    pub(super) async fn roll_back(self) -> Result<(), DbErr> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &str) -> Result<(), DbErr> {
        self.execute_unprepared(how).await?;
        self.is_open = false;
        Ok(())
    }

    async fn run<T>(
        &mut self,
        statement: Statement,
        send: for<'a> fn(&'a mut PgConnection, Bound) -> Answer<'a, T>,
    ) -> Result<T, sqlx::Error> {
        let seen = self.lender.seen.clone();
        seen.show(&statement);
        let values = statement.values.unwrap_or(Values(Vec::new()));
        // A builder wrote it, or it stands in a source file.
        let sql = AssertSqlSafe(statement.sql);
        let query = sqlx::query_with(sql, SqlxValues(values));
        let begun = Instant::now();
        let answer = self.send(|to| send(to, query)).await;
        seen.note_time(begun.elapsed());
        answer
    }

    async fn send<T>(
        &mut self,
        send: impl for<'a> FnOnce(&'a mut PgConnection) -> Answer<'a, T>,
    ) -> Result<T, sqlx::Error> {
        self.is_whole = false;
        let held = self.held.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        let answer = send(&mut held.kept.connection).await;
        match &answer {
            Ok(_) => self.is_whole = true,
            Err(error) if error::is_lost(error) => {
                if let Some(held) = self.held.take() {
                    end(held.kept);
                }
                self.lender.let_go();
            }
            Err(_) => {}
        }
        answer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        if self.is_whole && !self.is_open {
            return self.lender.keep(held.kept);
        }
        let Ok(runtime) = Handle::try_current() else {
            return end(held.kept);
        };
        runtime.spawn(put_in_order(self.lender.clone(), held, self.is_open));
    }
}

/// What was left in the middle of something: a transaction that is open is rolled back, since others may wait for its
/// locks, and answers that nobody read are read. Only then its place is free.
async fn put_in_order(lender: Arc<Lender>, mut held: Held, is_open: bool) {
    let connection = &mut held.kept.connection;
    let order = async {
        if is_open {
            connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
        }
        connection.ping().await
    };
    // A statement that is under way comes to its end first: PostgreSQL does not run more of them than there are places.
    match timeout(lender.longest + PING, order).await {
        Ok(Ok(())) => lender.keep(held.kept),
        _ => end(held.kept),
    }
}

fn too_late() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

fn not_executed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}
