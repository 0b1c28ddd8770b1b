//! What an account is entered with: its address and its password.

use entity::UserId;
use entity::user::{Model, Status};

use super::{normal_email, taken};
use crate::accounts::{AccountError, store};
use crate::db::{DbError, Tx};

/// Whether an account is still active and has the password it had when it was read; and nobody changes
/// that before the end of the transaction.
///
/// # Errors
/// The database's failure.
pub async fn is_unchanged(tx: &Tx, user: &Model) -> Result<bool, DbError> {
    let now = store::lock(tx, user.id).await?;
    Ok(now
        .is_some_and(|now| now.status == Status::Active && now.password_hash == user.password_hash))
}

/// Gives an account another address, which is known to be its owner's.
///
/// # Errors
/// [`AccountError::Refused`] when it is somebody's already.
pub async fn set_email(tx: &Tx, user: UserId, address: &str) -> Result<(), AccountError> {
    // The database decides who was first; asking it before would leave a gap.
    store::credentials::set_email(tx, user, address, normal_email(address))
        .await
        .map_err(taken)
}
