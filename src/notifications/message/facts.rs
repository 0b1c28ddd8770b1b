//! What an event is about, read once for all who are told of it.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;
use entity::task::Priority;
use entity::{
    AnnouncementId, CommentId, ProjectId, TaskId, Timestamp, UserId, announcement, comment, event,
    project, task, user,
};
use sea_orm::ConnectionTrait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::one_line;
use crate::accounts;
use crate::app::App;
use crate::db::{DbError, padded};
use crate::events::Event;
use crate::graphql::Kind;
use crate::notifications::announcement as announcements;
use crate::tasks::task::{TaskAssigned, TaskUnassigned};
use crate::tasks::{comment as comments, project as projects, task as tasks};

/// The most of a comment in a message, in characters.
const EXCERPT_CHARS: usize = 2_000;

/// What payloads say that messages need. What an event does not have stays empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Payload {
    /// Who is to be told, as the domain computed it.
    pub recipients: Vec<UserId>,
    /// The task it is about.
    pub task_id: Option<TaskId>,
    /// Its project.
    pub project_id: Option<ProjectId>,
    /// The comment.
    pub comment_id: Option<CommentId>,
    /// Whose a task is, or was.
    pub assignee_id: Option<UserId>,
    /// Whose it was before it was given to somebody else.
    pub previous_assignee_id: Option<UserId>,
    /// Who became a member.
    pub user_id: Option<UserId>,
    /// As what.
    pub role: Option<String>,
    /// What changed of a task.
    pub fields: Vec<String>,
    /// What an administrator says.
    pub announcement_id: Option<AnnouncementId>,
    /// The host of a webhook.
    pub host: Option<String>,
    /// Why it was turned off.
    pub reason: Option<String>,
    /// Whether a password was set with a link from a mail.
    pub reset: bool,
}

impl Payload {
    /// Of an event; empty when it cannot be read.
    pub fn of(event: &event::Model) -> Self {
        let mut payload: Self = serde_json::from_value(event.payload.clone()).unwrap_or_default();
        // Whose it is has events of its own, and is a change for who follows.
        if matches!(
            event.topic.as_str(),
            TaskAssigned::TOPIC | TaskUnassigned::TOPIC
        ) {
            payload.fields = vec!["assignee".to_owned()];
        }
        payload
    }
}

/// What an event is about, as it is now.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What the event says.
    pub payload: Payload,
    /// Who did it.
    pub actor: Option<user::Model>,
    /// The task, also a deleted one.
    pub task: Option<task::Model>,
    /// The project.
    pub project: Option<project::Model>,
    /// The comment.
    pub comment: Option<comment::Model>,
    /// The announcement.
    pub announcement: Option<announcement::Model>,
}

impl Facts {
    /// Reads them of each of these events, in the same order: a statement for each kind of thing there is. Gives back
    /// the accounts of those who did it, and of `people` as well, who are read with them.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn read(
        db: &impl ConnectionTrait,
        events: &[&event::Model],
        people: impl IntoIterator<Item = UserId>,
    ) -> Result<(Vec<Self>, HashMap<UserId, user::Model>), DbError> {
        let payloads: Vec<_> = events.iter().map(|event| Payload::of(event)).collect();
        let actors = events.iter().filter_map(|event| event.actor_id);
        let users = found(actors.chain(people), |ids| accounts::find_many(db, ids)).await?;
        let ids = payloads.iter().filter_map(|payload| payload.task_id);
        let tasks = found(ids, |ids| tasks::find_many(db, ids)).await?;
        let ids = payloads.iter().filter_map(|payload| payload.project_id);
        let projects = found(ids, |ids| projects::find_many(db, ids)).await?;
        let ids = payloads.iter().filter_map(|payload| payload.comment_id);
        let comments = found(ids, |ids| comments::find_many(db, ids)).await?;
        let ids = payloads
            .iter()
            .filter_map(|payload| payload.announcement_id);
        let announcements = found(ids, |ids| announcements::find_many(db, ids)).await?;
        let users: HashMap<_, _> = users.into_iter().map(|it| (it.id, it)).collect();
        let tasks: HashMap<_, _> = tasks.into_iter().map(|it| (it.id, it)).collect();
        let projects: HashMap<_, _> = projects.into_iter().map(|it| (it.id, it)).collect();
        let comments: HashMap<_, _> = comments.into_iter().map(|it| (it.id, it)).collect();
        let announcements: HashMap<_, _> =
            announcements.into_iter().map(|it| (it.id, it)).collect();
        let facts = events.iter().zip(payloads).map(|(event, payload)| Self {
            actor: event.actor_id.and_then(|id| users.get(&id).cloned()),
            task: payload.task_id.and_then(|id| tasks.get(&id).cloned()),
            project: payload.project_id.and_then(|id| projects.get(&id).cloned()),
            comment: payload.comment_id.and_then(|id| comments.get(&id).cloned()),
            announcement: payload
                .announcement_id
                .and_then(|id| announcements.get(&id).cloned()),
            payload,
        });
        Ok((facts.collect(), users))
    }

    /// What fills the blanks of a message about them.
    pub fn blanks(&self, app: &App, recipient: &str, unsubscribe: Option<&str>) -> Value {
        let task = self.task.as_ref();
        let key = self.project.as_ref().map(|project| &project.key);
        let number = task.and_then(|task| task.number);
        let announcement = self.announcement.as_ref();
        let due = task.and_then(|task| due(task.due_at, task.due_on));
        let actor = self.actor.as_ref();
        let excerpt = self.comment.as_ref().map(|comment| comment.body.as_str());
        let title = announcement.map(|it| it.title.as_str());
        json!({
            "recipient": one_line(recipient),
            "actor": actor.map(|actor| one_line(&actor.name)),
            "title": title.or(task.map(|task| task.title.as_str())),
            "description": task.and_then(|task| task.description.as_deref()),
            "priority": task.map(|task| priority(task.priority)),
            "due": due,
            "task_id": task.map(|task| Kind::Task.encode(task.id.0).0),
            "task_key": key.zip(number).map(|(key, number)| format!("{key}-{number}")),
            "fields": self.payload.fields,
            "excerpt": excerpt.map(|body| body.chars().take(EXCERPT_CHARS).collect::<String>()),
            "project": self.project.as_ref().map(|project| one_line(&project.name)),
            "role": self.payload.role,
            "text": announcement.map(|it| it.body.as_str()),
            "link": announcement.and_then(|it| it.url.as_deref()),
            "host": self.payload.host,
            "reason": self.payload.reason,
            "reset": self.payload.reset,
            "public_url": app.settings.public_url(),
            // Pages of the web application, once there is one.
            "url": null,
            "settings_url": null,
            "unsubscribe_url": unsubscribe,
        })
    }
}

/// The rows with these ids. When there are none, nobody is asked.
pub(super) async fn found<K: Clone + Ord, V, F>(
    ids: impl IntoIterator<Item = K>,
    find: impl FnOnce(Vec<K>) -> F,
) -> Result<Vec<V>, DbError>
where
    F: Future<Output = Result<Vec<V>, DbError>>,
{
    let ids: BTreeSet<K> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    find(padded(ids.into_iter().collect())).await
}

/// A point in time, told in the reader's zone, or a day, which is the same everywhere.
fn due(at: Option<Timestamp>, on: Option<NaiveDate>) -> Option<Value> {
    at.map(|at| json!(at)).or(on.map(|on| json!(on)))
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Medium => "medium",
        Priority::High => "high",
    }
}
