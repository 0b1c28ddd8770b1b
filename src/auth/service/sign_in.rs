//! Registering and logging in.

use super::{Device, SignedIn, open_session};
use crate::accounts::{self, NewUser};
use crate::app::App;
use crate::auth::{AuthError, password_policy};
use crate::graphql::{UserError, UserErrorCode};
use crate::settings::Registration;

/// Makes an account and signs its owner in.
pub async fn register(
    app: &App,
    new: NewUser,
    password: String,
    device: &Device,
) -> Result<SignedIn, AuthError> {
    if app.settings.auth.registration == Registration::Closed {
        return Err(AuthError::RegistrationClosed);
    }
    let hash = hash_new_password(app, &new, password).await?;
    let (new, hash) = (&new, &hash);
    app.db
        .write(|tx| async move {
            let user = accounts::create(&tx, new, Some(hash.clone()))
                .await
                .map_err(|error| match error {
                    accounts::AccountError::Refused(errors) => AuthError::Refused(errors),
                    accounts::AccountError::Db(error) => error.into(),
                })?;
            open_session(app, &tx, user, Vec::new(), device).await
        })
        .await
}

/// Checks everything that can be checked about a new account without the database, and hashes its
/// password. All problems are told at once.
///
/// # Errors
/// [`AuthError::Refused`] with every problem.
pub async fn hash_new_password(
    app: &App,
    new: &NewUser,
    password: String,
) -> Result<String, AuthError> {
    let mut problems = accounts::problems(new);
    let local_part = new
        .email
        .as_deref()
        .and_then(|email| email.split('@').next())
        .unwrap_or_default();
    let context = [
        "taskflow",
        &new.name,
        new.username.as_deref().unwrap_or_default(),
        local_part,
    ];
    let context = context.map(ToOwned::to_owned);
    let settings = app.settings.auth.password.clone();
    let (password, weak) = app
        .passwords
        .run(move || {
            let weak = password_policy::problems(&password, &context, &settings);
            (password, weak)
        })
        .await?;
    problems
        .extend(weak.into_iter().map(|message| {
            UserError::new(UserErrorCode::Invalid, message, &["input", "password"])
        }));
    if !problems.is_empty() {
        return Err(AuthError::Refused(problems));
    }
    app.passwords.hash(password).await
}
