//! The statements about announcements.

use entity::announcement::{Column, Entity, Model};
use entity::{AnnouncementId, UserId, user};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::db::{DbError, Tx, was_inserted};

/// Writes an announcement. False when there is one with its key.
pub async fn insert(tx: &Tx, row: Model) -> Result<bool, DbError> {
    let inserted = Entity::insert(row.into_active_model())
        .on_conflict_do_nothing_on([Column::DedupeKey])
        .exec_without_returning(tx.conn())
        .await?;
    Ok(was_inserted(&inserted))
}

/// Announcements by id, in no order.
///
/// # Errors
/// The database's failure.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: Vec<AnnouncementId>,
) -> Result<Vec<Model>, DbError> {
    Ok(Entity::find().filter(Column::Id.is_in(ids)).all(db).await?)
}

/// An announcement by its key.
pub async fn find_by_key(db: &impl ConnectionTrait, key: &str) -> Result<Option<Model>, DbError> {
    let query = Entity::find().filter(Column::DedupeKey.eq(key));
    Ok(query.one(db).await?)
}

/// The next active people after this one, by id.
///
/// # Errors
/// The database's failure.
pub async fn everyone_after(
    db: &impl ConnectionTrait,
    after: Option<UserId>,
    most: u64,
) -> Result<Vec<UserId>, DbError> {
    let mut query = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::Column::Status.eq(user::Status::Active))
        .order_by_asc(user::Column::Id)
        .limit(most);
    if let Some(after) = after {
        query = query.filter(user::Column::Id.gt(after));
    }
    Ok(query.into_tuple().all(db).await?)
}
