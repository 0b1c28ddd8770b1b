//! What can be done with comments: one function a command.

use std::collections::{BTreeMap, BTreeSet};

use entity::{CommentId, TaskId, UserId, Viewer, comment, task};
use serde::Serialize;

use super::events::{CommentCreated, CommentDeleted, CommentUpdated};
use super::{mentions, store};
use crate::accounts;
use crate::app::App;
use crate::db::idempotency::{self, Outcome};
use crate::db::{Tx, id_at};
use crate::events::{self, Event, Log};
use crate::graphql::{Kind, UserError};
use crate::notifications;
use crate::tasks::TaskError;
use crate::tasks::policy::Command;
use crate::tasks::task::{
    allow, find_visible, input_hash, is_disabled, key_problems, lock, no_account, problem, refuse,
};
use crate::tasks::watcher::{self, Audience};
use crate::text::is_blank;

const BODY_CHARS: usize = 10_000;
const MOST_MENTIONS: usize = 50;

/// A comment, and the task it is about.
pub type Said = (comment::Model, task::Model);

/// What somebody wants to say.
#[derive(Clone, Debug, Serialize)]
pub struct NewComment {
    pub task_id: TaskId,
    pub body: String,
    pub mention_ids: Vec<UserId>,
}

/// What is to change of a comment; absent keeps.
#[derive(Clone, Debug)]
pub struct Edit {
    pub body: Option<String>,
    pub mention_ids: Option<Vec<UserId>>,
}

/// Says something about a task.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    new: NewComment,
    key: Option<&str>,
) -> Result<Said, TaskError> {
    let mut problems = key_problems(key);
    problems.extend(body_problems(&new.body));
    problems.extend(mention_problems(&new.mention_ids));
    refuse(problems)?;
    let used = key.map(|key| idempotency::Use {
        user_id: viewer.user_id,
        operation: "createComment",
        key,
        input_hash: input_hash(&new),
    });
    let new = &new;
    app.db
        .write(|tx| async move {
            let task = lock(&tx, new.task_id).await?;
            // From here on nobody else says anything about the task: what is said later has a later
            // id, by which comments are sorted, and no reader's cursor is past it.
            let now = store::after_all(&tx, new.task_id).await?;
            let id = CommentId(id_at(now));
            if let Some(before) = repeat(&tx, viewer, used, id).await? {
                return Ok(before);
            }
            let task = commentable(&tx, viewer, task, "taskId").await?;
            let by_id: BTreeSet<_> = new.mention_ids.iter().copied().collect();
            known(&tx, &by_id).await?;
            let named = named(&tx, &new.body).await?;
            let mentioned = seeing(&tx, &task, &by_id | &named).await?;
            let comment = comment::Model {
                id,
                task_id: task.id,
                author_id: viewer.user_id,
                body: new.body.clone(),
                created_at: now,
                edited_at: None,
            };
            store::insert(&tx, comment.clone())
                .await
                .map_err(no_account)?;
            let now = by_whom(&mentioned, &by_id);
            store::set_mentions(&tx, id, &BTreeMap::new(), &now).await?;
            let followers = mentioned.iter().copied().chain([viewer.user_id]);
            watcher::start(&tx, followers.map(|user| (task.id, user))).await?;
            let recipients = recipients(&tx, viewer, &task, &mentioned).await?;
            let event = CommentCreated {
                task_id: task.id,
                project_id: task.project_id,
                comment_id: id,
                recipients,
            };
            tell(app, &tx, viewer, &task, &event).await?;
            Ok((comment, task))
        })
        .await
}

/// Changes what one said.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: CommentId,
    edit: Edit,
) -> Result<Said, TaskError> {
    let mut problems = Vec::new();
    problems.extend(edit.body.as_deref().and_then(body_problems));
    problems.extend(edit.mention_ids.as_deref().and_then(mention_problems));
    refuse(problems)?;
    let edit = &edit;
    app.db
        .write(|tx| async move {
            let (before, task) = open(&tx, viewer, id).await?;
            if before.author_id != viewer.user_id {
                return Err(TaskError::Forbidden);
            }
            allow(&tx, viewer, &task, Command::Comment).await?;
            must_be_enabled(&task, "id")?;
            let mut comment = before.clone();
            if let Some(body) = &edit.body {
                comment.body.clone_from(body);
            }
            let old = store::mentioned(tx.conn(), id).await?;
            let by_id = match &edit.mention_ids {
                Some(ids) => {
                    let by_id = ids.iter().copied().collect();
                    known(&tx, &by_id).await?;
                    by_id
                }
                // Who was mentioned by id stays; who was named is named in the new text, or not.
                None => old
                    .iter()
                    .filter_map(|(user, by_id)| by_id.then_some(*user))
                    .collect(),
            };
            let named = named(&tx, &comment.body).await?;
            let mentioned = seeing(&tx, &task, &by_id | &named).await?;
            let now = by_whom(&mentioned, &by_id);
            if comment.body == before.body && now == old {
                return Ok((before, task));
            }
            comment.edited_at = Some(tx.clock().now());
            store::save(&tx, comment.clone()).await?;
            store::set_mentions(&tx, id, &old, &now).await?;
            let new = mentioned.iter().filter(|user| !old.contains_key(user));
            let new: Vec<_> = new.map(|user| (task.id, *user)).collect();
            watcher::start(&tx, new).await?;
            let recipients = recipients(&tx, viewer, &task, &mentioned).await?;
            let event = CommentUpdated {
                task_id: task.id,
                project_id: task.project_id,
                comment_id: id,
                recipients,
            };
            tell(app, &tx, viewer, &task, &event).await?;
            Ok((comment, task))
        })
        .await
}

/// Deletes a comment: its author may, and who may delete the task.
pub async fn delete(app: &App, viewer: &Viewer, id: CommentId) -> Result<(), TaskError> {
    app.db
        .write(|tx| async move {
            let (comment, task) = open(&tx, viewer, id).await?;
            let command = if comment.author_id == viewer.user_id {
                Command::Comment
            } else {
                Command::Delete
            };
            allow(&tx, viewer, &task, command).await?;
            must_be_enabled(&task, "id")?;
            store::delete(&tx, id).await?;
            let recipients = recipients(&tx, viewer, &task, &BTreeSet::new()).await?;
            let event = CommentDeleted {
                task_id: task.id,
                project_id: task.project_id,
                comment_id: id,
                recipients,
            };
            tell(app, &tx, viewer, &task, &event).await
        })
        .await
}

fn body_problems(body: &str) -> Option<UserError> {
    let length = body.chars().count();
    let message = if is_blank(body) {
        "A comment needs at least one character that is not blank.".to_owned()
    } else if length > BODY_CHARS {
        format!("The comment has {length} characters; at most {BODY_CHARS} fit.")
    } else if body.contains('\0') {
        // PostgreSQL cannot store it, so no database takes it.
        "The comment contains a NUL character.".to_owned()
    } else {
        return None;
    };
    Some(problem(message, "body"))
}

fn mention_problems(ids: &[UserId]) -> Option<UserError> {
    (ids.len() > MOST_MENTIONS).then(|| {
        let message = format!("A comment mentions at most {MOST_MENTIONS} people.");
        problem(message, "mentionIds")
    })
}

/// The answer of the first use of an idempotency key, as the comment is now.
async fn repeat(
    tx: &Tx,
    viewer: &Viewer,
    used: Option<idempotency::Use<'_>>,
    result: CommentId,
) -> Result<Option<Said>, TaskError> {
    let Some(used) = used else { return Ok(None) };
    match idempotency::claim(tx, used, &[result.0])
        .await
        .map_err(no_account)?
    {
        Outcome::First => Ok(None),
        Outcome::Mismatch => Err(TaskError::KeyReused),
        Outcome::Repeat(ids) => {
            let id = CommentId(ids.first().copied().unwrap_or_default());
            let gone = || TaskError::NotFound(Kind::Comment);
            let comment = store::find(tx.conn(), id).await?.ok_or_else(gone)?;
            let task = find_visible(tx.conn(), viewer, comment.task_id).await?;
            Ok(Some((comment, task.ok_or_else(gone)?)))
        }
    }
}

/// What was locked, if it is a task about which the viewer may say something.
async fn commentable(
    tx: &Tx,
    viewer: &Viewer,
    task: Option<task::Model>,
    field: &str,
) -> Result<task::Model, TaskError> {
    let task = task.filter(|task| task.deleted_at.is_none());
    let task = task.ok_or(TaskError::NotFound(Kind::Task))?;
    allow(tx, viewer, &task, Command::Comment).await?;
    must_be_enabled(&task, field)?;
    Ok(task)
}

/// A comment and its task, both locked, if the viewer may see them. The task first, as everywhere.
async fn open(tx: &Tx, viewer: &Viewer, id: CommentId) -> Result<Said, TaskError> {
    let gone = || TaskError::NotFound(Kind::Comment);
    let comment = store::find(tx.conn(), id).await?.ok_or_else(gone)?;
    let task = lock(tx, comment.task_id).await?;
    let task = task.filter(|task| task.deleted_at.is_none());
    let task = task.ok_or_else(gone)?;
    match allow(tx, viewer, &task, Command::See).await {
        Err(TaskError::NotFound(_)) => return Err(gone()),
        other => other?,
    }
    let comment = store::lock(tx, id).await?.ok_or_else(gone)?;
    Ok((comment, task))
}

fn must_be_enabled(task: &task::Model, field: &str) -> Result<(), TaskError> {
    if task.enabled {
        return Ok(());
    }
    refuse(vec![is_disabled(&["input", field])])
}

/// Refuses ids of nobody.
async fn known(tx: &Tx, ids: &BTreeSet<UserId>) -> Result<(), TaskError> {
    if ids.is_empty() {
        return Ok(());
    }
    let found = accounts::find_many(tx.conn(), ids.iter().copied().collect()).await?;
    if found.len() == ids.len() {
        return Ok(());
    }
    let message = "Some of these people are not on this server.";
    Err(TaskError::Refused(vec![problem(message, "mentionIds")]))
}

/// Who is named in a text.
async fn named(tx: &Tx, body: &str) -> Result<BTreeSet<UserId>, TaskError> {
    let names = mentions::names(body);
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let users = accounts::find_by_usernames(tx.conn(), names.into_iter().collect()).await?;
    Ok(users.into_iter().map(|user| user.id).collect())
}

/// Who is mentioned, and whether by id.
fn by_whom(mentioned: &BTreeSet<UserId>, by_id: &BTreeSet<UserId>) -> BTreeMap<UserId, bool> {
    let by = |user: &UserId| (*user, by_id.contains(user));
    mentioned.iter().map(by).collect()
}

/// Those of these people who can see the task: nobody else learns that it is there.
async fn seeing(
    tx: &Tx,
    task: &task::Model,
    mut people: BTreeSet<UserId>,
) -> Result<BTreeSet<UserId>, TaskError> {
    let audience = Audience::load(tx.conn(), &[task], &people).await?;
    people.retain(|user| audience.sees(task, *user));
    Ok(people)
}

async fn recipients(
    tx: &Tx,
    viewer: &Viewer,
    task: &task::Model,
    mentioned: &BTreeSet<UserId>,
) -> Result<Vec<UserId>, TaskError> {
    let told = watcher::recipients_and(tx, &[task], viewer.user_id, mentioned).await?;
    Ok(told.into_values().flatten().collect())
}

/// Writes what happened. The last that the transaction does.
async fn tell<E: Event>(
    app: &App,
    tx: &Tx,
    viewer: &Viewer,
    task: &task::Model,
    event: &E,
) -> Result<(), TaskError> {
    let mut log = Log::default();
    let stream = events::task_stream(task.id, task.project_id);
    let id = log.add(tx, event, Some(viewer.user_id), [stream])?;
    notifications::enqueue_dispatch(app, tx, [id]);
    Ok(log.write(tx, &app.bus).await?)
}
