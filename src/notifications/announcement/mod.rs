//! What administrators say to people: on the channels each of them wants, now or later, once.

mod mutation;
mod service;
mod store;

pub use self::mutation::AnnouncementMutation;
pub use self::service::{Announced, channels_of};
pub use self::store::{everyone_after, find_many};
