//! Idempotency keys: the same key with the same input within 24 hours gives the first answer.

use chrono::TimeDelta;
use entity::UserId;
use entity::idempotency::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, Set};
use uuid::Uuid;

use super::{DbError, Tx};

/// How long a key is remembered.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// One use of a key by a client.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// Whose key.
    pub user_id: UserId,
    /// For which operation, as `createTask`.
    pub operation: &'static str,
    /// What the client chose.
    pub key: &'a str,
    /// SHA-256 of the input.
    pub input_hash: [u8; 32],
}

/// What the key meant before this use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: go on; the result is remembered with the transaction.
    First,
    /// The same input led to these objects.
    Repeat(Vec<Uuid>),
    /// It was used with another input.
    Mismatch,
}

/// Writes the key into the transaction, or says what it led to. A repeat that comes while the
/// first use is still open waits for it: the primary key sees to that, also when the key was used
/// long ago and is free again. `results` is what this use makes or changes, at least one.
///
/// # Errors
/// The database's failure.
pub async fn claim(tx: &Tx, used: Use<'_>, results: &[Uuid]) -> Result<Outcome, DbError> {
    let result_ids = (results.len() > 1).then(|| serde_json::json!(results));
    let now = tx.clock().now();
    let row = ActiveModel {
        user_id: Set(used.user_id),
        operation: Set(used.operation.to_owned()),
        key: Set(used.key.to_owned()),
        input_hash: Set(used.input_hash.to_vec()),
        result_id: Set(results.first().copied().unwrap_or_default()),
        result_ids: Set(result_ids),
        created_at: Set(now),
    };
    // One statement: between two, another one would find the key free as well.
    let if_free = OnConflict::columns([Column::UserId, Column::Operation, Column::Key])
        .update_columns([
            Column::InputHash,
            Column::ResultId,
            Column::ResultIds,
            Column::CreatedAt,
        ])
        .action_and_where(Expr::col((Entity, Column::CreatedAt)).lte(now - KEPT))
        .to_owned();
    let written = Entity::insert(row)
        .on_conflict(if_free)
        .exec_without_returning(tx.conn())
        .await?;
    if written > 0 {
        return Ok(Outcome::First);
    }
    let before = Entity::find_by_id((used.user_id, used.operation.to_owned(), used.key.to_owned()))
        .one(tx.conn())
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("a key that is in use".to_owned()))?;
    if before.input_hash != used.input_hash {
        return Ok(Outcome::Mismatch);
    }
    let all = before.result_ids.map(serde_json::from_value).transpose();
    let all = all.map_err(|error| DbErr::Custom(format!("result ids: {error}")))?;
    Ok(Outcome::Repeat(all.unwrap_or(vec![before.result_id])))
}

/// Deletes keys that have been free again for a day, at most so many. Answers how many.
///
/// # Errors
/// The database's failure.
pub async fn prune(tx: &Tx, most: u64) -> Result<u64, DbError> {
    let before = tx.clock().now() - KEPT - TimeDelta::days(1);
    let key = [Column::UserId, Column::Operation, Column::Key];
    let some = Query::select()
        .columns(key)
        .from(Entity)
        .and_where(Column::CreatedAt.lt(before))
        .limit(most)
        .take();
    let row = Expr::tuple(key.map(Expr::col));
    let deleted = Entity::delete_many()
        .filter(row.in_subquery(some))
        .exec(tx.conn())
        .await?;
    Ok(deleted.rows_affected)
}
