use crate::{SessionId, UserId, user_role::Role};

/// The signed-in person on whose behalf something is read or done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Viewer {
    /// Who it is.
    pub user_id: UserId,
    /// The session the access token belongs to.
    pub session_id: SessionId,
    /// The user's epoch when the access token was made.
    pub epoch: i32,
    /// The roles the access token names.
    pub roles: Vec<Role>,
}

impl Viewer {
    /// Whether the viewer may see and edit what belongs to others.
    pub fn is_admin(&self) -> bool {
        self.roles.contains(&Role::Admin)
    }
}
