//! The statements about what an account is entered with: its address and its password.

use entity::UserId;
use entity::user::{Column, Entity, Model, Status};
use entity::user_role::{self, Role};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::db::{DbError, Tx};

/// Sets the password of an active account. None when there is no such account, or when `instead_of`
/// is given and is not the password any more: of two who change it at once, one wins.
///
/// # Errors
/// The database's failure.
pub async fn set_password(
    tx: &Tx,
    user: UserId,
    instead_of: Option<&str>,
    hash: &str,
) -> Result<Option<Model>, DbError> {
    let now = tx.clock().now();
    let mut update = Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(hash))
        .col_expr(Column::PasswordChangedAt, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(user))
        .filter(Column::Status.eq(Status::Active));
    if let Some(old) = instead_of {
        update = update.filter(Column::PasswordHash.eq(old));
    }
    Ok(update.exec_with_returning(tx.conn()).await?.pop())
}

/// Notes that the address of an active account is its owner's. False when the account has another
/// address than this one by now, or none.
///
/// # Errors
/// The database's failure.
pub async fn confirm_email(tx: &Tx, user: UserId, address: Option<&str>) -> Result<bool, DbError> {
    let mut update = Entity::update_many()
        .col_expr(Column::EmailVerifiedAt, Expr::value(tx.clock().now()))
        .filter(Column::Id.eq(user))
        .filter(Column::Status.eq(Status::Active))
        .filter(Column::Email.is_not_null());
    if let Some(address) = address {
        update = update.filter(Column::Email.eq(address));
    }
    Ok(update.exec(tx.conn()).await?.rows_affected > 0)
}

/// Gives an account another address, which is known to be its owner's. `normal` is its one form.
pub async fn set_email(
    tx: &Tx,
    user: UserId,
    address: &str,
    normal: Option<String>,
) -> Result<(), DbError> {
    let now = tx.clock().now();
    Entity::update_many()
        .col_expr(Column::Email, Expr::value(address))
        .col_expr(Column::EmailNorm, Expr::value(normal))
        .col_expr(Column::EmailVerifiedAt, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(user))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The active administrator whose account is the oldest.
///
/// # Errors
/// The database's failure.
pub async fn first_admin(db: &impl ConnectionTrait) -> Result<Option<Model>, DbError> {
    let admins = user_role::Entity::find()
        .filter(user_role::Column::Role.eq(Role::Admin))
        .all(db)
        .await?;
    let ids = admins.into_iter().map(|row| row.user_id).collect();
    let admins = super::find_many(db, ids).await?;
    let active = admins
        .into_iter()
        .filter(|user| user.status == Status::Active);
    // Ids are of the time they were made at.
    Ok(active.min_by_key(|user| user.id.0))
}
