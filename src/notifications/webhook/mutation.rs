//! Changing webhooks, in GraphQL.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{DeliveryId, ProjectId, WebhookId};
use secrecy::{ExposeSecret, SecretString};

use super::api::{Webhook, WebhookDelivery};
use super::error::told;
use super::service::{self, Changes, Headers, NewWebhook};
use super::{checks, commands};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, CursorTime, Kind, UserError};
use crate::limits::{Bucket, Charge, Key};

/// A header that is to go with every message to a webhook.
#[derive(InputObject)]
pub struct WebhookHeaderInput {
    /// The name, in letters, digits and hyphens; not one that HTTP or the server sets.
    name: String,
    /// What it holds, of 1 to 1,000 characters of ASCII. Kept encrypted, and never told.
    value: String,
}

/// The webhook to register.
#[derive(InputObject)]
pub struct RegisterWebhookInput {
    /// The address: `https`, and public.
    url: String,
    /// The project it is told of; without it, it is told what the signed-in person is told.
    project_id: Option<ID>,
    /// What it is for, in 1 to 500 characters.
    description: Option<String>,
    /// What it is told of: types as `task.assigned`, or beginnings of types as `task.*`; everything
    /// when not given.
    event_types: Option<Vec<String>>,
    /// Headers that go with every message, at most 20.
    headers: Option<Vec<WebhookHeaderInput>>,
    /// How many messages it gets in a minute at most, from 1 to 600; 60 when not given.
    rate_per_minute: Option<i32>,
}

/// What is to change of a webhook. A field that is absent keeps its value.
#[derive(InputObject)]
pub struct UpdateWebhookInput {
    /// Which webhook.
    id: ID,
    /// The new address. To another host, headers must be given anew.
    url: Option<String>,
    /// What it is for; null removes it.
    description: MaybeUndefined<String>,
    /// What it is told of; null is everything.
    event_types: MaybeUndefined<Vec<String>>,
    /// All headers that are to go with every message from now on.
    headers: Option<Vec<WebhookHeaderInput>>,
    /// How many messages it gets in a minute at most.
    rate_per_minute: Option<i32>,
    /// Whether it is told anything. One that the server turned off begins anew when it is enabled.
    enabled: Option<bool>,
}

/// Which webhook is to go.
#[derive(InputObject)]
pub struct DeleteWebhookInput {
    /// Which webhook.
    id: ID,
}

/// Which webhook is to have a new secret.
#[derive(InputObject)]
pub struct RotateWebhookSecretInput {
    /// Which webhook.
    id: ID,
}

/// Which webhook is to be tested.
#[derive(InputObject)]
pub struct SendTestWebhookInput {
    /// Which webhook.
    id: ID,
}

/// Which message is to be sent once more.
#[derive(InputObject)]
pub struct RedeliverWebhookInput {
    /// Which delivery.
    delivery_id: ID,
}

/// Which messages are to be sent once more.
#[derive(InputObject)]
pub struct RecoverWebhookInput {
    /// To which webhook.
    id: ID,
    /// Those that were made since then.
    since: DateTime<Utc>,
}

/// The webhook that was registered.
#[derive(SimpleObject)]
pub struct RegisterWebhookPayload {
    /// The webhook; null when there are user errors.
    webhook: Option<Webhook>,
    /// What its messages are signed with, as `whsec_…`. It is told now and never again.
    secret: Option<String>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The webhook that was changed.
#[derive(SimpleObject)]
pub struct UpdateWebhookPayload {
    /// The webhook; null when there are user errors.
    webhook: Option<Webhook>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The webhook that is gone.
#[derive(SimpleObject)]
pub struct DeleteWebhookPayload {
    /// Its id; null when there are user errors.
    deleted_webhook_id: Option<ID>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The webhook with a new secret.
#[derive(SimpleObject)]
pub struct RotateWebhookSecretPayload {
    /// The webhook; null when there are user errors.
    webhook: Option<Webhook>,
    /// What its messages are signed with from now on. It is told now and never again.
    secret: Option<String>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The test that is on its way.
#[derive(SimpleObject)]
pub struct SendTestWebhookPayload {
    /// The message; null when there are user errors.
    delivery: Option<WebhookDelivery>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The message that is on its way once more.
#[derive(SimpleObject)]
pub struct RedeliverWebhookPayload {
    /// The message; null when there are user errors.
    delivery: Option<WebhookDelivery>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// How many messages are on their way once more.
#[derive(SimpleObject)]
pub struct RecoverWebhookPayload {
    /// How many; null when there are user errors. When it is 1,000, there may be more.
    queued_count: Option<usize>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Changing webhooks. A person may with their own, and whoever may manage a project with the
/// project's.
#[derive(Debug, Default)]
pub struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Has another system told of events, by HTTP POST.
    async fn register_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook to register.")] input: RegisterWebhookInput,
    ) -> Result<RegisterWebhookPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let project = input.project_id.as_ref();
        let project = project.map(|id| Kind::Project.decode(id)).transpose()?;
        let new = NewWebhook {
            url: input.url,
            project: project.map(ProjectId),
            description: input.description,
            event_types: input.event_types,
            headers: headers(input.headers.unwrap_or_default()),
            rate_per_minute: input.rate_per_minute,
        };
        let (made, user_errors) = told(service::register(ctx.app(), viewer, new).await)?;
        let (webhook, secret) = made.unzip();
        Ok(RegisterWebhookPayload {
            webhook: webhook.map(Webhook),
            secret: secret.as_ref().map(shown),
            user_errors,
        })
    }

    /// Changes a webhook. What waits for it already goes to its new address.
    async fn update_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateWebhookInput,
    ) -> Result<UpdateWebhookPayload, ApiError> {
        let (viewer, id) = (ctx.viewer()?, webhook_id(&input.id)?);
        let changes = Changes {
            url: input.url,
            description: input.description,
            event_types: input.event_types,
            headers: input.headers.map(headers),
            rate_per_minute: input.rate_per_minute,
            enabled: input.enabled,
        };
        let webhook = service::update(ctx.app(), viewer, id, changes).await;
        let (webhook, user_errors) = told(webhook.map(Webhook))?;
        Ok(UpdateWebhookPayload {
            webhook,
            user_errors,
        })
    }

    /// Deletes a webhook. What waits for it is not sent any more.
    async fn delete_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which webhook is to go.")] input: DeleteWebhookInput,
    ) -> Result<DeleteWebhookPayload, ApiError> {
        let (viewer, id) = (ctx.viewer()?, webhook_id(&input.id)?);
        let (gone, user_errors) = told(service::delete(ctx.app(), viewer, id).await)?;
        Ok(DeleteWebhookPayload {
            deleted_webhook_id: gone.map(|()| input.id),
            user_errors,
        })
    }

    /// Gives a webhook a new secret. For 24 hours messages are signed with the old one, too; at most
    /// ten old ones, the newest.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which webhook is to have a new secret.")] input: RotateWebhookSecretInput,
    ) -> Result<RotateWebhookSecretPayload, ApiError> {
        let (viewer, id) = (ctx.viewer()?, webhook_id(&input.id)?);
        let (made, user_errors) = told(service::rotate(ctx.app(), viewer, id).await)?;
        let (webhook, secret) = made.unzip();
        Ok(RotateWebhookSecretPayload {
            webhook: webhook.map(Webhook),
            secret: secret.as_ref().map(shown),
            user_errors,
        })
    }

    /// Sends a message of the type `webhook.test` to a webhook, whatever types it is told of.
    async fn send_test_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which webhook is to be tested.")] input: SendTestWebhookInput,
    ) -> Result<SendTestWebhookPayload, ApiError> {
        let (viewer, id) = (ctx.viewer()?, webhook_id(&input.id)?);
        charge(ctx).await?;
        let (sent, user_errors) = told(commands::test(ctx.app(), viewer, id).await)?;
        Ok(SendTestWebhookPayload {
            delivery: sent.map(WebhookDelivery),
            user_errors,
        })
    }

    /// Sends a message once more, whether it had arrived or not: the same one, with the same
    /// `webhook-id`. If that fails, it is tried on the schedule again.
    async fn redeliver_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which message is to be sent once more.")] input: RedeliverWebhookInput,
    ) -> Result<RedeliverWebhookPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = DeliveryId(Kind::Delivery.decode(&input.delivery_id)?);
        charge(ctx).await?;
        let (sent, user_errors) = told(commands::redeliver(ctx.app(), viewer, id).await)?;
        Ok(RedeliverWebhookPayload {
            delivery: sent.map(WebhookDelivery),
            user_errors,
        })
    }

    /// Sends all messages once more that were given up since some time: the newest first, and 1,000 at
    /// most.
    async fn recover_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which messages are to be sent once more.")] input: RecoverWebhookInput,
    ) -> Result<RecoverWebhookPayload, ApiError> {
        let (viewer, id) = (ctx.viewer()?, webhook_id(&input.id)?);
        if CursorTime::try_from(input.since).is_err() {
            let message = "This is no time of our calendar's years 1 to 9999.";
            return Ok(RecoverWebhookPayload {
                queued_count: None,
                user_errors: vec![checks::problem(message, "since")],
            });
        }
        charge(ctx).await?;
        let queued = commands::recover(ctx.app(), viewer, id, input.since).await;
        let (queued_count, user_errors) = told(queued)?;
        Ok(RecoverWebhookPayload {
            queued_count,
            user_errors,
        })
    }
}

/// Counts what has the server call an address of a person's own choice.
async fn charge(ctx: &Context<'_>) -> Result<(), ApiError> {
    let user = Key::user(ctx.viewer()?.user_id);
    let charge = Charge::one(Bucket::CallWebhook, user);
    ctx.meter().charge(&[charge]).await
}

fn headers(input: Vec<WebhookHeaderInput>) -> Headers {
    let headers = input.into_iter();
    headers
        .map(|header| (header.name, header.value.into()))
        .collect()
}

fn shown(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}

fn webhook_id(id: &str) -> Result<WebhookId, ApiError> {
    Kind::Webhook.decode(id).map(WebhookId)
}
