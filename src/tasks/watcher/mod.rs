//! Who follows a task, and who is to be told of a change.

mod recipients;

pub use self::recipients::recipients;
