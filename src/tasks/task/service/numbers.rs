//! New tasks in projects: who may make them, and their numbers.

use std::collections::BTreeMap;

use entity::task::Model;
use entity::{ProjectId, Viewer};

use super::Locked;
use super::input::{Form, problem, refuse};
use crate::db::Tx;
use crate::graphql::Kind;
use crate::tasks::policy::{self, Command};
use crate::tasks::{TaskError, project};

/// Lets new tasks into their projects.
pub fn allow(
    viewer: &Viewer,
    locked: &Locked,
    tasks: &[Model],
    form: Form,
) -> Result<(), TaskError> {
    let mut wrong = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let Some(id) = task.project_id else { continue };
        let standing = locked.standing(id);
        let standing = standing.ok_or(TaskError::NotFound(Kind::Project))?;
        let actors = policy::members(viewer, standing.role);
        policy::check(actors, Command::Edit, Kind::Project)?;
        if standing.is_archived {
            let message = "The project is archived: nothing in it changes. Unarchive it first.";
            wrong.push(form.place(index, problem(message.to_owned(), "projectId")));
        }
    }
    refuse(wrong)
}

/// Gives new tasks their numbers. Locks the rows of the projects: after all that may refuse.
pub async fn number(tx: &Tx, tasks: &mut [Model]) -> Result<(), TaskError> {
    for (id, count) in of(tasks) {
        // Nobody archives it since it was looked at.
        let first = project::take_numbers(tx, id, count).await?;
        let first = first.ok_or(TaskError::Archived)?;
        let of_project = tasks.iter_mut().filter(|task| task.project_id == Some(id));
        for (task, number) in of_project.zip(first..) {
            task.number = Some(number);
        }
    }
    Ok(())
}

/// How many of them belong to which project.
fn of(tasks: &[Model]) -> BTreeMap<ProjectId, i32> {
    let mut projects = BTreeMap::new();
    for id in tasks.iter().filter_map(|task| task.project_id) {
        *projects.entry(id).or_default() += 1;
    }
    projects
}
