//! Looking anything up by its id.

use std::collections::HashMap;
use std::hash::Hash;

use async_graphql::{Context, ID, Interface, Object};
use entity::{
    CommentId, DeliveryId, DeviceId, JobId, LabelId, NotificationId, ProjectId, SessionId,
    TaskChangeId, TaskId, UserId, WebhookId,
};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::accounts::{Artist, User, find_artist, load_user};
use crate::auth::{Session, find_sessions};
use crate::graphql::{ApiError, ContextExt, ErrorCode, Kind};
use crate::notifications::webhook::{Webhook, WebhookDelivery, find_deliveries, find_webhooks};
use crate::notifications::{Device, Notification, find_devices, find_notifications};
use crate::tasks::comment::{Comment, find_comments};
use crate::tasks::history::{TaskChange, find_changes};
use crate::tasks::label::{Label, find_labels};
use crate::tasks::project::{Project, find_projects};
use crate::tasks::task::{Task, find_tasks};
use crate::upkeep::{Job, find_jobs};

/// How many ids `nodes` takes.
const MOST_NODES: usize = 100;

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The id, good everywhere."))]
pub enum Node {
    /// An artist.
    Artist(Artist),
    /// A person.
    User(User),
    /// A task.
    Task(Task),
    /// A session.
    Session(Session),
    /// A project.
    Project(Project),
    /// A comment.
    Comment(Comment),
    /// A label.
    Label(Label),
    /// A change of a field of a task.
    TaskChange(TaskChange),
    /// A job.
    Job(Job),
    /// What one person is told of one event.
    Notification(Notification),
    /// A device that takes push messages.
    Device(Device),
    /// A webhook.
    Webhook(Webhook),
    /// A message to a webhook.
    WebhookDelivery(WebhookDelivery),
}

/// Looking anything up by its id.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Whatever has this id.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
    ) -> Option<Result<Node, ApiError>> {
        Some(node(ctx, &id).await)
    }

    /// Whatever has these ids, each in the place of its id. What is not there is null, with an error
    /// of its own.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ids, at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Result<Node, ApiError>>>, ApiError> {
        ctx.viewer()?;
        if ids.len() > MOST_NODES {
            return Err(ApiError::new(
                ErrorCode::BadUserInput,
                format!("`ids` takes at most {MOST_NODES} ids."),
            ));
        }
        nodes(ctx, &ids).await
    }
}

async fn node(ctx: &Context<'_>, id: &ID) -> Result<Node, ApiError> {
    ctx.viewer()?;
    let mut found = nodes(ctx, std::slice::from_ref(id)).await?;
    let node = found.pop().flatten();
    node.unwrap_or_else(|| Err(ApiError::internal("an id was answered by nothing")))
}

async fn user(ctx: &Context<'_>, id: UserId) -> Result<Node, ApiError> {
    let user = load_user(ctx, id).await?;
    user.map(|user| Node::User(User::new(user)))
        .ok_or_else(|| no_such(Kind::User))
}

async fn artist(ctx: &Context<'_>, id: UserId) -> Result<Node, ApiError> {
    find_artist(ctx, id).await.map(Node::Artist)
}

fn no_such(kind: Kind) -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        format!("There is no such {}.", kind.prefix()),
    )
}

/// The ids of one kind.
fn of_kind<T>(
    ids: &[Result<(Kind, Uuid), ApiError>],
    kind: Kind,
    typed: impl Fn(Uuid) -> T,
) -> Vec<T> {
    let ids = ids.iter().filter_map(|id| id.as_ref().ok());
    let ids = ids.filter(|(found, _)| *found == kind);
    ids.map(|(_, id)| typed(*id)).collect()
}

/// One of what was found.
fn one<K: Eq + Hash, T: Clone>(
    found: &HashMap<K, T>,
    id: &K,
    kind: Kind,
    node: impl Fn(T) -> Node,
) -> Result<Node, ApiError> {
    let found = found.get(id).cloned();
    found.map(node).ok_or_else(|| no_such(kind))
}

/// Each kind is loaded at once: people by their loaders, all else by a query or two.
async fn nodes(
    ctx: &Context<'_>,
    ids: &[ID],
) -> Result<Vec<Option<Result<Node, ApiError>>>, ApiError> {
    let ids: Vec<_> = ids.iter().map(|id| Kind::decode_any(id)).collect();
    let tasks = &find_tasks(ctx, of_kind(&ids, Kind::Task, TaskId)).await?;
    let sessions = &find_sessions(ctx, of_kind(&ids, Kind::Session, SessionId)).await?;
    let projects = &find_projects(ctx, of_kind(&ids, Kind::Project, ProjectId)).await?;
    let comments = &find_comments(ctx, of_kind(&ids, Kind::Comment, CommentId)).await?;
    let labels = &find_labels(ctx, of_kind(&ids, Kind::Label, LabelId)).await?;
    let changes = &find_changes(ctx, of_kind(&ids, Kind::Change, TaskChangeId)).await?;
    let jobs = &find_jobs(ctx, of_kind(&ids, Kind::Job, JobId)).await?;
    let told = of_kind(&ids, Kind::Notification, NotificationId);
    let told = &find_notifications(ctx, told).await?;
    let devices = &find_devices(ctx, of_kind(&ids, Kind::Device, DeviceId)).await?;
    let webhooks = &find_webhooks(ctx, of_kind(&ids, Kind::Webhook, WebhookId)).await?;
    let deliveries = &find_deliveries(ctx, of_kind(&ids, Kind::Delivery, DeliveryId)).await?;
    let loads = ids.into_iter().map(|id| async move {
        match id? {
            (kind @ Kind::Task, id) => one(tasks, &TaskId(id), kind, Node::Task),
            (kind @ Kind::Job, id) => one(jobs, &JobId(id), kind, Node::Job),
            (kind @ Kind::Notification, id) => {
                one(told, &NotificationId(id), kind, Node::Notification)
            }
            (kind @ Kind::Device, id) => one(devices, &DeviceId(id), kind, Node::Device),
            // It has an id only to ask for its statistics.
            (kind @ Kind::Announcement, _) => Err(no_such(kind)),
            (kind @ Kind::Webhook, id) => one(webhooks, &WebhookId(id), kind, Node::Webhook),
            (kind @ Kind::Delivery, id) => {
                one(deliveries, &DeliveryId(id), kind, Node::WebhookDelivery)
            }
            (Kind::User, id) => user(ctx, UserId(id)).await,
            (kind @ Kind::Session, id) => one(sessions, &SessionId(id), kind, Node::Session),
            (Kind::Artist, id) => artist(ctx, UserId(id)).await,
            (kind @ Kind::Comment, id) => one(comments, &CommentId(id), kind, Node::Comment),
            (kind @ Kind::Label, id) => one(labels, &LabelId(id), kind, Node::Label),
            (kind @ Kind::Change, id) => one(changes, &TaskChangeId(id), kind, Node::TaskChange),
            (kind @ Kind::Project, id) => one(projects, &ProjectId(id), kind, Node::Project),
        }
    });
    Ok(join_all(loads).await.into_iter().map(Some).collect())
}
