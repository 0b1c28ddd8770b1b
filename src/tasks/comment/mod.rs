//! A comment: what somebody says about a task.

mod api;
mod events;
mod mentions;
mod mutation;
mod service;
mod store;

pub use self::api::{Comment, CommentConnection, Loaders, comments_of, find_comments};
pub use self::events::{CommentCreated, CommentDeleted, CommentUpdated};
pub use self::mutation::CommentMutation;
pub use self::store::{find, find_many, mentioned};
