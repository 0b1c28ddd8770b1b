//! The tables of Taskflow: one file a table, with typed ids, text enums and the selectors that say
//! which rows a viewer may see. No GraphQL and no rules here.

pub mod artist_profile;
pub mod attempt;
pub mod delivery;
pub mod event;
pub mod idempotency;
pub mod ids;
pub mod job;
pub mod login_failure;
pub mod one_time_token;
pub mod revocation;
pub mod server_state;
pub mod session;
pub mod stream;
pub mod stream_entry;
pub mod task;
pub mod user;
pub mod user_role;
mod viewer;

pub use ids::{
    AttemptId, DeliveryId, EventId, JobId, OneTimeTokenId, RevocationId, SessionId, TaskId, UserId,
};
pub use viewer::Viewer;

/// A point in time, in UTC and cut to microseconds (what PostgreSQL keeps).
pub type Timestamp = chrono::DateTime<chrono::Utc>;
