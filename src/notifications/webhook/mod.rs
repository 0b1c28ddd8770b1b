//! Webhooks: addresses of other systems that are told of events as they happen.
//!
//! A webhook is a person's, and is told what that person is told; or a project's, and is told what
//! happens there. Messages follow Standard Webhooks 1.0 (<https://www.standardwebhooks.com>): the
//! body is made once an event and kept byte for byte; each try is signed anew. A message is tried on
//! a schedule (`webhooks.retry_schedule_seconds`). One that arrives twice has the same `webhook-id`,
//! and the order of messages is not that of the events: `data.task.version` tells which is newer.

mod api;
mod checks;
mod commands;
mod deliver;
mod error;
mod events;
mod mutation;
mod payload;
mod policy;
mod prepare;
mod secrets;
mod service;
mod settle;
mod store;

pub use self::api::{
    Loaders, Webhook, WebhookDelivery, WebhookQuery, find_deliveries, find_webhooks,
};
pub use self::checks::tells;
pub use self::deliver::deliver;
pub use self::events::{WebhookDisabled, WebhookTest};
pub use self::mutation::WebhookMutation;
pub use self::prepare::{Prepared, prepare, write};
