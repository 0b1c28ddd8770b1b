//! Following tasks.

use entity::{TaskId, Viewer, task};

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::graphql::Kind;
use crate::tasks::TaskError;
use crate::tasks::task::{find_visible, lock, no_account};

/// Lets the viewer follow a task, and hear of it again if they wanted to hear nothing.
pub async fn watch(app: &App, viewer: &Viewer, id: TaskId) -> Result<task::Model, TaskError> {
    set(app, viewer, id, false).await
}

/// Lets the viewer hear nothing of a task, whatever else they are to it.
pub async fn mute(app: &App, viewer: &Viewer, id: TaskId) -> Result<task::Model, TaskError> {
    set(app, viewer, id, true).await
}

/// Takes both back.
pub async fn unwatch(app: &App, viewer: &Viewer, id: TaskId) -> Result<task::Model, TaskError> {
    app.db
        .write(|tx| async move {
            let task = visible(&tx, viewer, id).await?;
            store::remove(&tx, id, viewer.user_id).await?;
            Ok(task)
        })
        .await
}

async fn set(
    app: &App,
    viewer: &Viewer,
    id: TaskId,
    muted: bool,
) -> Result<task::Model, TaskError> {
    app.db
        .write(|tx| async move {
            // The task first, as everywhere: whoever comments on it lets people follow it, too.
            lock(&tx, id).await?;
            let task = visible(&tx, viewer, id).await?;
            store::set(&tx, id, viewer.user_id, muted)
                .await
                .map_err(no_account)?;
            Ok(task)
        })
        .await
}

async fn visible(tx: &Tx, viewer: &Viewer, id: TaskId) -> Result<task::Model, TaskError> {
    let task = find_visible(tx.conn(), viewer, id).await?;
    task.ok_or(TaskError::NotFound(Kind::Task))
}
