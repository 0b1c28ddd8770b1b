//! What can go wrong with a task.

use entity::task;

use crate::db::{DbError, WriteError};
use crate::graphql::{ApiError, ErrorCode, Kind, UserError};

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It does not exist, or not for this viewer.
    #[error("no such {}", .0.prefix())]
    NotFound(Kind),
    /// The viewer may see it, but not do this.
    #[error("not allowed")]
    Forbidden,
    /// What the person can put right.
    #[error("the input was refused")]
    Refused(Vec<UserError>),
    /// It was changed since the client read it.
    #[error("the task was changed meanwhile")]
    Conflict(Box<task::Model>),
    /// The idempotency key was used with another input.
    #[error("the idempotency key was used with another input")]
    KeyReused,
    /// The token is good, but its user is not in this database.
    #[error("the viewer has no account")]
    UnknownViewer,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl WriteError for TaskError {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TaskError> for ApiError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::NotFound(kind) => Self::new(
                ErrorCode::NotFound,
                format!("There is no such {}.", kind.prefix()),
            ),
            TaskError::Forbidden => Self::new(
                ErrorCode::Forbidden,
                "You may see this, but not do that with it. docs/API.md has the table of who may do what; `viewerCan…` fields tell it beforehand.",
            ),
            TaskError::KeyReused => Self::new(
                ErrorCode::IdempotencyConflict,
                "This idempotencyKey was used with another input within the last 24 hours. Use a new one.",
            ),
            TaskError::UnknownViewer => Self::new(
                ErrorCode::Unauthenticated,
                "The account of this access token does not exist on this server. Register or log in again.",
            ),
            // The payload carries these two; they end up here only by mistake.
            TaskError::Refused(_) | TaskError::Conflict(_) => {
                Self::internal("a user error left its payload")
            }
            TaskError::Db(error) => error.into(),
        }
    }
}
