//! A label: a word to sort tasks by, the same for the whole server.

mod api;
mod mutation;
mod service;
mod store;

pub use self::api::{Label, LabelQuery, Loaders, find_labels, labels_of};
pub use self::mutation::LabelMutation;
pub use self::service::{keep, problems, replace, unknown};
