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

/// What an account says of its owner is other than before.
#[derive(Debug, Serialize)]
pub struct UserUpdated {
    /// Whose.
    pub user_id: UserId,
    /// The fields that changed.
    pub fields: Vec<&'static str>,
}

impl Event for UserUpdated {
    const TOPIC: &'static str = "user.updated";
    const SCHEMA_VERSION: i32 = 1;
}

/// Somebody has an artist profile.
#[derive(Debug, Serialize)]
pub struct ArtistCreated {
    /// Who.
    pub user_id: UserId,
}

impl Event for ArtistCreated {
    const TOPIC: &'static str = "artist.created";
    const SCHEMA_VERSION: i32 = 1;
}

/// An artist profile is other than before.
#[derive(Debug, Serialize)]
pub struct ArtistUpdated {
    /// Whose.
    pub user_id: UserId,
    /// The fields that changed.
    pub fields: Vec<&'static str>,
}

impl Event for ArtistUpdated {
    const TOPIC: &'static str = "artist.updated";
    const SCHEMA_VERSION: i32 = 1;
}
