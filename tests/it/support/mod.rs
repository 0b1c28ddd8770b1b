//! What the tests are made of: the application on either set of servers, people who use it, and
//! the servers themselves.

mod app;
mod people;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod server;
pub mod smtp;
mod socket;

pub use self::app::{Mode, TestApp};
pub use self::people::{PASSWORD, Person, Reply};
pub use self::socket::Socket;
