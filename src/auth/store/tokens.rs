//! The statements about tokens that are mailed.

use entity::one_time_token::{Column, Entity, Model, Purpose};
use entity::{OneTimeTokenId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::db::{DbError, Tx};

/// Writes a new token.
pub async fn insert(tx: &Tx, token: Model) -> Result<(), DbError> {
    Entity::insert(token.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Ends the tokens of somebody for these purposes. For nobody the same statement ends none.
pub async fn end(tx: &Tx, user: Option<UserId>, purposes: &[Purpose]) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(tx.clock().now()))
        .filter(Column::UserId.eq(user))
        .filter(Column::Purpose.is_in(purposes.iter().copied()))
        .filter(Column::UsedAt.is_null())
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The one token with this hash, if it is somebody's and good at this moment.
fn good(hash: &[u8; 32], purpose: Purpose, now: Timestamp) -> Condition {
    Condition::all()
        .add(Column::Hash.eq(hash.to_vec()))
        .add(Column::Purpose.eq(purpose))
        .add(Column::UserId.is_not_null())
        .add(Column::UsedAt.is_null())
        .add(Column::ExpiresAt.gt(now))
}

/// Uses a token up in one statement, so that of two at once one has it.
pub async fn take(
    tx: &Tx,
    hash: &[u8; 32],
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Model>, DbError> {
    let mut rows = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(good(hash, purpose, now))
        .exec_with_returning(tx.conn())
        .await?;
    Ok(rows.pop())
}

/// A token that is good at this moment.
pub async fn find_good(
    db: &impl ConnectionTrait,
    hash: &[u8; 32],
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Model>, DbError> {
    let found = Entity::find().filter(good(hash, purpose, now));
    Ok(found.one(db).await?)
}

/// Notes which address a new one replaced.
pub async fn note_previous_address(
    tx: &Tx,
    id: OneTimeTokenId,
    previous: Option<&str>,
) -> Result<(), DbError> {
    Entity::update_many()
        .col_expr(Column::PreviousAddress, Expr::value(previous))
        .filter(Column::Id.eq(id))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Whether somebody has a token that was made since then and not used.
pub async fn was_issued(
    db: &impl ConnectionTrait,
    user: Uuid,
    purpose: Purpose,
    since: Timestamp,
) -> Result<bool, DbError> {
    let found = Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::Purpose.eq(purpose))
        .filter(Column::UsedAt.is_null())
        .filter(Column::CreatedAt.gt(since));
    Ok(found.one(db).await?.is_some())
}

/// A token by id.
pub async fn find(db: &impl ConnectionTrait, id: OneTimeTokenId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}
