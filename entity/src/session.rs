//! Signed-in devices. A session lives as long as its refresh token is renewed.

use sea_orm::entity::prelude::*;

use crate::{SessionId, Timestamp, UserId};

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum RevokeReason {
    /// Its owner logged out.
    #[sea_orm(string_value = "logout")]
    Logout,
    /// Its owner ended it from another session.
    #[sea_orm(string_value = "revoked")]
    Revoked,
    /// A refresh token was used that had been replaced: somebody has a copy.
    #[sea_orm(string_value = "reuse")]
    Reuse,
    /// The password was changed or reset.
    #[sea_orm(string_value = "password")]
    Password,
    /// The account was disabled.
    #[sea_orm(string_value = "disabled")]
    Disabled,
}

/// A row of `sessions`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// Primary key; the claim `sid` of access tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// SHA-256 of the part that all refresh tokens of the session have in common.
    pub family_hash: Vec<u8>,
    /// SHA-256 of the refresh token that is good now.
    pub refresh_hash: Vec<u8>,
    /// SHA-256 of the refresh token before it.
    pub previous_hash: Option<Vec<u8>>,
    /// The refresh token that is good now, encrypted under a key made of the one before it: for
    /// those who come with that one at the same time.
    pub successor: Option<Vec<u8>>,
    /// When the refresh token was last replaced.
    pub rotated_at: Option<Timestamp>,
    /// The number of its refresh token: 1 is the one of the login.
    pub generation: i32,
    /// What its owner calls the device.
    pub device_name: Option<String>,
    /// The `User-Agent` of the login, cut.
    pub user_agent: Option<String>,
    /// The address it was last used from.
    pub address: String,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the refresh token was last renewed.
    pub last_used_at: Timestamp,
    /// When the refresh token ends.
    pub expires_at: Timestamp,
    /// When the session was ended, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Why it was ended.
    pub revoke_reason: Option<RevokeReason>,
}

/// The foreign key is the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
