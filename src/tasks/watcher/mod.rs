//! Who follows a task, and who is to be told of a change.

mod api;
mod audience;
mod mutation;
mod recipients;
mod service;
mod store;

pub use self::api::{Loaders, WatcherConnection, viewer_has_muted, viewer_is_watching, watchers};
pub use self::audience::Audience;
pub use self::mutation::WatcherMutation;
pub use self::recipients::{recipients, recipients_and, recipients_of_new};
pub use self::store::{start, start_later, who_muted};
