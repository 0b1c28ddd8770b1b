//! Idempotency keys: the same key with the same input within 24 hours gives the first answer.

use chrono::TimeDelta;
use entity::{UserId, idempotency};
use sea_orm::{DbErr, EntityTrait, Set};
use uuid::Uuid;

use super::{DbError, Tx, was_inserted};

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
/// first use is still open waits for it: the primary key sees to that. `results` is what this use
/// makes or changes, at least one.
///
/// # Errors
/// The database's failure.
pub async fn claim(tx: &Tx, used: Use<'_>, results: &[Uuid]) -> Result<Outcome, DbError> {
    let result_ids = (results.len() > 1).then(|| serde_json::json!(results));
    let result_id = results.first().copied().unwrap_or_default();
    let now = tx.clock().now();
    let primary_key = (used.user_id, used.operation.to_owned(), used.key.to_owned());
    let row = || idempotency::ActiveModel {
        user_id: Set(used.user_id),
        operation: Set(used.operation.to_owned()),
        key: Set(used.key.to_owned()),
        input_hash: Set(used.input_hash.to_vec()),
        result_id: Set(result_id),
        result_ids: Set(result_ids.clone()),
        created_at: Set(now),
    };
    let inserted = idempotency::Entity::insert(row())
        .on_conflict_do_nothing()
        .exec_without_returning(tx.conn())
        .await?;
    if was_inserted(&inserted) {
        return Ok(Outcome::First);
    }
    let before = idempotency::Entity::find_by_id(primary_key.clone())
        .one(tx.conn())
        .await?;
    match before {
        Some(before) if before.created_at + KEPT > now => {
            if before.input_hash == used.input_hash {
                let all = before.result_ids.map(serde_json::from_value).transpose();
                let all = all.map_err(|error| DbErr::Custom(format!("result ids: {error}")))?;
                Ok(Outcome::Repeat(all.unwrap_or(vec![before.result_id])))
            } else {
                Ok(Outcome::Mismatch)
            }
        }
        // Older than a day, or swept away this moment: the key is free again.
        _ => {
            idempotency::Entity::delete_by_id(primary_key)
                .exec(tx.conn())
                .await?;
            idempotency::Entity::insert(row())
                .exec_without_returning(tx.conn())
                .await?;
            Ok(Outcome::First)
        }
    }
}
