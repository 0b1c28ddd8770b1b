//! Tasks and, as they come to exist, what is around them.

pub mod task;
