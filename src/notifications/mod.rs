//! Tells people what happened. The event says who is to be told; whether it is still wanted, and
//! how, is decided here, when the job runs.
//!
//! An event becomes a **delivery** for each person and channel (job `dispatch`), and each delivery
//! is tried until it is sent, skipped with a reason, or given up (job `deliver`). Each try is an
//! **attempt**.

mod api;
mod deliver;
mod message;
mod service;
mod store;
mod suppressions;
mod templates;
mod upkeep;

pub use self::api::{Suppression, SuppressionMutation, SuppressionQuery};
pub use self::deliver::deliver;
pub use self::service::{DELIVER, DISPATCH, dispatch, enqueue_dispatch};
pub use self::store::upkeep::{attempts_of, deliveries};
pub use self::suppressions::{
    allow, is_suppressed, list as list_suppressions, remove as remove_suppression,
    remove_since as remove_suppressions,
};
pub use self::templates::Templates;
pub use self::upkeep::{delivery_of, drop_queued, give_up, queue_again};
