//! The tables of Taskflow: one file a table, with typed ids, text enums and the selectors that say
//! which rows a viewer may see. No GraphQL and no rules here.

pub mod announcement;
pub mod artist_profile;
pub mod attempt;
pub mod comment;
pub mod comment_mention;
pub mod delivery;
pub mod device;
pub mod event;
pub mod idempotency;
pub mod ids;
pub mod job;
pub mod label;
pub mod login_failure;
pub mod notification;
pub mod notification_preference;
pub mod notification_settings;
pub mod notified;
pub mod one_time_token;
pub mod paused_queue;
pub mod phone_number;
pub mod project;
pub mod project_member;
pub mod revocation;
mod row;
pub mod server_state;
pub mod session;
pub mod stream;
pub mod stream_entry;
pub mod suppression;
pub mod task;
pub mod task_history;
pub mod task_label;
pub mod task_watcher;
pub mod task_words;
pub mod user;
pub mod user_role;
mod viewer;
pub mod webhook_endpoint;
pub mod webhook_message;

pub use ids::{
    AnnouncementId, AttemptId, CommentId, DeliveryId, DeviceId, EventId, JobId, LabelId,
    NotificationId, OneTimeTokenId, ProjectId, RevocationId, SessionId, TaskChangeId, TaskId,
    UserId, WebhookId,
};
pub use viewer::Viewer;

/// A point in time, in UTC and cut to microseconds (what PostgreSQL keeps).
pub type Timestamp = chrono::DateTime<chrono::Utc>;
