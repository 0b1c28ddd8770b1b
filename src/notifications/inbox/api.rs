//! The list of what a person was told, in GraphQL.

use std::collections::HashMap;

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::notification::Model;
use entity::{NotificationId, Viewer, delivery};

use super::notified_stream;
use super::store::{self, Filter};
use crate::accounts::{User, load_user};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, Loader, OpaqueCursor, PageArgs};
use crate::tasks::task::{Task, load_visible};
use crate::upkeep::DeliveryState;

/// The order of the list, for its cursors.
const NEWEST: &str = "newest";

/// What is loaded together of notifications.
#[derive(Debug, Default)]
pub struct Loaders {
    deliveries: Loader<NotificationId, Vec<delivery::Model>, ApiError>,
}

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::notified::Category")]
pub enum NotificationCategory {
    /// The server itself.
    System,
    /// Tasks and projects.
    Workflow,
    /// Other systems that are connected.
    Integration,
    /// What somebody agreed to.
    Consent,
    /// Sign-ins, passwords, addresses. Always told.
    Security,
    /// Told only to those who asked for it.
    Marketing,
}

/// How urgent a notification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::notified::Priority")]
pub enum NotificationPriority {
    /// It can wait.
    Low,
    /// As most are.
    Normal,
    /// Somebody waits for it.
    High,
    /// Told at any hour, whatever was turned off.
    Critical,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::notified::Type")]
pub enum NotificationType {
    /// A task is the person's now.
    TaskAssigned,
    /// A task is not the person's any more.
    TaskUnassigned,
    /// A task the person follows was changed.
    TaskUpdated,
    /// A task the person follows is done.
    TaskCompleted,
    /// A task the person follows is deleted.
    TaskDeleted,
    /// A task the person follows is back.
    TaskRestored,
    /// Something was said about a task the person follows.
    CommentAdded,
    /// The person was mentioned in a comment.
    Mentioned,
    /// The person is a member of a project now.
    ProjectMemberAdded,
    /// The person's account has another password.
    PasswordChanged,
    /// The person's account has another address.
    EmailChanged,
    /// Somebody may have a copy of one of the person's sessions.
    SessionReused,
    /// A webhook of the person was turned off.
    WebhookDisabled,
    /// An administrator says something.
    Announcement,
}

/// The way a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::delivery::Channel")]
pub enum DeliveryChannel {
    /// E-mail.
    Email,
    /// A text to a phone number.
    Sms,
    /// A message to a device.
    Push,
    /// A request to another system.
    Webhook,
}

/// A notification on its way over one channel. Beside these it stands in the list at once.
#[derive(Clone, Debug, SimpleObject)]
pub struct NotificationDelivery {
    /// The way.
    channel: DeliveryChannel,
    /// Where it stands.
    state: DeliveryState,
    /// Why it was suppressed, or what went wrong.
    reason: Option<String>,
    /// Until when quiet hours hold it.
    held_until: Option<DateTime<Utc>>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When the next server took it.
    sent_at: Option<DateTime<Utc>>,
    /// When it arrived, as the next server says.
    delivered_at: Option<DateTime<Utc>>,
}

impl From<delivery::Model> for NotificationDelivery {
    fn from(row: delivery::Model) -> Self {
        Self {
            channel: row.channel.into(),
            state: row.state.into(),
            reason: row.reason,
            held_until: (row.state == delivery::State::Held)
                .then_some(row.held_until)
                .flatten(),
            created_at: row.created_at,
            sent_at: row.sent_at,
            delivered_at: row.delivered_at,
        }
    }
}

/// What one person was told of one event. Only they see it.
#[derive(Clone, Debug)]
pub struct Notification(pub Model);

/// What one person was told of one event. Only they see it.
#[Object]
impl Notification {
    /// The id, as `notification_01h455vb4pex5vsknk084sn02q`.
    pub async fn id(&self) -> ID {
        Kind::Notification.encode(self.0.id.0)
    }

    /// What is told.
    #[graphql(name = "type")]
    async fn kind(&self) -> NotificationType {
        self.0.kind.into()
    }

    /// What it is about.
    async fn category(&self) -> NotificationCategory {
        self.0.category.into()
    }

    /// How urgent it is.
    async fn priority(&self) -> NotificationPriority {
        self.0.priority.into()
    }

    /// One line, in the language the person had when they were told.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// A sentence or two, likewise.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// Where more is said, if anywhere but at the task.
    async fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }

    /// Who did it; null when nobody did, or their account is gone.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>, ApiError> {
        let Some(actor) = self.0.actor_id else {
            return Ok(None);
        };
        Ok(load_user(ctx, actor).await?.map(User::new))
    }

    /// The task it is about, as it is now; null when it is about none, or the person may not see it any
    /// more.
    async fn task(&self, ctx: &Context<'_>) -> Result<Option<Task>, ApiError> {
        match self.0.task_id {
            Some(task) => load_visible(ctx, task).await,
            None => Ok(None),
        }
    }

    /// The id of the comment it is about.
    async fn comment_id(&self) -> Option<ID> {
        self.0.comment_id.map(|id| Kind::Comment.encode(id.0))
    }

    /// The id of the project it is about.
    async fn project_id(&self) -> Option<ID> {
        self.0.project_id.map(|id| Kind::Project.encode(id.0))
    }

    /// Whether the person read it.
    async fn is_read(&self) -> bool {
        self.0.read_at.is_some()
    }

    /// When the person read it.
    async fn read_at(&self) -> Option<DateTime<Utc>> {
        self.0.read_at
    }

    /// When the person put it away.
    async fn archived_at(&self) -> Option<DateTime<Utc>> {
        self.0.archived_at
    }

    /// When it was told.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Where else it is told, and what became of that.
    async fn channels(&self, ctx: &Context<'_>) -> Result<Vec<NotificationDelivery>, ApiError> {
        let app = ctx.app();
        let fetch = |ids: Vec<NotificationId>| async move {
            let ids = &ids;
            let rows = app
                .db
                .read(|db| async move { store::deliveries_of(&db, ids.clone()).await })
                .await?;
            let mut of: HashMap<_, Vec<_>> = HashMap::new();
            for row in rows {
                if let Some(id) = row.notification_id {
                    of.entry(id).or_default().push(row);
                }
            }
            Ok(of)
        };
        let loaders: &Loaders = ctx
            .data_opt()
            .ok_or_else(|| ApiError::internal("a request without loaders"))?;
        let rows = loaders.deliveries.load(self.0.id, fetch).await?;
        Ok(rows
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect())
    }
}

/// Which notifications.
#[derive(Debug, Default, InputObject)]
pub struct NotificationFilter {
    /// Only those that were read, or that were not.
    is_read: Option<bool>,
    /// Those that were put away instead of the others.
    #[graphql(default)]
    is_archived: bool,
    /// Only those about this.
    category: Option<NotificationCategory>,
}

impl NotificationFilter {
    fn read(self) -> Filter {
        Filter {
            is_read: self.is_read,
            is_archived: self.is_archived,
            category: self.category.map(Into::into),
        }
    }
}

/// What a connection of notifications says beside its edges.
#[derive(Debug)]
pub struct NotificationConnectionFields {
    viewer: Viewer,
    filter: Filter,
    cursor: String,
}

#[Object]
impl NotificationConnectionFields {
    /// How many notifications there are in all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, user, filter) = (ctx.app(), self.viewer.user_id, &self.filter);
        Ok(app
            .db
            .read(|db| async move { store::count(&db, user, filter).await })
            .await?)
    }

    /// The place of the newest event before the list was read: give it as `after` to
    /// `notificationReceived`, and nothing is missed in between.
    async fn event_cursor(&self) -> &str {
        &self.cursor
    }
}

/// Looking at what one was told.
#[derive(Debug, Default)]
pub struct NotificationQuery;

#[Object]
impl NotificationQuery {
    /// What the signed-in person was told, the newest first.
    async fn notifications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which to go on.")] after: Option<String>,
        #[graphql(desc = "Which; those that were not put away when not given.")] filter: Option<
            NotificationFilter,
        >,
    ) -> Result<
        Connection<OpaqueCursor, Notification, NotificationConnectionFields, EmptyFields>,
        ApiError,
    > {
        let (app, viewer) = (ctx.app(), ctx.viewer()?);
        let filter = filter.unwrap_or_default().read();
        let has_previous = after.is_some();
        let page = PageArgs { first, after }.read(NEWEST)?;
        let cursor = app.feed.latest(&notified_stream(viewer.user_id)).await?;
        let (wanted, place) = (&filter, &page);
        let mut rows = app
            .db
            .read(|db| async move { store::list(&db, viewer.user_id, wanted, place).await })
            .await?;
        let has_next = page.cut(&mut rows);
        let fields = NotificationConnectionFields {
            viewer: viewer.clone(),
            filter,
            cursor: cursor.encode(),
        };
        let mut connection = Connection::with_additional_fields(has_previous, has_next, fields);
        connection.edges.extend(rows.into_iter().map(|row| {
            let cursor = OpaqueCursor::new(NEWEST, row.id);
            Edge::new(cursor, Notification(row))
        }));
        Ok(connection)
    }

    /// One of the signed-in person's notifications.
    async fn notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<Option<Notification>, ApiError> {
        ctx.viewer()?;
        let id = NotificationId(Kind::Notification.decode(&id)?);
        let found = find_notifications(ctx, vec![id]).await?.remove(&id);
        found.map(Some).ok_or_else(|| {
            crate::notifications::NotificationError::NotFound(Kind::Notification).into()
        })
    }

    /// How many notifications the signed-in person has not read.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<u64, ApiError> {
        let (app, viewer) = (ctx.app(), ctx.viewer()?);
        Ok(unread(app, viewer).await?)
    }
}

/// How many notifications a person has not read.
pub async fn unread(app: &crate::app::App, viewer: &Viewer) -> Result<u64, crate::db::DbError> {
    let unread = &Filter {
        is_read: Some(false),
        ..Filter::default()
    };
    app.db
        .read(|db| async move { store::count(&db, viewer.user_id, unread).await })
        .await
}

/// Notifications of the viewer by id, by one query.
///
/// # Errors
/// The database's failure.
pub async fn find_notifications(
    ctx: &Context<'_>,
    ids: Vec<NotificationId>,
) -> Result<HashMap<NotificationId, Notification>, ApiError> {
    let viewer = ctx.viewer()?;
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (app, ids) = (ctx.app(), &ids);
    let rows = app
        .db
        .read(|db| async move { store::find_mine(&db, viewer.user_id, ids.clone()).await })
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id, Notification(row)))
        .collect())
}
