//! What can go wrong when someone signs in.

use std::time::Duration;

use crate::db::{DbError, WriteError};
use crate::graphql::{ApiError, ErrorCode, UserError};

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// What the person can put right.
    #[error("the input was refused")]
    Refused(Vec<UserError>),
    /// New accounts are not taken.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The password was right, but the account is switched off.
    #[error("the account is disabled")]
    Disabled,
    /// The refresh token is unknown, over, or was used before.
    #[error("the refresh token is not good")]
    RefreshRefused,
    /// More sign-ins to one account from one network at once than may fail.
    #[error("too many sign-ins to one account at once")]
    TooManyAtOnce,
    /// It is over, or somebody else's.
    #[error("no such session")]
    NoSuchSession,
    /// It is not known at this moment which access tokens ended before their time.
    #[error("it is not known who is signed in")]
    Unsure {
        /// When to try again.
        retry_after: Duration,
    },
    /// More sign-ins at once than this machine can check.
    #[error("too many sign-ins at once")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The machinery failed.
    #[error("{0}")]
    Internal(String),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl WriteError for AuthError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(errors) => errors.into_iter().next().map_or_else(
                || Self::new(ErrorCode::BadUserInput, "The input was refused."),
                |error| Self::new(ErrorCode::BadUserInput, error.message),
            ),
            AuthError::RegistrationClosed => Self::new(
                ErrorCode::Forbidden,
                "This server takes no new accounts. Ask an administrator for one.",
            ),
            AuthError::Disabled => Self::new(
                ErrorCode::Forbidden,
                "This account is disabled. Ask an administrator to enable it.",
            ),
            AuthError::RefreshRefused => Self::new(
                ErrorCode::Unauthenticated,
                "The refresh token is not good any more. Log in again.",
            ),
            AuthError::NoSuchSession => Self::new(ErrorCode::NotFound, "There is no such session."),
            AuthError::Unsure { retry_after } => Self::new(
                ErrorCode::Unavailable,
                "The server cannot find out at this moment which sessions have ended. Try again.",
            )
            .retry_after(retry_after),
            AuthError::Busy { retry_after } => Self::new(
                ErrorCode::Unavailable,
                "Too many people are signing in at this moment. Try again shortly.",
            )
            .retry_after(retry_after),
            AuthError::TooManyAtOnce => Self::new(
                ErrorCode::Unavailable,
                "Too many sign-ins to this account from your network at this moment. Try again shortly.",
            )
            .retry_after(Duration::from_secs(1)),
            AuthError::Internal(detail) => Self::internal(&detail),
            AuthError::Db(error) => error.into(),
        }
    }
}
