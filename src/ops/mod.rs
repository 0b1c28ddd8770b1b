//! What an operator does that no user can.

pub mod demo;
