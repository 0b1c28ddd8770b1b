//! Tells other services what happened: each event of the topics of [`tells`] becomes a job, written in
//! the event's transaction, and each job an entry of a Redis Stream, as a CloudEvent. At least once:
//! the event's id tells copies, and nothing but Redis itself can lose an entry that it took.
//!
//! A sink of another kind, as Kafka, would stand beside `delivery/stream.rs`: a driver with one
//! function, [`StreamEntry`](crate::delivery::stream::StreamEntry) in, taken or not taken out. The
//! field `stream` of [`App`](crate::app::App) would become an enum of both, as
//! [`EmailTransport`](crate::delivery::email::EmailTransport) is one of the ways of mail. Jobs,
//! retries, replays and the form of events stay as they are.

mod cloud_event;
mod service;

pub use self::cloud_event::cloud_event;
pub use self::service::{SEND, TOPICS, enqueue, replay, send, tells};
