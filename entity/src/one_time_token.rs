//! Tokens that are sent by mail and are good once. Only a hash is stored: the text is made again
//! from the id and a secret of the server when the mail is written.

use sea_orm::entity::prelude::*;

use crate::{OneTimeTokenId, Timestamp, UserId};

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Purpose {
    /// To confirm the address of the account.
    #[sea_orm(string_value = "verify_email")]
    VerifyEmail,
    /// To set a new password.
    #[sea_orm(string_value = "reset_password")]
    ResetPassword,
    /// To confirm a new address of the account.
    #[sea_orm(string_value = "change_email")]
    ChangeEmail,
    /// To lift a lockout.
    #[sea_orm(string_value = "unlock")]
    Unlock,
    /// To log in while an account is under attack.
    #[sea_orm(string_value = "login_code")]
    LoginCode,
    /// To register by invitation.
    #[sea_orm(string_value = "invitation")]
    Invitation,
}

/// A row of `one_time_tokens`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "one_time_tokens")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OneTimeTokenId,
    /// SHA-256 of the token; unique.
    pub hash: Vec<u8>,
    /// Whose account it is about; of an invitation, who invited. None when somebody asked for an
    /// account that does not exist: then the row only takes the same time to write.
    pub user_id: Option<UserId>,
    /// What it is good for.
    pub purpose: Purpose,
    /// Where it is sent, if not to the address of the account.
    pub address: Option<String>,
    /// The address that a new one replaced.
    pub previous_address: Option<String>,
    /// Which network a lockout keeps out.
    pub network: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used, or replaced by a later one.
    pub used_at: Option<Timestamp>,
}

/// The foreign key is the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
