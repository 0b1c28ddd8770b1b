//! Addresses of other systems that are told of events.

use sea_orm::entity::prelude::*;

use crate::{ProjectId, Timestamp, UserId, WebhookId};

/// A row of `webhook_endpoints`: of a person, or of a project.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_endpoints")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookId,
    /// Whose, if it is told what a person is told.
    pub user_id: Option<UserId>,
    /// Of which project, if it is told what happens there.
    pub project_id: Option<ProjectId>,
    /// Who registered it.
    pub created_by: UserId,
    /// The address.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it is told of, as a list of types or beginnings of types with a `*`; everything when
    /// there is none.
    pub event_types: Option<Json>,
    /// More headers, as an object.
    pub headers: Json,
    /// What messages are signed with, encrypted.
    pub secret: Vec<u8>,
    /// What they were signed with before, as a list of `{secret, expiresAt}`, encrypted.
    pub old_secrets: Json,
    /// Whether it is told anything.
    pub enabled: bool,
    /// Why not, if the server turned it off.
    pub disabled_reason: Option<String>,
    /// The most messages in a minute.
    pub rate_per_minute: i32,
    /// Since when every message has failed.
    pub first_failure_at: Option<Timestamp>,
    /// Until when it is left alone, because it said so.
    pub slow_until: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Without its secrets and headers.
impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("WebhookEndpoint")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
