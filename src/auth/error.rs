//! What can go wrong when someone signs in.

use std::time::Duration;

use crate::db::{DbError, WriteError};
use crate::graphql::{ApiError, ErrorCode, UserError, UserErrorCode};

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// What the person can put right.
    #[error("the input was refused")]
    Refused(Vec<UserError>),
    /// New accounts are not taken.
    #[error("registration is closed")]
    RegistrationClosed,
    /// New accounts are taken from those only who were invited.
    #[error("an invitation is needed")]
    InvitationNeeded,
    /// Signed in, but no administrator.
    #[error("only for administrators")]
    NotAdmin,
    /// The session of a good access token was ended, or its account is gone.
    #[error("the session has ended")]
    SessionOver,
    /// The password was right, but the account is switched off.
    #[error("the account is disabled")]
    Disabled,
    /// The refresh token is unknown, over, or was used before.
    #[error("the refresh token is not good")]
    RefreshRefused,
    /// Mail is switched off, and without it this leads nowhere.
    #[error("no mail leaves this server")]
    NoMail,
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

impl AuthError {
    /// One thing the person can put right.
    pub fn refused(code: UserErrorCode, message: &str, field: &str) -> Self {
        Self::Refused(vec![UserError::new(code, message, &["input", field])])
    }

    /// A token out of a mail that is not good, at its field.
    pub fn invalid_token(field: &str) -> Self {
        let message = "This link is not good any more: it was used, it is over, or another one was \
            sent later. Ask for a new one.";
        Self::refused(UserErrorCode::InvalidToken, message, field)
    }
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
            AuthError::InvitationNeeded => Self::new(
                ErrorCode::Forbidden,
                "This server takes new accounts by invitation only. Ask an administrator for one.",
            ),
            AuthError::NotAdmin => {
                Self::new(ErrorCode::Forbidden, "Only administrators may do this.")
            }
            AuthError::SessionOver => Self::new(
                ErrorCode::Unauthenticated,
                "This session has ended. Log in again.",
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
            AuthError::NoMail => Self::new(
                ErrorCode::Forbidden,
                "This needs a mail, and this server sends none. Ask its administrator.",
            ),
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
