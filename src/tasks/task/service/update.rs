//! Changing the fields of tasks.

use std::collections::{BTreeSet, HashMap};

use async_graphql::MaybeUndefined;
use entity::task::{Model, Priority, Status, due_order};
use entity::{LabelId, TaskId, Timestamp, UserId, Viewer};
use serde::Serialize;

use super::super::record::{Changed, differences};
use super::dates::{DUE, Moment, START, order_problem, told_apart};
use super::family::{self, Moves};
use super::input::{
    Form, check_size, description_problems, is_disabled, key_problems, problem, refuse,
    title_problems,
};
use super::{Locked, active, input_hash, repeat_many, save_all, unknown_assignee};
use crate::app::App;
use crate::db::{Tx, idempotency};
use crate::graphql::{Kind, UserError};
use crate::tasks::policy::Command;
use crate::tasks::{TaskError, label};

/// What is to change; absent keeps, null clears.
#[derive(Clone, Debug, Serialize)]
pub struct Changes {
    pub title: Option<String>,
    #[serde(serialize_with = "told_apart")]
    pub description: MaybeUndefined<String>,
    pub status: Option<Status>,
    pub priority: Option<Priority>,
    pub enabled: Option<bool>,
    pub start: Moment,
    pub due: Moment,
    #[serde(serialize_with = "told_apart")]
    pub parent_id: MaybeUndefined<TaskId>,
    #[serde(serialize_with = "told_apart")]
    pub assignee_id: MaybeUndefined<UserId>,
    pub expected_version: Option<i32>,
    pub label_ids: Option<BTreeSet<LabelId>>,
}

/// Changes the fields of a task.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: TaskId,
    changes: Changes,
) -> Result<Model, TaskError> {
    match change(app, viewer, &[(id, changes)], Form::Alone, None).await {
        Ok(tasks) => {
            let task = tasks.into_iter().next();
            task.ok_or(TaskError::NotFound(Kind::Task))
        }
        Err(TaskError::Conflicts(conflicts)) => {
            let now = conflicts.into_iter().next().map(|(_, now)| Box::new(now));
            Err(now.map_or(TaskError::NotFound(Kind::Task), TaskError::Conflict))
        }
        Err(error) => Err(error),
    }
}

/// Changes the fields of 1 to 100 tasks, of all or of none. The same task twice is refused.
pub async fn update_many(
    app: &App,
    viewer: &Viewer,
    changes: Vec<(TaskId, Changes)>,
    key: Option<&str>,
) -> Result<Vec<Model>, TaskError> {
    check_size(changes.len())?;
    let used = key.map(|key| idempotency::Use {
        user_id: viewer.user_id,
        operation: "updateTasks",
        key,
        input_hash: input_hash(&changes),
    });
    change(app, viewer, &changes, Form::Listed, used).await
}

async fn change(
    app: &App,
    viewer: &Viewer,
    changes: &[(TaskId, Changes)],
    form: Form,
    used: Option<idempotency::Use<'_>>,
) -> Result<Vec<Model>, TaskError> {
    let mut wrong = Vec::new();
    let mut first = HashMap::new();
    for (index, (id, changes)) in changes.iter().enumerate() {
        let mut problems = changes.problems();
        let before = *first.entry(*id).or_insert(index);
        if before != index {
            problems.push(problem(
                format!("This task stands in place {before} of the list already."),
                "id",
            ));
        }
        wrong.extend(problems.into_iter().map(|error| form.place(index, error)));
    }
    wrong.extend(key_problems(used.map(|used| used.key)));
    refuse(wrong)?;
    let ids: Vec<_> = changes.iter().map(|(id, _)| *id).collect();
    let ids = &ids;
    app.db
        .write(|tx| async move {
            if let Some(before) = repeat_many(&tx, viewer, used, ids).await? {
                return Ok(before);
            }
            let parents = changes
                .iter()
                .filter_map(|(_, changes)| changes.parent_id.value().copied());
            let all = ids.iter().copied().chain(parents);
            let locked = Locked::all(&tx, viewer, all, []).await?;
            let before = locked.live(ids)?;
            locked.allow(viewer, &before, Command::Edit)?;
            let after = changed(&tx, viewer, &locked, changes, &before, form).await?;
            let mut answer = after.clone();
            let labels = changes.iter().filter_map(|(id, changes)| {
                let labels = changes.label_ids.clone();
                labels.map(|labels| (*id, labels))
            });
            let mut labels = label::replace(&tx, &labels.collect()).await?;
            let changes: Vec<_> = before
                .into_iter()
                .zip(after)
                .map(|(before, after)| Changed {
                    beside: labels.remove(&after.id).into_iter().collect(),
                    before: Some(before),
                    after,
                })
                .filter(Changed::is_one)
                .collect();
            if changes.is_empty() {
                return Ok(answer);
            }
            let saved = save_all(app, &tx, viewer, changes).await?;
            let mut saved: HashMap<_, _> = saved.into_iter().map(|task| (task.id, task)).collect();
            for task in &mut answer {
                if let Some(saved) = saved.remove(&task.id) {
                    *task = saved;
                }
            }
            Ok(answer)
        })
        .await
}

/// The tasks as they are to be, if all of them may be so.
async fn changed(
    tx: &Tx,
    viewer: &Viewer,
    locked: &Locked,
    changes: &[(TaskId, Changes)],
    before: &[Model],
    form: Form,
) -> Result<Vec<Model>, TaskError> {
    let pairs = || changes.iter().map(|(_, changes)| changes).zip(before);
    let conflicts: Vec<_> = pairs()
        .enumerate()
        .filter(|(_, (changes, before))| {
            let expected = changes.expected_version;
            expected.is_some_and(|version| version != before.version)
        })
        .map(|(index, (_, before))| (index, before.clone()))
        .collect();
    if !conflicts.is_empty() {
        return Err(TaskError::Conflicts(conflicts));
    }
    let now = tx.clock().now();
    let after: Vec<_> = pairs()
        .map(|(changes, before)| changes.applied(before, now))
        .collect();
    let newly = |before: &Model, after: &Model| {
        let assignee = after.assignee_id;
        assignee.filter(|_| before.assignee_id != assignee)
    };
    let given = before.iter().zip(&after);
    let known = active(tx, given.filter_map(|(before, after)| newly(before, after))).await?;
    let labels = pairs().filter_map(|(changes, _)| changes.label_ids.as_ref());
    let labels = label::keep(tx, labels).await?;
    let mut wrong = Vec::new();
    let (mut moved, mut kept) = (Vec::new(), Vec::new());
    for (index, ((changes, before), after)) in pairs().zip(&after).enumerate() {
        let mut tell = |error: UserError| wrong.push(form.place(index, error));
        let touches = changes.label_ids.is_some() || !differences(before, after).is_empty();
        if !before.enabled && !after.enabled && touches {
            tell(is_disabled(&[]));
        }
        let unknown = changes.label_ids.as_ref();
        if let Some(error) = unknown.and_then(|ids| label::unknown(ids, &labels)) {
            tell(error);
        }
        if newly(before, after).is_some_and(|id| !known.contains(&id)) {
            tell(unknown_assignee());
        }
        if let Some(error) = order_problem(after, changes.start.is_given(), changes.due.is_given())
        {
            tell(error);
        }
        if after.parent_id != before.parent_id {
            moved.push(index);
        } else if let Some(parent) = changes.parent_id.value() {
            kept.push(*parent);
        }
    }
    // Also of one that stays: the answer would tell what a hidden parent is.
    locked.allow(viewer, &locked.live(&kept)?, Command::See)?;
    let family = Moves {
        after: &after,
        moved,
        are_new: false,
        form,
    };
    wrong.extend(family::problems(tx, viewer, locked, &family).await?);
    refuse(wrong)?;
    Ok(after)
}

impl Changes {
    /// What is wrong with them by themselves.
    fn problems(&self) -> Vec<UserError> {
        let title = self.title.as_deref().map(title_problems);
        let mut problems = title.unwrap_or_default();
        if let MaybeUndefined::Value(text) = &self.description {
            problems.extend(description_problems(Some(text)));
        }
        problems.extend(self.start.problem(START));
        problems.extend(self.due.problem(DUE));
        problems.extend(label::problems(self.label_ids.as_ref()));
        problems
    }

    /// The task with these changes.
    fn applied(&self, before: &Model, now: Timestamp) -> Model {
        let mut task = before.clone();
        if let Some(title) = &self.title {
            task.title.clone_from(title);
        }
        self.description.clone().update_to(&mut task.description);
        self.start.put(&mut task.start_at, &mut task.start_on);
        self.due.put(&mut task.due_at, &mut task.due_on);
        task.due_order = due_order(task.due_at, task.due_on);
        self.parent_id.update_to(&mut task.parent_id);
        self.assignee_id.update_to(&mut task.assignee_id);
        task.status = self.status.unwrap_or(task.status);
        task.priority = self.priority.unwrap_or(task.priority);
        task.enabled = self.enabled.unwrap_or(task.enabled);
        if task.status != before.status {
            task.completed_at = (task.status == Status::Completed).then_some(now);
        }
        task
    }
}
