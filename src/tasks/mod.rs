//! Tasks and what is around them: a folder a noun. What they share stands beside the folders: who
//! may do what, what can go wrong, and what is loaded together for one answer.

pub mod comment;
mod error;
pub mod history;
pub mod label;
mod loaders;
pub mod policy;
pub mod project;
pub mod prune;
mod slice;
pub mod task;
pub mod watcher;

pub use self::error::TaskError;
pub use self::loaders::Loaders;
