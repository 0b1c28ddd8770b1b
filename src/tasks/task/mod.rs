//! A task: what somebody is to do.

mod api;
mod batch;
mod events;
mod field;
mod filter;
mod mutation;
mod mutation_state;
mod order;
mod outward;
mod query;
mod record;
mod search;
mod service;
mod store;
mod subscription;
mod subscription_changes;
mod subtask;

use super::TaskError;

pub use self::api::Task;
pub use self::api::required_user;
pub use self::batch::TaskBatchMutation;
pub use self::events::{
    TaskAssigned, TaskCompleted, TaskDeleted, TaskRestored, TaskUnassigned, TaskUpdated,
};
pub use self::field::TaskField;
pub use self::mutation::TaskMutation;
pub(super) use self::mutation::task_id;
pub use self::mutation_state::TaskStateMutation;
pub use self::outward::{outward, outward_of};
pub use self::query::{TaskQuery, find_task, find_tasks};
pub(super) use self::record::Difference;
pub use self::service::empty_trash;
pub(super) use self::service::{
    allow, description_problems, input_hash, is_disabled, key_problems, no_account, problem, refuse,
};
pub use self::store::{find, find_many};
pub(super) use self::store::{find_all_visible, find_visible, lock};
pub use self::subscription::{TaskSubscription, to_the_first_error};
pub use self::subscription_changes::TaskChangeSubscription;
pub use self::subtask::SubtaskLoaders;
pub use self::subtask::load_visible;
