//! What is a part of what. A task is a part of at most one other, never of itself, and at most 20
//! stand above it.

use std::collections::{BTreeSet, HashMap};

use entity::task::Model;
use entity::{TaskId, Viewer};

use super::super::store;
use super::Locked;
use super::input::{Form, is_disabled, problem};
use crate::db::Tx;
use crate::graphql::UserError;
use crate::tasks::TaskError;
use crate::tasks::policy::Command;

const MOST_ABOVE: usize = 20;

/// Tasks that become parts of others, or of none.
#[derive(Clone, Debug)]
pub struct Moves<'a> {
    /// All tasks of the command, as they are to be.
    pub after: &'a [Model],
    /// The places of those that move.
    pub moved: Vec<usize>,
    /// New tasks have no parts yet.
    pub are_new: bool,
    /// How problems name their place.
    pub form: Form,
}

/// What is wrong with these moves together. The tasks themselves and what they become parts of are
/// locked already. What stands above those, and below the tasks, stays as it is from here on: who
/// moves a task of a project has all trees of the project alone, who makes one shares them. So of two
/// moves at the same time that would make a circle together, the second waits for the first and
/// sees it.
///
/// # Errors
/// `NotFound` and `Forbidden` of a parent; the database's failure.
pub async fn problems(
    tx: &Tx,
    viewer: &Viewer,
    locked: &Locked,
    moves: &Moves<'_>,
) -> Result<Vec<UserError>, TaskError> {
    let steps = moves
        .moved
        .iter()
        .map(|index| (*index, &moves.after[*index]));
    let steps: Vec<_> = steps.filter(|(_, task)| task.parent_id.is_some()).collect();
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let parents: BTreeSet<_> = steps
        .iter()
        .filter_map(|(_, task)| task.parent_id)
        .collect();
    let parents: Vec<_> = parents.into_iter().collect();
    let found = locked.live(&parents)?;
    locked.allow(viewer, &found, Command::Edit)?;
    let projects = steps.iter().map(|(_, task)| task.project_id);
    store::keep_trees(tx, projects, moves.are_new).await?;
    let heights = if moves.are_new {
        HashMap::new()
    } else {
        let ids: Vec<_> = moves.moved.iter().map(|at| moves.after[*at].id).collect();
        store::heights(tx, &ids, MOST_ABOVE).await?
    };
    let known: HashMap<_, _> = found
        .iter()
        .chain(moves.after)
        .map(|task| (task.id, task))
        .collect();
    let unknown = known.values().filter_map(|task| task.parent_id);
    let unknown: BTreeSet<_> = unknown.filter(|id| !known.contains_key(id)).collect();
    let family = Family {
        above: store::above(tx, &unknown.into_iter().collect::<Vec<_>>()).await?,
        tasks: known,
    };
    let wrong = steps.into_iter().filter_map(|(index, task)| {
        let height = heights.get(&task.id).copied().unwrap_or_default();
        let error = family.problem(task, height)?;
        Some(moves.form.place(index, error))
    });
    Ok(wrong.collect())
}

/// What stands above the moved tasks.
struct Family<'a> {
    /// Of what each task is a part by now.
    above: HashMap<TaskId, Option<TaskId>>,
    /// The tasks that are known in full, as they are to be.
    tasks: HashMap<TaskId, &'a Model>,
}

impl Family<'_> {
    fn parent_of(&self, id: TaskId) -> Option<TaskId> {
        match self.tasks.get(&id) {
            Some(task) => task.parent_id,
            None => self.above.get(&id).copied().flatten(),
        }
    }

    fn problem(&self, task: &Model, height: usize) -> Option<UserError> {
        let parent = self.tasks.get(&task.parent_id?)?;
        if !parent.enabled {
            return Some(is_disabled(&["input", "parentId"]));
        }
        let wrong = |message: &str| Some(problem(message.to_owned(), "parentId"));
        if parent.project_id != task.project_id {
            return wrong(
                "A task and what it is a part of belong to the same project, or to none.",
            );
        }
        let mut count = 0;
        let mut at = Some(parent.id);
        while let Some(id) = at {
            if id == task.id {
                return wrong("A task cannot be a part of itself, nor of one of its parts.");
            }
            count += 1;
            if count + height > MOST_ABOVE {
                return wrong("At most 20 tasks can stand above a task.");
            }
            at = self.parent_of(id);
        }
        None
    }
}
