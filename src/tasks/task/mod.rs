//! A task: what somebody is to do.

mod api;
mod events;
mod field;
mod filter;
mod mutation;
mod order;
mod record;
mod service;
mod store;
mod subscription;

use super::TaskError;

pub use self::api::{Task, TaskQuery, find_task, find_tasks};
pub use self::events::TaskAssigned;
pub use self::field::TaskField;
pub use self::mutation::TaskMutation;
pub use self::store::find;
pub use self::subscription::TaskSubscription;
