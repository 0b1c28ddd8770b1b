//! What happens to accounts.

use entity::UserId;
use serde::Serialize;

use crate::events::Event;

/// Somebody has an account.
#[derive(Debug, Serialize)]
pub struct UserCreated {
    /// Who.
    pub user_id: UserId,
}

impl Event for UserCreated {
    const TOPIC: &'static str = "user.created";
    const SCHEMA_VERSION: i32 = 1;
}
