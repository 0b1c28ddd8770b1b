//! What can go wrong with a task.

use entity::{project, task};

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
    /// Some of many were changed since the client read them: which, by their places in the input,
    /// and as they are now.
    #[error("{} of the tasks were changed meanwhile", .0.len())]
    Conflicts(Vec<(usize, task::Model)>),
    /// The project was changed since the client read it.
    #[error("the project was changed meanwhile")]
    ProjectConflict(Box<project::Model>),
    /// The project is archived: nothing in it changes.
    #[error("the project is archived")]
    Archived,
    /// The label stands on tasks that the viewer may not see.
    #[error("the label stands on tasks of others")]
    LabelOfOthers,
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
            TaskError::Archived => Self::new(
                ErrorCode::Forbidden,
                "The project is archived: nothing in it changes. An owner can unarchive it first (`unarchiveProject`).",
            ),
            TaskError::LabelOfOthers => Self::new(
                ErrorCode::Forbidden,
                "The label stands on tasks that you may not see. Ask an administrator to change or delete it.",
            ),
            // The payload carries these; they end up here only by mistake.
            TaskError::Refused(_)
            | TaskError::Conflict(_)
            | TaskError::Conflicts(_)
            | TaskError::ProjectConflict(_) => Self::internal("a user error left its payload"),
            TaskError::Db(error) => error.into(),
        }
    }
}

/// Sorts a result into the two channels: what a form can show, and what is an error of the answer.
///
/// # Errors
/// The latter.
pub fn told<T>(result: Result<T, TaskError>) -> Result<(Option<T>, Vec<UserError>), ApiError> {
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(TaskError::Refused(errors)) => Ok((None, errors)),
        Err(error) => Err(error.into()),
    }
}
