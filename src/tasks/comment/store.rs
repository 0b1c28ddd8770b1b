//! The statements about comments.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;
use entity::comment::{Column, Entity, Model};
use entity::{CommentId, TaskId, Timestamp, UserId, comment_mention};
use sea_orm::sea_query::{OnConflict, Order};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Set,
};

use crate::db::{DbError, Tx};
use crate::tasks::slice::{Rows, Slices};

/// Writes a new comment.
pub async fn insert(tx: &Tx, comment: Model) -> Result<(), DbError> {
    Entity::insert(comment.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// The moment for a new comment on a task, which must be locked: now, but after all that are there.
/// The clock of another process may be ahead.
pub async fn after_all(tx: &Tx, task: TaskId) -> Result<Timestamp, DbError> {
    let newest = Entity::find()
        .filter(Column::TaskId.eq(task))
        .order_by(Column::Id, Order::Desc)
        .one(tx.conn())
        .await?;
    let now = tx.clock().now();
    Ok(newest.map_or(now, |newest| {
        // An id has milliseconds.
        now.max(newest.created_at + TimeDelta::milliseconds(1))
    }))
}

/// Writes a comment that was locked before.
pub async fn save(tx: &Tx, comment: Model) -> Result<(), DbError> {
    let row = comment.into_active_model().reset_all();
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes a comment, with its mentions.
pub async fn delete(tx: &Tx, id: CommentId) -> Result<(), DbError> {
    Entity::delete_by_id(id).exec(tx.conn()).await?;
    Ok(())
}

/// A comment, whoever asks.
pub async fn find(db: &impl ConnectionTrait, id: CommentId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// A comment and nobody else's hands on it until the end of the transaction.
pub async fn lock(tx: &Tx, id: CommentId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.conn())
        .await?)
}

/// Comments by id, whoever asks.
///
/// # Errors
/// The database's failure.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: Vec<CommentId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}

const COMMENTS: Rows = Rows {
    table: "comments",
    key: "id",
    descending: false,
    only: None,
};

/// A page of the comments on each of these tasks.
pub async fn list(
    db: &impl ConnectionTrait,
    page: &Slices<CommentId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find()
        .filter(Column::Id.in_subquery(page.select(&COMMENTS, &["id"])))
        .order_by(Column::Id, Order::Asc)
        .all(db)
        .await?)
}

/// How many comments there are on each of these tasks; a task without is not among the keys.
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

/// Who is mentioned in these comments, in the order of their ids.
pub async fn mentions(
    db: &impl ConnectionTrait,
    comments: Vec<CommentId>,
) -> Result<HashMap<CommentId, Vec<UserId>>, DbError> {
    let rows = comment_mention::Entity::find()
        .filter(comment_mention::Column::CommentId.is_in(comments))
        .order_by(comment_mention::Column::UserId, Order::Asc)
        .all(db)
        .await?;
    let mut mentions: HashMap<CommentId, Vec<UserId>> = HashMap::new();
    for row in rows {
        mentions
            .entry(row.comment_id)
            .or_default()
            .push(row.user_id);
    }
    Ok(mentions)
}

/// Who is mentioned in a comment, and whether by id.
pub async fn mentioned(
    db: &impl ConnectionTrait,
    comment: CommentId,
) -> Result<BTreeMap<UserId, bool>, DbError> {
    let rows = comment_mention::Entity::find()
        .filter(comment_mention::Column::CommentId.eq(comment))
        .all(db)
        .await?;
    let rows = rows.into_iter();
    Ok(rows.map(|row| (row.user_id, row.by_id)).collect())
}

/// Writes who is mentioned in a comment, and whether by id, in place of who was.
pub async fn set_mentions(
    tx: &Tx,
    comment: CommentId,
    before: &BTreeMap<UserId, bool>,
    now: &BTreeMap<UserId, bool>,
) -> Result<(), DbError> {
    let gone = before.keys().filter(|user| !now.contains_key(user));
    let gone: Vec<UserId> = gone.copied().collect();
    if !gone.is_empty() {
        comment_mention::Entity::delete_many()
            .filter(comment_mention::Column::CommentId.eq(comment))
            .filter(comment_mention::Column::UserId.is_in(gone))
            .exec(tx.conn())
            .await?;
    }
    let new = now
        .iter()
        .filter(|(user, by_id)| before.get(user) != Some(by_id));
    let new: Vec<_> = new
        .map(|(user, by_id)| comment_mention::ActiveModel {
            comment_id: Set(comment),
            user_id: Set(*user),
            by_id: Set(*by_id),
        })
        .collect();
    if !new.is_empty() {
        let key = [
            comment_mention::Column::CommentId,
            comment_mention::Column::UserId,
        ];
        let again = OnConflict::columns(key)
            .update_column(comment_mention::Column::ById)
            .to_owned();
        comment_mention::Entity::insert_many(new)
            .on_conflict(again)
            .exec_without_returning(tx.conn())
            .await?;
    }
    Ok(())
}
