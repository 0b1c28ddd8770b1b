//! Whose a task is.

use entity::task::Model;
use entity::{TaskId, UserId, Viewer};

use super::input::{key_problems, refuse};
use super::{assignable, editable, input_hash, repeat, save};
use crate::app::App;
use crate::db::idempotency;
use crate::tasks::TaskError;

/// Gives a task to somebody. To whom has it already: nothing happens.
pub async fn assign(
    app: &App,
    viewer: &Viewer,
    id: TaskId,
    assignee: UserId,
    key: Option<&str>,
) -> Result<Model, TaskError> {
    refuse(key_problems(key))?;
    let used = key.map(|key| idempotency::Use {
        user_id: viewer.user_id,
        operation: "assignTask",
        key,
        input_hash: input_hash(&(id, assignee)),
    });
    app.db
        .write(|tx| async move {
            if let Some(before) = repeat(&tx, viewer, used, id).await? {
                return Ok(before);
            }
            let before = editable(&tx, viewer, id).await?;
            if before.assignee_id == Some(assignee) {
                return Ok(before);
            }
            assignable(&tx, assignee).await?;
            let mut task = before.clone();
            task.assignee_id = Some(assignee);
            save(app, &tx, viewer, before, task).await
        })
        .await
}

/// Takes a task from whoever has it.
pub async fn unassign(app: &App, viewer: &Viewer, id: TaskId) -> Result<Model, TaskError> {
    app.db
        .write(|tx| async move {
            let before = editable(&tx, viewer, id).await?;
            let mut task = before.clone();
            if task.assignee_id.take().is_none() {
                return Ok(before);
            }
            save(app, &tx, viewer, before, task).await
        })
        .await
}
