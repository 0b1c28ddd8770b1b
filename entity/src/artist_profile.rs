//! What makes a user an artist.

use sea_orm::entity::prelude::*;
use sea_orm::{FromJsonQueryResult, Order, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId};

/// Words for what somebody plays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Genres(pub Vec<String>);

/// A page about the artist somewhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What it is, as `Bandcamp`.
    pub label: String,
    /// Where it is.
    pub url: String,
}

/// Pages about the artist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Links(pub Vec<Link>);

/// A row of `artist_profiles`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artist_profiles")]
pub struct Model {
    /// Primary key: the user.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The name on the poster.
    pub stage_name: String,
    /// The same in lower case: what lists are sorted and searched by.
    pub stage_name_norm: String,
    /// About the artist.
    pub bio: Option<String>,
    /// What the artist plays.
    #[sea_orm(column_type = "JsonBinary")]
    pub genres: Genres,
    /// The artist's own page.
    pub website: Option<String>,
    /// Other pages.
    #[sea_orm(column_type = "JsonBinary")]
    pub links: Links,
    /// When the profile was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The foreign key is the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Every artist whose account is active, by stage name.
    pub fn directory() -> Select<Self> {
        let active = crate::user::Entity::find_active_ids();
        Self::find()
            .filter(Column::UserId.in_subquery(active))
            .order_by(Column::StageNameNorm, Order::Asc)
            .order_by(Column::UserId, Order::Asc)
    }
}
