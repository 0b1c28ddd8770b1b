//! Taskflow: a self-hosted task server with one GraphQL API.
//!
//! Bytes come in through [`transport`], become an operation that [`graphql`]'s guard lets pass, and
//! reach a domain's `api`. Its `service` opens one transaction in which the change, what happened
//! ([`events`]) and the work it causes ([`jobs`]) are written together. After the commit a hint
//! wakes the followers of a stream and the [`worker`]. `docs/ARCHITECTURE.md` walks through it.
//!
//! Arrows point downward: transport, schema and worker to the domains; those to events, jobs and
//! graphql; those to limits, db, crypto and outbound; and all to the crate `entity`. A test reads the imports.

pub mod accounts;
pub mod app;
pub mod auth;
pub mod cli;
pub mod crypto;
pub mod db;
pub mod delivery;
pub mod events;
pub mod failpoint;
pub mod graphql;
pub mod jobs;
pub mod kv;
pub mod lifecycle;
pub mod limits;
pub mod mailbox;
pub mod notifications;
pub mod ops;
pub mod outbound;
pub mod schema;
pub mod server;
pub mod settings;
pub mod sink;
pub mod tasks;
pub mod telemetry;
pub mod text;
pub mod transport;
pub mod upkeep;
pub mod worker;
