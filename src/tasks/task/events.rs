//! What happens to tasks.

use entity::{TaskId, UserId};
use serde::{Deserialize, Serialize};

use crate::events::Event;

/// A task was made.
#[derive(Debug, Serialize)]
pub struct TaskCreated {
    /// Which.
    pub task_id: TaskId,
}

impl Event for TaskCreated {
    const TOPIC: &'static str = "task.created";
    const SCHEMA_VERSION: i32 = 1;
}

/// A task was given to somebody.
#[derive(Debug, Serialize, Deserialize)]
pub struct TaskAssigned {
    /// Which.
    pub task_id: TaskId,
    /// To whom.
    pub assignee_id: UserId,
    /// Who is to be told: the assignee, unless it was the assignee's own doing. Decided when it
    /// happened; how they are told is decided when the job runs.
    pub recipients: Vec<UserId>,
}

impl Event for TaskAssigned {
    const TOPIC: &'static str = "task.assigned";
    const SCHEMA_VERSION: i32 = 1;
}

/// A task was taken from somebody, and is nobody's.
#[derive(Debug, Serialize)]
pub struct TaskUnassigned {
    /// Which.
    pub task_id: TaskId,
    /// From whom.
    pub assignee_id: UserId,
}

impl Event for TaskUnassigned {
    const TOPIC: &'static str = "task.unassigned";
    const SCHEMA_VERSION: i32 = 1;
}

/// A task was changed.
#[derive(Debug, Serialize)]
pub struct TaskUpdated {
    /// Which.
    pub task_id: TaskId,
    /// The names of the fields that have new values.
    pub fields: Vec<&'static str>,
}

impl Event for TaskUpdated {
    const TOPIC: &'static str = "task.updated";
    const SCHEMA_VERSION: i32 = 1;
}

/// A task was finished.
#[derive(Debug, Serialize)]
pub struct TaskCompleted {
    /// Which.
    pub task_id: TaskId,
}

impl Event for TaskCompleted {
    const TOPIC: &'static str = "task.completed";
    const SCHEMA_VERSION: i32 = 1;
}

/// A task was deleted.
#[derive(Debug, Serialize)]
pub struct TaskDeleted {
    /// Which.
    pub task_id: TaskId,
}

impl Event for TaskDeleted {
    const TOPIC: &'static str = "task.deleted";
    const SCHEMA_VERSION: i32 = 1;
}
