//! Inviting people, and registering by invitation.

use entity::one_time_token::Purpose;
use entity::user::Status;
use entity::user_role::Role;
use entity::{Timestamp, UserId};

use super::{email, require_mail};
use crate::accounts::{self, NewUser};
use crate::app::App;
use crate::auth::AuthError;
use crate::auth::one_time;
use crate::db::Tx;
use crate::graphql::UserErrorCode;
use crate::notifications;
use crate::settings::Registration;

/// Sends an invitation to an address, in the name of an administrator. Answers when it ends.
///
/// # Errors
/// [`AuthError::NotAdmin`], and [`AuthError::Refused`] for an address that is none, or that somebody
/// has.
pub async fn invite(app: &App, by: UserId, address: &str) -> Result<Timestamp, AuthError> {
    require_mail(app)?;
    if app.settings.auth.registration == Registration::Closed {
        return Err(AuthError::RegistrationClosed);
    }
    let address = address.trim();
    app.db
        .write(|tx| async move {
            // The access token may be older than the loss of the role.
            let inviter = accounts::find(tx.conn(), by).await?;
            let active = inviter.is_some_and(|user| user.status == Status::Active);
            if !active || !accounts::roles(tx.conn(), by).await?.contains(&Role::Admin) {
                return Err(AuthError::NotAdmin);
            }
            if accounts::normal_email(address).is_none() {
                let message = "This is not an e-mail address.";
                return Err(AuthError::refused(UserErrorCode::Invalid, message, "email"));
            }
            let names = vec![accounts::folded(address)];
            if !accounts::taken_names(tx.conn(), names).await?.is_empty() {
                let message = "There is an account with this e-mail address already.";
                return Err(AuthError::refused(UserErrorCode::Taken, message, "email"));
            }
            let token = (Some(by), Purpose::Invitation, Some(address.to_owned()));
            email::issue(app, &tx, token, Some(by)).await?;
            Ok(tx.clock().now() + one_time::lifetime(Purpose::Invitation))
        })
        .await
}

/// Whether somebody may register. By a good invitation the account has the invited address, and it
/// is known to be theirs, because the invitation arrived there.
pub async fn admit(
    app: &App,
    mut new: NewUser,
    invitation: Option<&str>,
) -> Result<NewUser, AuthError> {
    let registration = app.settings.auth.registration;
    let text = match (registration, invitation) {
        (Registration::Closed, _) => return Err(AuthError::RegistrationClosed),
        (Registration::Invite, None) => return Err(AuthError::InvitationNeeded),
        (Registration::Open, None) => return Ok(new),
        (_, Some(text)) => text,
    };
    let now = app.db.clock().now();
    let row = app
        .db
        .read(|db| async move { one_time::peek(&db, text, Purpose::Invitation, now).await })
        .await?;
    let Some(invited) = row.and_then(|row| row.address) else {
        return Err(AuthError::invalid_token("invitation"));
    };
    if new.email.is_none() {
        new.email = Some(invited.clone());
    }
    if new.email.as_deref().and_then(accounts::normal_email) != accounts::normal_email(&invited) {
        let message = "The invitation was sent to another address.";
        return Err(AuthError::refused(UserErrorCode::Invalid, message, "email"));
    }
    new.email_verified = true;
    Ok(new)
}

/// Uses an invitation up, in the transaction of the account.
pub async fn use_up(tx: &Tx, invitation: Option<&str>) -> Result<(), AuthError> {
    let Some(text) = invitation else {
        return Ok(());
    };
    let row = one_time::redeem(tx, text, Purpose::Invitation, None).await?;
    let row = row.ok_or_else(|| AuthError::invalid_token("invitation"))?;
    // It arrived there.
    if let Some(address) = &row.address {
        notifications::allow(tx, address).await?;
    }
    Ok(())
}
