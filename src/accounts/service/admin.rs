//! What administrators do with the accounts of others. The actor is read anew in each transaction,
//! together with all administrators: two who take each other's role away at the same time wait for
//! each other, and the second one is refused.

use std::collections::{BTreeSet, HashMap};

use entity::UserId;
use entity::one_time_token::Purpose;
use entity::session::RevokeReason;
use entity::user::{Model, Status};
use entity::user_role::Role;

use super::artists::{ArtistDetails, create_artist};
use super::checks::invalid;
use super::profile::refuse;
use super::{NewUser, create_as, problems};
use crate::accounts::{AccountError, Actor, policy, store};
use crate::app::App;
use crate::auth::events::{RolesChanged, UserDisabled, UserEnabled};
use crate::auth::{self, lockout};
use crate::db::{Tx, new_id};
use crate::events;

/// The account an administrator makes.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// Whose.
    pub user: NewUser,
    /// The password; without one its owner is sent a link to set it.
    pub password: Option<String>,
    /// What the account may do beyond what everyone may.
    pub roles: BTreeSet<Role>,
}

/// Who is looked at by an administrator at this moment: rows that nobody else changes until the end
/// of the transaction.
#[derive(Debug)]
pub struct Desk {
    users: HashMap<UserId, Model>,
    roles: HashMap<UserId, Vec<Role>>,
}

impl Desk {
    /// Somebody who was asked for.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn user(&self, id: UserId) -> Result<Model, AccountError> {
        self.users.get(&id).cloned().ok_or(AccountError::NotFound)
    }

    fn roles(&self, id: UserId) -> BTreeSet<Role> {
        let roles = self.roles.get(&id).map(Vec::as_slice).unwrap_or_default();
        roles.iter().copied().collect()
    }

    fn is_active_admin(&self, user: &Model) -> bool {
        user.status == Status::Active && self.roles(user.id).contains(&Role::Admin)
    }

    /// Whether nobody else can administer this server.
    fn is_last_admin(&self, user: &Model) -> bool {
        // Who never had a password may never come.
        let comes = |other: &Model| self.is_active_admin(other) && other.password_hash.is_some();
        self.is_active_admin(user)
            && !self
                .users
                .values()
                .any(|other| other.id != user.id && comes(other))
    }
}

/// Lets an administrator in: locks the rows a decision rests on, and only then looks at them.
///
/// # Errors
/// `Forbidden` when the actor is no active administrator at this moment.
pub async fn enter(tx: &Tx, actor: Actor<'_>, of: Option<UserId>) -> Result<Desk, AccountError> {
    let ids: Vec<UserId> = actor.id().into_iter().chain(of).collect();
    let users = store::lock_with_admins(tx, &ids).await?;
    let all = users.iter().map(|user| user.id).collect();
    let desk = Desk {
        roles: store::roles_of_many(tx.conn(), all).await?,
        users: users.into_iter().map(|user| (user.id, user)).collect(),
    };
    if let Some(id) = actor.id() {
        let roles = desk.roles.get(&id).map(Vec::as_slice).unwrap_or_default();
        policy::is_admin_now(actor, desk.users.get(&id), roles)?;
    }
    Ok(desk)
}

/// Makes an account for somebody.
pub async fn create_user(
    app: &App,
    actor: Actor<'_>,
    new: NewAccount,
) -> Result<Model, AccountError> {
    policy::says_admin(actor)?;
    let NewAccount {
        user: new,
        password,
        roles,
    } = new;
    let hash = if let Some(password) = password {
        Some(auth::hash_new_password(app, &new, password, Vec::new()).await?)
    } else {
        let mut problems = problems(&new);
        let sends = app.settings.sends_mail();
        if new.email.is_none() || !sends {
            let message = if sends {
                "Give a password, or an address to send a link to."
            } else {
                "Give a password: this server sends no mail."
            };
            problems.push(invalid(message, &["password"]));
        }
        refuse(&problems)?;
        None
    };
    let (new, hash, roles) = (&new, &hash, &roles);
    app.db
        .write(|tx| async move {
            enter(&tx, actor, None).await?;
            let id = UserId(new_id(tx.clock()));
            let user = create_as(app, &tx, id, new, hash.clone(), actor.id()).await?;
            if !roles.is_empty() {
                give_roles(app, &tx, &user, roles, actor).await?;
                roles_changed(&tx, id, roles, actor).await?;
            }
            if hash.is_none() {
                // What they set their first password with.
                let token = (Some(id), Purpose::ResetPassword, user.email.clone());
                auth::issue_token(app, &tx, token, actor.id()).await?;
            } else {
                auth::ask_to_verify(app, &tx, &user).await?;
            }
            Ok(user)
        })
        .await
}

/// Gives somebody roles, and an artist a profile.
///
/// # Errors
/// The database's failure.
pub async fn give_roles(
    app: &App,
    tx: &Tx,
    user: &Model,
    roles: &BTreeSet<Role>,
    actor: Actor<'_>,
) -> Result<(), AccountError> {
    for role in roles {
        if *role == Role::Artist {
            create_artist(
                app,
                tx,
                user.id,
                &ArtistDetails::named(&user.name),
                actor.id(),
            )
            .await?;
        } else {
            store::grant(tx, user.id, *role, tx.clock().now()).await?;
        }
    }
    Ok(())
}

async fn roles_changed(
    tx: &Tx,
    user_id: UserId,
    roles: &BTreeSet<Role>,
    actor: Actor<'_>,
) -> Result<(), AccountError> {
    let event = RolesChanged {
        user_id,
        roles: roles.iter().copied().collect(),
    };
    events::append(tx, &event, actor.id()).await?;
    Ok(())
}

/// Ends the use of an account: nobody signs in, nothing is mailed, what is open ends. Its tasks stay.
pub async fn disable_user(
    app: &App,
    actor: Actor<'_>,
    user_id: UserId,
) -> Result<Model, AccountError> {
    policy::says_admin(actor)?;
    app.db
        .write(|tx| async move {
            let desk = enter(&tx, actor, Some(user_id)).await?;
            let mut user = desk.user(user_id)?;
            if user.status == Status::Disabled {
                return Ok(user);
            }
            if actor.id() == Some(user_id) {
                return Err(refused("Nobody disables their own account.", "id"));
            }
            if desk.is_last_admin(&user) {
                return Err(refused(LAST_ADMIN, "id"));
            }
            let now = tx.clock().now();
            user.status = Status::Disabled;
            user.disabled_at = Some(now);
            user.disabled_by = actor.id();
            user.updated_at = now;
            store::save(&tx, user.clone()).await?;
            user.token_epoch = auth::raise_epoch(app, &tx, user_id).await?;
            auth::end_sessions_of(app, &tx, user_id, &[], RevokeReason::Disabled).await?;
            events::append(&tx, &UserDisabled { user_id }, actor.id()).await?;
            Ok(user)
        })
        .await
}

/// Lets an account be used again.
pub async fn enable_user(
    app: &App,
    actor: Actor<'_>,
    user_id: UserId,
) -> Result<Model, AccountError> {
    policy::says_admin(actor)?;
    app.db
        .write(|tx| async move {
            let desk = enter(&tx, actor, Some(user_id)).await?;
            let mut user = desk.user(user_id)?;
            if user.status == Status::Active {
                return Ok(user);
            }
            user.status = Status::Active;
            user.disabled_at = None;
            user.disabled_by = None;
            user.updated_at = tx.clock().now();
            store::save(&tx, user.clone()).await?;
            events::append(&tx, &UserEnabled { user_id }, actor.id()).await?;
            Ok(user)
        })
        .await
}

/// Gives somebody these roles and takes all others. Whoever loses one has to renew the access token
/// at once: the one that is out still names it.
pub async fn set_user_roles(
    app: &App,
    actor: Actor<'_>,
    user_id: UserId,
    roles: BTreeSet<Role>,
) -> Result<Model, AccountError> {
    policy::says_admin(actor)?;
    let roles = &roles;
    app.db
        .write(|tx| async move {
            let desk = enter(&tx, actor, Some(user_id)).await?;
            let mut user = desk.user(user_id)?;
            let before = desk.roles(user_id);
            if before == *roles {
                return Ok(user);
            }
            if !roles.contains(&Role::Admin) && desk.is_last_admin(&user) {
                return Err(refused(LAST_ADMIN, "roles"));
            }
            give_roles(app, &tx, &user, &(roles - &before), actor).await?;
            let lost: Vec<Role> = before.difference(roles).copied().collect();
            if !lost.is_empty() {
                store::take_roles(&tx, user_id, &lost).await?;
                user.token_epoch = auth::raise_epoch(app, &tx, user_id).await?;
            }
            roles_changed(&tx, user_id, roles, actor).await?;
            Ok(user)
        })
        .await
}

/// Forgets the wrong passwords of somebody: they can log in from everywhere again.
pub async fn unlock_user(
    app: &App,
    actor: Actor<'_>,
    user_id: UserId,
) -> Result<Model, AccountError> {
    policy::says_admin(actor)?;
    app.db
        .write(|tx| async move {
            let desk = enter(&tx, actor, Some(user_id)).await?;
            let user = desk.user(user_id)?;
            lockout::lift(&tx, user_id, None, actor.id()).await?;
            Ok(user)
        })
        .await
}

const LAST_ADMIN: &str = "This is the last active administrator. Make somebody else one first.";

fn refused(message: &str, field: &str) -> AccountError {
    AccountError::Refused(vec![invalid(message, &[field])])
}
