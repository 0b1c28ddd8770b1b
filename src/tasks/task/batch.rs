//! Making and changing many tasks at once, in GraphQL.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::task::Model;

use super::TaskError;
use super::api::Task;
use super::mutation::{NewTaskInput, UpdateTaskInput, conflict, count, new_task, new_values};
use super::service;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, UserError};
use crate::limits::Bucket;

/// The tasks to make.
#[derive(InputObject)]
pub struct CreateTasksInput {
    /// The tasks, 1 to 100.
    tasks: Vec<NewTaskInput>,
    /// A repeat with the same key and the same input within 24 hours makes no more tasks and answers
    /// with the first ones. A random UUID is a good key.
    idempotency_key: Option<String>,
}

/// What is to change, of many tasks.
#[derive(InputObject)]
pub struct UpdateTasksInput {
    /// What is to change of each, 1 to 100 tasks, none of them twice.
    tasks: Vec<UpdateTaskInput>,
    /// A repeat with the same key and the same input within 24 hours changes nothing again.
    idempotency_key: Option<String>,
}

/// The tasks that were made.
#[derive(SimpleObject)]
pub struct CreateTasksPayload {
    /// The tasks, each in the place it has in the input; null when there are user errors. A repeat
    /// leaves out those that were deleted meanwhile.
    tasks: Option<Vec<Task>>,
    /// What the person can put right. `field` has the place in the list: `["input", "tasks", "3",
    /// "title"]`.
    user_errors: Vec<UserError>,
}

/// The tasks that were changed.
#[derive(SimpleObject)]
pub struct UpdateTasksPayload {
    /// The tasks as they are now, each in the place it has in the input; null when there are user
    /// errors. A repeat leaves out those that were deleted meanwhile.
    tasks: Option<Vec<Task>>,
    /// The tasks with the user error `CONFLICT`, as they are now; null when there are none.
    conflicts: Option<Vec<Task>>,
    /// What the person can put right. `field` has the place in the list: `["input", "tasks", "3",
    /// "title"]`.
    user_errors: Vec<UserError>,
}

/// Making and changing many tasks at once.
#[derive(Debug, Default)]
pub struct TaskBatchMutation;

#[Object]
impl TaskBatchMutation {
    /// Makes 1 to 100 tasks: all of them, or none when there is a user error. Counts as many times
    /// as it has tasks.
    async fn create_tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tasks to make.")] input: CreateTasksInput,
    ) -> Result<CreateTasksPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let new = input.tasks.into_iter().map(new_task);
        let new = new.collect::<Result<Vec<_>, _>>()?;
        if let Err(error) = service::check_size(new.len()) {
            let (tasks, _, user_errors) = payload(Err(error))?;
            return Ok(CreateTasksPayload { tasks, user_errors });
        }
        let assigned = new.iter().filter(|new| new.assignee_id.is_some()).count();
        let costs = [
            (Bucket::CreateTasks, new.len()),
            (Bucket::AssignTasks, assigned),
        ];
        count(ctx, viewer, &costs).await?;
        let key = input.idempotency_key.as_deref();
        let made = service::create_many(ctx.app(), viewer, new, key).await;
        let (tasks, _, user_errors) = payload(made)?;
        Ok(CreateTasksPayload { tasks, user_errors })
    }

    /// Changes the fields of 1 to 100 tasks: of all of them, or of none when there is a user error.
    /// Counts as many times as it has tasks.
    async fn update_tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateTasksInput,
    ) -> Result<UpdateTasksPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let changes = input.tasks.into_iter().map(new_values);
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let result = if let Err(error) = service::check_size(changes.len()) {
            Err(error)
        } else {
            let assigned = changes
                .iter()
                .filter(|(_, changes)| changes.assignee_id.is_value())
                .count();
            let costs = [
                (Bucket::UpdateTask, changes.len()),
                (Bucket::AssignTasks, assigned),
            ];
            count(ctx, viewer, &costs).await?;
            let key = input.idempotency_key.as_deref();
            service::update_many(ctx.app(), viewer, changes, key).await
        };
        let (tasks, conflicts, user_errors) = payload(result)?;
        Ok(UpdateTasksPayload {
            tasks,
            conflicts,
            user_errors,
        })
    }
}

/// The results, the conflicts and the user errors.
type Sorted = (Option<Vec<Task>>, Option<Vec<Task>>, Vec<UserError>);

/// Sorts a result into the channels: what a form can show, and what is an error of the answer.
fn payload(result: Result<Vec<Model>, TaskError>) -> Result<Sorted, ApiError> {
    match result {
        Ok(tasks) => Ok((
            Some(tasks.into_iter().map(Task::new).collect()),
            None,
            Vec::new(),
        )),
        Err(TaskError::Refused(errors)) => Ok((None, None, errors)),
        Err(TaskError::Conflicts(conflicts)) => {
            let errors = conflicts.iter().map(|(index, now)| {
                let place = index.to_string();
                conflict(now, &["input", "tasks", &place, "expectedVersion"])
            });
            let errors = errors.collect();
            let now = conflicts
                .into_iter()
                .map(|(_, now)| Task::new(now))
                .collect();
            Ok((None, Some(now), errors))
        }
        Err(error) => Err(error.into()),
    }
}
