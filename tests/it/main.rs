//! The tests of Taskflow as a whole: through the real router, on real servers. The same tests run
//! embedded (SQLite, in-process bus) and on PostgreSQL and Redis.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod support;

mod abuse;
mod account_mail;
mod accounts;
mod admin;
mod arrows;
mod artists;
mod assignment;
mod changes;
mod clients;
mod comments;
mod connections;
mod demo;
mod depth;
mod disk;
mod documents;
mod end_to_end;
mod errors;
mod faults;
mod filters;
mod hidden;
mod history;
mod http;
mod known;
mod labels;
mod lending;
mod library;
mod limits;
mod lockout;
mod mail;
mod matrix;
mod migrations;
mod model;
mod nodes;
mod notifications;
mod passwords;
mod people;
mod plans;
mod projects;
mod projects_tasks;
mod races;
mod rows;
mod schema;
mod search;
mod sessions;
mod sink;
mod socket;
mod start;
mod streams;
mod task_batches;
mod task_dates;
mod task_parts;
mod task_states;
mod tasks;
mod tokens;
mod transactions;
mod upkeep;
mod visibility;
mod watchers;
mod webhooks;
