//! Making tasks.

use std::collections::{BTreeMap, BTreeSet};

use entity::task::{Model, Priority, Status, due_order};
use entity::{LabelId, ProjectId, TaskId, Timestamp, UserId, Viewer};
use serde::Serialize;

use super::super::record::{self, Changed};
use super::super::store;
use super::dates::{DUE, Moment, START, order_problem};
use super::family::{self, Moves};
use super::input::{Form, check_size, description_problems, key_problems, refuse, title_problems};
use super::{Locked, active, input_hash, no_account, numbers, repeat_many, unknown_assignee};
use crate::app::App;
use crate::db::{Tx, idempotency, new_id};
use crate::graphql::{Kind, UserError};
use crate::tasks::{TaskError, label};

/// The task somebody wants.
#[derive(Clone, Debug, Serialize)]
pub struct NewTask {
    pub title: String,
    pub description: Option<String>,
    pub status: Status,
    pub priority: Priority,
    pub enabled: bool,
    pub start: Moment,
    pub due: Moment,
    pub parent_id: Option<TaskId>,
    pub assignee_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    pub label_ids: BTreeSet<LabelId>,
}

/// Makes a task, and assigns it when an assignee is given.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    new: NewTask,
    key: Option<&str>,
) -> Result<Model, TaskError> {
    let used = key.map(|key| idempotency::Use {
        user_id: viewer.user_id,
        operation: "createTask",
        key,
        input_hash: input_hash(&new),
    });
    let made = make(app, viewer, &[new], Form::Alone, used).await?;
    let made = made.into_iter().next();
    made.ok_or(TaskError::NotFound(Kind::Task))
}

/// Makes 1 to 100 tasks, all or none.
pub async fn create_many(
    app: &App,
    viewer: &Viewer,
    new: Vec<NewTask>,
    key: Option<&str>,
) -> Result<Vec<Model>, TaskError> {
    check_size(new.len())?;
    let used = key.map(|key| idempotency::Use {
        user_id: viewer.user_id,
        operation: "createTasks",
        key,
        input_hash: input_hash(&new),
    });
    make(app, viewer, &new, Form::Listed, used).await
}

async fn make(
    app: &App,
    viewer: &Viewer,
    new: &[NewTask],
    form: Form,
    used: Option<idempotency::Use<'_>>,
) -> Result<Vec<Model>, TaskError> {
    let mut wrong: Vec<_> = new
        .iter()
        .enumerate()
        .flat_map(|(index, new)| {
            let problems = new.problems().into_iter();
            problems.map(move |error| form.place(index, error))
        })
        .collect();
    wrong.extend(key_problems(used.map(|used| used.key)));
    refuse(wrong)?;
    let ids = new.iter().map(|_| TaskId(new_id(app.db.clock())));
    let mut ids: Vec<_> = ids.collect();
    // Those of one moment are in no order by themselves; lists show tasks of the same time by id.
    ids.sort_unstable();
    let ids = &ids;
    app.db
        .write(|tx| async move {
            if let Some(before) = repeat_many(&tx, viewer, used, ids).await? {
                return Ok(before);
            }
            let now = tx.clock().now();
            let mut tasks: Vec<_> = new
                .iter()
                .zip(ids)
                .map(|(new, id)| new.model(*id, viewer, now))
                .collect();
            let parents = new.iter().filter_map(|new| new.parent_id);
            let projects = new.iter().filter_map(|new| new.project_id);
            let locked = Locked::all(&tx, viewer, parents, projects).await?;
            numbers::allow(viewer, &locked, &tasks, form)?;
            check(&tx, viewer, &locked, new, &tasks, form).await?;
            numbers::number(&tx, &mut tasks).await?;
            store::insert(&tx, tasks.clone());
            let labels = ids
                .iter()
                .zip(new)
                .map(|(id, new)| (*id, new.label_ids.clone()));
            // A new task has none that would have to be looked for.
            let labels: BTreeMap<_, _> = labels.filter(|(_, labels)| !labels.is_empty()).collect();
            if !labels.is_empty() {
                // They refer to the tasks.
                tx.flush().await?;
                label::replace(&tx, &labels).await?;
            }
            let changes: Vec<_> = tasks
                .iter()
                .map(|task| Changed {
                    before: None,
                    after: task.clone(),
                    beside: Vec::new(),
                })
                .collect();
            record::write(app, &tx, viewer, &changes).await?;
            Ok(tasks)
        })
        .await
        .map_err(|error| match error {
            TaskError::Db(error) => no_account(error),
            error => error,
        })
}

/// Whether there is everything they refer to.
async fn check(
    tx: &Tx,
    viewer: &Viewer,
    locked: &Locked,
    new: &[NewTask],
    tasks: &[Model],
    form: Form,
) -> Result<(), TaskError> {
    let known = active(tx, tasks.iter().filter_map(|task| task.assignee_id)).await?;
    let labels = label::keep(tx, new.iter().map(|new| &new.label_ids)).await?;
    let mut wrong = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let dates = order_problem(task, true, true);
        wrong.extend(dates.map(|error| form.place(index, error)));
        if task.assignee_id.is_some_and(|id| !known.contains(&id)) {
            wrong.push(form.place(index, unknown_assignee()));
        }
        let unknown = label::unknown(&new[index].label_ids, &labels);
        wrong.extend(unknown.map(|error| form.place(index, error)));
    }
    let moves = Moves {
        after: tasks,
        moved: (0..tasks.len()).collect(),
        are_new: true,
        form,
    };
    wrong.extend(family::problems(tx, viewer, locked, &moves).await?);
    refuse(wrong)
}

impl NewTask {
    /// What is wrong with it by itself.
    fn problems(&self) -> Vec<UserError> {
        let mut problems = title_problems(&self.title);
        problems.extend(description_problems(self.description.as_deref()));
        problems.extend(self.start.problem(START));
        problems.extend(self.due.problem(DUE));
        problems.extend(label::problems(Some(&self.label_ids)));
        problems
    }

    fn model(&self, id: TaskId, viewer: &Viewer, now: Timestamp) -> Model {
        let mut task = Model {
            id,
            title: self.title.clone(),
            description: self.description.clone(),
            status: self.status,
            priority: self.priority,
            enabled: self.enabled,
            project_id: self.project_id,
            number: None,
            parent_id: self.parent_id,
            start_at: None,
            start_on: None,
            due_at: None,
            due_on: None,
            due_order: now,
            creator_id: viewer.user_id,
            assignee_id: self.assignee_id,
            assignee_told: self.enabled,
            completed_at: (self.status == Status::Completed).then_some(now),
            deleted_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        self.start.put(&mut task.start_at, &mut task.start_on);
        self.due.put(&mut task.due_at, &mut task.due_on);
        task.due_order = due_order(task.due_at, task.due_on);
        task
    }
}
