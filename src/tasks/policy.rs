//! Who may do what with tasks and projects: one table, actor × command. The services ask it inside
//! their transactions, the `viewerCan…` fields outside; `docs/API.md` prints it.

use entity::project_member::Role;
use entity::{Viewer, task};

use super::TaskError;
use crate::graphql::Kind;

/// What somebody is to a task or to a project. Somebody can be several of these, and may do what
/// any of them may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An administrator of the server.
    Admin,
    /// A member of the project, as what.
    Member(Role),
    /// Who made a task outside projects. In a project it is the membership that counts.
    Creator,
    /// Who is to do the task, member or not.
    Assignee,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// See it, with its comments and its history; follow it.
    See,
    /// Say something about it.
    Comment,
    /// Change its fields, whose it is, its labels and its sub-tasks; of a project: make tasks in it.
    Edit,
    /// Delete the task, restore it, delete what others say about it.
    Delete,
    /// Change the project itself, archive it, and say who belongs to it.
    Manage,
}

impl Actor {
    /// All of them, as the table has them.
    pub const ALL: [Self; 7] = [
        Self::Admin,
        Self::Member(Role::Owner),
        Self::Member(Role::Editor),
        Self::Member(Role::Commenter),
        Self::Member(Role::Viewer),
        Self::Creator,
        Self::Assignee,
    ];

    /// The table.
    pub fn may(self, command: Command) -> bool {
        use Command::{Comment, Delete, Edit, Manage, See};
        let allowed: &[Command] = match self {
            Self::Admin | Self::Member(Role::Owner) => &[See, Comment, Edit, Delete, Manage],
            Self::Member(Role::Editor) | Self::Creator => &[See, Comment, Edit, Delete],
            Self::Assignee => &[See, Comment, Edit],
            Self::Member(Role::Commenter) => &[See, Comment],
            Self::Member(Role::Viewer) => &[See],
        };
        allowed.contains(&command)
    }
}

impl Command {
    /// All of them, as the table has them.
    pub const ALL: [Self; 5] = [
        Self::See,
        Self::Comment,
        Self::Edit,
        Self::Delete,
        Self::Manage,
    ];
}

/// Everything a viewer is to a task.
pub fn actors(
    viewer: &Viewer,
    task: &task::Model,
    role: Option<Role>,
) -> impl Iterator<Item = Actor> {
    let is_creator = task.project_id.is_none() && task.creator_id == viewer.user_id;
    let is_assignee = task.assignee_id == Some(viewer.user_id);
    members(viewer, role)
        .chain(is_creator.then_some(Actor::Creator))
        .chain(is_assignee.then_some(Actor::Assignee))
}

/// Everything a viewer is to a project.
pub fn members(viewer: &Viewer, role: Option<Role>) -> impl Iterator<Item = Actor> + use<> {
    let is_admin = viewer.is_admin();
    is_admin
        .then_some(Actor::Admin)
        .into_iter()
        .chain(role.map(Actor::Member))
}

/// Lets a command pass.
///
/// # Errors
/// `NotFound` for what the viewer may not even see, `Forbidden` for the rest.
pub fn check(
    actors: impl Iterator<Item = Actor>,
    command: Command,
    kind: Kind,
) -> Result<(), TaskError> {
    let mut sees = false;
    for actor in actors {
        if actor.may(command) {
            return Ok(());
        }
        sees |= actor.may(Command::See);
    }
    Err(if sees {
        TaskError::Forbidden
    } else {
        TaskError::NotFound(kind)
    })
}
