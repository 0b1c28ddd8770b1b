//! A task: what somebody is to do.

mod api;
mod error;
mod events;
mod filter;
mod mutation;
mod order;
mod policy;
mod service;
mod store;
mod subscription;

pub use self::api::{Task, TaskQuery, find_task, find_tasks};
pub use self::error::TaskError;
pub use self::events::TaskAssigned;
pub use self::mutation::TaskMutation;
pub use self::store::find;
pub use self::subscription::TaskSubscription;
