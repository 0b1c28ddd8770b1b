//! What a person does with their list.

use std::collections::HashSet;

use entity::notification::Model;
use entity::notified::Category;
use entity::{NotificationId, Viewer};

use super::store;
use crate::app::App;
use crate::db::DbError;
use crate::graphql::{Kind, UserErrorCode};
use crate::notifications::NotificationError;

/// The most that are named at once.
const MOST_IDS: usize = 100;

/// What is done with notifications.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// They were read.
    Read,
    /// They are put away, and are read with that.
    Archive,
}

/// Changes these notifications of the viewer; doing so twice changes nothing more.
///
/// # Errors
/// `NotFound` when one is not in the viewer's list: then none is changed.
pub async fn change(
    app: &App,
    viewer: &Viewer,
    ids: Vec<NotificationId>,
    change: Change,
) -> Result<Vec<Model>, NotificationError> {
    if ids.is_empty() || ids.len() > MOST_IDS {
        let message = format!("Name 1 to {MOST_IDS} notifications.");
        let code = UserErrorCode::Invalid;
        return Err(NotificationError::refused(code, message, &["ids"]));
    }
    let (user, ids) = (viewer.user_id, &ids);
    app.db
        .write(|tx| async move {
            match change {
                Change::Read => store::read(&tx, user, ids.clone()).await?,
                Change::Archive => store::archive(&tx, user, ids.clone()).await?,
            }
            let mut rows = store::find_mine(tx.conn(), user, ids.clone()).await?;
            let found: HashSet<_> = rows.iter().map(|row| row.id).collect();
            if !ids.iter().all(|id| found.contains(id)) {
                return Err(NotificationError::NotFound(Kind::Notification));
            }
            rows.sort_by_key(|row| ids.iter().position(|id| *id == row.id));
            Ok(rows)
        })
        .await
}

/// Notes that everything in the list was read, up to one if it is given: what came after the person
/// looked stays unread. Answers how many were not read before.
///
/// # Errors
/// The database's failure.
pub async fn read_all(
    app: &App,
    viewer: &Viewer,
    category: Option<Category>,
    up_to: Option<NotificationId>,
) -> Result<u64, DbError> {
    app.db
        .write(|tx| async move { store::read_all(&tx, viewer.user_id, category, up_to).await })
        .await
}
