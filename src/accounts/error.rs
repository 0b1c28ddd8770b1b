//! What can go wrong with an account.

use crate::auth::AuthError;
use crate::db::{DbError, WriteError};
use crate::graphql::{ApiError, ErrorCode, UserError};

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// What the person can put right.
    #[error("the input was refused")]
    Refused(Vec<UserError>),
    /// There is no such person.
    #[error("no such user")]
    NotFound,
    /// The person has no artist profile.
    #[error("no artist profile")]
    NotAnArtist,
    /// Only administrators may.
    #[error("not allowed")]
    Forbidden,
    /// The token is good, but its account is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The token is good, but its user is not in this database.
    #[error("the viewer has no account")]
    UnknownViewer,
    /// The password could not be hashed.
    #[error(transparent)]
    Auth(Box<AuthError>),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl WriteError for AccountError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

impl From<AuthError> for AccountError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(errors) => Self::Refused(errors),
            AuthError::Db(error) => Self::Db(error),
            error => Self::Auth(Box::new(error)),
        }
    }
}

impl From<AccountError> for AuthError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Refused(errors) => Self::Refused(errors),
            AccountError::Db(error) => Self::Db(error),
            AccountError::Auth(error) => *error,
            AccountError::Disabled => Self::Disabled,
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotFound => Self::new(ErrorCode::NotFound, "There is no such user."),
            AccountError::NotAnArtist => {
                Self::new(ErrorCode::NotFound, "You have no artist profile.")
            }
            AccountError::Forbidden => {
                Self::new(ErrorCode::Forbidden, "Only administrators may do this.")
            }
            AccountError::UnknownViewer => Self::new(
                ErrorCode::Unauthenticated,
                "The account of this access token does not exist on this server. Register or log in again.",
            ),
            AccountError::Disabled => AuthError::Disabled.into(),
            // The payload carries these; they end up here only by mistake.
            AccountError::Refused(_) => Self::internal("a user error left its payload"),
            AccountError::Auth(error) => (*error).into(),
            AccountError::Db(error) => error.into(),
        }
    }
}
