//! Who may do what with a webhook: a person with their own, whoever may manage a project with the
//! project's. For all others it does not exist.

use entity::project_member::Role;
use entity::webhook_endpoint::Model;
use entity::{ProjectId, UserId, Viewer};

use crate::db::Tx;
use crate::graphql::Kind;
use crate::tasks::policy::{self, Command};
use crate::tasks::{TaskError, project};

use super::error::WebhookError;

/// Whose a webhook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// It is told what this person is told.
    Person(UserId),
    /// It is told what happens in this project.
    Project(ProjectId),
}

impl Owner {
    /// Whose this one is.
    pub fn of(webhook: &Model) -> Self {
        match (webhook.project_id, webhook.user_id) {
            (Some(project), _) => Self::Project(project),
            (None, Some(person)) => Self::Person(person),
            // No row is like this; it would be of who made it.
            (None, None) => Self::Person(webhook.created_by),
        }
    }
}

/// Whether the viewer, who is this in the project, may use the owner's webhooks.
pub fn may_use(viewer: &Viewer, owner: Owner, role: Option<Role>) -> bool {
    match owner {
        Owner::Person(person) => person == viewer.user_id,
        Owner::Project(_) => policy::members(viewer, role).any(|actor| actor.may(Command::Manage)),
    }
}

/// Lets somebody who sees a project use its webhooks.
///
/// # Errors
/// `Forbidden`.
pub fn check(viewer: &Viewer, role: Option<Role>) -> Result<(), TaskError> {
    policy::check(
        policy::members(viewer, role),
        Command::Manage,
        Kind::Project,
    )
}

/// Lets the viewer use the owner's webhooks; what they are in the project stays so until the end of
/// the transaction.
///
/// # Errors
/// Those of a project's policy.
pub async fn enter(tx: &Tx, viewer: &Viewer, owner: Owner) -> Result<(), WebhookError> {
    let Owner::Project(id) = owner else {
        return if may_use(viewer, owner, None) {
            Ok(())
        } else {
            Err(WebhookError::NotFound(Kind::Webhook))
        };
    };
    let standings = project::standings(tx, vec![id], viewer.user_id).await?;
    let standing = standings.get(&id);
    let standing = standing.ok_or(WebhookError::NotFound(Kind::Project))?;
    Ok(check(viewer, standing.role)?)
}
