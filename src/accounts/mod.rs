//! The people of a server: who they are and how they are found.

mod api;
mod error;
mod events;
mod policy;
mod service;
mod store;

pub use self::api::{
    AccountsMutation, AccountsQuery, AdminMutation, Artist, ArtistLinkInput, ArtistMutation,
    ArtistQuery, CountPeople, Loaders, User, UserConnectionFields, UserRole, Viewer, find_artist,
    load_user,
};
pub use self::error::AccountError;
pub use self::policy::{Actor, says_admin};
pub use self::service::{
    ArtistDetails, NewAccount, NewUser, create, create_artist, create_user, disable_user,
    enable_user, enter, find_by_login_name, folded, give_roles, grant, is_unchanged, list_users,
    normal_email, problems, set_email, set_user_roles, unlock_user,
};
use self::store::artists::ArtistFilter;
pub use self::store::artists::find_many as find_artist_profiles;
pub use self::store::credentials::{confirm_email, first_admin, set_password};
pub use self::store::{
    DirectoryFilter, active_among, find, find_by_usernames, find_many, lock, note_login,
    raise_epoch, roles, roles_of_many, set_better_hash, taken_names,
};
