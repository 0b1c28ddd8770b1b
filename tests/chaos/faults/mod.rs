//! What is done to the servers.

pub mod bus;
pub mod postgres;
pub mod proxy;
