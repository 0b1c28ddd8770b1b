//! What a command on several tasks works with, locked before anything is looked at: first the tasks,
//! in the order of their ids, then their projects. Every command takes its locks in this order, so
//! no two wait for each other in a circle.

use std::collections::{BTreeSet, HashMap};

use entity::task::Model;
use entity::{ProjectId, TaskId, Viewer};

use super::super::store;
use super::permit;
use crate::db::{DbError, Tx};
use crate::graphql::Kind;
use crate::tasks::TaskError;
use crate::tasks::policy::Command;
use crate::tasks::project::{self, Standing};

/// Tasks and nobody else's hands on them, and what the viewer is in their projects.
#[derive(Debug)]
pub struct Locked {
    tasks: HashMap<TaskId, Model>,
    standings: HashMap<ProjectId, Standing>,
}

impl Locked {
    /// Locks those of these tasks that there are, and keeps their projects and these as they are. No
    /// other task may be locked afterwards.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn all(
        tx: &Tx,
        viewer: &Viewer,
        tasks: impl IntoIterator<Item = TaskId>,
        projects: impl IntoIterator<Item = ProjectId>,
    ) -> Result<Self, DbError> {
        let ids: BTreeSet<_> = tasks.into_iter().collect();
        let tasks = if ids.is_empty() {
            Vec::new()
        } else {
            store::lock_many(tx, ids.into_iter().collect()).await?
        };
        let own = tasks.iter().filter_map(|task| task.project_id);
        let projects: BTreeSet<_> = own.chain(projects).collect();
        let projects = projects.into_iter().collect();
        Ok(Self {
            standings: project::standings(tx, projects, viewer.user_id).await?,
            tasks: tasks.into_iter().map(|task| (task.id, task)).collect(),
        })
    }

    /// Those that are not deleted, in the order they are asked for.
    ///
    /// # Errors
    /// `NotFound` if there is not each of them.
    pub fn live(&self, ids: &[TaskId]) -> Result<Vec<Model>, TaskError> {
        let find = |id| {
            let task = self.tasks.get(id).filter(|task| task.deleted_at.is_none());
            task.cloned().ok_or(TaskError::NotFound(Kind::Task))
        };
        ids.iter().map(find).collect()
    }

    /// Lets a command on each of these tasks pass. In an archived project nothing changes.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Archived`.
    pub fn allow(
        &self,
        viewer: &Viewer,
        tasks: &[Model],
        command: Command,
    ) -> Result<(), TaskError> {
        permit(viewer, tasks, &self.standings, command)
    }

    /// What the viewer is in a project; none if there is no such project.
    pub fn standing(&self, project: ProjectId) -> Option<Standing> {
        self.standings.get(&project).copied()
    }
}
