//! Who may see what of a person. A server is one team: names are everybody's, addresses are not.

use entity::{UserId, Viewer};

/// The e-mail address: one's own, and admins.
pub fn may_see_email(viewer: &Viewer, of: UserId) -> bool {
    viewer.user_id == of || viewer.is_admin()
}
