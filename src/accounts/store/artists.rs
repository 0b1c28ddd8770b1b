//! The statements about artist profiles.

use entity::UserId;
use entity::artist_profile::{self, Column, Entity, Model};
use sea_orm::sea_query::{Expr, Order};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QuerySelect, Select,
};

use crate::db::keyset::{self, Key};
use crate::db::{DbError, Tx};
use crate::graphql::Page;

/// Where a page of artists ended: the stage name it is sorted by, and the id.
pub type ArtistKeys = (String, UserId);

/// Which artists a list has. Both texts are in lower case.
#[derive(Clone, Debug, Default)]
pub struct ArtistFilter {
    /// A part of the stage name.
    pub search: Option<String>,
    /// What they play.
    pub genre: Option<String>,
}

impl ArtistFilter {
    fn select(&self, db: &impl ConnectionTrait) -> Select<Entity> {
        let mut query = Entity::directory();
        if let Some(text) = &self.search {
            query = query.filter(artist_profile::matches(text));
        }
        if let Some(genre) = &self.genre {
            query = query.filter(artist_profile::plays(db.get_database_backend(), genre));
        }
        query
    }
}

/// Writes a new profile.
pub async fn insert(tx: &Tx, profile: Model) -> Result<(), DbError> {
    Entity::insert(profile.into_active_model())
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// A profile, whether its owner has the role or not, and nobody else's hands on it until the end of
/// the transaction.
pub async fn lock(tx: &Tx, id: UserId) -> Result<Option<Model>, DbError> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx.conn())
        .await?)
}

/// Writes a profile that was locked before.
pub async fn save(tx: &Tx, profile: Model) -> Result<(), DbError> {
    let row = profile.into_active_model().reset_all();
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// The profiles of those of some users who are artists, in no order.
///
/// # Errors
/// The database's failure.
pub async fn find_many(db: &impl ConnectionTrait, ids: Vec<UserId>) -> Result<Vec<Model>, DbError> {
    Ok(Entity::artists()
        .filter(Column::UserId.is_in(ids))
        .all(db)
        .await?)
}

/// A page of artists.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &ArtistFilter,
    page: &Page<ArtistKeys>,
) -> Result<Vec<Model>, DbError> {
    let mut query = filter.select(db);
    if let Some((name, id)) = &page.after {
        query = query.filter(keyset::after(&[
            Key {
                expr: Expr::col(Column::StageNameNorm),
                order: Order::Asc,
                last: name.clone().into(),
            },
            Key {
                expr: Expr::col(Column::UserId),
                order: Order::Asc,
                last: (*id).into(),
            },
        ]));
    }
    Ok(query.limit(page.limit()).all(db).await?)
}

/// How many artists there are.
pub async fn count(db: &impl ConnectionTrait, filter: &ArtistFilter) -> Result<u64, DbError> {
    Ok(filter.select(db).count(db).await?)
}
