//! What can go wrong with a webhook.

use crate::crypto::SealError;
use crate::db::{DbError, WriteError};
use crate::graphql::{ApiError, ErrorCode, Kind, UserError};
use crate::tasks::TaskError;

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It does not exist, or not for this viewer.
    #[error("no such {}", .0.prefix())]
    NotFound(Kind),
    /// What the person can put right.
    #[error("the input was refused")]
    Refused(Vec<UserError>),
    /// The policy of projects says no.
    #[error(transparent)]
    Project(TaskError),
    /// The token is good, but its user is not in this database.
    #[error("the viewer has no account")]
    UnknownViewer,
    /// A secret could not be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<TaskError> for WebhookError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Db(error) => Self::Db(error),
            error => Self::Project(error),
        }
    }
}

impl WriteError for WebhookError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NotFound(kind) => Self::new(
                ErrorCode::NotFound,
                format!("There is no such {}.", kind.prefix()),
            ),
            // The payload carries these; they end up here only by mistake.
            WebhookError::Refused(_) => Self::internal("a user error left its payload"),
            WebhookError::Project(error) => error.into(),
            WebhookError::UnknownViewer => TaskError::UnknownViewer.into(),
            WebhookError::Seal(error) => Self::internal(&error.to_string()),
            WebhookError::Db(error) => error.into(),
        }
    }
}

/// Sorts a result into the two channels: what a form can show, and what is an error of the answer.
///
/// # Errors
/// The latter.
pub fn told<T>(result: Result<T, WebhookError>) -> Result<(Option<T>, Vec<UserError>), ApiError> {
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(WebhookError::Refused(errors)) => Ok((None, errors)),
        Err(error) => Err(error.into()),
    }
}
