//! What can go wrong with looking after jobs.

use crate::accounts::AccountError;
use crate::db::{DbError, WriteError};
use crate::graphql::{ApiError, ErrorCode, UserError};

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// There is no such job.
    #[error("there is no such job")]
    NotFound,
    /// What the administrator can put right.
    #[error("the input was refused")]
    Refused(Vec<UserError>),
    /// Whoever asks is no administrator.
    #[error(transparent)]
    Account(AccountError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<AccountError> for UpkeepError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Db(error) => Self::Db(error),
            error => Self::Account(error),
        }
    }
}

impl WriteError for UpkeepError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

impl From<UpkeepError> for ApiError {
    fn from(error: UpkeepError) -> Self {
        match error {
            UpkeepError::NotFound => Self::new(ErrorCode::NotFound, "There is no such job."),
            // The payload carries these; they end up here only by mistake.
            UpkeepError::Refused(_) => Self::internal("a user error left its payload"),
            UpkeepError::Account(error) => error.into(),
            UpkeepError::Db(error) => error.into(),
        }
    }
}
