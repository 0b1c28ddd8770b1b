//! Making tasks.

use entity::task::{Model, Priority, Status, due_order};
use entity::{TaskId, Timestamp, UserId, Viewer};
use serde::Serialize;

use super::super::record::{self, Changed};
use super::super::store;
use super::input::{description_problems, due_problems, key_problems, refuse, title_problems};
use super::{assignable, input_hash, no_account, repeat};
use crate::app::App;
use crate::db::{idempotency, new_id};
use crate::tasks::TaskError;

/// The task somebody wants.
#[derive(Clone, Debug, Serialize)]
pub struct NewTask {
    pub title: String,
    pub description: Option<String>,
    pub status: Status,
    pub priority: Priority,
    pub enabled: bool,
    pub due_at: Option<Timestamp>,
    pub assignee_id: Option<UserId>,
}

/// Makes a task, and assigns it when an assignee is given.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    new: NewTask,
    key: Option<&str>,
) -> Result<Model, TaskError> {
    let mut problems = title_problems(&new.title);
    problems.extend(description_problems(new.description.as_deref()));
    problems.extend(due_problems(new.due_at));
    problems.extend(key_problems(key));
    refuse(problems)?;
    let id = TaskId(new_id(app.db.clock()));
    let used = key.map(|key| idempotency::Use {
        user_id: viewer.user_id,
        operation: "createTask",
        key,
        input_hash: input_hash(&new),
    });
    let new = &new;
    app.db
        .write(|tx| async move {
            if let Some(before) = repeat(&tx, viewer, used, id).await? {
                return Ok(before);
            }
            if let Some(assignee) = new.assignee_id {
                assignable(&tx, assignee).await?;
            }
            let now = tx.clock().now();
            let task = Model {
                id,
                title: new.title.clone(),
                description: new.description.clone(),
                status: new.status,
                priority: new.priority,
                enabled: new.enabled,
                project_id: None,
                number: None,
                parent_id: None,
                start_at: None,
                start_on: None,
                due_at: new.due_at,
                due_on: None,
                due_order: due_order(new.due_at, None),
                creator_id: viewer.user_id,
                assignee_id: new.assignee_id,
                completed_at: (new.status == Status::Completed).then_some(now),
                deleted_at: None,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            store::insert(&tx, task.clone()).await.map_err(no_account)?;
            let changed = Changed {
                before: None,
                after: task.clone(),
                beside: Vec::new(),
            };
            record::write(app, &tx, viewer, &[changed]).await?;
            Ok(task)
        })
        .await
}
