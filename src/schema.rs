//! The one place that names every domain's api: the three roots, and how an operation is executed.

mod execution;
mod names;
mod node;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::parser::types::OperationType;
use async_graphql::{
    ID, MergedObject, MergedSubscription, SDLExportOptions, Schema, SchemaBuilder, ValidationMode,
};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::FutureExt;
use futures_util::stream::{self, BoxStream};

use self::execution::{InRequest, NewDocument, NoteExecution};
use self::names::{AUTH_FIELDS, BY_ID_FIELDS, LIST_FIELDS, SCANS};
pub use self::node::{Node, NodeQuery};
use crate::accounts::{
    AccountsMutation, AccountsQuery, AdminMutation, Artist, ArtistMutation, ArtistQuery, Loaders,
    User,
};
use crate::app::App;
use crate::auth::{
    self, ArtistSignInMutation, EmailMutation, InvitationMutation, LockoutMutation,
    PasswordMutation, PasswordQuery, SessionConnection, SessionMutation, SessionQuery,
    SignInMutation, TokenQuery,
};
use crate::graphql::guard::{Checked, KnownDocuments, Limits, Types};
use crate::graphql::{self, Answer, AtHand, Executed, Meter, OpaqueCursor, RequestContext};
use crate::notifications::webhook::{
    self, Webhook, WebhookDelivery, WebhookMutation, WebhookQuery,
};
use crate::notifications::{
    self, AddressMutation, AnnouncementMutation, Notification, NotificationMutation,
    NotificationQuery, NotificationSettingsMutation, NotificationSettingsQuery,
    NotificationSubscription, StatsQuery, Suppression, SuppressionMutation, SuppressionQuery,
};
use crate::tasks;
use crate::tasks::comment::{Comment, CommentMutation};
use crate::tasks::history::TaskChange;
use crate::tasks::label::{Label, LabelMutation, LabelQuery};
use crate::tasks::project::{Project, ProjectMember, ProjectMutation, ProjectQuery};
use crate::tasks::task::{
    Task, TaskBatchMutation, TaskChangeSubscription, TaskMutation, TaskQuery, TaskStateMutation,
    TaskSubscription,
};
use crate::tasks::watcher::WatcherMutation;
use crate::telemetry;
use crate::upkeep::{self, Job, JobMutation, JobQuery};

const DATE_TIME: &str = "A point in time as RFC 3339 has it, with any offset: \
    `2026-11-22T01:45:00Z`, without leap seconds. Kept to the microsecond and answered in UTC.";

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
    /// The same for documents that were validated before. It does not say whether a query or a mutation began,
    /// which costs each field something: one of a known document always does, and subscriptions say so themselves.
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
        let executed = Executed::default();
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
            .data(executed.clone());
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
        let schema = if is_known {
            &self.of_known
        } else {
            &self.schema
        };
        let answers = schema.execute_stream(request);
        let answers = InRequest {
            answers,
            request_id: request_id.clone(),
        };
        answers
            .map(move |mut response| {
                let executed = executed.is_set();
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
