//! Changing the fields of tasks.

use async_graphql::MaybeUndefined;
use entity::task::{Model, Priority, Status, due_order};
use entity::{TaskId, Timestamp, Viewer};

use super::super::record::differences;
use super::input::{description_problems, due_problems, refuse, title_problems};
use super::{editable, save};
use crate::app::App;
use crate::tasks::TaskError;

/// What is to change; absent keeps, null clears.
#[derive(Clone, Debug)]
pub struct Changes {
    pub title: Option<String>,
    pub description: MaybeUndefined<String>,
    pub status: Option<Status>,
    pub priority: Option<Priority>,
    pub enabled: Option<bool>,
    pub due_at: MaybeUndefined<Timestamp>,
    pub expected_version: Option<i32>,
}

/// Changes the fields of a task.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: TaskId,
    changes: Changes,
) -> Result<Model, TaskError> {
    let mut problems = changes
        .title
        .as_deref()
        .map(title_problems)
        .unwrap_or_default();
    if let MaybeUndefined::Value(text) = &changes.description {
        problems.extend(description_problems(Some(text)));
    }
    problems.extend(due_problems(changes.due_at.value().copied()));
    refuse(problems)?;
    let changes = &changes;
    app.db
        .write(|tx| async move {
            let before = editable(&tx, viewer, id).await?;
            if changes
                .expected_version
                .is_some_and(|version| version != before.version)
            {
                return Err(TaskError::Conflict(Box::new(before)));
            }
            let mut task = before.clone();
            apply(&mut task, changes);
            if differences(&before, &task).is_empty() {
                return Ok(before);
            }
            if task.status != before.status {
                let done = task.status == Status::Completed;
                task.completed_at = done.then(|| tx.clock().now());
            }
            save(app, &tx, viewer, before, task).await
        })
        .await
}

fn apply(task: &mut Model, changes: &Changes) {
    if let Some(title) = &changes.title {
        task.title.clone_from(title);
    }
    match &changes.description {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => task.description = None,
        MaybeUndefined::Value(text) => task.description = Some(text.clone()),
    }
    match changes.due_at {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => task.due_at = None,
        MaybeUndefined::Value(at) => task.due_at = Some(at),
    }
    task.due_order = due_order(task.due_at, task.due_on);
    task.status = changes.status.unwrap_or(task.status);
    task.priority = changes.priority.unwrap_or(task.priority);
    task.enabled = changes.enabled.unwrap_or(task.enabled);
}
