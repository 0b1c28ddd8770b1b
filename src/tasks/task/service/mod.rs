//! What can be done with tasks: one function a command, one file a kind of command. Each opens the
//! transaction, loads, asks the policy, changes, and writes what happened.

mod assign;
mod create;
mod dates;
mod enable;
mod family;
mod input;
mod locked;
mod numbers;
mod trash;
mod update;

use std::collections::{BTreeSet, HashMap, HashSet};

use entity::task::Model;
use entity::{ProjectId, TaskId, UserId, Viewer};
use serde::Serialize;

pub use self::assign::{assign, unassign};
pub use self::create::{NewTask, create, create_many};
pub use self::dates::Moment;
pub use self::enable::set_enabled;
pub use self::input::{
    check_size, description_problems, is_disabled, is_storable, key_problems, problem, refuse,
};
use self::locked::Locked;
pub use self::trash::{delete, empty_trash, restorable_since, restore};
pub use self::update::{Changes, update, update_many};
use super::record::{self, Changed};
use super::{TaskError, store};
use crate::accounts;
use crate::app::App;
use crate::crypto::sha256;
use crate::db::idempotency::{self, Outcome};
use crate::db::{DbError, Tx};
use crate::graphql::{Kind, UserError, UserErrorCode};
use crate::tasks::policy::{self, Command};
use crate::tasks::project::{self, Standing};

/// Lets a command on a task pass. In an archived project nothing changes.
pub async fn allow(
    tx: &Tx,
    viewer: &Viewer,
    task: &Model,
    command: Command,
) -> Result<(), TaskError> {
    let projects = task.project_id.into_iter().collect();
    let standings = project::standings(tx, projects, viewer.user_id).await?;
    permit(viewer, std::slice::from_ref(task), &standings, command)
}

/// The same for several, with what the viewer is in their projects.
fn permit(
    viewer: &Viewer,
    tasks: &[Model],
    standings: &HashMap<ProjectId, Standing>,
    command: Command,
) -> Result<(), TaskError> {
    let standing = |task: &Model| task.project_id.and_then(|id| standings.get(&id).copied());
    let role = |task: &Model| standing(task).and_then(|standing| standing.role);
    let actors = |task| policy::actors(viewer, task, role(task));
    // What cannot be seen comes first, wherever it stands in a list: else the answer to a list with
    // something forbidden would tell which of the others exist.
    for command in [Command::See, command] {
        for task in tasks {
            policy::check(actors(task), command, Kind::Task)?;
        }
    }
    let is_archived = |task| standing(task).is_some_and(|standing| standing.is_archived);
    if command != Command::See && tasks.iter().any(is_archived) {
        return Err(TaskError::Archived);
    }
    Ok(())
}

/// A task that the viewer may edit, be it disabled.
async fn live(tx: &Tx, viewer: &Viewer, id: TaskId) -> Result<Model, TaskError> {
    let task = store::lock(tx, id).await?;
    let task = task.filter(|task| task.deleted_at.is_none());
    let task = task.ok_or(TaskError::NotFound(Kind::Task))?;
    allow(tx, viewer, &task, Command::Edit).await?;
    Ok(task)
}

/// A task that the viewer may edit.
async fn editable(tx: &Tx, viewer: &Viewer, id: TaskId) -> Result<Model, TaskError> {
    let task = live(tx, viewer, id).await?;
    if !task.enabled {
        refuse(vec![is_disabled(&[])])?;
    }
    Ok(task)
}

/// Writes a task that was locked before, and what happened to it.
async fn save(
    app: &App,
    tx: &Tx,
    viewer: &Viewer,
    before: Model,
    after: Model,
) -> Result<Model, TaskError> {
    let changed = Changed {
        before: Some(before),
        after: after.clone(),
        beside: Vec::new(),
    };
    let saved = save_all(app, tx, viewer, vec![changed]).await?;
    Ok(saved.into_iter().next().unwrap_or(after))
}

/// Writes tasks that were locked before, and what happened to them. Must be the last that the
/// transaction does.
async fn save_all(
    app: &App,
    tx: &Tx,
    viewer: &Viewer,
    mut changes: Vec<Changed>,
) -> Result<Vec<Model>, TaskError> {
    for changed in &mut changes {
        let after = &mut changed.after;
        let is_given =
            changed.before.as_ref().map(|task| task.assignee_id) != Some(after.assignee_id);
        // Of a disabled task nobody is told.
        after.assignee_told = after.enabled || (after.assignee_told && !is_given);
        changed.after.version += 1;
        changed.after.updated_at = tx.clock().now();
        store::save(tx, changed.after.clone()).await?;
    }
    record::write(app, tx, viewer, &changes).await?;
    Ok(changes.into_iter().map(|changed| changed.after).collect())
}

/// The answer of the first use of an idempotency key, as the object is now.
async fn repeat(
    tx: &Tx,
    viewer: &Viewer,
    used: Option<idempotency::Use<'_>>,
    result: TaskId,
) -> Result<Option<Model>, TaskError> {
    match repeat_many(tx, viewer, used, &[result]).await? {
        None => Ok(None),
        Some(before) => before
            .into_iter()
            .next()
            .map(Some)
            .ok_or(TaskError::NotFound(Kind::Task)),
    }
}

/// The answer of the first use of an idempotency key, as the objects are now: those of them that the
/// viewer may still see, in the same order. What was deleted meanwhile is not made again.
async fn repeat_many(
    tx: &Tx,
    viewer: &Viewer,
    used: Option<idempotency::Use<'_>>,
    results: &[TaskId],
) -> Result<Option<Vec<Model>>, TaskError> {
    let Some(used) = used else { return Ok(None) };
    let results: Vec<_> = results.iter().map(|id| id.0).collect();
    let claimed = idempotency::claim(tx, used, &results).await;
    match claimed.map_err(no_account)? {
        Outcome::First => Ok(None),
        Outcome::Mismatch => Err(TaskError::KeyReused),
        Outcome::Repeat(ids) => {
            let ids: Vec<_> = ids.into_iter().map(TaskId).collect();
            let found = store::find_all_visible(tx.conn(), viewer, ids.clone()).await?;
            let mut found: HashMap<_, _> = found.into_iter().map(|task| (task.id, task)).collect();
            Ok(Some(ids.iter().filter_map(|id| found.remove(id)).collect()))
        }
    }
}

async fn assignable(tx: &Tx, assignee: UserId) -> Result<(), TaskError> {
    if active(tx, [assignee]).await?.contains(&assignee) {
        return Ok(());
    }
    refuse(vec![unknown_assignee()])
}

/// Those of these people that a task can be given to.
async fn active(
    tx: &Tx,
    people: impl IntoIterator<Item = UserId>,
) -> Result<HashSet<UserId>, DbError> {
    let people: BTreeSet<_> = people.into_iter().collect();
    if people.is_empty() {
        return Ok(HashSet::new());
    }
    accounts::active_among(&tx.peek(), people.into_iter().collect()).await
}

fn unknown_assignee() -> UserError {
    UserError::new(
        UserErrorCode::UnknownAssignee,
        "There is no such person on this server to assign to.",
        &["input", "assigneeId"],
    )
}

/// Nobody can be referred to who has no account.
pub fn no_account(error: DbError) -> TaskError {
    if error.is_foreign_key_violation() {
        TaskError::UnknownViewer
    } else {
        error.into()
    }
}

/// What tells two inputs apart that come with the same idempotency key.
pub fn input_hash(input: &impl Serialize) -> [u8; 32] {
    // Fields are written in the order of the type, so equal inputs have equal bytes.
    sha256(serde_json::to_vec(input).unwrap_or_default())
}
