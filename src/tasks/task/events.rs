//! What happens to tasks. Every payload has the task, its project, and `recipients`: who is to be
//! told, decided when it happened (assignee, watchers and the mentioned, without who did it and
//! without who wants to hear nothing); how they are told is decided when the job runs.

use entity::{ProjectId, TaskId, UserId};
use serde::{Deserialize, Serialize};

use crate::events::Event;

/// A task was made.
#[derive(Debug, Serialize)]
pub struct TaskCreated {
    /// Which.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// Who is to be told.
    pub recipients: Vec<UserId>,
}

impl Event for TaskCreated {
    const TOPIC: &'static str = "task.created";
    const SCHEMA_VERSION: i32 = 2;
}

/// A task was given to somebody.
#[derive(Debug, Serialize, Deserialize)]
pub struct TaskAssigned {
    /// Which.
    pub task_id: TaskId,
    /// In which project.
    #[serde(default)]
    pub project_id: Option<ProjectId>,
    /// To whom.
    pub assignee_id: UserId,
    /// Whose it was before.
    #[serde(default)]
    pub previous_assignee_id: Option<UserId>,
    /// Who is to be told.
    pub recipients: Vec<UserId>,
}

impl Event for TaskAssigned {
    const TOPIC: &'static str = "task.assigned";
    const SCHEMA_VERSION: i32 = 2;
}

/// A task was taken from somebody, and is nobody's.
#[derive(Debug, Serialize)]
pub struct TaskUnassigned {
    /// Which.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// From whom.
    pub assignee_id: UserId,
    /// Who is to be told.
    pub recipients: Vec<UserId>,
}

impl Event for TaskUnassigned {
    const TOPIC: &'static str = "task.unassigned";
    const SCHEMA_VERSION: i32 = 2;
}

/// A task was changed.
#[derive(Debug, Serialize)]
pub struct TaskUpdated {
    /// Which.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// The names of the fields that have new values, as the history has them.
    pub fields: Vec<String>,
    /// Who is to be told.
    pub recipients: Vec<UserId>,
}

impl Event for TaskUpdated {
    const TOPIC: &'static str = "task.updated";
    const SCHEMA_VERSION: i32 = 2;
}

/// A task was finished.
#[derive(Debug, Serialize)]
pub struct TaskCompleted {
    /// Which.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// Who is to be told.
    pub recipients: Vec<UserId>,
}

impl Event for TaskCompleted {
    const TOPIC: &'static str = "task.completed";
    const SCHEMA_VERSION: i32 = 2;
}

/// A task was deleted. It can be restored for 30 days.
#[derive(Debug, Serialize)]
pub struct TaskDeleted {
    /// Which.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// Who is to be told.
    pub recipients: Vec<UserId>,
}

impl Event for TaskDeleted {
    const TOPIC: &'static str = "task.deleted";
    const SCHEMA_VERSION: i32 = 2;
}

/// A deleted task is back.
#[derive(Debug, Serialize)]
pub struct TaskRestored {
    /// Which.
    pub task_id: TaskId,
    /// In which project.
    pub project_id: Option<ProjectId>,
    /// Who is to be told.
    pub recipients: Vec<UserId>,
}

impl Event for TaskRestored {
    const TOPIC: &'static str = "task.restored";
    const SCHEMA_VERSION: i32 = 1;
}
