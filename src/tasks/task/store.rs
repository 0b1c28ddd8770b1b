//! The statements about tasks.

use entity::task::{Column, Entity, Model};
use entity::{TaskId, Viewer, task_history};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::order::Sort;
use crate::db::{DbError, Tx, keyset};

/// Writes a new task.
pub async fn insert(tx: &Tx, task: Model) -> Result<(), DbError> {
    Entity::insert(task.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// A task and nobody else's hands on it until the end of the transaction.
pub async fn lock(tx: &Tx, id: TaskId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.conn())
        .await?)
}

/// Writes a task that was locked before.
pub async fn save(tx: &Tx, task: Model) -> Result<(), DbError> {
    let row = task.into_active_model().reset_all();
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Writes what was changed.
pub async fn insert_history(tx: &Tx, rows: Vec<task_history::ActiveModel>) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    task_history::Entity::insert_many(rows)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// The name of a field in events: the one it is stored by.
pub fn field_name(field: task_history::Field) -> String {
    field.to_value()
}

/// A task, whoever asks, also a deleted one: for the server's own work.
///
/// # Errors
/// The database's failure.
pub async fn find(db: &impl ConnectionTrait, id: TaskId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// A task, if the viewer may see it.
pub async fn find_visible(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    id: TaskId,
) -> Result<Option<Model>, DbError> {
    Ok(Entity::visible_to(viewer, db.get_database_backend())
        .filter(Column::Id.eq(id))
        .one(db)
        .await?)
}

/// Those of some tasks that the viewer may see.
pub async fn find_all_visible(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    ids: Vec<TaskId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::visible_to(viewer, db.get_database_backend())
        .filter(Column::Id.is_in(ids))
        .all(db)
        .await?)
}

/// A page of the tasks the viewer may see.
pub async fn list(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    filter: Condition,
    sort: &Sort,
    after: Option<&[keyset::Key]>,
    limit: u64,
) -> Result<Vec<Model>, DbError> {
    let mut query = Entity::visible_to(viewer, db.get_database_backend()).filter(filter);
    if let Some(keys) = after {
        query = query.filter(keyset::after(keys));
    }
    for (expr, order) in sort.expressions() {
        query = query.order_by(expr, order);
    }
    Ok(query.limit(limit).all(db).await?)
}

/// How many tasks the viewer may see.
pub async fn count(
    db: &impl ConnectionTrait,
    viewer: &Viewer,
    filter: Condition,
) -> Result<u64, DbError> {
    Ok(Entity::visible_to(viewer, db.get_database_backend())
        .filter(filter)
        .count(db)
        .await?)
}
