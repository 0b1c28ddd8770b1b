//! The statements about the history. Its rows are written with the change they tell of.

use std::collections::HashMap;

use entity::task_history::{Column, Entity, Model};
use entity::{TaskChangeId, TaskId};
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::DbError;
use crate::tasks::slice::{Rows, Slices};

/// Changes by id, whoever asks.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: Vec<TaskChangeId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}

const CHANGES: Rows = Rows {
    table: "task_history",
    key: "id",
    descending: true,
    only: None,
};

/// A page of the history of each of these tasks.
pub async fn list(
    db: &impl ConnectionTrait,
    page: &Slices<TaskChangeId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::Id.in_subquery(page.select(&CHANGES, &["id"])))
        .order_by(Column::Id, Order::Desc)
        .all(db)
        .await?)
}

/// How many changes of each of these tasks there are; a task without is not among the keys.
pub async fn counts(
    db: &impl ConnectionTrait,
    tasks: Vec<TaskId>,
) -> Result<HashMap<TaskId, i64>, DbError> {
    let rows: Vec<(TaskId, i64)> = Entity::find()
        .select_only()
        .column(Column::TaskId)
        .column_as(Column::Id.count(), "number")
        .filter(Column::TaskId.is_in(tasks))
        .group_by(Column::TaskId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}
