//! Deleting tasks, and taking that back.

use entity::{TaskId, Viewer};

use super::super::store;
use super::{allow, save};
use crate::app::App;
use crate::graphql::Kind;
use crate::tasks::TaskError;
use crate::tasks::policy::Command;

/// Deletes a task. It can be restored for 30 days.
pub async fn delete(app: &App, viewer: &Viewer, id: TaskId) -> Result<(), TaskError> {
    app.db
        .write(|tx| async move {
            let before = store::lock(&tx, id).await?;
            let before = before.filter(|task| task.deleted_at.is_none());
            let before = before.ok_or(TaskError::NotFound(Kind::Task))?;
            allow(&tx, viewer, &before, Command::Delete).await?;
            let mut task = before.clone();
            task.deleted_at = Some(tx.clock().now());
            save(app, &tx, viewer, before, task).await?;
            Ok(())
        })
        .await
}
