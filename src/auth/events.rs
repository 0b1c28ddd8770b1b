//! What happens to sign-ins. Those with recipients are told to people by `notifications`, whose
//! `recipients` are who gets a mail; the others are for the log and whoever follows it.

use entity::{EventId, OneTimeTokenId, SessionId, UserId};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::db::{DbError, Tx};
use crate::events::{self, Event};
use crate::notifications;

/// Writes an event and the job that tells its recipients, in the transaction of the change.
///
/// # Errors
/// The database's failure.
pub async fn tell<E: Event>(
    app: &App,
    tx: &Tx,
    event: &E,
    actor: Option<UserId>,
) -> Result<EventId, DbError> {
    let id = events::append(tx, event, actor).await?;
    notifications::enqueue_dispatch(app, tx, [id]);
    Ok(id)
}

/// A token is to be sent by mail. What it is for stands in its row.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenIssued {
    /// Which token.
    pub token_id: OneTimeTokenId,
    /// Whose account it is about; nobody's when there is no such account.
    pub user_id: Option<UserId>,
    /// Who gets the mail: the same, or nobody.
    pub recipients: Vec<UserId>,
}

impl Event for TokenIssued {
    const TOPIC: &'static str = "security.token_issued";
    const SCHEMA_VERSION: i32 = 1;
}

/// Somebody showed that the address of their account is theirs.
#[derive(Debug, Serialize)]
pub struct EmailVerified {
    /// Who.
    pub user_id: UserId,
}

impl Event for EmailVerified {
    const TOPIC: &'static str = "security.email_verified";
    const SCHEMA_VERSION: i32 = 1;
}

/// An account has another address. The old one is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct EmailChanged {
    /// Whose.
    pub user_id: UserId,
    /// The token that confirmed it; its row has both addresses.
    pub token_id: OneTimeTokenId,
    /// Who gets the mail.
    pub recipients: Vec<UserId>,
}

impl Event for EmailChanged {
    const TOPIC: &'static str = "security.email_changed";
    const SCHEMA_VERSION: i32 = 1;
}

/// An account has another password.
#[derive(Debug, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// Whose.
    pub user_id: UserId,
    /// Whether it was set with a mailed token instead of the old password.
    pub reset: bool,
    /// Who gets the mail.
    pub recipients: Vec<UserId>,
}

impl Event for PasswordChanged {
    const TOPIC: &'static str = "security.password_changed";
    const SCHEMA_VERSION: i32 = 1;
}

/// A refresh token was used that had been replaced before: somebody has a copy, and the session was
/// ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionReused {
    /// Whose.
    pub user_id: UserId,
    /// Which session.
    pub session_id: SessionId,
    /// Who gets the mail.
    pub recipients: Vec<UserId>,
}

impl Event for SessionReused {
    const TOPIC: &'static str = "security.session_reused";
    const SCHEMA_VERSION: i32 = 1;
}

/// Sessions were ended by their owner from another one.
#[derive(Debug, Serialize)]
pub struct SessionsRevoked {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_ids: Vec<SessionId>,
}

impl Event for SessionsRevoked {
    const TOPIC: &'static str = "security.sessions_revoked";
    const SCHEMA_VERSION: i32 = 1;
}

/// Too many wrong passwords from one network.
#[derive(Debug, Serialize)]
pub struct AccountLocked {
    /// Whose account; nobody's when there is none of this name.
    pub user_id: Option<UserId>,
    /// For which network.
    pub network: String,
}

impl Event for AccountLocked {
    const TOPIC: &'static str = "security.account_locked";
    const SCHEMA_VERSION: i32 = 1;
}

/// A lockout was lifted before its time.
#[derive(Debug, Serialize)]
pub struct AccountUnlocked {
    /// Whose account.
    pub user_id: UserId,
    /// For which network; for all when there is none.
    pub network: Option<String>,
}

impl Event for AccountUnlocked {
    const TOPIC: &'static str = "security.account_unlocked";
    const SCHEMA_VERSION: i32 = 1;
}

/// An account was disabled: its sessions are over.
#[derive(Debug, Serialize)]
pub struct UserDisabled {
    /// Whose.
    pub user_id: UserId,
}

impl Event for UserDisabled {
    const TOPIC: &'static str = "security.user_disabled";
    const SCHEMA_VERSION: i32 = 1;
}

/// An account may be used again.
#[derive(Debug, Serialize)]
pub struct UserEnabled {
    /// Whose.
    pub user_id: UserId,
}

impl Event for UserEnabled {
    const TOPIC: &'static str = "security.user_enabled";
    const SCHEMA_VERSION: i32 = 1;
}

/// An account has other roles.
#[derive(Debug, Serialize)]
pub struct RolesChanged {
    /// Whose.
    pub user_id: UserId,
    /// All roles it has now.
    pub roles: Vec<entity::user_role::Role>,
}

impl Event for RolesChanged {
    const TOPIC: &'static str = "security.roles_changed";
    const SCHEMA_VERSION: i32 = 1;
}
