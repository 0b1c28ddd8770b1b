//! Changing a password, and setting one anew with a token out of a mail.

use entity::one_time_token::Purpose;
use entity::session::RevokeReason;
use entity::user::{self, Status};
use entity::{UserId, Viewer};

use super::{Fresh, SignedIn, email, own_account, require_mail, signed_in};
use crate::accounts;
use crate::app::App;
use crate::auth::AuthError;
use crate::auth::events::{PasswordChanged, tell};
use crate::auth::one_time;
use crate::auth::password_policy::{self, Strength};
use crate::auth::passwords::Fit;
use crate::auth::revocations::{end_sessions_of, raise_epoch};
use crate::auth::store;
use crate::crypto;
use crate::db::Tx;
use crate::graphql::{UserError, UserErrorCode};
use crate::notifications;

/// What is good no more once the password is another one. Whoever had the account before may have
/// asked for a change of its address.
const CANCELLED: [Purpose; 4] = [
    Purpose::ResetPassword,
    Purpose::ChangeEmail,
    Purpose::Unlock,
    Purpose::LoginCode,
];

/// Everything that is wrong with a new password, at its field.
pub async fn weaknesses(
    app: &App,
    password: String,
    context: Vec<String>,
    field: &str,
) -> Result<(String, Vec<UserError>), AuthError> {
    let settings = app.settings.auth.password.clone();
    let (password, weak) = app
        .passwords
        .judge(move || {
            let weak = password_policy::problems(&password, &context, &settings);
            (password, weak)
        })
        .await?;
    let at_field = |message| UserError::new(UserErrorCode::Invalid, message, &["input", field]);
    Ok((password, weak.into_iter().map(at_field).collect()))
}

/// Hashes the new password of somebody, if it is good enough.
async fn hash_for(app: &App, user: &user::Model, password: String) -> Result<String, AuthError> {
    let context =
        password_policy::context(&user.name, user.username.as_deref(), user.email.as_deref());
    let (password, weak) = weaknesses(app, password, context, "newPassword").await?;
    if !weak.is_empty() {
        return Err(AuthError::Refused(weak));
    }
    app.passwords.hash(password).await
}

/// Judges a password while it is typed. `names` are the words of its owner.
pub async fn strength(
    app: &App,
    password: String,
    names: Vec<String>,
) -> Result<Strength, AuthError> {
    let settings = app.settings.auth.password.clone();
    app.passwords
        .judge(move || password_policy::strength(&password, &names, &settings))
        .await
}

/// Sets another password and ends all sessions but this one, which gets new tokens.
pub async fn change_password(
    app: &App,
    viewer: &Viewer,
    current: String,
    new: String,
) -> Result<SignedIn, AuthError> {
    let user = own_account(app, viewer).await?;
    let wrong = || {
        let message = "This is not your password.";
        AuthError::refused(UserErrorCode::WrongCredentials, message, "currentPassword")
    };
    let old = user.password_hash.clone();
    let is_same = current == new;
    if app.passwords.check(current, old.clone()).await? == Fit::Wrong {
        return Err(wrong());
    }
    if is_same {
        let message = "This is your password already. Choose another.";
        return Err(AuthError::refused(
            UserErrorCode::Invalid,
            message,
            "newPassword",
        ));
    }
    let hash = &hash_for(app, &user, new).await?;
    let old = old.as_deref();
    let fresh = &Fresh::new(app, crypto::random_bytes());
    app.db
        .write(|tx| async move {
            let session = viewer.session_id;
            let mut user = accounts::set_password(&tx, viewer.user_id, old, hash)
                .await?
                .ok_or_else(wrong)?;
            // After the row of the user is locked: what is issued at this moment waits, and then finds
            // another password.
            store::tokens::end(&tx, Some(viewer.user_id), &CANCELLED).await?;
            user.token_epoch = raise_epoch(app, &tx, user.id).await?;
            let (family, refresh) = (&fresh.family_hash, &fresh.hash);
            if !store::replace_family(&tx, session, family, refresh, fresh.expires_at).await? {
                return Err(AuthError::SessionOver);
            }
            end_sessions_of(app, &tx, user.id, &[session], RevokeReason::Password).await?;
            tell_of_change(app, &tx, user.id, false).await?;
            let roles = accounts::roles(tx.conn(), user.id).await?;
            signed_in(app, user, session, roles, &fresh.token, fresh.expires_at)
        })
        .await
}

async fn tell_of_change(app: &App, tx: &Tx, user: UserId, reset: bool) -> Result<(), AuthError> {
    let changed = PasswordChanged {
        user_id: user,
        reset,
        recipients: vec![user],
    };
    tell(app, tx, &changed, Some(user)).await?;
    Ok(())
}

/// Sets somebody's password for them and ends all their sessions: for the operator, when no mail can.
///
/// # Errors
/// [`AuthError::Refused`] when it is too weak, or the account is disabled.
pub async fn set_password(app: &App, user: &user::Model, new: String) -> Result<(), AuthError> {
    let hash = &hash_for(app, user, new).await?;
    let id = user.id;
    app.db
        .write(|tx| async move {
            accounts::set_password(&tx, id, None, hash)
                .await?
                .ok_or(AuthError::Disabled)?;
            store::tokens::end(&tx, Some(id), &CANCELLED).await?;
            raise_epoch(app, &tx, id).await?;
            end_sessions_of(app, &tx, id, &[], RevokeReason::Password).await?;
            tell_of_change(app, &tx, id, true).await
        })
        .await
}

/// Sends somebody a token to set a new password with. Whether there is such an account, and whether
/// it can be sent mail, is not to be seen: not in the answer, and not in the work. The same rows are
/// written for nobody, and only the mail is missing, which a job writes later.
pub async fn request_password_reset(app: &App, identifier: &str) -> Result<(), AuthError> {
    require_mail(app)?;
    let user = accounts::find_by_login_name(app, identifier).await?;
    // Confirmed address or not: who can read the mail shows that it is theirs, and gets an account back
    // that somebody else made with it.
    let user = user.filter(|user| user.status == Status::Active && user.email.is_some());
    let user = user.as_ref();
    app.db
        .write(|tx| async move {
            let address = user.and_then(|user| user.email.clone());
            let token = (user.map(|user| user.id), Purpose::ResetPassword, address);
            Ok(email::issue(app, &tx, token, None).await?)
        })
        .await
}

/// Sets a new password with a token out of a mail, and ends all sessions. A password that is refused
/// does not use the token up.
pub async fn reset_password(app: &App, token: &str, new: String) -> Result<(), AuthError> {
    let now = app.db.clock().now();
    let user = app
        .db
        .read(|db| async move {
            let row = one_time::peek(&db, token, Purpose::ResetPassword, now).await?;
            match row.and_then(|row| row.user_id) {
                Some(user) => accounts::find(&db, user).await,
                None => Ok(None),
            }
        })
        .await?;
    let invalid = || AuthError::invalid_token("token");
    let user = user.ok_or_else(invalid)?;
    let hash = &hash_for(app, &user, new).await?;
    app.db
        .write(|tx| async move {
            let row = one_time::redeem(&tx, token, Purpose::ResetPassword, None).await?;
            let row = row.ok_or_else(invalid)?;
            let user = row.user_id.ok_or_else(invalid)?;
            // The mail arrived there. When the account has another address by now, the token was
            // sent to somebody who may have nothing to do with it any more.
            if !accounts::confirm_email(&tx, user, row.address.as_deref()).await? {
                return Err(invalid());
            }
            if let Some(address) = &row.address {
                notifications::allow(&tx, address).await?;
            }
            accounts::set_password(&tx, user, None, hash)
                .await?
                .ok_or_else(invalid)?;
            store::tokens::end(&tx, Some(user), &CANCELLED).await?;
            raise_epoch(app, &tx, user).await?;
            end_sessions_of(app, &tx, user, &[], RevokeReason::Password).await?;
            tell_of_change(app, &tx, user, true).await
        })
        .await
}
