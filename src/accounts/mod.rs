//! The people of a server: who they are and how they are found.

mod api;
mod credentials;
mod error;
mod events;
mod policy;
mod service;
mod store;

pub use self::api::{AccountsQuery, User, UserLoader, Viewer, load_user};
pub use self::credentials::{confirm_email, first_admin, has_account, set_email, set_password};
pub use self::error::AccountError;
pub use self::service::{
    NewUser, create, find_by_login_name, folded, grant, normal_email, problems,
};
pub use self::store::{find, note_login, raise_epoch, roles, set_better_hash, taken_names};
