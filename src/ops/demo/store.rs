//! The statements that write the sample team.

use entity::{label, project, task_words, user};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IntoActiveModel,
    Iterable, ModelTrait, PaginatorTrait, QueryFilter,
};

use super::team::Team;
use crate::db::{DbError, Tx};

/// Values a statement may have: PostgreSQL takes 65,535, SQLite 32,766.
const MOST_VALUES: usize = 30_000;
/// Beyond this many rows statements do not get faster.
const MOST_ROWS: usize = 1_000;

/// Rows that wait for enough of their kind, so that statements are few and mostly the same.
#[derive(Debug)]
pub struct Rows<M>(Vec<M>);

impl<M> Default for Rows<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M> Rows<M> {
    pub fn extend(&mut self, more: impl IntoIterator<Item = M>) {
        self.0.extend(more);
    }

    /// Writes as many whole statements as there are rows for; `all`: the rest as well.
    pub async fn write<A>(&mut self, tx: &Tx, all: bool) -> Result<(), DbError>
    where
        M: ModelTrait + IntoActiveModel<A>,
        A: ActiveModelTrait<Entity = M::Entity> + Send,
    {
        let columns = <M::Entity as EntityTrait>::Column::iter().count();
        let size = (MOST_VALUES / columns).min(MOST_ROWS);
        while self.0.len() >= size || (all && !self.0.is_empty()) {
            let rest = self.0.split_off(size.min(self.0.len()));
            let rows = std::mem::replace(&mut self.0, rest);
            let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
            M::Entity::insert_many(rows)
                .exec_without_returning(tx.conn())
                .await?;
        }
        Ok(())
    }
}

/// Writes the words of all tasks. Must be the last but for looking at what is there: who searches or
/// writes a task waits from here until the commit.
///
/// PostgreSQL's index of words is kept in order at each row; gathered and sorted in at once it takes a
/// fifth of the time.
///
/// # Errors
/// The database's failure.
pub async fn write_words(tx: &Tx, mut words: Rows<task_words::Model>) -> Result<(), DbError> {
    let db = tx.conn();
    if db.get_database_backend() != DatabaseBackend::Postgres {
        return words.write(tx, true).await;
    }
    db.execute_unprepared(
        "SET LOCAL gin_pending_list_limit = '1GB';
         ALTER INDEX ix_task_words_words SET (fastupdate = on)",
    )
    .await?;
    words.write(tx, true).await?;
    db.execute_unprepared(
        "SELECT gin_clean_pending_list('ix_task_words_words');
         ALTER INDEX ix_task_words_words SET (fastupdate = off)",
    )
    .await?;
    Ok(())
}

/// Whether an account, a label or a project of the team is there already.
pub async fn is_there(tx: &Tx, team: &Team) -> Result<bool, DbError> {
    let db = tx.conn();
    let names = team.users.iter().map(|user| user.username_norm.clone());
    // As many as a statement takes; that of the first is the one that matters.
    let names = names.take(1_000);
    let users = user::Entity::find().filter(user::Column::UsernameNorm.is_in(names));
    let labels = team.labels.iter().map(|label| label.name_norm.clone());
    let labels = label::Entity::find().filter(label::Column::NameNorm.is_in(labels));
    let keys = team.projects.iter().map(|project| project.key.clone());
    let projects = project::Entity::find().filter(project::Column::Key.is_in(keys));
    Ok(users.count(db).await? + labels.count(db).await? + projects.count(db).await? > 0)
}

/// Lets the database look at what is there now: it plans as if the tables were empty otherwise.
pub async fn analyze(tx: &Tx) -> Result<(), DbError> {
    tx.conn().execute_unprepared("ANALYZE").await?;
    Ok(())
}
