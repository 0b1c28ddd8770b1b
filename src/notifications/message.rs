//! What a message says, and whether it is still to be said.

use entity::task::Priority;
use entity::{delivery, event, user};
use serde::Serialize;

use super::templates::Rendered;
use crate::accounts;
use crate::app::App;
use crate::db::DbError;
use crate::events::Event;
use crate::graphql::Kind;
use crate::tasks::task::{self, TaskAssigned};

/// What to do with a delivery whose time has come.
pub enum Decision {
    /// Say it to this address.
    Send {
        /// The display name.
        to_name: String,
        /// The address.
        to_address: String,
        /// The words.
        words: Rendered,
    },
    /// It is not wanted any more.
    Skip(&'static str),
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The database failed; trying again may help.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The event or a template is broken; trying again does not help.
    #[error("{0}")]
    Broken(String),
}

#[derive(Serialize)]
struct TaskAssignedWords<'a> {
    recipient: &'a str,
    assigned_by: &'a str,
    title: &'a str,
    description: Option<&'a str>,
    priority: &'static str,
    due: Option<String>,
    task_id: &'a str,
    public_url: String,
}

/// Looks once more whether a delivery is wanted, and finds its words.
pub async fn compose(
    app: &App,
    delivery: &delivery::Model,
    event: &event::Model,
) -> Result<Decision, ComposeError> {
    let recipient = app
        .db
        .read(|db| async move { accounts::find(&db, delivery.recipient_id).await })
        .await?;
    let Some(recipient) = recipient.filter(|user| user.status == user::Status::Active) else {
        return Ok(Decision::Skip("the account is gone or disabled"));
    };
    let Some(address) = recipient.email.clone() else {
        return Ok(Decision::Skip("the account has no e-mail address"));
    };
    match event.topic.as_str() {
        TaskAssigned::TOPIC => task_assigned(app, event, recipient, address).await,
        other => Err(ComposeError::Broken(format!(
            "no message for the topic {other}"
        ))),
    }
}

async fn task_assigned(
    app: &App,
    event: &event::Model,
    recipient: user::Model,
    to_address: String,
) -> Result<Decision, ComposeError> {
    let assigned: TaskAssigned = serde_json::from_value(event.payload.clone())
        .map_err(|error| ComposeError::Broken(format!("the payload of the event: {error}")))?;
    let (task, actor) = app
        .db
        .read(|db| async move {
            let task = task::find(&db, assigned.task_id).await?;
            let actor = match event.actor_id {
                Some(actor) => accounts::find(&db, actor).await?,
                None => None,
            };
            Ok::<_, DbError>((task, actor))
        })
        .await?;
    let Some(task) = task else {
        return Ok(Decision::Skip("the task is gone"));
    };
    if task.assignee_id != Some(recipient.id) {
        return Ok(Decision::Skip("the task is somebody else's by now"));
    }
    let words = TaskAssignedWords {
        recipient: &recipient.name,
        assigned_by: actor.as_ref().map_or("Somebody", |actor| &actor.name),
        title: &task.title,
        description: task.description.as_deref(),
        priority: match task.priority {
            Priority::Low => "low",
            Priority::Medium => "medium",
            Priority::High => "high",
        },
        due: task
            .due_at
            .map(|at| at.format("%-d %B %Y, %H:%M UTC").to_string()),
        task_id: &Kind::Task.encode(task.id.0),
        public_url: app.settings.public_url(),
    };
    let words = app
        .templates
        .render("task_assigned", &words)
        .map_err(|error| ComposeError::Broken(format!("a template: {error}")))?;
    Ok(Decision::Send {
        to_name: recipient.name,
        to_address,
        words,
    })
}
