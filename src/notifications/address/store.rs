//! The statements about devices and phone numbers.

use entity::device::{self, Platform};
use entity::{DeviceId, Timestamp, UserId, phone_number};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::db::{DbError, Tx, new_id, padded};

/// Notes that somebody has this device now, whoever had it before.
pub async fn upsert_device(
    tx: &Tx,
    user: UserId,
    platform: Platform,
    token: String,
    name: Option<String>,
) -> Result<device::Model, DbError> {
    let now = tx.clock().now();
    let row = device::Model {
        id: DeviceId(new_id(tx.clock())),
        user_id: user,
        platform,
        token,
        name,
        created_at: now,
        last_seen_at: now,
        invalid_at: None,
    };
    let again = OnConflict::columns([device::Column::Platform, device::Column::Token])
        .update_columns([
            device::Column::UserId,
            device::Column::Name,
            device::Column::LastSeenAt,
            device::Column::InvalidAt,
        ])
        .to_owned();
    Ok(device::Entity::insert(row.into_active_model())
        .on_conflict(again)
        .exec_with_returning(tx.conn())
        .await?)
}

/// How many devices a person has that can be reached.
pub async fn count_devices(db: &impl ConnectionTrait, user: UserId) -> Result<u64, DbError> {
    let query = device::Entity::find()
        .filter(device::Column::UserId.eq(user))
        .filter(device::Column::InvalidAt.is_null());
    Ok(query.count(db).await?)
}

/// Forgets a device. False when the person has none such.
pub async fn delete_device(tx: &Tx, user: UserId, id: DeviceId) -> Result<bool, DbError> {
    let deleted = device::Entity::delete_many()
        .filter(device::Column::Id.eq(id))
        .filter(device::Column::UserId.eq(user))
        .exec(tx.conn())
        .await?;
    Ok(deleted.rows_affected > 0)
}

/// A device by id.
///
/// # Errors
/// The database's failure.
pub async fn find_device(
    db: &impl ConnectionTrait,
    id: DeviceId,
) -> Result<Option<device::Model>, DbError> {
    Ok(device::Entity::find_by_id(id).one(db).await?)
}

/// Those of these that are the person's.
pub async fn find_mine(
    db: &impl ConnectionTrait,
    user: UserId,
    ids: Vec<DeviceId>,
) -> Result<Vec<device::Model>, DbError> {
    let query = device::Entity::find()
        .filter(device::Column::UserId.eq(user))
        .filter(device::Column::Id.is_in(ids));
    Ok(query.all(db).await?)
}

/// The devices of people that can be reached, in the order they were registered.
///
/// # Errors
/// The database's failure.
pub async fn devices_of_many(
    db: &impl ConnectionTrait,
    users: Vec<UserId>,
) -> Result<Vec<device::Model>, DbError> {
    let query = device::Entity::find()
        .filter(device::Column::UserId.is_in(padded(users)))
        .filter(device::Column::InvalidAt.is_null())
        .order_by_asc(device::Column::Id)
        // So that no one person's devices are too many.
        .limit(25_000);
    Ok(query.all(db).await?)
}

/// Notes that there is no such device any more, as its service says.
///
/// # Errors
/// The database's failure.
pub async fn invalidate(tx: &Tx, id: DeviceId) -> Result<(), DbError> {
    device::Entity::update_many()
        .col_expr(device::Column::InvalidAt, Expr::value(tx.clock().now()))
        .filter(device::Column::Id.eq(id))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The phone number of a person.
///
/// # Errors
/// The database's failure.
pub async fn find_phone(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<phone_number::Model>, DbError> {
    Ok(phone_number::Entity::find_by_id(user).one(db).await?)
}

/// The confirmed phone numbers of people.
///
/// # Errors
/// The database's failure.
pub async fn phones_of_many(
    db: &impl ConnectionTrait,
    users: Vec<UserId>,
) -> Result<Vec<phone_number::Model>, DbError> {
    let query = phone_number::Entity::find()
        .filter(phone_number::Column::UserId.is_in(padded(users)))
        .filter(phone_number::Column::Number.is_not_null());
    Ok(query.all(db).await?)
}

/// Notes that a number is to be confirmed with a code. The confirmed one stays until then.
pub async fn ask_to_confirm(
    tx: &Tx,
    user: UserId,
    number: String,
    code_id: Uuid,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    let row = phone_number::Model {
        user_id: user,
        number: None,
        verified_at: None,
        pending_number: Some(number),
        code_id: Some(code_id),
        code_expires_at: Some(expires_at),
        code_tries: 0,
    };
    let again = OnConflict::column(phone_number::Column::UserId)
        .update_columns([
            phone_number::Column::PendingNumber,
            phone_number::Column::CodeId,
            phone_number::Column::CodeExpiresAt,
            phone_number::Column::CodeTries,
        ])
        .to_owned();
    phone_number::Entity::insert(row.into_active_model())
        .on_conflict(again)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// Counts a try at a code, if there are less than `most`. Answers the row then: of many tries at
/// once no more than `most` are looked at.
pub async fn take_try(
    tx: &Tx,
    user: UserId,
    most: i32,
) -> Result<Option<phone_number::Model>, DbError> {
    let mut rows = phone_number::Entity::update_many()
        .col_expr(
            phone_number::Column::CodeTries,
            Expr::cust("code_tries + 1"),
        )
        .filter(phone_number::Column::UserId.eq(user))
        .filter(phone_number::Column::CodeId.is_not_null())
        .filter(phone_number::Column::CodeExpiresAt.gt(tx.clock().now()))
        .filter(phone_number::Column::CodeTries.lt(most))
        .exec_with_returning(tx.conn())
        .await?;
    Ok(rows.pop())
}

/// Makes the number that was to be confirmed the person's.
pub async fn confirm(tx: &Tx, user: UserId, number: &str) -> Result<(), DbError> {
    phone_number::Entity::update_many()
        .col_expr(phone_number::Column::Number, Expr::value(number))
        .col_expr(
            phone_number::Column::VerifiedAt,
            Expr::value(tx.clock().now()),
        )
        .col_expr(
            phone_number::Column::PendingNumber,
            Expr::value(None::<String>),
        )
        .col_expr(phone_number::Column::CodeId, Expr::value(None::<Uuid>))
        .col_expr(
            phone_number::Column::CodeExpiresAt,
            Expr::value(None::<Timestamp>),
        )
        .filter(phone_number::Column::UserId.eq(user))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Forgets the number of a person.
pub async fn delete_phone(tx: &Tx, user: UserId) -> Result<(), DbError> {
    phone_number::Entity::delete_by_id(user)
        .exec(tx.conn())
        .await?;
    Ok(())
}
