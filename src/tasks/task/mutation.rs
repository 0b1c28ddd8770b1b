//! Changing tasks, in GraphQL.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, SubsecRound, Utc};
use entity::{LabelId, ProjectId, TaskId, UserId, Viewer, task};

use super::TaskError;
use super::api::{Task, TaskPriority, TaskStatus};
use super::service::{self, Changes, Moment, NewTask};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Date, Kind, UserError, UserErrorCode};
use crate::limits::{Bucket, Charge, Key};
use crate::tasks::error::told;

/// The task to make.
#[derive(InputObject)]
pub struct NewTaskInput {
    /// What is to be done, in one line of 1 to 200 characters.
    title: String,
    /// What is to be done, in 1 to 2,000 characters.
    description: Option<String>,
    /// How far it has come.
    #[graphql(default_with = "TaskStatus::Pending")]
    status: TaskStatus,
    /// How much it matters.
    #[graphql(default_with = "TaskPriority::Medium")]
    priority: TaskPriority,
    /// Whether it counts.
    #[graphql(default = true)]
    enabled: bool,
    /// When it should begin, as a point in time.
    start_at: Option<DateTime<Utc>>,
    /// When it should begin, as a day; instead of `startAt`.
    start_date: Option<Date>,
    /// When it should be done, as a point in time.
    due_at: Option<DateTime<Utc>>,
    /// When it should be done, as a day; instead of `dueAt`.
    due_date: Option<Date>,
    /// The task it is a part of, of the same project. The signed-in person must be allowed to edit that.
    parent_id: Option<ID>,
    /// The project it is to belong to. Its editors and owners make tasks in it.
    project_id: Option<ID>,
    /// Who is to do it. They get a mail, unless it is the signed-in person.
    assignee_id: Option<ID>,
    /// Its labels: at most 20.
    label_ids: Option<Vec<ID>>,
}

/// The task to make.
#[derive(InputObject)]
pub struct CreateTaskInput {
    #[graphql(flatten)]
    task: NewTaskInput,
    /// A repeat with the same key and the same input within 24 hours makes no second task and
    /// answers with the first. A random UUID is a good key.
    idempotency_key: Option<String>,
}

/// What is to change. A field that is absent keeps its value; null clears it where the task allows
/// null.
#[derive(InputObject)]
pub struct UpdateTaskInput {
    /// Which task.
    id: ID,
    /// The new title.
    title: Option<String>,
    /// The new description; null removes it.
    description: MaybeUndefined<String>,
    /// The new status.
    status: Option<TaskStatus>,
    /// The new priority.
    priority: Option<TaskPriority>,
    /// Whether it counts. A disabled task takes no other change, unless this is true.
    enabled: Option<bool>,
    /// When it should begin, as a point in time, instead of whatever it has; null removes either.
    start_at: MaybeUndefined<DateTime<Utc>>,
    /// When it should begin, as a day, instead of whatever it has; null removes either.
    start_date: MaybeUndefined<Date>,
    /// When it should be done, as a point in time, instead of whatever it has; null removes either.
    due_at: MaybeUndefined<DateTime<Utc>>,
    /// When it should be done, as a day, instead of whatever it has; null removes either.
    due_date: MaybeUndefined<Date>,
    /// The task it is to be a part of, of the same project; null makes it a part of none. The signed-in
    /// person must be allowed to edit that.
    parent_id: MaybeUndefined<ID>,
    /// Who is to do it, as `assignTask`; null makes it nobody's, as `unassignTask`.
    assignee_id: MaybeUndefined<ID>,
    /// The new labels, all of them: at most 20; an empty list removes all.
    label_ids: Option<Vec<ID>>,
    /// The version the client saw. When the task was changed since, nothing happens: the payload
    /// has the user error `CONFLICT` and the task as it is now.
    expected_version: Option<i32>,
}

/// Who is to do what.
#[derive(InputObject)]
pub struct AssignTaskInput {
    /// Which task.
    task_id: ID,
    /// Who is to do it.
    assignee_id: ID,
    /// A repeat with the same key and the same input within 24 hours does nothing again.
    idempotency_key: Option<String>,
}

/// Which task is to be nobody's.
#[derive(InputObject)]
pub struct UnassignTaskInput {
    /// Which task.
    task_id: ID,
}

/// Which task is to go.
#[derive(InputObject)]
pub struct DeleteTaskInput {
    /// Which task.
    id: ID,
}

/// The task that was made.
#[derive(SimpleObject)]
pub struct CreateTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The task that was changed.
#[derive(SimpleObject)]
pub struct UpdateTaskPayload {
    /// The task as it is now: also with the user error `CONFLICT`; null with others.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The task that was assigned.
#[derive(SimpleObject)]
pub struct AssignTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The task that is nobody's now.
#[derive(SimpleObject)]
pub struct UnassignTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The task that is gone.
#[derive(SimpleObject)]
pub struct DeleteTaskPayload {
    /// Its id; null when there are user errors.
    deleted_task_id: Option<ID>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Changing tasks.
#[derive(Debug, Default)]
pub struct TaskMutation;

#[Object]
impl TaskMutation {
    /// Makes a task, and assigns it when an assignee is given: unless it is disabled, they get the event on
    /// `taskAssigned` and an e-mail.
    async fn create_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The task to make.")] input: CreateTaskInput,
    ) -> Result<CreateTaskPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let new = new_task(input.task)?;
        let assigned = usize::from(new.assignee_id.is_some());
        let costs = [(Bucket::CreateTask, 1), (Bucket::AssignTask, assigned)];
        count(ctx, viewer, &costs).await?;
        let key = input.idempotency_key.as_deref();
        let (task, user_errors) = payload(service::create(ctx.app(), viewer, new, key).await)?;
        Ok(CreateTaskPayload { task, user_errors })
    }

    /// Changes the fields of a task. A new assignee gets the event on `taskAssigned` and an e-mail.
    async fn update_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateTaskInput,
    ) -> Result<UpdateTaskPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let (id, changes) = new_values(input)?;
        let assigned = usize::from(changes.assignee_id.is_value());
        let costs = [(Bucket::UpdateTask, 1), (Bucket::AssignTask, assigned)];
        count(ctx, viewer, &costs).await?;
        let (task, user_errors) = payload(service::update(ctx.app(), viewer, id, changes).await)?;
        Ok(UpdateTaskPayload { task, user_errors })
    }

    /// Gives a task to somebody: they get the event on `taskAssigned` and an e-mail. To whom has it
    /// already: nothing happens.
    async fn assign_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who is to do what.")] input: AssignTaskInput,
    ) -> Result<AssignTaskPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let (id, assignee) = (task_id(&input.task_id)?, user_id(&input.assignee_id)?);
        count(ctx, viewer, &[(Bucket::AssignTask, 1)]).await?;
        let key = input.idempotency_key.as_deref();
        let (task, user_errors) =
            payload(service::assign(ctx.app(), viewer, id, assignee, key).await)?;
        Ok(AssignTaskPayload { task, user_errors })
    }

    /// Takes a task from whoever has it.
    async fn unassign_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task is to be nobody's.")] input: UnassignTaskInput,
    ) -> Result<UnassignTaskPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = task_id(&input.task_id)?;
        let (task, user_errors) = payload(service::unassign(ctx.app(), viewer, id).await)?;
        Ok(UnassignTaskPayload { task, user_errors })
    }

    /// Deletes a task. It can be restored for 30 days (`restoreTask`), and is found in the meantime by
    /// `tasks(trash: true)`; then it goes for good. Its sub-tasks stay.
    async fn delete_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task is to go.")] input: DeleteTaskInput,
    ) -> Result<DeleteTaskPayload, ApiError> {
        let viewer = ctx.viewer()?;
        service::delete(ctx.app(), viewer, task_id(&input.id)?).await?;
        Ok(DeleteTaskPayload {
            deleted_task_id: Some(input.id),
            user_errors: Vec::new(),
        })
    }
}

/// What to make, as the service takes it.
pub fn new_task(input: NewTaskInput) -> Result<NewTask, ApiError> {
    Ok(NewTask {
        title: input.title,
        description: input.description,
        status: input.status.into(),
        priority: input.priority.into(),
        enabled: input.enabled,
        start: moment(Some(input.start_at).into(), Some(input.start_date).into()),
        due: moment(Some(input.due_at).into(), Some(input.due_date).into()),
        parent_id: input.parent_id.map(|id| task_id(&id)).transpose()?,
        assignee_id: input.assignee_id.map(|id| user_id(&id)).transpose()?,
        project_id: input.project_id.map(|id| project_id(&id)).transpose()?,
        label_ids: label_ids(input.label_ids)?.unwrap_or_default(),
    })
}

/// What to change, as the service takes it.
pub fn new_values(input: UpdateTaskInput) -> Result<(TaskId, Changes), ApiError> {
    let parent = input.parent_id.map_value(|id| task_id(&id));
    let assignee = input.assignee_id.map_value(|id| user_id(&id));
    let changes = Changes {
        title: input.title,
        description: input.description,
        status: input.status.map(Into::into),
        priority: input.priority.map(Into::into),
        enabled: input.enabled,
        start: moment(input.start_at, input.start_date),
        due: moment(input.due_at, input.due_date),
        parent_id: parent.transpose()?,
        assignee_id: assignee.transpose()?,
        expected_version: input.expected_version,
        label_ids: label_ids(input.label_ids)?,
    };
    Ok((task_id(&input.id)?, changes))
}

fn moment(at: MaybeUndefined<DateTime<Utc>>, on: MaybeUndefined<Date>) -> Moment {
    Moment {
        at: at.map_value(micros),
        on: on.map_value(|day| day.0),
    }
}

/// Counts what a person does, and how often.
pub async fn count(
    ctx: &Context<'_>,
    viewer: &Viewer,
    costs: &[(Bucket, usize)],
) -> Result<(), ApiError> {
    let key = Key::user(viewer.user_id);
    let charges: Vec<_> = costs
        .iter()
        .filter(|(_, cost)| *cost > 0)
        .map(|(bucket, cost)| Charge {
            bucket: *bucket,
            key,
            cost: u32::try_from(*cost).unwrap_or(u32::MAX),
        })
        .collect();
    ctx.meter().charge(&charges).await
}

/// Sorts a result into the two channels: what a form can show, and what is an error of the answer.
pub fn payload(
    result: Result<task::Model, TaskError>,
) -> Result<(Option<Task>, Vec<UserError>), ApiError> {
    match result {
        Err(TaskError::Conflict(now)) => {
            let error = conflict(&now, &["input", "expectedVersion"]);
            Ok((Some(Task::new(*now)), vec![error]))
        }
        result => told(result.map(Task::new)),
    }
}

/// Tells of a task that was changed since the client read it.
pub fn conflict(now: &task::Model, field: &[&str]) -> UserError {
    let message = format!(
        "The task was changed meanwhile: it has version {} now. Look at it and try again.",
        now.version
    );
    UserError::new(UserErrorCode::Conflict, message, field)
}

/// A task's id, as the services take it.
pub fn task_id(id: &str) -> Result<TaskId, ApiError> {
    Kind::Task.decode(id).map(TaskId)
}

fn project_id(id: &str) -> Result<ProjectId, ApiError> {
    Kind::Project.decode(id).map(ProjectId)
}

fn label_ids(ids: Option<Vec<ID>>) -> Result<Option<BTreeSet<LabelId>>, ApiError> {
    let id = |id: &ID| Kind::Label.decode(id).map(LabelId);
    ids.map(|ids| ids.iter().map(id).collect()).transpose()
}

fn user_id(id: &str) -> Result<UserId, ApiError> {
    Kind::User.decode(id).map(UserId)
}

/// What is stored is what is answered.
fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}
