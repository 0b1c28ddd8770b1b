//! The addresses that take no mail. A mail server said so; what is sent there all the same harms the
//! name of whoever sends it. Whoever shows that the address is theirs and takes mail is taken off the
//! list, and administrators take off whom they will.

use std::collections::HashSet;

use entity::Timestamp;
use entity::delivery::Channel;
use entity::suppression::Model;
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
    store::is_suppressed(db, Channel::Email, &accounts::folded(address)).await
}

/// Which of these addresses take no mail, in the form that [`accounts::folded`] gives them.
pub(super) async fn suppressed_among(
    db: &impl ConnectionTrait,
    addresses: impl Iterator<Item = &str>,
) -> Result<HashSet<String>, DbError> {
    let addresses: HashSet<_> = addresses.map(accounts::folded).collect();
    if addresses.is_empty() {
        return Ok(addresses);
    }
    let addresses = addresses.into_iter().collect();
    let found = store::suppressed_among(db, Channel::Email, addresses).await?;
    Ok(found.into_iter().collect())
}

/// Whether a phone number takes no SMS: its owner told the network so, or there is no such number.
pub(super) async fn is_number_suppressed(
    db: &impl ConnectionTrait,
    number: &str,
) -> Result<bool, DbError> {
    store::is_suppressed(db, Channel::Sms, number).await
}

/// Puts an address on the list.
pub(super) async fn add(
    tx: &Tx,
    channel: Channel,
    address: &str,
    reason: &str,
) -> Result<(), DbError> {
    let address = match channel {
        Channel::Email => accounts::folded(address),
        _ => address.to_owned(),
    };
    store::suppress(tx, channel, address, reason).await
}

/// Takes a phone number off the list that a code just arrived at.
pub(super) async fn allow_number(tx: &Tx, number: &str) -> Result<(), DbError> {
    store::unsuppress(tx, Channel::Sms, number).await?;
    Ok(())
}

/// Takes an address off the list that a mail just arrived at.
///
/// # Errors
/// The database's failure.
pub async fn allow(tx: &Tx, address: &str) -> Result<(), DbError> {
    store::unsuppress(tx, Channel::Email, &accounts::folded(address)).await?;
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
    accounts::says_admin(actor)?;
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
    accounts::says_admin(actor)?;
    // PostgreSQL takes no NUL.
    if address.contains('\0') {
        return Ok(None);
    }
    let address = &accounts::folded(address);
    app.db
        .write(|tx| async move {
            accounts::enter(&tx, actor, None).await?;
            Ok(store::unsuppress(&tx, Channel::Email, address).await?)
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
    accounts::says_admin(actor)?;
    app.db
        .write(|tx| async move {
            accounts::enter(&tx, actor, None).await?;
            Ok(store::unsuppress_since(&tx, since).await?)
        })
        .await
}
