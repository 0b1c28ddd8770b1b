//! What can be done with tasks: one function a command, one file a kind of command. Each opens the
//! transaction, loads, asks the policy, changes, and writes what happened.

mod assign;
mod create;
mod input;
mod trash;
mod update;

use entity::task::Model;
use entity::{TaskId, UserId, Viewer};
use serde::Serialize;

pub use self::assign::{assign, unassign};
pub use self::create::{NewTask, create};
pub use self::input::is_storable;
pub use self::trash::delete;
pub use self::update::{Changes, update};
use super::record::{self, Changed};
use super::{TaskError, store};
use crate::accounts;
use crate::app::App;
use crate::crypto::sha256;
use crate::db::idempotency::{self, Outcome};
use crate::db::{DbError, Tx};
use crate::graphql::{Kind, UserError, UserErrorCode};
use crate::tasks::policy::{self, Command};
use crate::tasks::project;

/// Lets a command on a task pass.
pub async fn allow(
    tx: &Tx,
    viewer: &Viewer,
    task: &Model,
    command: Command,
) -> Result<(), TaskError> {
    let role = match task.project_id {
        Some(project) => project::role(tx.conn(), project, viewer.user_id).await?,
        None => None,
    };
    policy::check(policy::actors(viewer, task, role), command, Kind::Task)
}

async fn editable(tx: &Tx, viewer: &Viewer, id: TaskId) -> Result<Model, TaskError> {
    let task = store::lock(tx, id).await?;
    let task = task.filter(|task| task.deleted_at.is_none());
    let task = task.ok_or(TaskError::NotFound(Kind::Task))?;
    allow(tx, viewer, &task, Command::Edit).await?;
    Ok(task)
}

/// Writes a task that was locked before, and what happened to it.
async fn save(
    app: &App,
    tx: &Tx,
    viewer: &Viewer,
    before: Model,
    mut after: Model,
) -> Result<Model, TaskError> {
    after.version += 1;
    after.updated_at = tx.clock().now();
    store::save(tx, after.clone()).await?;
    let changed = Changed {
        before: Some(before),
        after: after.clone(),
        beside: Vec::new(),
    };
    record::write(app, tx, viewer, &[changed]).await?;
    Ok(after)
}

/// The answer of the first use of an idempotency key, as the object is now.
async fn repeat(
    tx: &Tx,
    viewer: &Viewer,
    used: Option<idempotency::Use<'_>>,
    result: TaskId,
) -> Result<Option<Model>, TaskError> {
    let Some(used) = used else { return Ok(None) };
    match idempotency::claim(tx, used, &[result.0])
        .await
        .map_err(no_account)?
    {
        Outcome::First => Ok(None),
        Outcome::Mismatch => Err(TaskError::KeyReused),
        Outcome::Repeat(ids) => {
            let id = TaskId(ids.first().copied().unwrap_or_default());
            let task = store::find_visible(tx.conn(), viewer, id).await?;
            task.map(Some).ok_or(TaskError::NotFound(Kind::Task))
        }
    }
}

async fn assignable(tx: &Tx, assignee: UserId) -> Result<(), TaskError> {
    let user = accounts::find(tx.conn(), assignee).await?;
    if user.is_some_and(|user| user.status == entity::user::Status::Active) {
        return Ok(());
    }
    Err(TaskError::Refused(vec![UserError::new(
        UserErrorCode::UnknownAssignee,
        "There is no such person on this server to assign to.",
        &["input", "assigneeId"],
    )]))
}

fn no_account(error: DbError) -> TaskError {
    if error.is_foreign_key_violation() {
        TaskError::UnknownViewer
    } else {
        error.into()
    }
}

fn input_hash(input: &impl Serialize) -> [u8; 32] {
    // Fields are written in the order of the type, so equal inputs have equal bytes.
    sha256(serde_json::to_vec(input).unwrap_or_default())
}
