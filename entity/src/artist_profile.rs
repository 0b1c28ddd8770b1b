//! What makes a user an artist.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LikeExpr, SimpleExpr};
use sea_orm::{Condition, DbBackend, FromJsonQueryResult, Order, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::user::escape_like;
use crate::user_role::{self, Role};
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
    /// Every artist: a profile is kept, but not shown, while its owner has not the role.
    pub fn artists() -> Select<Self> {
        Self::find().filter(Column::UserId.in_subquery(user_role::find_holders(Role::Artist)))
    }

    /// Every artist whose account is active, by stage name.
    pub fn directory() -> Select<Self> {
        let active = crate::user::Entity::find_active_ids();
        Self::artists()
            .filter(Column::UserId.in_subquery(active))
            .order_by(Column::StageNameNorm, Order::Asc)
            .order_by(Column::UserId, Order::Asc)
    }
}

/// Artists whose stage name contains the text, which must be in lower case.
pub fn matches(text: &str) -> Condition {
    let pattern = LikeExpr::new(format!("%{}%", escape_like(text))).escape('\\');
    Condition::all().add(Column::StageNameNorm.like(pattern))
}

/// Artists who play this, which must be in lower case. The list of genres is JSON, and the
/// databases look into it by different words.
pub fn plays(backend: DbBackend, genre: &str) -> SimpleExpr {
    if backend == DbBackend::Postgres {
        let list = serde_json::json!([genre]).to_string();
        return Expr::cust_with_values("genres @> CAST($1 AS jsonb)", [list]);
    }
    Expr::cust_with_values(
        "EXISTS (SELECT 1 FROM json_each(genres) WHERE json_each.value = ?)",
        [genre],
    )
}
