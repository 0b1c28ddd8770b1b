//! What can be done with tasks: one function a command. Each opens the transaction, loads, asks the
//! policy, changes, and writes what happened.

use async_graphql::MaybeUndefined;
use chrono::Datelike;
use entity::task::{Model, Priority, Status};
use entity::{TaskId, Timestamp, UserId, Viewer};
use serde::Serialize;

use super::events::{
    TaskAssigned, TaskCompleted, TaskCreated, TaskDeleted, TaskUnassigned, TaskUpdated,
};
use super::policy::{self, Command};
use super::{TaskError, store};
use crate::accounts;
use crate::app::App;
use crate::crypto::sha256;
use crate::db::idempotency::{self, Outcome};
use crate::db::{DbError, Tx, new_id};
use crate::events;
use crate::graphql::{UserError, UserErrorCode};
use crate::notifications;

const TITLE_CHARS: usize = 200;
const DESCRIPTION_CHARS: usize = 2_000;
const KEY_CHARS: usize = 255;

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

/// What is to change; absent keeps, null clears.
#[derive(Clone, Debug)]
pub struct Changes {
    pub title: Option<String>,
    pub description: MaybeUndefined<String>,
    pub status: Option<Status>,
    pub priority: Option<Priority>,
    pub enabled: Option<bool>,
    pub due_at: MaybeUndefined<Timestamp>,
    pub expected_version: Option<i32>,
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
                due_at: new.due_at,
                creator_id: viewer.user_id,
                assignee_id: new.assignee_id,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            store::insert(&tx, task.clone()).await.map_err(no_account)?;
            events::append(&tx, &TaskCreated { task_id: id }, Some(viewer.user_id)).await?;
            if let Some(assignee) = task.assignee_id {
                assigned(app, &tx, viewer, id, assignee).await?;
            }
            Ok(task)
        })
        .await
}

/// Changes the fields of a task.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: TaskId,
    changes: Changes,
) -> Result<Model, TaskError> {
    let mut problems = changes
        .title
        .as_deref()
        .map(title_problems)
        .unwrap_or_default();
    if let MaybeUndefined::Value(text) = &changes.description {
        problems.extend(description_problems(Some(text)));
    }
    problems.extend(due_problems(changes.due_at.value().copied()));
    refuse(problems)?;
    let changes = &changes;
    app.db
        .write(|tx| async move {
            let before = editable(&tx, viewer, id).await?;
            if changes
                .expected_version
                .is_some_and(|version| version != before.version)
            {
                return Err(TaskError::Conflict(Box::new(before)));
            }
            let mut task = before.clone();
            apply(&mut task, changes);
            let fields = changed_fields(&before, &task);
            if fields.is_empty() {
                return Ok(before);
            }
            let completed = task.status == Status::Completed && before.status != Status::Completed;
            save(&tx, &mut task).await?;
            let actor = Some(viewer.user_id);
            events::append(
                &tx,
                &TaskUpdated {
                    task_id: id,
                    fields,
                },
                actor,
            )
            .await?;
            if completed {
                events::append(&tx, &TaskCompleted { task_id: id }, actor).await?;
            }
            Ok(task)
        })
        .await
}

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
            let mut task = editable(&tx, viewer, id).await?;
            if task.assignee_id == Some(assignee) {
                return Ok(task);
            }
            assignable(&tx, assignee).await?;
            task.assignee_id = Some(assignee);
            save(&tx, &mut task).await?;
            assigned(app, &tx, viewer, id, assignee).await?;
            Ok(task)
        })
        .await
}

/// Takes a task from whoever has it.
pub async fn unassign(app: &App, viewer: &Viewer, id: TaskId) -> Result<Model, TaskError> {
    app.db
        .write(|tx| async move {
            let mut task = editable(&tx, viewer, id).await?;
            let Some(assignee_id) = task.assignee_id.take() else {
                return Ok(task);
            };
            save(&tx, &mut task).await?;
            let event = TaskUnassigned {
                task_id: id,
                assignee_id,
            };
            events::append(&tx, &event, Some(viewer.user_id)).await?;
            Ok(task)
        })
        .await
}

/// Removes a task.
pub async fn delete(app: &App, viewer: &Viewer, id: TaskId) -> Result<(), TaskError> {
    app.db
        .write(|tx| async move {
            let task = store::lock(&tx, id).await?.ok_or(TaskError::NotFound)?;
            policy::check(viewer, Command::Delete, &task)?;
            store::delete(&tx, id).await?;
            events::append(&tx, &TaskDeleted { task_id: id }, Some(viewer.user_id)).await?;
            Ok(())
        })
        .await
}

/// Writes that a task was assigned: the event, the work it causes and, last, its place in the
/// assignee's stream.
async fn assigned(
    app: &App,
    tx: &Tx,
    viewer: &Viewer,
    task_id: TaskId,
    assignee_id: UserId,
) -> Result<(), DbError> {
    let recipients = if assignee_id == viewer.user_id {
        Vec::new()
    } else {
        vec![assignee_id]
    };
    let nobody_to_tell = recipients.is_empty();
    let event = TaskAssigned {
        task_id,
        assignee_id,
        recipients,
    };
    let event = events::append(tx, &event, Some(viewer.user_id)).await?;
    if !nobody_to_tell {
        notifications::enqueue_dispatch(app, tx, event).await?;
    }
    let stream = events::assigned_stream(assignee_id);
    events::enter_streams(tx, &app.bus, event, vec![stream]).await
}

async fn editable(tx: &Tx, viewer: &Viewer, id: TaskId) -> Result<Model, TaskError> {
    let task = store::lock(tx, id).await?.ok_or(TaskError::NotFound)?;
    policy::check(viewer, Command::Edit, &task)?;
    Ok(task)
}

async fn save(tx: &Tx, task: &mut Model) -> Result<(), DbError> {
    task.version += 1;
    task.updated_at = tx.clock().now();
    store::save(tx, task.clone()).await
}

/// The answer of the first use of an idempotency key, as the object is now.
async fn repeat(
    tx: &Tx,
    viewer: &Viewer,
    used: Option<idempotency::Use<'_>>,
    result: TaskId,
) -> Result<Option<Model>, TaskError> {
    let Some(used) = used else { return Ok(None) };
    match idempotency::claim(tx, used, result.0)
        .await
        .map_err(no_account)?
    {
        Outcome::First => Ok(None),
        Outcome::Mismatch => Err(TaskError::KeyReused),
        Outcome::Repeat(id) => store::find_visible(tx.conn(), viewer, TaskId(id))
            .await?
            .map(Some)
            .ok_or(TaskError::NotFound),
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

fn apply(task: &mut Model, changes: &Changes) {
    if let Some(title) = &changes.title {
        task.title.clone_from(title);
    }
    match &changes.description {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => task.description = None,
        MaybeUndefined::Value(text) => task.description = Some(text.clone()),
    }
    match changes.due_at {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => task.due_at = None,
        MaybeUndefined::Value(at) => task.due_at = Some(at),
    }
    task.status = changes.status.unwrap_or(task.status);
    task.priority = changes.priority.unwrap_or(task.priority);
    task.enabled = changes.enabled.unwrap_or(task.enabled);
}

fn changed_fields(before: &Model, after: &Model) -> Vec<&'static str> {
    let changed = [
        ("title", before.title != after.title),
        ("description", before.description != after.description),
        ("status", before.status != after.status),
        ("priority", before.priority != after.priority),
        ("enabled", before.enabled != after.enabled),
        ("due_at", before.due_at != after.due_at),
    ];
    changed
        .into_iter()
        .filter_map(|(name, changed)| changed.then_some(name))
        .collect()
}

fn title_problems(title: &str) -> Vec<UserError> {
    let length = title.chars().count();
    let blank = title.trim().is_empty();
    let message = if blank {
        "A title needs at least one character that is not blank.".to_owned()
    } else if length > TITLE_CHARS {
        format!("The title has {length} characters; at most {TITLE_CHARS} fit.")
    } else if title.chars().any(char::is_control) {
        "A title is one line without control characters.".to_owned()
    } else {
        return Vec::new();
    };
    vec![invalid(message, "title")]
}

fn description_problems(description: Option<&str>) -> Vec<UserError> {
    let length = description.map(|text| text.chars().count());
    match length {
        None | Some(1..=DESCRIPTION_CHARS) => match description {
            // PostgreSQL cannot store it, so no database takes it.
            Some(text) if text.contains('\0') => vec![invalid(
                "The description contains a NUL character.".to_owned(),
                "description",
            )],
            _ => Vec::new(),
        },
        Some(0) => vec![invalid(
            "An empty description: leave it out, or give null.".to_owned(),
            "description",
        )],
        Some(length) => vec![invalid(
            format!("The description has {length} characters; at most {DESCRIPTION_CHARS} fit."),
            "description",
        )],
    }
}

/// Whether both databases can keep and sort a point in time: in SQLite it is a text with a year of
/// four digits, and the last of those years stands for "no date" in the order.
pub fn is_storable(at: Timestamp) -> bool {
    (1..=9_998).contains(&at.year())
}

fn due_problems(due_at: Option<Timestamp>) -> Option<UserError> {
    let bad = due_at.is_some_and(|at| !is_storable(at));
    bad.then(|| {
        invalid(
            "The date must lie in the years 1 to 9998.".to_owned(),
            "dueAt",
        )
    })
}

fn key_problems(key: Option<&str>) -> Vec<UserError> {
    match key {
        Some(key) if !(1..=KEY_CHARS).contains(&key.chars().count()) || key.contains('\0') => {
            vec![invalid(
                format!(
                    "An idempotencyKey has 1 to {KEY_CHARS} characters; a random UUID is a good one."
                ),
                "idempotencyKey",
            )]
        }
        _ => Vec::new(),
    }
}

fn invalid(message: String, field: &str) -> UserError {
    UserError::new(UserErrorCode::Invalid, message, &["input", field])
}

fn refuse(problems: Vec<UserError>) -> Result<(), TaskError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(TaskError::Refused(problems))
    }
}

fn input_hash(input: &impl Serialize) -> [u8; 32] {
    // Fields are written in the order of the type, so equal inputs have equal bytes.
    sha256(serde_json::to_vec(input).unwrap_or_default())
}
