//! What happens to projects. It stands in the project's stream beside what happens to its tasks.

use entity::project_member::Role;
use entity::{ProjectId, UserId};
use serde::Serialize;

use crate::events::Event;

/// A project was made.
#[derive(Debug, Serialize)]
pub struct ProjectCreated {
    /// Which.
    pub project_id: ProjectId,
}

impl Event for ProjectCreated {
    const TOPIC: &'static str = "project.created";
    const SCHEMA_VERSION: i32 = 1;
}

/// A project's name or description was changed.
#[derive(Debug, Serialize)]
pub struct ProjectUpdated {
    /// Which.
    pub project_id: ProjectId,
    /// The names of the fields that have new values.
    pub fields: Vec<&'static str>,
}

impl Event for ProjectUpdated {
    const TOPIC: &'static str = "project.updated";
    const SCHEMA_VERSION: i32 = 1;
}

/// Nothing in a project changes any more.
#[derive(Debug, Serialize)]
pub struct ProjectArchived {
    /// Which.
    pub project_id: ProjectId,
}

impl Event for ProjectArchived {
    const TOPIC: &'static str = "project.archived";
    const SCHEMA_VERSION: i32 = 1;
}

/// An archived project is in use again.
#[derive(Debug, Serialize)]
pub struct ProjectUnarchived {
    /// Which.
    pub project_id: ProjectId,
}

impl Event for ProjectUnarchived {
    const TOPIC: &'static str = "project.unarchived";
    const SCHEMA_VERSION: i32 = 1;
}

/// Somebody belongs to a project.
#[derive(Debug, Serialize)]
pub struct MemberAdded {
    /// To which.
    pub project_id: ProjectId,
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
}

impl Event for MemberAdded {
    const TOPIC: &'static str = "project.member_added";
    const SCHEMA_VERSION: i32 = 1;
}

/// A member has another role.
#[derive(Debug, Serialize)]
pub struct MemberUpdated {
    /// In which project.
    pub project_id: ProjectId,
    /// Who.
    pub user_id: UserId,
    /// Which role.
    pub role: Role,
}

impl Event for MemberUpdated {
    const TOPIC: &'static str = "project.member_updated";
    const SCHEMA_VERSION: i32 = 1;
}

/// Somebody belongs to a project no more. Who follows it is looked at again when this comes.
#[derive(Debug, Serialize)]
pub struct MemberRemoved {
    /// To which.
    pub project_id: ProjectId,
    /// Who.
    pub user_id: UserId,
}

impl Event for MemberRemoved {
    const TOPIC: &'static str = "project.member_removed";
    const SCHEMA_VERSION: i32 = 1;
}
