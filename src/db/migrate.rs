//! Brings the database to the shape this executable expects.

use migration::{MigrationStatus, Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseBackend};

use super::{Db, DbError};

/// Ends with its transaction. The number means nothing to others: "task" in ASCII.
const ADVISORY_LOCK: &str = "SELECT pg_advisory_xact_lock(1952543595)";

/// One change and whether the database has it.
#[derive(Debug)]
pub struct Change {
    /// The change's name.
    pub name: String,
    /// Whether it is applied.
    pub applied: bool,
}

impl Db {
    /// Applies every change that is missing. Each is a transaction of its own.
    ///
    /// # Errors
    /// When a change fails; those before it stay.
    pub async fn migrate_up(&self) -> Result<(), DbError> {
        self.alone(|| async {
            let missing = self.pending_changes().await?;
            Migrator::up(self.writer.pool(), None).await?;
            if !missing.is_empty() {
                tracing::info!(
                    count = missing.len(),
                    newest = missing.last(),
                    "changed the database"
                );
            }
            Ok(())
        })
        .await
    }

    /// Keeps others from migrating meanwhile: two replicas that start at once would make the same
    /// tables. SQLite has one process, by its lock file.
    async fn alone<R>(&self, work: impl Fn() -> R) -> Result<(), DbError>
    where
        R: Future<Output = Result<(), DbError>>,
    {
        if self.backend() != DatabaseBackend::Postgres {
            return work().await;
        }
        let work = &work;
        self.write(|tx| async move {
            for statement in [
                "SET LOCAL lock_timeout = 0",
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL idle_in_transaction_session_timeout = 0",
                ADVISORY_LOCK,
            ] {
                tx.conn().execute_unprepared(statement).await?;
            }
            work().await
        })
        .await
    }

    /// Takes back the newest `steps` changes, and what they hold.
    ///
    /// # Errors
    /// When a change cannot be taken back.
    pub async fn migrate_down(&self, steps: u32) -> Result<(), DbError> {
        Ok(Migrator::down(self.writer.pool(), Some(steps)).await?)
    }

    /// Every change this executable knows, oldest first.
    ///
    /// # Errors
    /// When the database cannot be asked, or holds a change this executable does not know.
    pub async fn changes(&self) -> Result<Vec<Change>, DbError> {
        let changes = Migrator::get_migration_with_status(&self.writer).await?;
        Ok(changes
            .into_iter()
            .map(|change| Change {
                name: change.name().to_owned(),
                applied: change.status() == MigrationStatus::Applied,
            })
            .collect())
    }

    /// The names of the changes that are missing.
    ///
    /// # Errors
    /// As [`Db::changes`].
    pub async fn pending_changes(&self) -> Result<Vec<String>, DbError> {
        Ok(self
            .changes()
            .await?
            .into_iter()
            .filter(|change| !change.applied)
            .map(|change| change.name)
            .collect())
    }
}
