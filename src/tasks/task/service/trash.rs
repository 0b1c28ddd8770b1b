//! Deleting tasks, taking that back, and what is left after 30 days.

use chrono::TimeDelta;
use entity::task::Model;
use entity::{TaskId, Timestamp, Viewer};

use super::super::store;
use super::{allow, save};
use crate::app::App;
use crate::db::{Clock, DbError};
use crate::graphql::Kind;
use crate::tasks::TaskError;
use crate::tasks::policy::Command;

/// How long a deleted task can be restored.
const KEPT: TimeDelta = TimeDelta::days(30);

/// What was deleted after this can be restored; what was deleted then or before cannot.
pub fn restorable_since(clock: &Clock) -> Timestamp {
    clock.now() - KEPT
}

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

/// Takes the deletion of a task back. To one that is not deleted nothing happens.
pub async fn restore(app: &App, viewer: &Viewer, id: TaskId) -> Result<Model, TaskError> {
    app.db
        .write(|tx| async move {
            let since = restorable_since(tx.clock());
            let before = store::lock(&tx, id).await?;
            let before = before.filter(|task| task.deleted_at.is_none_or(|at| at > since));
            let before = before.ok_or(TaskError::NotFound(Kind::Task))?;
            allow(&tx, viewer, &before, Command::Delete).await?;
            let mut task = before.clone();
            if task.deleted_at.take().is_none() {
                return Ok(before);
            }
            save(app, &tx, viewer, before, task).await
        })
        .await
}

/// Deletes for good at most so many tasks that cannot be restored any more. Answers how many there
/// were.
///
/// # Errors
/// The database's failure.
pub async fn empty_trash(app: &App, most: u64) -> Result<u64, DbError> {
    app.db
        .write(|tx| async move {
            let until = restorable_since(tx.clock());
            store::empty_trash(&tx, until, most).await
        })
        .await
}
