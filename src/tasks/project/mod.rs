//! A project: tasks that a group of people share.

mod api;
mod events;
mod mutation;
mod service;
mod store;

use super::TaskError;

pub use self::api::{Project, ProjectMember, ProjectQuery, find_project, find_projects};
pub use self::events::MemberAdded;
pub use self::mutation::ProjectMutation;
pub use self::store::{
    MemberKeys, Standing, count_members, find_many, find_visible, members_of_many, roles_of,
    standings, take_numbers,
};
