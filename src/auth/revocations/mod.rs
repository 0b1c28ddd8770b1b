//! What ends access tokens before their time.
//!
//! A token is checked without asking the database, so whatever ends it early has to be known in every
//! process beforehand. The transaction that ends a session, or all tokens of a person by raising
//! their epoch, writes a row of `revocations`. After its commit this process knows at once, and a
//! hint has the others look; if it is lost they look every few seconds anyway. A process that could
//! not look for too long believes no token, since any of them may have ended meanwhile.

mod memory;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use entity::revocation::Model;
use entity::session::RevokeReason;
use entity::{RevocationId, SessionId, UserId, Viewer};
use sea_orm::DbErr;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::memory::Memory;
use super::{AuthError, store};
use crate::accounts;
use crate::app::App;
use crate::db::{Db, DbError, Tx, new_id};
use crate::events::Bus;
use crate::events::bus::Hint;
use crate::lifecycle::pause;
use crate::settings::AuthSettings;
use crate::telemetry;

/// Ends one session of a user in the transaction that has a reason to. Answers whether it was alive.
///
/// # Errors
/// The database's failure.
pub async fn end_session(
    app: &App,
    tx: &Tx,
    user: UserId,
    session: SessionId,
    reason: RevokeReason,
) -> Result<bool, DbError> {
    let ended = store::end(tx, user, store::Which::Only(session), reason).await?;
    note_sessions(app, tx, user, &ended).await?;
    Ok(!ended.is_empty())
}

/// Ends all sessions of a user, but these. Answers which were alive.
///
/// # Errors
/// The database's failure.
pub async fn end_sessions_of(
    app: &App,
    tx: &Tx,
    user: UserId,
    but: &[SessionId],
    reason: RevokeReason,
) -> Result<Vec<SessionId>, DbError> {
    let ended = store::end(tx, user, store::Which::AllBut(but), reason).await?;
    note_sessions(app, tx, user, &ended).await?;
    Ok(ended)
}

/// Ends all access tokens of a user that are out; sessions go on, and are given better ones. Answers
/// the epoch of those.
///
/// # Errors
/// The database's failure; also when there is no such user.
pub async fn raise_epoch(app: &App, tx: &Tx, user: UserId) -> Result<i32, DbError> {
    let Some(epoch) = accounts::raise_epoch(tx, user).await? else {
        return Err(DbErr::RecordNotFound("a user".to_owned()).into());
    };
    note(app, tx, user, [(None, Some(epoch))]).await?;
    Ok(epoch)
}

async fn note_sessions(
    app: &App,
    tx: &Tx,
    user: UserId,
    ended: &[SessionId],
) -> Result<(), DbError> {
    note(app, tx, user, ended.iter().map(|id| (Some(*id), None))).await
}

/// Writes the rows, and has everybody know after the commit.
async fn note(
    app: &App,
    tx: &Tx,
    user: UserId,
    what: impl IntoIterator<Item = (Option<SessionId>, Option<i32>)>,
) -> Result<(), DbError> {
    let auth = &app.settings.auth;
    // The clock of whoever made a token may be ahead of this one, and that of whoever checks it
    // behind: the leeway, twice.
    let longest = auth
        .access_token_seconds
        .saturating_add(2 * auth.clock_leeway_seconds + 1);
    let longest = TimeDelta::seconds(i64::try_from(longest).unwrap_or(i64::MAX / 1_000));
    let until = tx.clock().now() + longest;
    let rows: Vec<_> = what
        .into_iter()
        .map(|(session_id, epoch)| Model {
            id: RevocationId(new_id(tx.clock())),
            user_id: user,
            session_id,
            epoch,
            until,
        })
        .collect();
    let Some(last) = rows.last() else {
        return Ok(());
    };
    let hint = Hint::SessionEnded {
        user,
        session: last.session_id,
        epoch: last.epoch,
    };
    store::insert_revocations(tx, &rows).await?;
    let (revocations, bus) = (app.revocations.clone(), app.bus.clone());
    tx.after_commit(move || {
        revocations.note(&rows);
        bus.publish(hint);
    });
    Ok(())
}

/// What this process knows of tokens that ended before their time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Revocations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    /// How often the table is read.
    poll: Duration,
    /// For how long what was read is enough.
    stale: Duration,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    memory: Memory,
    /// When the last good reading began, on the steady clock: turning the system's clock must not
    /// make anything look fresh.
    read_at: Instant,
}

impl Revocations {
    /// Reads the table for the first time.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn load(db: Db, settings: &AuthSettings) -> Result<Self, DbError> {
        let revocations = Self(Arc::new(Inner {
            db,
            poll: Duration::from_secs(settings.revocation_poll_seconds),
            stale: Duration::from_secs(settings.revocation_stale_seconds),
            known: Mutex::new(Known {
                memory: Memory::default(),
                read_at: Instant::now(),
            }),
        }));
        revocations.reload().await?;
        Ok(revocations)
    }

    /// Reads the table, and ends what is open for what is new in it.
    ///
    /// # Errors
    /// The database's failure; what was known stays.
    pub async fn reload(&self) -> Result<(), DbError> {
        let (begun, now) = (Instant::now(), self.0.db.clock().now());
        let rows = self
            .0
            .db
            .read(|db| async move { store::live_revocations(&db, now).await })
            .await?;
        let mut known = self.known();
        // Added to what is known, and not put in its place: a commit of this process may have come
        // in between.
        for row in &rows {
            known.memory.note(row);
        }
        known.memory.forget(now);
        known.read_at = known.read_at.max(begun);
        Ok(())
    }

    /// Whether the token that somebody came with has ended before its time, as far as is known.
    pub fn has_ended(&self, viewer: &Viewer) -> bool {
        self.known().memory.has_ended(viewer)
    }

    /// Whether enough is known to believe a token.
    pub fn can_tell(&self) -> bool {
        self.known().read_at.elapsed() <= self.0.stale
    }

    /// Refuses to believe anybody when not enough is known.
    ///
    /// # Errors
    /// [`AuthError::Unsure`].
    pub fn require_knowledge(&self) -> Result<(), AuthError> {
        if self.can_tell() {
            return Ok(());
        }
        Err(AuthError::Unsure {
            retry_after: self.0.poll,
        })
    }

    /// Waits until a token is ended before its time; for ever, if it just runs out.
    pub fn watch(&self, viewer: &Viewer) -> impl Future<Output = ()> + Send + use<> {
        let ended = self.known().memory.watch(viewer);
        let watch = Watch {
            all: self.clone(),
            viewer: viewer.clone(),
            ended,
        };
        watch.over()
    }

    /// How many rows are remembered.
    pub fn remembered(&self) -> usize {
        self.known().memory.size().0
    }

    /// Makes what is known older than it is. For tests.
    pub fn age(&self, by: Duration) {
        let mut known = self.known();
        known.read_at = known.read_at.checked_sub(by).unwrap_or(known.read_at);
    }

    /// Reads the table every few seconds, and when other replicas have written to it, until stopped.
    pub async fn run(self, bus: Bus, stop: CancellationToken) {
        let mut hints = bus.subscribe();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.news(&mut hints) => {}
                () = pause(self.0.poll) => {}
            }
            let error = match timeout(self.0.stale, self.reload()).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => telemetry::chain(&error),
                Err(_) => "the database does not answer".to_owned(),
            };
            tracing::error!(
                error,
                "cannot read which sessions have ended; will try again"
            );
        }
    }

    /// Waits for a hint at something unknown. What was hinted at together is read together.
    async fn news(&self, hints: &mut Receiver<Hint>) {
        loop {
            match hints.recv().await {
                Ok(Hint::SessionEnded {
                    user,
                    session,
                    epoch,
                }) => {
                    if self.known().memory.knows(user, session, epoch) {
                        continue;
                    }
                }
                Ok(_) => continue,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
            while hints.try_recv().is_ok() {}
            return;
        }
    }

    fn note(&self, rows: &[Model]) {
        let mut known = self.known();
        for row in rows {
            known.memory.note(row);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Being told of a token's end, until dropped.
struct Watch {
    all: Revocations,
    viewer: Viewer,
    ended: CancellationToken,
}

impl Watch {
    async fn over(self) {
        self.ended.cancelled().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // What has ended is not watched any more.
        if !self.ended.is_cancelled() {
            self.all.known().memory.unwatch(&self.viewer);
        }
    }
}
