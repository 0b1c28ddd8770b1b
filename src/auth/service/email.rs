//! Confirming an address, and changing it.

use entity::one_time_token::Purpose;
use entity::user::{self, Status};
use entity::{UserId, Viewer};

use super::{may_be_mailed, own_account, require_mail};
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::auth::AuthError;
use crate::auth::events::{EmailChanged, EmailVerified, TokenIssued, tell};
use crate::auth::one_time::{self, NewToken};
use crate::auth::passwords::Fit;
use crate::auth::store;
use crate::db::{DbError, Tx};
use crate::events;
use crate::graphql::{UserError, UserErrorCode};
use crate::notifications;

/// What was sent to an address that the account does not have any more.
const CANCELLED: [Purpose; 5] = [
    Purpose::VerifyEmail,
    Purpose::ChangeEmail,
    Purpose::ResetPassword,
    Purpose::Unlock,
    Purpose::LoginCode,
];

/// Sends the mail that asks to confirm an address, in the transaction that made the account. Nothing
/// to do when there is no address, or when it is known to be theirs.
pub async fn ask_to_verify(app: &App, tx: &Tx, user: &user::Model) -> Result<(), DbError> {
    if !app.settings.auth.verify_email {
        return Ok(());
    }
    send_verification(app, tx, user).await
}

/// To an address that is confirmed, too, when it takes no mail: whoever confirms it anew gets mail again.
async fn send_verification(app: &App, tx: &Tx, user: &user::Model) -> Result<(), DbError> {
    let Some(address) = user.email.clone() else {
        return Ok(());
    };
    if user.email_verified_at.is_some()
        && !notifications::is_suppressed(tx.conn(), &address).await?
    {
        return Ok(());
    }
    let (id, purpose) = (Some(user.id), Purpose::VerifyEmail);
    issue(app, tx, (id, purpose, Some(address)), Some(user.id)).await
}

/// Makes a token and the mail with it.
pub async fn issue(
    app: &App,
    tx: &Tx,
    (user_id, purpose, address): (Option<UserId>, Purpose, Option<String>),
    actor: Option<UserId>,
) -> Result<(), DbError> {
    let new = NewToken {
        user_id,
        purpose,
        address,
        network: None,
    };
    let token = one_time::issue(app.tokens.mail_keys(), tx, new).await?;
    let issued = TokenIssued {
        token_id: token.id,
        user_id,
        recipients: user_id.into_iter().collect(),
    };
    tell(app, tx, &issued, actor).await?;
    Ok(())
}

/// Sends the mail once more.
pub async fn resend_verification(app: &App, viewer: &Viewer) -> Result<(), AuthError> {
    require_mail(app)?;
    let user = &own_account(app, viewer).await?;
    app.db
        .write(|tx| async move { Ok(send_verification(app, &tx, user).await?) })
        .await
}

/// Takes the token that shows that an address is its owner's.
pub async fn verify_email(app: &App, token: &str) -> Result<(), AuthError> {
    app.db
        .write(|tx| async move {
            let invalid = || AuthError::invalid_token("token");
            let row = one_time::redeem(&tx, token, Purpose::VerifyEmail, None).await?;
            let row = row.ok_or_else(invalid)?;
            let user = row.user_id.ok_or_else(invalid)?;
            // The account may have another address by now.
            if !accounts::confirm_email(&tx, user, row.address.as_deref()).await? {
                return Err(invalid());
            }
            if let Some(address) = &row.address {
                notifications::allow(&tx, address).await?;
            }
            events::append(&tx, &EmailVerified { user_id: user }, Some(user)).await?;
            Ok(())
        })
        .await
}

/// Sends a token to the address that an account is to have. When somebody has that address already,
/// nothing is sent, and nobody is told: who has an account here is nobody's business.
pub async fn request_email_change(
    app: &App,
    viewer: &Viewer,
    address: &str,
    password: String,
) -> Result<(), AuthError> {
    require_mail(app)?;
    let user = own_account(app, viewer).await?;
    let address = address.trim();
    let normal = accounts::normal_email(address);
    let mut problems = Vec::new();
    let mut add = |code, message, field| {
        problems.push(UserError::new(code, message, &["input", field]));
    };
    if normal.is_none() {
        let message = "This is not an e-mail address.";
        add(UserErrorCode::Invalid, message, "newEmail");
    } else if normal == user.email_norm {
        let message = "This is the address of your account already.";
        add(UserErrorCode::Invalid, message, "newEmail");
    }
    let stored = user.password_hash.clone();
    if app.passwords.check(password, stored).await? == Fit::Wrong {
        let message = "This is not your password.";
        add(UserErrorCode::WrongCredentials, message, "password");
    }
    if !problems.is_empty() {
        return Err(AuthError::Refused(problems));
    }
    let free = accounts::find_by_login_name(app, address).await?.is_none();
    let user = &user;
    app.db
        .write(|tx| async move {
            // The password may have been changed while it was looked at, and that ends all links.
            if !accounts::is_unchanged(&tx, user).await? {
                let message = "This is not your password any more.";
                let code = UserErrorCode::WrongCredentials;
                return Err(AuthError::refused(code, message, "password"));
            }
            // A new link ends the one before, whether it is sent or not: else that would tell.
            store::tokens::end(&tx, Some(viewer.user_id), &[Purpose::ChangeEmail]).await?;
            let owner = free.then_some(viewer.user_id);
            let address = free.then(|| address.to_owned());
            let token = (owner, Purpose::ChangeEmail, address);
            Ok(issue(app, &tx, token, Some(viewer.user_id)).await?)
        })
        .await
}

/// Takes the token that shows that the new address is its owner's, and tells the old one.
pub async fn confirm_email_change(app: &App, token: &str) -> Result<(), AuthError> {
    app.db
        .write(|tx| async move {
            let invalid = || AuthError::invalid_token("token");
            let row = one_time::redeem(&tx, token, Purpose::ChangeEmail, None).await?;
            let row = row.ok_or_else(invalid)?;
            let (Some(id), Some(address)) = (row.user_id, row.address) else {
                return Err(invalid());
            };
            let user = accounts::find(tx.conn(), id).await?;
            let user = user
                .filter(|user| user.status == Status::Active)
                .ok_or_else(invalid)?;
            store::tokens::end(&tx, Some(id), &CANCELLED).await?;
            store::tokens::note_previous_address(&tx, row.id, user.email.as_deref()).await?;
            accounts::set_email(&tx, id, &address)
                .await
                .map_err(|error| match error {
                    AccountError::Refused(_) => AuthError::refused(
                        UserErrorCode::Taken,
                        "Somebody else has an account with this address by now.",
                        "token",
                    ),
                    error => error.into(),
                })?;
            notifications::allow(&tx, &address).await?;
            let told = user.email.is_some() && may_be_mailed(app, &user);
            let changed = EmailChanged {
                user_id: id,
                token_id: row.id,
                recipients: told.then_some(id).into_iter().collect(),
            };
            tell(app, &tx, &changed, Some(id)).await?;
            Ok(())
        })
        .await
}
