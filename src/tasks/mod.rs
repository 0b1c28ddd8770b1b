//! Tasks and what is around them: a folder a noun. What they share stands beside the folders: who
//! may do what, what can go wrong, and what is loaded together for one answer.

mod error;
mod loaders;
pub mod policy;
pub mod project;
pub mod prune;
pub mod task;
mod watcher;

pub use self::error::TaskError;
pub use self::loaders::Loaders;
