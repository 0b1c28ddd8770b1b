//! What a user may do beyond what everyone may.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{QuerySelect, QueryTrait};
use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId};

/// A role. Everyone signed in is a user; only what is more has a row.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees and edits everything.
    #[sea_orm(string_value = "admin")]
    Admin,
    /// Has an artist profile.
    #[sea_orm(string_value = "artist")]
    Artist,
    /// A program, not a person.
    #[sea_orm(string_value = "service")]
    Service,
}

/// A row of `user_roles`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_roles")]
pub struct Model {
    /// Whose role.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Which role.
    #[sea_orm(primary_key, auto_increment = false)]
    pub role: Role,
    /// Since when.
    pub granted_at: Timestamp,
}

/// The foreign key is the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The ids of the users who have a role, for the selectors of other tables.
pub fn find_holders(role: Role) -> SelectStatement {
    Entity::find()
        .select_only()
        .column(Column::UserId)
        .filter(Column::Role.eq(role))
        .into_query()
}
