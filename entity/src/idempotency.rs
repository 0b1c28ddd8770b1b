//! What a client's idempotency key led to, so that a repeat does nothing twice.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, UserId};

/// A row of `idempotency_keys`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// Whose key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// For which operation, as `createTask`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub operation: String,
    /// What the client chose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// SHA-256 of the input the key was first used with.
    pub input_hash: Vec<u8>,
    /// The object the first use made or changed.
    pub result_id: Uuid,
    /// All of them, as a list of UUIDs, where the operation makes or changes several.
    pub result_ids: Option<Json>,
    /// When it was first used; after 24 hours it is forgotten.
    pub created_at: Timestamp,
}

/// The foreign key is the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
