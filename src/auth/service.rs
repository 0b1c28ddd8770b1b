//! Signing in and out.

use chrono::TimeDelta;
use entity::user::{self, Status};
use entity::user_role::Role;
use entity::{SessionId, Timestamp, Viewer, session};

use super::{AuthError, password_policy, store};
use crate::accounts;
use crate::accounts::NewUser;
use crate::app::App;
use crate::crypto;
use crate::db::{Tx, new_id};
use crate::events::bus::Hint;
use crate::graphql::{UserError, UserErrorCode};
use crate::settings::Registration;

/// What someone gets who signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub access_token: String,
    pub access_token_expires_at: Timestamp,
    pub refresh_token: String,
    pub refresh_token_expires_at: Timestamp,
    pub user: user::Model,
}

/// Makes an account and signs its owner in.
pub async fn register(app: &App, new: NewUser, password: String) -> Result<SignedIn, AuthError> {
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
            open_session(app, &tx, user, Vec::new()).await
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

/// Signs someone in by e-mail address or user name. Unknown names and wrong passwords take the
/// same work and get the same answer.
pub async fn login(app: &App, identifier: &str, password: String) -> Result<SignedIn, AuthError> {
    let user = accounts::find_by_login_name(app, identifier).await?;
    let stored = user.as_ref().and_then(|user| user.password_hash.clone());
    let fits = app.passwords.verify(password, stored).await?;
    let Some(user) = user.filter(|_| fits) else {
        return Err(AuthError::Refused(vec![UserError::new(
            UserErrorCode::WrongCredentials,
            "The e-mail address or user name, or the password, is wrong.",
            &["input"],
        )]));
    };
    if user.status == Status::Disabled {
        return Err(AuthError::Disabled);
    }
    app.db
        .write(|tx| async move {
            let roles = accounts::roles(tx.conn(), user.id).await?;
            let user = accounts::note_login(&tx, user.id)
                .await?
                .ok_or(AuthError::Disabled)?;
            open_session(app, &tx, user, roles).await
        })
        .await
}

/// Gives a new pair of tokens for a refresh token, which is then used up.
pub async fn refresh(app: &App, refresh_token: &str) -> Result<SignedIn, AuthError> {
    let old_hash = crypto::sha256(refresh_token);
    let fresh = &Fresh::new(app);
    app.db
        .write(|tx| async move {
            let now = tx.clock().now();
            let session = store::rotate(&tx, &old_hash, &fresh.hash, now, fresh.expires_at)
                .await?
                .ok_or(AuthError::RefreshRefused)?;
            let user = accounts::find(tx.conn(), session.user_id)
                .await?
                .filter(|user| user.status == Status::Active)
                .ok_or(AuthError::RefreshRefused)?;
            let roles = accounts::roles(tx.conn(), user.id).await?;
            signed_in(app, user, session.id, roles, fresh)
        })
        .await
}

/// Ends the viewer's session, or all of the viewer's sessions. Answers how many were ended.
pub async fn logout(app: &App, viewer: &Viewer, all: bool) -> Result<u64, AuthError> {
    app.db
        .write(|tx| async move {
            let (user, session) = (viewer.user_id, (!all).then_some(viewer.session_id));
            let ended = store::revoke(&tx, user, session, tx.clock().now()).await?;
            let (revocations, bus) = (app.revocations.clone(), app.bus.clone());
            tx.after_commit(move || {
                revocations.end(user, session);
                bus.publish(Hint::SessionEnded { user, session });
            });
            Ok(ended)
        })
        .await
}

/// A refresh token on its way out; only its hash is stored.
struct Fresh {
    token: String,
    hash: [u8; 32],
    expires_at: Timestamp,
}

impl Fresh {
    fn new(app: &App) -> Self {
        let token = crypto::random_token();
        let hash = crypto::sha256(&token);
        let lifetime =
            i64::try_from(app.settings.auth.refresh_token_seconds).unwrap_or(i64::MAX / 1_000);
        Self {
            token,
            hash,
            expires_at: app.db.clock().now() + TimeDelta::seconds(lifetime),
        }
    }
}

async fn open_session(
    app: &App,
    tx: &Tx,
    user: user::Model,
    roles: Vec<Role>,
) -> Result<SignedIn, AuthError> {
    let fresh = Fresh::new(app);
    let now = tx.clock().now();
    let id = SessionId(new_id(tx.clock()));
    let session = session::Model {
        id,
        user_id: user.id,
        refresh_hash: fresh.hash.to_vec(),
        generation: 1,
        created_at: now,
        last_used_at: now,
        expires_at: fresh.expires_at,
        revoked_at: None,
    };
    store::insert(tx, session).await?;
    signed_in(app, user, id, roles, &fresh)
}

fn signed_in(
    app: &App,
    user: user::Model,
    session: SessionId,
    roles: Vec<Role>,
    fresh: &Fresh,
) -> Result<SignedIn, AuthError> {
    let (access_token, access_token_expires_at) = app
        .tokens
        .issue(user.id, session, roles, user.token_epoch)
        .map_err(|error| AuthError::Internal(format!("signing a token: {error}")))?;
    Ok(SignedIn {
        access_token,
        access_token_expires_at,
        refresh_token: fresh.token.clone(),
        refresh_token_expires_at: fresh.expires_at,
        user,
    })
}
