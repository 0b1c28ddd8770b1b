//! The statements that write the sample team.

use entity::{label, project, user};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IntoActiveModel,
    Iterable, ModelTrait, PaginatorTrait, QueryFilter, Statement,
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

/// What makes the foreign keys and the indexes anew that [`set_aside`] took away.
#[derive(Debug)]
#[must_use = "without them nothing is checked and everything is scanned"]
pub struct SetAside(Vec<String>);

/// Takes the foreign keys and the indexes of tasks, and of what belongs to them, away until the end
/// of this transaction: a million rows looked up one by one take most of the time, all at once a
/// tenth of it. Whoever wants these tables waits until the commit. Only PostgreSQL can make foreign
/// keys anew; SQLite is quick without.
///
/// # Errors
/// The database's failure.
pub async fn set_aside(tx: &Tx) -> Result<SetAside, DbError> {
    let db = tx.conn();
    if db.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(SetAside(Vec::new()));
    }
    let found = Statement::from_string(
        DatabaseBackend::Postgres,
        "WITH filled AS (
           SELECT unnest('{tasks, task_words, task_labels, comments, task_watchers, task_history}'
             ::regclass[]) AS relation)
         SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
         FROM pg_index JOIN filled ON indrelid = relation WHERE NOT indisunique
         UNION ALL
         SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', relation, conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', relation, conname,
             pg_get_constraintdef(pg_constraint.oid))
         FROM pg_constraint JOIN filled ON conrelid = relation WHERE contype = 'f'",
    );
    let mut anew = Vec::new();
    for row in db.query_all_raw(found).await? {
        db.execute_unprepared(&row.try_get_by_index::<String>(0)?)
            .await?;
        anew.push(row.try_get_by_index(1)?);
    }
    Ok(SetAside(anew))
}

impl SetAside {
    /// Puts them back: from here on all rows are known to be right.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn put_back(self, tx: &Tx) -> Result<(), DbError> {
        for statement in self.0 {
            tx.conn().execute_unprepared(&statement).await?;
        }
        Ok(())
    }
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
