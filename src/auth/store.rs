//! The statements about sessions.

use entity::session::{Column, Entity, Model};
use entity::{SessionId, Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::db::{DbError, Tx};

/// Writes a new session.
pub async fn insert(tx: &Tx, session: Model) -> Result<(), DbError> {
    Entity::insert(session.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Replaces the refresh token in one statement, so that of two renewals at once one wins. None
/// when the token is not the current one of a living session.
pub async fn rotate(
    tx: &Tx,
    old_hash: &[u8],
    new_hash: &[u8],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Option<Model>, DbError> {
    let mut rows = Entity::update_many()
        .col_expr(Column::RefreshHash, Expr::value(new_hash.to_vec()))
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(Column::RefreshHash.eq(old_hash.to_vec()))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec_with_returning(tx.conn())
        .await?;
    Ok(rows.pop())
}

/// Ends one session of a user, or all. Answers how many were ended.
pub async fn revoke(
    tx: &Tx,
    user: UserId,
    only: Option<SessionId>,
    now: Timestamp,
) -> Result<u64, DbError> {
    let mut update = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(now))
        .filter(Column::UserId.eq(user))
        .filter(Column::RevokedAt.is_null());
    if let Some(session) = only {
        update = update.filter(Column::Id.eq(session));
    }
    Ok(update.exec(tx.conn()).await?.rows_affected)
}

/// The addresses a user's sessions were used from since then; of the latest hundred.
pub async fn addresses_since(
    db: &impl ConnectionTrait,
    user: UserId,
    since: Timestamp,
) -> Result<Vec<String>, DbError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Address)
        .filter(Column::UserId.eq(user))
        .filter(Column::LastUsedAt.gt(since))
        .order_by_desc(Column::LastUsedAt)
        .limit(100)
        .into_tuple()
        .all(db)
        .await?)
}
