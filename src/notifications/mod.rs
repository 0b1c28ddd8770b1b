//! Tells people what happened. The event says who is to be told; whether it is still wanted, and
//! how, is decided here, when the job runs.
//!
//! An event becomes a **delivery** for each person and channel (job `dispatch`), and each delivery
//! is tried until it is sent, skipped with a reason, or given up (job `deliver`). Each try is an
//! **attempt**.

mod message;
mod service;
mod store;
mod templates;

pub use self::service::{DELIVER, DISPATCH, deliver, dispatch, enqueue_dispatch};
pub use self::templates::Templates;
