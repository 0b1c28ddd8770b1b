//! Signed-in devices. A session lives as long as its refresh token is renewed.

use sea_orm::entity::prelude::*;

use crate::{SessionId, Timestamp, UserId};

/// A row of `sessions`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// Primary key; the claim `sid` of access tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// SHA-256 of the refresh token that is good now.
    pub refresh_hash: Vec<u8>,
    /// The number of its refresh token: 1 is the one of the login.
    pub generation: i32,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the refresh token was last renewed.
    pub last_used_at: Timestamp,
    /// When the refresh token ends.
    pub expires_at: Timestamp,
    /// When the session was ended, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// The foreign key is the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
