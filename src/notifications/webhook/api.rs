//! Webhooks in GraphQL: the objects and the queries.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::delivery::{self, State};
use entity::webhook_endpoint::Model;
use entity::{AttemptId, DeliveryId, EventId, ProjectId, WebhookId};

use super::commands::webhook_of;
use super::error::WebhookError;
use super::policy::{self, Owner};
use super::store::{self, AttemptRow};
use super::{secrets, settle};
use crate::accounts::User;
use crate::app::AppExt;
use crate::graphql::{
    ApiError, ContextExt, ErrorCode, Kind, Loader, OpaqueCursor, PageArgs, type_id,
};
use crate::tasks::project::{self, Project};
use crate::tasks::task::required_user;
use crate::upkeep::DeliveryState;

/// The order of both lists, for their cursors.
const NEWEST: &str = "newest_webhook";
const NEWEST_DELIVERY: &str = "newest_delivery";
/// How many attempts of a delivery are shown.
const LAST_ATTEMPTS: i64 = 20;
/// How many answers of webhooks, which are long, are read for one operation.
const MOST_RESPONSES: usize = 100;

/// What is loaded together of webhooks.
#[derive(Debug, Default)]
pub struct Loaders {
    projects: Loader<ProjectId, Project, ApiError>,
    kinds: Loader<EventId, String, ApiError>,
    attempts: Loader<DeliveryId, Vec<AttemptRow>, ApiError>,
    responses: Loader<AttemptId, String, ApiError>,
    responses_asked: AtomicUsize,
}

fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders, ApiError> {
    ctx.data_opt()
        .ok_or_else(|| ApiError::internal("a request without loaders of webhooks"))
}

/// Why the server turned a webhook off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum WebhookDisabledReason {
    /// It answered 410: it wants no messages any more.
    Gone,
    /// Every attempt has failed for days.
    Failing,
    /// Its secret, or a header, was encrypted with a key that the server has no more. Use
    /// `rotateWebhookSecret`, and give the headers anew.
    SecretUnreadable,
}

/// What caused an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum WebhookTrigger {
    /// A person asked for it.
    Manual,
    /// It was its turn.
    Scheduled,
}

/// A header that goes with every message to a webhook. What it holds is never told.
#[derive(Clone, Debug, SimpleObject)]
pub struct WebhookHeader {
    /// Its name.
    name: String,
}

/// An address of another system that is told of events as they happen, by HTTP POST. Messages follow
/// Standard Webhooks 1.0. They arrive at least once and in no certain order: the header `webhook-id`
/// tells what came twice, and `data.task.version` what is newer.
#[derive(Clone, Debug)]
pub struct Webhook(pub Model);

/// An address of another system that is told of events as they happen, by HTTP POST. Messages follow
/// Standard Webhooks 1.0. They arrive at least once and in no certain order: the header `webhook-id`
/// tells what came twice, and `data.task.version` what is newer.
#[Object]
impl Webhook {
    /// The id, as `webhook_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Webhook.encode(self.0.id.0)
    }

    /// The address.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// What it is told of: types as `task.assigned`, or beginnings of types as `task.*`; null for
    /// everything.
    async fn event_types(&self) -> Option<Vec<String>> {
        let types = self.0.event_types.clone()?;
        serde_json::from_value(types).ok()
    }

    /// The headers that go with every message, by name.
    async fn headers(&self) -> Vec<WebhookHeader> {
        let names = secrets::header_names(&self.0).cloned();
        names.map(|name| WebhookHeader { name }).collect()
    }

    /// Whether it is told anything.
    #[graphql(name = "enabled")]
    async fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Why the server turned it off; null when it did not.
    async fn disabled_reason(&self) -> Option<WebhookDisabledReason> {
        match self.0.disabled_reason.as_deref()? {
            settle::GONE => Some(WebhookDisabledReason::Gone),
            settle::FAILING => Some(WebhookDisabledReason::Failing),
            settle::SECRET_UNREADABLE => Some(WebhookDisabledReason::SecretUnreadable),
            _ => None,
        }
    }

    /// How many messages it gets in a minute at most.
    async fn rate_per_minute(&self) -> i32 {
        self.0.rate_per_minute
    }

    /// Since when every attempt has failed; null when the last one did not.
    async fn failing_since(&self) -> Option<DateTime<Utc>> {
        self.0.first_failure_at
    }

    /// The project it is told of; null when it is told what a person is told.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>, ApiError> {
        let Some(id) = self.0.project_id else {
            return Ok(None);
        };
        let fetch = |ids| project::find_projects(ctx, ids);
        loaders(ctx)?.projects.load(id, fetch).await
    }

    /// Who registered it.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<User, ApiError> {
        required_user(ctx, self.0.created_by).await
    }

    /// When it was registered.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// What it was told, the newest first; deleted with the events, after some time.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Only messages that stand so.")] state: Option<DeliveryState>,
    ) -> Result<
        Connection<OpaqueCursor, WebhookDelivery, WebhookDeliveryConnectionFields, EmptyFields>,
        ApiError,
    > {
        let has_previous = after.is_some();
        let page = &PageArgs { first, after }.read::<DeliveryId>(NEWEST_DELIVERY)?;
        let (app, id, state) = (ctx.app(), self.0.id, state.map(State::from));
        let mut rows = app
            .db
            .read(|db| async move { store::list_deliveries(&db, id, state, page).await })
            .await?;
        let has_next = page.cut(&mut rows);
        let fields = WebhookDeliveryConnectionFields { webhook: id, state };
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(rows.into_iter().map(|row| {
            let cursor = OpaqueCursor::new(NEWEST_DELIVERY, row.id);
            Edge::new(cursor, WebhookDelivery(row))
        }));
        Ok(connection)
    }
}

/// One message to a webhook.
#[derive(Clone, Debug)]
pub struct WebhookDelivery(pub delivery::Model);

/// One message to a webhook.
#[Object]
impl WebhookDelivery {
    /// The id, as `delivery_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Delivery.encode(self.0.id.0)
    }

    /// What the webhook sees in the header `webhook-id`: the same for every attempt.
    async fn message(&self) -> String {
        type_id("msg", self.0.event_id.0)
    }

    /// What it tells of, as `task.assigned`.
    async fn event_type(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        let app = ctx.app();
        let fetch = |ids: Vec<EventId>| async move {
            let ids = &ids;
            Ok(app
                .db
                .read(|db| async move { store::message_kinds(&db, ids.clone()).await })
                .await?)
        };
        let kind = loaders(ctx)?.kinds.load(self.0.event_id, fetch).await?;
        Ok(kind.unwrap_or_default())
    }

    /// Where it stands. What the webhook has acknowledged is `DELIVERED`.
    async fn state(&self) -> DeliveryState {
        self.0.state.into()
    }

    /// Why it was given up, or not sent.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was acknowledged, given up, or found not to be wanted.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }

    /// The last 20 tries, the newest first.
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<WebhookAttempt>, ApiError> {
        let app = ctx.app();
        let fetch = |ids: Vec<DeliveryId>| async move {
            let ids = &ids;
            Ok(app
                .db
                .read(|db| async move { store::attempts_of(&db, ids.clone(), LAST_ATTEMPTS).await })
                .await?)
        };
        let attempts = loaders(ctx)?.attempts.load(self.0.id, fetch).await?;
        let attempts = attempts.unwrap_or_default().into_iter();
        Ok(attempts.map(WebhookAttempt).collect())
    }
}

/// A try to deliver a message to a webhook.
#[derive(Clone, Debug)]
pub struct WebhookAttempt(AttemptRow);

/// A try to deliver a message to a webhook.
#[Object]
impl WebhookAttempt {
    /// Its place among the tries of the message, from 1.
    async fn number(&self) -> i64 {
        self.0.number
    }

    /// When it began.
    async fn at(&self) -> DateTime<Utc> {
        self.0.started_at
    }

    /// The status of the answer; null when there was none.
    async fn status_code(&self) -> Option<i32> {
        self.0.status_code
    }

    /// The beginning of what was answered, of at most 20,000 bytes; null when that was nothing. Those
    /// of 100 attempts can be asked for in an operation.
    async fn response(&self, ctx: &Context<'_>) -> Option<Result<String, ApiError>> {
        self.load_response(ctx).await.transpose()
    }

    /// How long it took, in milliseconds.
    async fn duration_ms(&self) -> i64 {
        (self.0.finished_at - self.0.started_at).num_milliseconds()
    }

    /// What went wrong; null when the webhook has the message.
    async fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What caused it.
    async fn trigger(&self) -> WebhookTrigger {
        if self.0.is_manual {
            WebhookTrigger::Manual
        } else {
            WebhookTrigger::Scheduled
        }
    }
}

impl WebhookAttempt {
    async fn load_response(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        let (app, loaders) = (ctx.app(), loaders(ctx)?);
        if loaders.responses_asked.fetch_add(1, Ordering::Relaxed) >= MOST_RESPONSES {
            return Err(ApiError::new(
                ErrorCode::QueryTooComplex,
                format!("`response` can be asked of at most {MOST_RESPONSES} attempts at once."),
            ));
        }
        let fetch = |ids: Vec<AttemptId>| async move {
            let ids = &ids;
            Ok(app
                .db
                .read(|db| async move { store::responses(&db, ids.clone()).await })
                .await?)
        };
        loaders.responses.load(self.0.id, fetch).await
    }
}

/// What a connection of webhooks says beside its edges.
#[derive(Debug)]
pub struct WebhookConnectionFields(Owner);

#[Object]
impl WebhookConnectionFields {
    /// How many webhooks there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, owner) = (ctx.app(), self.0);
        Ok(app
            .db
            .read(|db| async move { store::count(&db, owner).await })
            .await?)
    }
}

/// What a connection of messages to a webhook says beside its edges.
#[derive(Debug)]
pub struct WebhookDeliveryConnectionFields {
    webhook: WebhookId,
    state: Option<State>,
}

#[Object]
impl WebhookDeliveryConnectionFields {
    /// How many messages there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, id, state) = (ctx.app(), self.webhook, self.state);
        Ok(app
            .db
            .read(|db| async move { store::count_deliveries(&db, id, state).await })
            .await?)
    }
}

/// Looking for webhooks.
#[derive(Debug, Default)]
pub struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// One webhook: of the signed-in person, or of a project they may manage.
    async fn webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook's id.")] id: ID,
    ) -> Option<Result<Webhook, ApiError>> {
        webhook_by_id(ctx, &id).await.transpose()
    }

    /// The webhooks of the signed-in person, or of a project they may manage; the newest first.
    async fn webhooks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which project; one's own when not given.")] project_id: Option<ID>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
    ) -> Result<Connection<OpaqueCursor, Webhook, WebhookConnectionFields, EmptyFields>, ApiError>
    {
        let (app, viewer) = (ctx.app(), ctx.viewer()?);
        let owner = match project_id {
            Some(id) => Owner::Project(ProjectId(Kind::Project.decode(&id)?)),
            None => Owner::Person(viewer.user_id),
        };
        let has_previous = after.is_some();
        let page = &PageArgs { first, after }.read::<WebhookId>(NEWEST)?;
        if let Owner::Project(id) = owner {
            project::find_project(ctx, id).await?;
            let role = app
                .db
                .read(|db| async move { project::roles_of(&db, viewer.user_id, vec![id]).await });
            policy::check(viewer, role.await?.get(&id).copied())?;
        }
        let mut rows = app
            .db
            .read(|db| async move { store::list(&db, owner, page).await })
            .await?;
        let has_next = page.cut(&mut rows);
        let fields = WebhookConnectionFields(owner);
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(rows.into_iter().map(|row| {
            let cursor = OpaqueCursor::new(NEWEST, row.id);
            Edge::new(cursor, Webhook(row))
        }));
        Ok(connection)
    }
}

async fn webhook_by_id(ctx: &Context<'_>, id: &str) -> Result<Option<Webhook>, ApiError> {
    ctx.viewer()?;
    let id = WebhookId(Kind::Webhook.decode(id)?);
    let found = find_webhooks(ctx, vec![id]).await?.remove(&id);
    let unknown = || WebhookError::NotFound(Kind::Webhook).into();
    found.map(Some).ok_or_else(unknown)
}

/// Those of these webhooks that the viewer may use, by two queries.
///
/// # Errors
/// The database's failure.
pub async fn find_webhooks(
    ctx: &Context<'_>,
    ids: Vec<WebhookId>,
) -> Result<HashMap<WebhookId, Webhook>, ApiError> {
    let (app, viewer) = (ctx.app(), ctx.viewer()?);
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = &ids;
    let (rows, roles) = app
        .db
        .read(|db| async move {
            let rows = store::find_many(&db, ids.iter().copied()).await?;
            let projects: Vec<_> = rows.iter().filter_map(|row| row.project_id).collect();
            let roles = if projects.is_empty() {
                HashMap::new()
            } else {
                project::roles_of(&db, viewer.user_id, projects).await?
            };
            Ok::<_, crate::db::DbError>((rows, roles))
        })
        .await?;
    let may_use = |row: &Model| {
        let role = row.project_id.and_then(|id| roles.get(&id).copied());
        policy::may_use(viewer, Owner::of(row), role)
    };
    let rows = rows.into_iter().filter(may_use);
    Ok(rows.map(|row| (row.id, Webhook(row))).collect())
}

/// Those of these deliveries that go to a webhook the viewer may use, by three queries.
///
/// # Errors
/// The database's failure.
pub async fn find_deliveries(
    ctx: &Context<'_>,
    ids: Vec<DeliveryId>,
) -> Result<HashMap<DeliveryId, WebhookDelivery>, ApiError> {
    let app = ctx.app();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = &ids;
    let rows = app
        .db
        .read(|db| async move { store::find_deliveries(&db, ids.clone()).await })
        .await?;
    let webhooks = find_webhooks(ctx, rows.iter().filter_map(webhook_of).collect()).await?;
    let may_see = |row: &delivery::Model| {
        webhook_of(row).is_some_and(|webhook| webhooks.contains_key(&webhook))
    };
    let rows = rows.into_iter().filter(may_see);
    Ok(rows.map(|row| (row.id, WebhookDelivery(row))).collect())
}
