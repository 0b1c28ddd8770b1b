//! Registering and logging in.

use super::{Device, SignedIn, email, invitations, open_session, passwords};
use crate::accounts::{self, NewUser};
use crate::app::App;
use crate::auth::{AuthError, password_policy};

/// Makes an account and signs its owner in.
pub async fn register(
    app: &App,
    new: NewUser,
    invitation: Option<&str>,
    password: String,
    device: &Device,
) -> Result<SignedIn, AuthError> {
    let new = invitations::admit(app, new, invitation).await?;
    let hash = hash_new_password(app, &new, password).await?;
    let (new, hash) = (&new, &hash);
    app.db
        .write(|tx| async move {
            invitations::use_up(&tx, invitation).await?;
            let user = accounts::create(&tx, new, Some(hash.clone())).await?;
            email::ask_to_verify(app, &tx, &user).await?;
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
    let (username, email) = (new.username.as_deref(), new.email.as_deref());
    let context = password_policy::context(&new.name, username, email);
    let (password, weak) = passwords::weaknesses(app, password, context, "password").await?;
    problems.extend(weak);
    if !problems.is_empty() {
        return Err(AuthError::Refused(problems));
    }
    app.passwords.hash(password).await
}
