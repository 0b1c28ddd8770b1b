//! What happens to webhooks.

use entity::{ProjectId, UserId, WebhookId};
use serde::{Deserialize, Serialize};

use crate::events::Event;

/// The server turned a webhook off.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhookDisabled {
    /// Which.
    pub webhook_id: WebhookId,
    /// Of which project; none for a person's.
    pub project_id: Option<ProjectId>,
    /// Who is to be told: who registered it.
    pub recipients: Vec<UserId>,
    /// The host of its address: by the time somebody is told, it may be another or gone.
    pub host: String,
    /// Why, as in the column `disabled_reason`.
    pub reason: String,
}

impl Event for WebhookDisabled {
    const TOPIC: &'static str = "webhook.disabled";
    const SCHEMA_VERSION: i32 = 1;
}

/// Somebody wants to see whether a webhook works. It is told to that one alone.
#[derive(Debug, Serialize)]
pub struct WebhookTest {
    /// Which.
    pub webhook_id: WebhookId,
}

impl Event for WebhookTest {
    const TOPIC: &'static str = "webhook.test";
    const SCHEMA_VERSION: i32 = 1;
}
