//! People in GraphQL: one file a subject.

mod admin;
mod artist;
mod loaders;
mod profile;
mod query;
mod user;

pub use self::admin::AdminMutation;
pub use self::artist::{Artist, ArtistLinkInput, ArtistMutation, ArtistQuery, find_artist};
pub use self::loaders::{Loaders, load_user};
pub use self::profile::AccountsMutation;
pub use self::query::{AccountsQuery, CountPeople, UserConnectionFields};
pub use self::user::{User, UserRole, Viewer};
use super::AccountError;
use crate::graphql::{ApiError, UserError};

/// Somebody who was changed, or what is to be put right.
fn payload(
    result: Result<entity::user::Model, AccountError>,
) -> Result<(Option<User>, Vec<UserError>), ApiError> {
    match result {
        Ok(user) => Ok((Some(User::new(user)), Vec::new())),
        Err(AccountError::Refused(errors)) => Ok((None, errors)),
        Err(error) => Err(error.into()),
    }
}
