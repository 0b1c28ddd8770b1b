//! The mail about a task that was assigned.

use entity::task::Priority;
use entity::{event, user};
use serde::Serialize;

use super::{
    ComposeError, Decision, Skip, day, one_line, own_address, payload, point_in_time, rendered,
};
use crate::accounts;
use crate::app::App;
use crate::db::DbError;
use crate::graphql::Kind;
use crate::tasks::task::{self, TaskAssigned};
use crate::tasks::watcher;

#[derive(Serialize)]
struct TaskAssignedWords<'a> {
    recipient: String,
    assigned_by: String,
    title: &'a str,
    description: Option<&'a str>,
    priority: &'static str,
    due: Option<String>,
    task_id: &'a str,
    public_url: String,
}

/// What is said to whom a task was assigned, if it is still theirs.
pub(super) async fn assigned(
    app: &App,
    event: &event::Model,
    recipient: user::Model,
) -> Result<Decision, ComposeError> {
    let to_address = match own_address(app, &recipient) {
        Ok(address) => address,
        Err(reason) => return Ok(Decision::Skip(reason)),
    };
    let assigned: TaskAssigned = payload(event)?;
    let recipient_id = recipient.id;
    let (task, actor, is_muted) = app
        .db
        .read(|db| async move {
            let task = task::find(&db, assigned.task_id).await?;
            let actor = match event.actor_id {
                Some(actor) => accounts::find(&db, actor).await?,
                None => None,
            };
            let is_muted = watcher::has_muted(&db, assigned.task_id, recipient_id).await?;
            Ok::<_, DbError>((task, actor, is_muted))
        })
        .await?;
    let Some(task) = task.filter(|task| task.deleted_at.is_none()) else {
        return Ok(Decision::Skip(Skip::TaskGone));
    };
    if !task.enabled {
        return Ok(Decision::Skip(Skip::TaskDisabled));
    }
    if task.assignee_id != Some(recipient.id) {
        return Ok(Decision::Skip(Skip::Reassigned));
    }
    if is_muted {
        return Ok(Decision::Skip(Skip::Muted));
    }
    let words = TaskAssignedWords {
        recipient: one_line(&recipient.name),
        assigned_by: actor.map_or_else(|| "Somebody".to_owned(), |actor| one_line(&actor.name)),
        title: &task.title,
        description: task.description.as_deref(),
        priority: match task.priority {
            Priority::Low => "low",
            Priority::Medium => "medium",
            Priority::High => "high",
        },
        due: task.due_at.map(point_in_time).or(task.due_on.map(day)),
        task_id: &Kind::Task.encode(task.id.0),
        public_url: app.settings.public_url(),
    };
    Ok(Decision::Send {
        words: rendered(app, "task_assigned", &words)?,
        to_name: recipient.name,
        to_address,
        proves_address: false,
    })
}
