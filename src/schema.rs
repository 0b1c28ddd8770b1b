//! The one place that names every domain's api: the three roots, and how an operation is executed.

mod execution;
mod names;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::connection::Connection;
use async_graphql::parser::types::OperationType;
use async_graphql::{
    Context, ID, Interface, MergedObject, MergedSubscription, Object, SDLExportOptions, Schema,
    SchemaBuilder, ValidationMode,
};
use chrono::{DateTime, Utc};
use entity::{
    CommentId, DeliveryId, DeviceId, JobId, LabelId, NotificationId, ProjectId, SessionId,
    TaskChangeId, TaskId, UserId, WebhookId,
};
use futures_util::StreamExt;
use futures_util::future::{FutureExt, join_all};
use futures_util::stream::{self, BoxStream};
use uuid::Uuid;

use self::execution::{Executed, InRequest, NewDocument, NoteExecution};
use self::names::{AUTH_FIELDS, BY_ID_FIELDS, LIST_FIELDS, SCANS};
use crate::accounts::{
    AccountsMutation, AccountsQuery, AdminMutation, Artist, ArtistMutation, ArtistQuery, Loaders,
    User, find_artist, load_user,
};
use crate::app::App;
use crate::auth::{
    self, ArtistSignInMutation, EmailMutation, InvitationMutation, LockoutMutation,
    PasswordMutation, PasswordQuery, Session, SessionConnection, SessionMutation, SessionQuery,
    SignInMutation, TokenQuery, find_sessions,
};
use crate::graphql::guard::{Checked, KnownDocuments, Limits, Types};
use crate::graphql::{
    self, Answer, ApiError, AtHand, ContextExt, ErrorCode, Kind, Meter, OpaqueCursor,
    RequestContext,
};
use crate::notifications::webhook::{
    self, Webhook, WebhookDelivery, WebhookMutation, WebhookQuery, find_deliveries, find_webhooks,
};
use crate::notifications::{
    self, AddressMutation, AnnouncementMutation, Device, Notification, NotificationMutation,
    NotificationQuery, NotificationSettingsMutation, NotificationSettingsQuery,
    NotificationSubscription, StatsQuery, Suppression, SuppressionMutation, SuppressionQuery,
    find_devices, find_notifications,
};
use crate::tasks;
use crate::tasks::comment::{Comment, CommentMutation, find_comments};
use crate::tasks::history::{TaskChange, find_changes};
use crate::tasks::label::{Label, LabelMutation, LabelQuery, find_labels};
use crate::tasks::project::{Project, ProjectMember, ProjectMutation, ProjectQuery, find_projects};
use crate::tasks::task::{
    Task, TaskBatchMutation, TaskChangeSubscription, TaskMutation, TaskQuery, TaskStateMutation,
    TaskSubscription, find_tasks,
};
use crate::tasks::watcher::WatcherMutation;
use crate::telemetry;
use crate::upkeep::{self, Job, JobMutation, JobQuery, find_jobs};

const DATE_TIME: &str = "A point in time as RFC 3339 has it, with any offset: \
    `2026-11-22T01:45:00Z`, without leap seconds. Kept to the microsecond and answered in UTC.";

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

/// What can be read.
#[derive(MergedObject, Default)]
pub struct Query(
    NodeQuery,
    AccountsQuery,
    ArtistQuery,
    SessionQuery,
    TokenQuery,
    PasswordQuery,
    TaskQuery,
    ProjectQuery,
    LabelQuery,
    JobQuery,
    SuppressionQuery,
    NotificationQuery,
    NotificationSettingsQuery,
    StatsQuery,
    WebhookQuery,
);

/// What can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    SignInMutation,
    SessionMutation,
    LockoutMutation,
    PasswordMutation,
    EmailMutation,
    InvitationMutation,
    ArtistSignInMutation,
    AccountsMutation,
    ArtistMutation,
    AdminMutation,
    TaskMutation,
    TaskStateMutation,
    TaskBatchMutation,
    ProjectMutation,
    CommentMutation,
    LabelMutation,
    WatcherMutation,
    JobMutation,
    SuppressionMutation,
    NotificationMutation,
    NotificationSettingsMutation,
    AddressMutation,
    AnnouncementMutation,
    WebhookMutation,
);

/// What can be heard of as it happens: over a WebSocket, as server-sent events, or multipart.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    TaskSubscription,
    TaskChangeSubscription,
    NotificationSubscription,
);

type TaskflowSchema = Schema<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(
        Query::default(),
        Mutation::default(),
        Subscription::default(),
    )
    .override_output_type_description::<DateTime<Utc>>(DATE_TIME)
    .override_input_type_description::<DateTime<Utc>>(DATE_TIME)
    // Types of the library that it does not describe, or not for clients.
    .override_output_type_description::<Connection<OpaqueCursor, AtHand<Task>>>(
        "A page of a list of tasks.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, Project>>(
        "A page of a list of projects.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, ProjectMember>>(
        "A page of a list of members.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, Comment>>(
        "A page of a list of comments.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, Label>>(
        "A page of a list of labels.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, TaskChange>>(
        "A page of the history of a task.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, Artist>>(
        "A page of a list of artists.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, User>>(
        "A page of a list of people.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, Job>>("A page of a list of jobs.")
    .override_output_type_description::<Connection<OpaqueCursor, Suppression>>(
        "A page of the list of e-mail addresses that take no mail.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, Notification>>(
        "A page of what a person was told.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, Webhook>>(
        "A page of a list of webhooks.",
    )
    .override_output_type_description::<Connection<OpaqueCursor, WebhookDelivery>>(
        "A page of the messages to a webhook.",
    )
    .override_output_type_description::<SessionConnection>("A page of a list of sessions.")
    .override_output_type_description::<ID>("An id: opaque, and good for equality only.")
}

/// The schema in its definition language, sorted; needs no database.
pub fn sdl() -> String {
    sdl_of(&builder().finish())
}

fn sdl_of(schema: &TaskflowSchema) -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    let sdl = schema.sdl_with_options(options);
    // Exactly one newline at the end, as editors leave it.
    format!("{}\n", sdl.trim_end())
}

/// What the schema takes, for the guard.
#[expect(
    clippy::expect_used,
    reason = "the text is our own; a test reads it, and a server without it answers nothing"
)]
fn types(schema: &TaskflowSchema) -> Types {
    Types::read(&sdl_of(schema)).expect("the printed schema can be read")
}

/// Executes operations.
#[derive(Clone)]
pub struct Api {
    schema: TaskflowSchema,
    /// The same for documents that were validated before. It does not say whether an operation began, which
    /// costs each field something: one of a known document always does.
    of_known: TaskflowSchema,
    known: Arc<KnownDocuments>,
    types: Arc<Types>,
    app: App,
}

impl Api {
    /// Prepares the schema.
    pub fn new(app: App) -> Self {
        // The guard speaks first: it counts the same levels, and of a bomb without visiting each.
        let levels = app.settings.graphql.max_nesting + 1;
        let introspection = app.settings.introspection();
        let builder = || {
            let builder = builder().limit_recursive_depth(levels);
            if introspection {
                builder
            } else {
                builder.disable_introspection().disable_suggestions()
            }
        };
        let schema = builder().extension(NoteExecution).finish();
        Self {
            types: Arc::new(types(&schema)),
            schema,
            of_known: builder().validation_mode(ValidationMode::Fast).finish(),
            known: Arc::default(),
            app,
        }
    }

    /// What a request may ask for at most.
    pub fn limits(&self) -> Limits {
        Limits {
            settings: self.app.settings.graphql.clone(),
            auth_fields: AUTH_FIELDS,
            list_fields: LIST_FIELDS,
            by_id_fields: BY_ID_FIELDS,
            scans: SCANS,
            introspection: self.app.settings.introspection(),
            types: self.types.clone(),
            known: self.known.clone(),
        }
    }

    /// Executes an operation that the guard has let pass, if the limits let it pass too: over
    /// whatever transport it came, alone or in a batch, it is counted here.
    /// Whether a good token still is one is looked up here, too: a socket was opened long ago.
    pub fn execute(&self, checked: Checked, context: RequestContext) -> BoxStream<'static, Answer> {
        let api = self.clone();
        let begun = async move {
            let mut context = context;
            let meter = Meter::new(api.app.limiter.clone(), &context);
            match meter.begin(&context.caller, checked.root_fields).await {
                Ok(()) => {
                    context.caller = auth::caller_now(&api.app, context.caller);
                    api.run(checked, context, meter)
                }
                Err(error) => {
                    let answer = Answer {
                        standing: meter.standing(),
                        ..Answer::refused(error, &context.request_id)
                    };
                    stream::once(async { answer }).boxed()
                }
            }
        };
        // On the heap, and gone once it has begun: a subscription goes on for long.
        stream::once(begun.boxed()).flatten().boxed()
    }

    fn run(
        &self,
        checked: Checked,
        context: RequestContext,
        meter: Meter,
    ) -> BoxStream<'static, Answer> {
        let is_once = checked.operation_type != OperationType::Subscription;
        let is_known = checked.is_known;
        let new =
            (!is_known).then(|| NewDocument::new(checked.document().clone(), self.known.clone()));
        let executed = Arc::new(AtomicBool::new(false));
        // New for each operation: nothing one person loaded is ever answered to another.
        let request_id = context.request_id.clone();
        let mut request = checked
            .into_request()
            .data(self.app.clone())
            .data(context)
            .data(Loaders::default())
            .data(tasks::Loaders::default())
            .data(upkeep::Loaders::default())
            .data(notifications::Loaders::default())
            .data(webhook::Loaders::default())
            .data(meter.clone())
            .data(Executed(executed.clone()));
        if let Some(new) = new {
            request = request.data(new);
        }
        if is_known && is_once {
            let schema = self.of_known.clone();
            let answer = async move {
                let execution = Box::pin(schema.execute(request));
                let mut response = telemetry::with_request_id(request_id.clone(), execution).await;
                graphql::stamp(&mut response, &request_id);
                Answer {
                    response,
                    executed: true,
                    standing: meter.standing(),
                }
            };
            return stream::once(answer).boxed();
        }
        let answers = self.schema.execute_stream(request);
        let answers = InRequest {
            answers,
            request_id: request_id.clone(),
        };
        answers
            .map(move |mut response| {
                let executed = executed.load(Ordering::Relaxed);
                if !executed {
                    graphql::shorten(&mut response);
                }
                graphql::stamp(&mut response, &request_id);
                Answer {
                    response,
                    executed,
                    standing: meter.standing(),
                }
            })
            .boxed()
    }
}
