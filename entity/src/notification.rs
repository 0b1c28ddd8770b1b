//! What one person is told of one event.

use sea_orm::entity::prelude::*;

use crate::notified::{Category, Priority, Type};
use crate::{CommentId, EventId, NotificationId, ProjectId, TaskId, Timestamp, UserId};

/// A row of `notifications`; unique by person and key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notifications")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NotificationId,
    /// Who is told.
    pub user_id: UserId,
    /// Of what. The event may be gone by now.
    pub event_id: EventId,
    /// What makes a second one the same as the first.
    pub dedupe_key: String,
    /// What is told.
    pub kind: Type,
    /// What it is about.
    pub category: Category,
    /// How urgent it is.
    pub priority: Priority,
    /// One line, in the language the person had then.
    pub title: String,
    /// A sentence or two.
    pub body: String,
    /// Where more is said, if that is not the task.
    pub url: Option<String>,
    /// Who did it.
    pub actor_id: Option<UserId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    /// The comment it is about.
    pub comment_id: Option<CommentId>,
    /// The project it is about.
    pub project_id: Option<ProjectId>,
    /// Whether it stands in the person's list. One that does not is there for its deliveries.
    pub in_app: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the person read it.
    pub read_at: Option<Timestamp>,
    /// When the person put it away.
    pub archived_at: Option<Timestamp>,
    /// When it is of no use any more: what was not sent until then is not sent.
    pub expires_at: Option<Timestamp>,
}

/// The foreign keys are the database's; no query joins from here.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
