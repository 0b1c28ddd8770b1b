//! Who may see what of a person, and who may do what with an account. A server is one team: names
//! are everybody's, addresses are not.
//!
//! | of a person                                              | oneself | admin | everyone signed in |
//! |----------------------------------------------------------|---------|-------|--------------------|
//! | id, name, user name, picture, since when, artist profile | yes     | yes   | yes                |
//! | address, whether confirmed, first and last name, language, time zone, last login, roles, status | yes | yes | no: null |
//! | change the profile                                       | yes     | yes   | no                 |
//! | change the artist profile                                | yes     | no    | no                 |
//! | disable                                                  | no      | yes   | no                 |
//! | make accounts, enable, unlock, give and take roles       | no      | yes   | no                 |
//! | be in the list of people who are not active, or by role  | no      | yes   | no                 |

use entity::user::{Model, Status};
use entity::user_role::Role;
use entity::{UserId, Viewer};

use super::AccountError;

/// On whose behalf something is done.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    /// Somebody who is signed in.
    Viewer(&'a Viewer),
    /// Whoever may run the program next to its database: there is nobody to ask for more.
    CommandLine,
}

impl Actor<'_> {
    /// Who, if it is a person with an account.
    pub fn id(self) -> Option<UserId> {
        match self {
            Self::Viewer(viewer) => Some(viewer.user_id),
            Self::CommandLine => None,
        }
    }
}

/// What is not for everyone: one's own, and admins.
pub fn may_see_private(viewer: &Viewer, of: UserId) -> bool {
    viewer.user_id == of || viewer.is_admin()
}

/// Whether the token says that somebody is an administrator. A change asks `is_admin_now`, too.
///
/// # Errors
/// `Forbidden`.
pub fn says_admin(actor: Actor<'_>) -> Result<(), AccountError> {
    match actor {
        Actor::Viewer(viewer) if !viewer.is_admin() => Err(AccountError::Forbidden),
        _ => Ok(()),
    }
}

/// Whether the actor is an active administrator at this moment: a token says what was true when it
/// was made. `row` is the actor's own.
///
/// # Errors
/// `Forbidden`, or `UnknownViewer` when there is no such account any more.
pub fn is_admin_now(
    actor: Actor<'_>,
    row: Option<&Model>,
    roles: &[Role],
) -> Result<(), AccountError> {
    if matches!(actor, Actor::CommandLine) {
        return Ok(());
    }
    let row = row.ok_or(AccountError::UnknownViewer)?;
    if row.status == Status::Active && roles.contains(&Role::Admin) {
        Ok(())
    } else {
        Err(AccountError::Forbidden)
    }
}

/// Whether somebody may change what is their own at this moment.
///
/// # Errors
/// `Disabled`, or `UnknownViewer` when there is no such account any more.
pub fn is_active_now(row: Option<Model>) -> Result<Model, AccountError> {
    let row = row.ok_or(AccountError::UnknownViewer)?;
    match row.status {
        Status::Active => Ok(row),
        Status::Disabled => Err(AccountError::Disabled),
    }
}
