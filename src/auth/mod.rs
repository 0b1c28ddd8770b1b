//! Who someone is: passwords, sessions, access tokens and the keys that sign them.
//!
//! A **session** is a signed-in device. It is renewed with an opaque **refresh token**, of which
//! only the hash is stored, and every renewal replaces it. An **access token** is a JWT of 15
//! minutes that any replica can check without asking the database.

mod access;
mod api;
mod error;
pub mod events;
mod hash_threads;
mod hashes;
mod keys;
pub mod lockout;
pub mod one_time;
mod password_policy;
mod passwords;
pub mod prune;
pub mod revocations;
mod service;
mod session_count;
mod store;
mod tokens;

pub use self::access::{authenticate, caller_now};
pub use self::api::{
    ArtistSignInMutation, EmailMutation, InvitationMutation, LockoutMutation, PasswordMutation,
    PasswordQuery, Session, SessionConnection, SessionMutation, SessionQuery, SignInMutation,
    TokenQuery, find_sessions,
};
pub use self::error::AuthError;
pub use self::hashes::Stored;
pub use self::keys::{KeyError, Keys, check_other_keys};
pub use self::passwords::{Fit, Passwords, PasswordsError};
pub use self::revocations::{Revocations, end_sessions_of, raise_epoch};
pub use self::service::{
    Imported, ImportedUser, ask_to_verify, check_import, hash_new_password, import_users, invite,
    issue_token, set_password, token_of,
};
pub use self::session_count::{count_sessions, keep_counting_sessions};
pub use self::tokens::{TokenError, Tokens, Verified};
