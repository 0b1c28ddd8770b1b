//! The addresses that take no mail. A mail server said so; what is sent there all the same harms the
//! name of whoever sends it. Whoever shows that the address is theirs and takes mail is taken off the
//! list, and administrators take off whom they will.

use entity::Timestamp;
use entity::suppression::Model;
use entity::user::Status;
use entity::user_role::Role;
use sea_orm::ConnectionTrait;

use super::store;
use crate::accounts::{self, AccountError, Actor};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::graphql::Page;

/// Whether an address is on the list.
///
/// # Errors
/// The database's failure.
pub async fn is_suppressed(db: &impl ConnectionTrait, address: &str) -> Result<bool, DbError> {
    store::is_suppressed(db, &accounts::folded(address)).await
}

/// Puts an address on the list.
pub(super) async fn add(tx: &Tx, address: &str, reason: &str) -> Result<(), DbError> {
    store::suppress(tx, accounts::folded(address), reason).await
}

/// Takes an address off the list that a mail just arrived at.
///
/// # Errors
/// The database's failure.
pub async fn allow(tx: &Tx, address: &str) -> Result<(), DbError> {
    store::unsuppress(tx, &accounts::folded(address)).await?;
    Ok(())
}

/// A page of the list, by address. For administrators.
///
/// # Errors
/// `Forbidden`, and the database's failure.
pub async fn list(
    app: &App,
    actor: Actor<'_>,
    page: &Page<String>,
) -> Result<Vec<Model>, AccountError> {
    says_admin(actor)?;
    Ok(app
        .db
        .read(|db| async move { store::list_suppressions(&db, page).await })
        .await?)
}

/// Takes an address off the list, and answers what stood there. For administrators.
///
/// # Errors
/// `Forbidden`, and the database's failure.
pub async fn remove(
    app: &App,
    actor: Actor<'_>,
    address: &str,
) -> Result<Option<Model>, AccountError> {
    says_admin(actor)?;
    // PostgreSQL takes no NUL.
    if address.contains('\0') {
        return Ok(None);
    }
    let address = &accounts::folded(address);
    app.db
        .write(|tx| async move {
            // The access token may be older than the loss of the role.
            if let Some(id) = actor.id() {
                let user = accounts::find(tx.conn(), id).await?;
                let user = user.ok_or(AccountError::UnknownViewer)?;
                let is_admin = accounts::roles(tx.conn(), id).await?.contains(&Role::Admin);
                if user.status != Status::Active || !is_admin {
                    return Err(AccountError::Forbidden);
                }
            }
            Ok(store::unsuppress(&tx, address).await?)
        })
        .await
}

/// Takes all addresses off the list that were put there since then, and answers how many.
///
/// # Errors
/// `Forbidden`, and the database's failure.
pub async fn remove_since(
    app: &App,
    actor: Actor<'_>,
    since: Timestamp,
) -> Result<u64, AccountError> {
    says_admin(actor)?;
    Ok(app
        .db
        .write(|tx| async move { store::unsuppress_since(&tx, since).await })
        .await?)
}

fn says_admin(actor: Actor<'_>) -> Result<(), AccountError> {
    match actor {
        Actor::Viewer(viewer) if !viewer.is_admin() => Err(AccountError::Forbidden),
        _ => Ok(()),
    }
}
