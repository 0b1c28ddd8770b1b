//! What can be done to sign in, to stay signed in, and to sign out: one file a subject.

mod email;
mod import;
mod invitations;
mod lockout;
mod login;
mod passwords;
mod registration;
mod sessions;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use entity::user::Status;
use entity::user_role::Role;
use entity::{SessionId, Timestamp, Viewer, session, user};

pub use self::email::{
    ask_to_verify, confirm_email_change, issue as issue_token, request_email_change,
    resend_verification, verify_email,
};
pub use self::import::{Imported, ImportedUser, check_import, import_users};
pub use self::invitations::invite;
pub use self::lockout::unlock;
pub use self::login::{Credentials, login};
pub use self::passwords::{
    change_password, request_password_reset, reset_password, set_password, strength,
};
pub use self::registration::{SignUp, hash_new_password, register};
pub use self::sessions::{logout, refresh, revoke, revoke_others, token_of};
use super::{AuthError, store};
use crate::accounts;
use crate::app::App;
use crate::crypto;
use crate::db::{Tx, new_id};
use crate::graphql::Client;

/// What someone gets who signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub access_token: String,
    pub access_token_expires_at: Timestamp,
    pub refresh_token: String,
    pub refresh_token_expires_at: Timestamp,
    pub user: user::Model,
}

/// The device that signs in.
#[derive(Clone, Debug)]
pub struct Device {
    /// What its owner calls it.
    pub name: Option<String>,
    /// The program on it.
    pub client: Client,
}

/// The longest name of a device, in characters.
const DEVICE_NAME: usize = 100;

impl Device {
    /// Takes a name as it was given, or as much of it as is shown.
    pub fn new(name: Option<&str>, client: &Client) -> Self {
        let name = name.map(|name| {
            let signs = name.trim().chars().filter(|c| !c.is_control());
            signs.take(DEVICE_NAME).collect::<String>()
        });
        Self {
            name: name.filter(|name| !name.is_empty()),
            client: client.clone(),
        }
    }
}

/// A refresh token on its way out; only hashes are stored.
///
/// Its first 128 bits are those of all refresh tokens of the session, the other 256 its own. So a
/// token that was replaced long ago still tells of which session it is, and nobody can make one up
/// who never had one.
struct Fresh {
    token: String,
    hash: [u8; 32],
    family_hash: [u8; 32],
    expires_at: Timestamp,
}

/// The part that all refresh tokens of a session have in common.
type Family = [u8; 16];

impl Fresh {
    fn new(app: &App, family: Family) -> Self {
        let mut bytes = family.to_vec();
        bytes.extend(crypto::random_bytes::<32>());
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let lifetime =
            i64::try_from(app.settings.auth.refresh_token_seconds).unwrap_or(i64::MAX / 1_000);
        Self {
            hash: crypto::sha256(&token),
            family_hash: crypto::sha256(family),
            token,
            expires_at: app.db.clock().now() + TimeDelta::seconds(lifetime),
        }
    }

    /// The family of a refresh token, if it is one.
    fn family(token: &str) -> Option<Family> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (family, secret) = bytes.split_first_chunk()?;
        (secret.len() == 32).then_some(*family)
    }
}

/// The account of somebody who is signed in.
async fn own_account(app: &App, viewer: &Viewer) -> Result<user::Model, AuthError> {
    let user = app
        .db
        .read(|db| async move { accounts::find(&db, viewer.user_id).await })
        .await?;
    user.filter(|user| user.status == Status::Active)
        .ok_or(AuthError::SessionOver)
}

/// Refuses what leads nowhere without a mail.
fn require_mail(app: &App) -> Result<(), AuthError> {
    if app.settings.sends_mail() {
        return Ok(());
    }
    Err(AuthError::NoMail)
}

/// Whether the address of an account gets more than the mail that asks to confirm it.
fn may_be_mailed(app: &App, user: &user::Model) -> bool {
    let known = user.email_verified_at.is_some() || app.settings.mails_unverified();
    user.email.is_some() && known && app.settings.sends_mail()
}

/// Opens a session in the transaction of whatever let somebody in.
async fn open_session(
    app: &App,
    tx: &Tx,
    user: user::Model,
    roles: Vec<Role>,
    device: &Device,
) -> Result<SignedIn, AuthError> {
    let fresh = Fresh::new(app, crypto::random_bytes());
    let now = tx.clock().now();
    let id = SessionId(new_id(tx.clock()));
    let session = session::Model {
        id,
        user_id: user.id,
        family_hash: fresh.family_hash.to_vec(),
        refresh_hash: fresh.hash.to_vec(),
        previous_hash: None,
        successor: None,
        rotated_at: None,
        generation: 1,
        device_name: device.name.clone(),
        user_agent: device.client.user_agent.as_deref().map(str::to_owned),
        address: device.client.address.to_string(),
        created_at: now,
        last_used_at: now,
        expires_at: fresh.expires_at,
        revoked_at: None,
        revoke_reason: None,
    };
    store::insert(tx, session);
    signed_in(app, user, id, roles, &fresh.token, fresh.expires_at)
}

/// Makes the tokens of a session.
fn signed_in(
    app: &App,
    user: user::Model,
    session: SessionId,
    roles: Vec<Role>,
    refresh_token: &str,
    refresh_token_expires_at: Timestamp,
) -> Result<SignedIn, AuthError> {
    let (access_token, access_token_expires_at) = app
        .tokens
        .issue(user.id, session, roles, user.token_epoch)
        .map_err(|error| AuthError::Internal(format!("signing a token: {error}")))?;
    Ok(SignedIn {
        access_token,
        access_token_expires_at,
        refresh_token: refresh_token.to_owned(),
        refresh_token_expires_at,
        user,
    })
}
