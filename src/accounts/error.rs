//! What can go wrong with an account.

use crate::db::{DbError, WriteError};
use crate::graphql::UserError;

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// What the person can put right.
    #[error("the input was refused")]
    Refused(Vec<UserError>),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl WriteError for AccountError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            Self::Refused(_) => None,
        }
    }
}
