//! Tells people what happened. The event says who is to be told; whether it is still wanted, and
//! how, is decided here, when the job runs.
//!
//! An event becomes a **notification** for each person it concerns, which stands in their list, and a
//! **delivery** for each channel and address of theirs (job `dispatch`). Each delivery is tried until
//! it is sent, suppressed with a reason, or given up (job `deliver`). Each try is an **attempt**.
//! Addresses of other systems are told beside people: `webhook`.

mod address;
mod announcement;
mod api;
mod deliver;
mod error;
mod inbox;
mod message;
mod people;
mod plan;
mod reports;
mod service;
pub mod settings;
mod stats;
mod store;
mod suppressions;
mod templates;
mod together;
mod unsubscribe;
mod upkeep;
pub mod webhook;
mod written;

pub use self::address::{AddressMutation, Device, find_devices};
pub use self::announcement::AnnouncementMutation;
pub use self::api::{Suppression, SuppressionMutation, SuppressionQuery};
pub use self::deliver::deliver;
pub use self::error::NotificationError;
pub use self::inbox::{
    Loaders, Notification, NotificationMutation, NotificationQuery, NotificationSubscription,
    find_notifications, prune,
};
pub use self::reports::apply_reports;
pub use self::service::{DELIVER, DISPATCH, delivery_job_key, dispatch, enqueue_dispatch};
pub use self::settings::{NotificationSettingsMutation, NotificationSettingsQuery, look_again};
pub use self::stats::StatsQuery;
pub use self::store::upkeep::{attempts_of, deliveries};
pub use self::suppressions::{
    allow, is_suppressed, list as list_suppressions, remove as remove_suppression,
    remove_since as remove_suppressions,
};
pub use self::templates::{MessagePart, Reader, RenderError, Rendered, Templates};
pub use self::together::Rounds;
pub use self::unsubscribe::{unsubscribe, unsubscribes};
pub use self::upkeep::{delivery_of, drop_queued, give_up, queue_again};
pub use self::webhook::tells;
