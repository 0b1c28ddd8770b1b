//! One at a time through the writer connection of SQLite, and never through a broken one.
//!
//! When the disk is full or fails, SQLite rolls a transaction back by itself. The driver does not
//! notice: it still counts a transaction as open, and the next "begin" becomes a savepoint inside
//! one that nobody will commit. Everything written from then on would be acknowledged and lost. So a
//! connection is trusted only after a transaction that ended well; after any other end, also when
//! the request was dropped in the middle, the next writer throws it away first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::error::ConnAcquireErr;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::DbError;

/// The way to the writer.
#[derive(Debug)]
pub struct Gate {
    turn: Arc<Mutex<()>>,
    /// Whether the last transaction ended in a way that leaves the connection in doubt.
    doubtful: AtomicBool,
    patience: Duration,
}

/// Being the one who writes.
pub struct Pass {
    gate: Arc<Gate>,
    _turn: OwnedMutexGuard<()>,
}

impl Gate {
    /// A gate at which one waits at most this long.
    pub fn new(patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            turn: Arc::default(),
            doubtful: AtomicBool::new(false),
            patience,
        })
    }

    /// Waits for the turn, and sees that the connection is a good one.
    pub async fn enter(self: &Arc<Self>, writer: &DatabaseConnection) -> Result<Pass, DbError> {
        let turn = timeout(self.patience, self.turn.clone().lock_owned())
            .await
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        // In doubt until this transaction has ended well.
        if self.doubtful.swap(true, Ordering::AcqRel) {
            tracing::debug!("opening the writer connection anew");
            // On the heap: every transaction has room for it, and few need it.
            Box::pin(throw_away(writer)).await?;
        }
        Ok(Pass {
            gate: self.clone(),
            _turn: turn,
        })
    }
}

/// Closes the connection; the next who wants one has a new one opened.
async fn throw_away(writer: &DatabaseConnection) -> Result<(), DbErr> {
    let connection = writer.get_sqlite_connection_pool().acquire().await;
    let connection = connection.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
    let closed = connection.close().await;
    closed.map_err(|error| DbErr::Custom(error.to_string()))
}

impl Pass {
    /// The transaction was committed or rolled back as it should.
    pub fn ended_well(self) {
        self.gate.doubtful.store(false, Ordering::Release);
    }
}
