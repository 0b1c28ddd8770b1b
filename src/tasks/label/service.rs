//! What can be done with labels: one function a command, and the labels of tasks, which change with
//! their task.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::label::{Model, name_norm};
use entity::task_history::Field;
use entity::{LabelId, TaskId, Viewer};

use super::store;
use crate::app::App;
use crate::db::{DbError, Tx, new_id};
use crate::graphql::{Kind, UserError, UserErrorCode};
use crate::tasks::TaskError;
use crate::tasks::task::{Difference, no_account, problem, refuse};
use crate::text::is_line;

const NAME_CHARS: usize = 50;
/// The colour of a label for which none was chosen.
const GREY: &str = "#8b949e";
/// The most labels of a task.
const MOST: usize = 20;

/// What is to change of a label; absent keeps.
#[derive(Clone, Debug)]
pub struct Edit {
    pub name: Option<String>,
    pub color: Option<String>,
}

/// Makes a label.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    name: &str,
    color: Option<&str>,
) -> Result<Model, TaskError> {
    let mut problems = Vec::new();
    problems.extend(name_problems(name));
    problems.extend(color.and_then(color_problems));
    refuse(problems)?;
    let name = name.trim();
    let color = color.map_or_else(|| GREY.to_owned(), str::to_ascii_lowercase);
    let color = &color;
    app.db
        .write(|tx| async move {
            let now = tx.clock().now();
            let label = Model {
                id: LabelId(new_id(tx.clock())),
                name: name.to_owned(),
                name_norm: name_norm(name),
                color: color.clone(),
                creator_id: viewer.user_id,
                created_at: now,
                updated_at: now,
            };
            store::insert(&tx, label.clone()).await.map_err(taken)?;
            Ok(label)
        })
        .await
}

/// Changes a label. Its creator may as long as they see all tasks it stands on, and administrators.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: LabelId,
    edit: Edit,
) -> Result<Model, TaskError> {
    let mut problems = Vec::new();
    problems.extend(edit.name.as_deref().and_then(name_problems));
    problems.extend(edit.color.as_deref().and_then(color_problems));
    refuse(problems)?;
    let edit = &edit;
    app.db
        .write(|tx| async move {
            let before = own(&tx, viewer, id).await?;
            let mut label = before.clone();
            if let Some(name) = edit.name.as_deref().map(str::trim) {
                name.clone_into(&mut label.name);
                label.name_norm = name_norm(name);
            }
            if let Some(color) = &edit.color {
                label.color = color.to_ascii_lowercase();
            }
            if label == before {
                return Ok(before);
            }
            label.updated_at = tx.clock().now();
            store::save(&tx, label.clone()).await.map_err(taken)?;
            Ok(label)
        })
        .await
}

/// Deletes a label; tasks lose it. Its creator may as long as they see all of them, and administrators.
pub async fn delete(app: &App, viewer: &Viewer, id: LabelId) -> Result<(), TaskError> {
    app.db
        .write(|tx| async move {
            own(&tx, viewer, id).await?;
            Ok(store::delete(&tx, id).await?)
        })
        .await
}

/// Whether somebody may change and delete a label, if they see all tasks it stands on.
pub fn may_change(viewer: &Viewer, label: &Model) -> bool {
    viewer.is_admin() || label.creator_id == viewer.user_id
}

async fn own(tx: &Tx, viewer: &Viewer, id: LabelId) -> Result<Model, TaskError> {
    let label = store::lock(tx, id).await?;
    let label = label.ok_or(TaskError::NotFound(Kind::Label))?;
    if !may_change(viewer, &label) {
        return Err(TaskError::Forbidden);
    }
    if !store::on_unseen(tx.conn(), viewer, vec![id])
        .await?
        .is_empty()
    {
        return Err(TaskError::LabelOfOthers);
    }
    Ok(label)
}

fn name_problems(name: &str) -> Option<UserError> {
    (!is_line(name.trim(), NAME_CHARS)).then(|| {
        problem(
            format!("The name of a label is one line of 1 to {NAME_CHARS} characters, none of them invisible."),
            "name",
        )
    })
}

fn color_problems(color: &str) -> Option<UserError> {
    let digits = color.strip_prefix('#');
    let good = digits
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|c| c.is_ascii_hexdigit()));
    (!good).then(|| problem("A color is written as `#rrggbb`.".to_owned(), "color"))
}

fn taken(error: DbError) -> TaskError {
    if error.unique_violation().is_none() {
        return no_account(error);
    }
    TaskError::Refused(vec![UserError::new(
        UserErrorCode::Taken,
        "There is a label of this name already. Use it, or choose another name.",
        &["input", "name"],
    )])
}

/// What is wrong with the labels a task is to have, before any is looked up.
pub fn problems(labels: Option<&BTreeSet<LabelId>>) -> Option<UserError> {
    let many = labels.is_some_and(|labels| labels.len() > MOST);
    many.then(|| {
        let message = format!("A task has at most {MOST} labels.");
        problem(message, "labelIds")
    })
}

/// Those of these labels that exist. They stay until the end of the transaction.
///
/// # Errors
/// The database's failure.
pub async fn keep(
    tx: &Tx,
    labels: impl Iterator<Item = &BTreeSet<LabelId>>,
) -> Result<BTreeSet<LabelId>, DbError> {
    let all: BTreeSet<LabelId> = labels.flatten().copied().collect();
    if all.is_empty() {
        return Ok(BTreeSet::new());
    }
    let labels = store::keep(tx, all.into_iter().collect()).await?;
    Ok(labels.into_iter().map(|label| label.id).collect())
}

/// The first of these labels that does not exist, as a problem.
pub fn unknown(labels: &BTreeSet<LabelId>, known: &BTreeSet<LabelId>) -> Option<UserError> {
    let unknown = labels.iter().find(|label| !known.contains(label))?;
    let id = Kind::Label.encode(unknown.0);
    let message = format!("There is no label `{}`.", id.as_str());
    Some(problem(message, "labelIds"))
}

/// Gives tasks, which must be locked, exactly these labels, which must have been checked. A handful
/// of statements, however many tasks there are. Answers what is new for the history: the names, one
/// a line, so that it can be read when a label is gone.
///
/// # Errors
/// The database's failure.
pub async fn replace(
    tx: &Tx,
    wanted: &BTreeMap<TaskId, BTreeSet<LabelId>>,
) -> Result<HashMap<TaskId, Difference>, DbError> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let none = BTreeSet::new();
    let before = store::of_tasks(tx.conn(), wanted.keys().copied().collect()).await?;
    let before = |task| before.get(task).unwrap_or(&none);
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    let changed: Vec<_> = wanted
        .iter()
        .filter(|(task, labels)| before(task) != *labels)
        .collect();
    for (task, labels) in &changed {
        gone.extend(
            before(task)
                .difference(labels)
                .map(|label| (**task, *label)),
        );
        new.extend(
            labels
                .difference(before(task))
                .map(|label| (**task, *label)),
        );
    }
    if changed.is_empty() {
        return Ok(HashMap::new());
    }
    let all: BTreeSet<LabelId> = changed
        .iter()
        .flat_map(|(task, labels)| before(task).union(labels))
        .copied()
        .collect();
    // Sorted by name. Those that are taken off are kept, too: whoever deletes one waits, and does not
    // meet half of its rows.
    let all = store::keep(tx, all.into_iter().collect()).await?;
    let names = |labels: &BTreeSet<LabelId>| {
        let names = all.iter().filter(|label| labels.contains(&label.id));
        let names: Vec<&str> = names.map(|label| label.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join("\n"))
    };
    let differences = changed.iter().map(|(task, labels)| {
        let difference = (Field::Labels, names(before(task)), names(labels));
        (**task, difference)
    });
    let differences = differences.collect();
    store::take(tx, gone).await?;
    store::give(tx, new).await?;
    Ok(differences)
}
