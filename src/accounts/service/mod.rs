//! What can be done with accounts: making one, and a file for each other subject.

mod admin;
mod artists;
mod checks;
mod credentials;
mod profile;

use entity::UserId;
use entity::user::{Model, Status};
use entity::user_role::Role;

pub use self::admin::{
    NewAccount, create_user, disable_user, enable_user, enter, give_roles, set_user_roles,
    unlock_user,
};
pub use self::artists::{ArtistDetails, LinkText, create_artist, update_artist};
use self::checks::NAME_CHARS;
pub use self::credentials::{is_unchanged, set_email};
pub use self::profile::{ProfileChanges, update_profile, update_user};
use super::events::UserCreated;
use super::store::DirectoryFilter;
use super::{AccountError, Actor, policy, store};
use crate::app::App;
use crate::db::{DbError, Tx, new_id};
use crate::events;
use crate::graphql::{Page, UserError, UserErrorCode};
use crate::sink;
use crate::text::is_line;

/// The account somebody wants.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// The e-mail address.
    pub email: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The display name.
    pub name: String,
    /// Whether it is known already that the address is theirs.
    pub email_verified: bool,
}

impl NewUser {
    /// Takes blanks off the ends, and what is then empty as not given.
    pub fn tidy(email: Option<String>, username: Option<String>, name: &str) -> Self {
        let tidy = |text: Option<String>| {
            text.map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        Self {
            email: tidy(email),
            username: tidy(username),
            name: name.trim().to_owned(),
            email_verified: false,
        }
    }
}

/// Everything that is wrong with a new account, all at once.
pub fn problems(new: &NewUser) -> Vec<UserError> {
    let mut problems = Vec::new();
    let mut add = |message: &str, field: &str| {
        problems.push(UserError::new(
            UserErrorCode::Invalid,
            message,
            &["input", field],
        ));
    };
    if new.email.is_none() && new.username.is_none() {
        add("Give an e-mail address, a user name, or both.", "email");
    }
    if let Some(email) = &new.email
        && normal_email(email).is_none()
    {
        add("This is not an e-mail address.", "email");
    }
    if let Some(username) = &new.username
        && !is_username(username)
    {
        add(USERNAME_RULE, "username");
    }
    if !is_line(&new.name, NAME_CHARS) {
        add(NAME_RULE, "name");
    }
    problems
}

const USERNAME_RULE: &str = "A user name has 3 to 50 letters and digits.";
const NAME_RULE: &str = "A name has 1 to 100 characters, in one line.";

fn is_username(username: &str) -> bool {
    (3..=50).contains(&username.len()) && username.chars().all(|c| c.is_ascii_alphanumeric())
}

/// The one form of all ways to write an address: two accounts must not share a mailbox. The local
/// part is plain (RFC 5322, section 3.4.1, without quoting), the domain as DNS has it (IDNA), all in
/// lower case. None for what is no such address.
pub fn normal_email(email: &str) -> Option<String> {
    let (local, domain) = email.split_once('@')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if !(1..=64).contains(&local.len()) || !local.chars().all(plain) || dots {
        return None;
    }
    // The parser of URLs would decode it, and the account keep what was written.
    if domain.contains('%') {
        return None;
    }
    let url::Host::Domain(domain) = url::Host::parse(domain).ok()? else {
        return None;
    };
    let email = format!("{}@{domain}", local.to_lowercase());
    (email.len() <= 254 && email.parse::<lettre::Address>().is_ok()).then_some(email)
}

/// Writes a new account, and that it was made. Call [`problems`] first.
///
/// # Errors
/// [`AccountError::Refused`] when the address or the user name is somebody's already.
pub async fn create(
    app: &App,
    tx: &Tx,
    new: &NewUser,
    password_hash: Option<String>,
) -> Result<Model, AccountError> {
    let id = UserId(new_id(tx.clock()));
    create_as(app, tx, id, new, password_hash, Some(id)).await
}

/// The same for somebody else.
async fn create_as(
    app: &App,
    tx: &Tx,
    id: UserId,
    new: &NewUser,
    password_hash: Option<String>,
    actor: Option<UserId>,
) -> Result<Model, AccountError> {
    let now = tx.clock().now();
    let password_changed_at = password_hash.as_ref().map(|_| now);
    let user = Model {
        id,
        email: new.email.clone(),
        email_norm: new.email.as_deref().and_then(normal_email),
        username: new.username.clone(),
        username_norm: new.username.as_deref().map(str::to_lowercase),
        name: new.name.clone(),
        name_norm: new.name.to_lowercase(),
        password_hash,
        status: Status::Active,
        token_epoch: 0,
        created_at: now,
        updated_at: now,
        last_login_at: None,
        email_verified_at: new.email_verified.then_some(now),
        password_changed_at,
        first_name: None,
        last_name: None,
        avatar_url: None,
        locale: None,
        timezone: None,
        disabled_at: None,
        disabled_by: None,
    };
    // The database decides who was first; asking it before would leave a gap.
    store::insert(tx, user.clone()).await.map_err(taken)?;
    let event = events::append(tx, &UserCreated { user_id: id }, actor).await?;
    sink::enqueue(app, tx, [event]);
    tx.after_commit(|| metrics::counter!("auth_registrations_total").increment(1));
    Ok(user)
}

fn taken(error: DbError) -> AccountError {
    let Some(constraint) = error.unique_violation() else {
        return error.into();
    };
    let (field, message) = if constraint.contains("email") {
        (
            "email",
            "There is an account with this e-mail address already. Log in instead.",
        )
    } else {
        ("username", "This user name is taken. Choose another.")
    };
    AccountError::Refused(vec![UserError::new(
        UserErrorCode::Taken,
        message,
        &["input", field],
    )])
}

/// The one form of all ways to write an e-mail address or a user name.
pub fn folded(name: &str) -> String {
    let name = name.trim();
    normal_email(name).unwrap_or_else(|| name.to_lowercase())
}

/// The user with this e-mail address or user name, in any case.
///
/// # Errors
/// The database's failure.
pub async fn find_by_login_name(app: &App, name: &str) -> Result<Option<Model>, DbError> {
    let name = &folded(name);
    app.db
        .read(|db| async move { store::find_by_login_name(&db, name).await })
        .await
}

/// Gives a user a role.
///
/// # Errors
/// The database's failure.
pub async fn grant(tx: &Tx, user: UserId, role: Role) -> Result<(), DbError> {
    store::grant(tx, user, role, tx.clock().now()).await
}

/// A page of the people of this server, by name.
///
/// # Errors
/// `Forbidden` when it asks for what only administrators may list.
pub async fn list_users(
    app: &App,
    actor: Actor<'_>,
    filter: &mut DirectoryFilter,
    page: &Page<store::DirectoryKeys>,
) -> Result<Vec<Model>, AccountError> {
    let is_admin = policy::says_admin(actor).is_ok();
    if filter.status != Status::Active || filter.role.is_some() {
        policy::says_admin(actor)?;
    }
    filter.by_address = is_admin;
    let filter = &*filter;
    Ok(app
        .db
        .read(|db| async move { store::directory(&db, filter, page).await })
        .await?)
}
