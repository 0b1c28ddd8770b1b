//! Setting tasks aside, and taking that back.

use entity::task::Model;
use entity::{TaskId, Viewer};

use super::{live, save};
use crate::app::App;
use crate::tasks::TaskError;

/// Sets a task aside, or takes that back. To one that is so already nothing happens.
pub async fn set_enabled(
    app: &App,
    viewer: &Viewer,
    id: TaskId,
    enabled: bool,
) -> Result<Model, TaskError> {
    app.db
        .write(|tx| async move {
            let before = live(&tx, viewer, id).await?;
            if before.enabled == enabled {
                return Ok(before);
            }
            let mut task = before.clone();
            task.enabled = enabled;
            save(app, &tx, viewer, before, task).await
        })
        .await
}
