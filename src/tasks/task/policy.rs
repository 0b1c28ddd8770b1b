//! Who may do what with a task.
//!
//! |         | see, update, assign, unassign | delete |
//! |---------|-------------------------------|--------|
//! | admin   | yes                           | yes    |
//! | creator | yes                           | yes    |
//! | assignee| yes                           | no     |
//! | others  | no: it does not exist         | no     |

use entity::Viewer;
use entity::task::Model;

use super::TaskError;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Change its fields, or whose it is.
    Edit,
    /// Remove it.
    Delete,
}

/// Lets a command pass.
///
/// # Errors
/// `NotFound` for what the viewer may not even see, `Forbidden` for the rest.
pub fn check(viewer: &Viewer, command: Command, task: &Model) -> Result<(), TaskError> {
    let owns = viewer.is_admin() || task.creator_id == viewer.user_id;
    let works_on = task.assignee_id == Some(viewer.user_id);
    match command {
        _ if !owns && !works_on => Err(TaskError::NotFound),
        Command::Edit => Ok(()),
        Command::Delete if owns => Ok(()),
        Command::Delete => Err(TaskError::Forbidden),
    }
}
