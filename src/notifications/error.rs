//! What can go wrong with notifications and how one wants them.

use crate::accounts::AccountError;
use crate::db::{DbError, WriteError};
use crate::graphql::{ApiError, ErrorCode, Kind, UserError, UserErrorCode};

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// It does not exist, or not for this viewer.
    #[error("no such {}", .0.prefix())]
    NotFound(Kind),
    /// What the person can put right.
    #[error("the input was refused")]
    Refused(Vec<UserError>),
    /// Who asks may not, or is nobody any more.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl NotificationError {
    /// A refusal with one thing to put right, at a field of the input.
    pub fn refused(code: UserErrorCode, message: impl Into<String>, path: &[&str]) -> Self {
        let mut field = vec!["input"];
        field.extend(path);
        Self::Refused(vec![UserError::new(code, message, &field)])
    }
}

impl WriteError for NotificationError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            Self::Account(error) => error.as_db(),
            Self::NotFound(_) | Self::Refused(_) => None,
        }
    }
}

impl From<NotificationError> for ApiError {
    fn from(error: NotificationError) -> Self {
        match error {
            NotificationError::NotFound(kind) => Self::new(
                ErrorCode::NotFound,
                format!("There is no such {}.", kind.prefix()),
            ),
            NotificationError::Account(error) => error.into(),
            // The payload carries these; they end up here only by mistake.
            NotificationError::Refused(_) => Self::internal("a user error left its payload"),
            // Whose token is good and whose account is gone.
            NotificationError::Db(error) if error.is_foreign_key_violation() => {
                AccountError::UnknownViewer.into()
            }
            NotificationError::Db(error) => error.into(),
        }
    }
}

/// Sorts a result into the two channels: what a form can show, and what is an error of the answer.
///
/// # Errors
/// The latter.
pub fn told<T>(
    result: Result<T, NotificationError>,
) -> Result<(Option<T>, Vec<UserError>), ApiError> {
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(
            NotificationError::Refused(errors)
            | NotificationError::Account(AccountError::Refused(errors)),
        ) => Ok((None, errors)),
        Err(error) => Err(error.into()),
    }
}
