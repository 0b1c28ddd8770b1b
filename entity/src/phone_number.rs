//! The phone number of a person, and one they are asked to confirm.

use sea_orm::entity::prelude::*;
use uuid::Uuid;

use crate::{Timestamp, UserId};

/// A row of `phone_numbers`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "phone_numbers")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The number that gets SMS, as E.164 has it. It was confirmed.
    pub number: Option<String>,
    /// When.
    pub verified_at: Option<Timestamp>,
    /// The number a code was sent to.
    pub pending_number: Option<String>,
    /// What the code is made of. A new one ends the one before.
    pub code_id: Option<Uuid>,
    /// How long the code is good.
    pub code_expires_at: Option<Timestamp>,
    /// How many wrong codes were given.
    pub code_tries: i32,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
