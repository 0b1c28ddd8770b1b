//! What is a part of what. A task is a part of at most one other, never of itself, and at most 20
//! stand above it.

use std::collections::{BTreeSet, HashMap};

use entity::task::Model;
use entity::{ProjectId, TaskId, Viewer};

use super::super::store;
use super::input::{Form, is_disabled, problem};
use super::{allow_all, live_ones};
use crate::db::Tx;
use crate::graphql::UserError;
use crate::tasks::TaskError;
use crate::tasks::policy::Command;

const MOST_ABOVE: usize = 20;

/// A task that becomes a part of another, or of none.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// Its place in the input.
    pub index: usize,
    /// Which task.
    pub task: TaskId,
    /// The task's project.
    pub project: Option<ProjectId>,
    /// Of what it becomes a part.
    pub parent: Option<TaskId>,
    /// A new task has no parts yet.
    pub is_new: bool,
}

/// What is wrong with these moves together. The tasks themselves are locked already; what stands above
/// is locked here, level by level: of two moves at the same time that would make a circle together, the
/// second waits for the first and sees it.
///
/// # Errors
/// `NotFound` and `Forbidden` of a parent; the database's failure.
pub async fn problems(
    tx: &Tx,
    viewer: &Viewer,
    moves: &[Move],
    form: Form,
) -> Result<Vec<UserError>, TaskError> {
    let parents: BTreeSet<TaskId> = moves.iter().filter_map(|step| step.parent).collect();
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let parents = live_ones(tx, &parents.into_iter().collect::<Vec<_>>()).await?;
    allow_all(tx, viewer, &parents, Command::Edit).await?;
    let above = Above::read(tx, parents, moves).await?;
    let parts: Vec<_> = moves
        .iter()
        .filter(|step| !step.is_new && step.parent.is_some())
        .map(|step| step.task)
        .collect();
    let heights = if parts.is_empty() {
        HashMap::new()
    } else {
        store::heights(tx, &parts, MOST_ABOVE).await?
    };
    let wrong = moves.iter().filter_map(|step| {
        let height = heights.get(&step.task).copied().unwrap_or_default();
        let error = above.problem(*step, height)?;
        Some(form.place(step.index, error))
    });
    Ok(wrong.collect())
}

/// What stands above the moved tasks.
struct Above {
    tasks: HashMap<TaskId, Model>,
    /// Where the moved ones will be.
    moved: HashMap<TaskId, Option<TaskId>>,
}

impl Above {
    async fn read(tx: &Tx, parents: Vec<Model>, moves: &[Move]) -> Result<Self, TaskError> {
        let mut above = Self {
            tasks: HashMap::new(),
            moved: moves.iter().map(|step| (step.task, step.parent)).collect(),
        };
        let mut level = parents;
        while !level.is_empty() {
            let next: BTreeSet<_> = level.iter().filter_map(|task| task.parent_id).collect();
            above
                .tasks
                .extend(level.into_iter().map(|task| (task.id, task)));
            let next = next
                .into_iter()
                .filter(|id| !above.tasks.contains_key(id))
                .collect::<Vec<_>>();
            level = if next.is_empty() {
                Vec::new()
            } else {
                store::lock_many(tx, next).await?
            };
        }
        Ok(above)
    }

    fn parent_of(&self, id: TaskId) -> Option<TaskId> {
        let kept = || self.tasks.get(&id).and_then(|task| task.parent_id);
        self.moved.get(&id).copied().unwrap_or_else(kept)
    }

    fn problem(&self, step: Move, height: usize) -> Option<UserError> {
        let parent = self.tasks.get(&step.parent?)?;
        if !parent.enabled {
            return Some(is_disabled(&["input", "parentId"]));
        }
        let wrong = |message: &str| Some(problem(message.to_owned(), "parentId"));
        if parent.project_id != step.project {
            return wrong(
                "A task and what it is a part of belong to the same project, or to none.",
            );
        }
        let mut count = 0;
        let mut at = Some(parent.id);
        while let Some(id) = at {
            if id == step.task {
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
