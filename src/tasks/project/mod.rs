//! A project: tasks that a group of people share.

mod store;

pub use self::store::{find_many, role, roles_of};
