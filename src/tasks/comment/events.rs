//! What happens to comments. Payloads are like those of tasks.

use entity::{CommentId, ProjectId, TaskId, UserId};
use serde::Serialize;

use crate::events::Event;

/// Something was said about a task.
#[derive(Debug, Serialize)]
pub struct CommentCreated {
    /// About which.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// The comment.
    pub comment_id: CommentId,
    /// Who is to be told, those who are mentioned among them.
    pub recipients: Vec<UserId>,
}

impl Event for CommentCreated {
    const TOPIC: &'static str = "comment.created";
    const SCHEMA_VERSION: i32 = 1;
}

/// A comment was changed.
#[derive(Debug, Serialize)]
pub struct CommentUpdated {
    /// About which task it is.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// The comment.
    pub comment_id: CommentId,
    /// Who is to be told, those who are mentioned among them.
    pub recipients: Vec<UserId>,
}

impl Event for CommentUpdated {
    const TOPIC: &'static str = "comment.updated";
    const SCHEMA_VERSION: i32 = 1;
}

/// A comment is gone.
#[derive(Debug, Serialize)]
pub struct CommentDeleted {
    /// About which task it was.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// The comment.
    pub comment_id: CommentId,
    /// Who is to be told.
    pub recipients: Vec<UserId>,
}

impl Event for CommentDeleted {
    const TOPIC: &'static str = "comment.deleted";
    const SCHEMA_VERSION: i32 = 1;
}
