//! Who someone is, in GraphQL: one file a subject.

mod artists;
mod email;
mod invitations;
mod lockout;
mod passwords;
mod sessions;
mod sign_in;
mod tokens;

use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};

pub use self::artists::ArtistSignInMutation;
pub use self::email::EmailMutation;
pub use self::invitations::InvitationMutation;
pub use self::lockout::LockoutMutation;
pub use self::passwords::{PasswordMutation, PasswordQuery};
pub use self::sessions::{
    Session, SessionConnection, SessionMutation, SessionQuery, find_sessions,
};
pub use self::sign_in::SignInMutation;
pub use self::tokens::TokenQuery;
use super::AuthError;
use super::service::SignedIn;
use crate::accounts::User;
use crate::graphql::{ApiError, UserError};

/// The tokens of somebody who signed in. All but `userErrors` are null when that did not succeed.
#[derive(Debug, Default, SimpleObject)]
pub struct AuthPayload {
    /// Send it with every request as `Authorization: Bearer …`.
    access_token: Option<String>,
    /// When the access token ends.
    access_token_expires_at: Option<DateTime<Utc>>,
    /// Gives the next pair of tokens, once, through `refreshToken`. Keep it secret.
    refresh_token: Option<String>,
    /// When the refresh token ends.
    refresh_token_expires_at: Option<DateTime<Utc>>,
    /// Who signed in.
    user: Option<User>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// What somebody gets who signed in, or what is to be put right.
fn payload(result: Result<SignedIn, AuthError>) -> Result<AuthPayload, ApiError> {
    match result {
        Ok(signed_in) => Ok(AuthPayload {
            access_token: Some(signed_in.access_token),
            access_token_expires_at: Some(signed_in.access_token_expires_at),
            refresh_token: Some(signed_in.refresh_token),
            refresh_token_expires_at: Some(signed_in.refresh_token_expires_at),
            user: Some(User::just_signed_in(signed_in.user)),
            user_errors: Vec::new(),
        }),
        Err(AuthError::Refused(user_errors)) => Ok(AuthPayload {
            user_errors,
            ..AuthPayload::default()
        }),
        Err(error) => Err(error.into()),
    }
}

/// What is to be put right; nothing when all went well.
fn user_errors(result: Result<(), AuthError>) -> Result<Vec<UserError>, ApiError> {
    match result {
        Ok(()) => Ok(Vec::new()),
        Err(AuthError::Refused(user_errors)) => Ok(user_errors),
        Err(error) => Err(error.into()),
    }
}
