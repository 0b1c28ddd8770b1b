//! Registering.

use entity::user_role::Role;

use super::{Device, SignedIn, email, invitations, open_session, passwords};
use crate::accounts::{self, ArtistDetails, NewUser};
use crate::app::App;
use crate::auth::{AuthError, password_policy};
use crate::graphql::UserError;

/// The account somebody registers.
#[derive(Debug)]
pub struct SignUp {
    /// Who.
    pub user: NewUser,
    /// What makes them an artist, if they are one.
    pub artist: Option<ArtistDetails>,
    /// The token of an invitation.
    pub invitation: Option<String>,
    /// The password.
    pub password: String,
}

/// Makes an account and signs its owner in.
pub async fn register(app: &App, account: SignUp, device: &Device) -> Result<SignedIn, AuthError> {
    let SignUp {
        user,
        artist,
        invitation,
        password,
    } = account;
    let invitation = invitation.as_deref();
    let new = invitations::admit(app, user, invitation).await?;
    let (artist, of_artist) = artist.map(|artist| artist.checked(app)).unzip();
    let hash = hash_new_password(app, &new, password, of_artist.unwrap_or_default()).await?;
    let (new, artist, hash) = (&new, &artist, &hash);
    app.db
        .write(|tx| async move {
            invitations::use_up(&tx, invitation).await?;
            let user = accounts::create(app, &tx, new, Some(hash.clone())).await?;
            let mut roles = Vec::new();
            if let Some(artist) = artist {
                accounts::create_artist(app, &tx, user.id, artist, Some(user.id)).await?;
                roles.push(Role::Artist);
            }
            email::ask_to_verify(app, &tx, &user).await?;
            open_session(app, &tx, user, roles, device).await
        })
        .await
}

/// Checks everything that can be checked about a new account without the database, and hashes its
/// password. All problems are told at once, with those that were found before.
///
/// # Errors
/// [`AuthError::Refused`] with every problem.
pub async fn hash_new_password(
    app: &App,
    new: &NewUser,
    password: String,
    found: Vec<UserError>,
) -> Result<String, AuthError> {
    let mut problems = accounts::problems(new);
    problems.extend(found);
    let (username, email) = (new.username.as_deref(), new.email.as_deref());
    let context = password_policy::context(&new.name, username, email);
    let (password, weak) = passwords::weaknesses(app, password, context, "password").await?;
    problems.extend(weak);
    if !problems.is_empty() {
        return Err(AuthError::Refused(problems));
    }
    app.passwords.hash(password).await
}
