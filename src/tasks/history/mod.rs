//! The history of a task: who changed what, from what to what.

mod api;
mod store;

pub use self::api::{Loaders, TaskChange, TaskChangeConnection, find_changes, history_of};
