//! Setting tasks aside and bringing deleted ones back, in GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::api::Task;
use super::mutation::{payload, task_id};
use super::service;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, UserError};

/// Which task is to count again.
#[derive(InputObject)]
pub struct EnableTaskInput {
    /// Which task.
    id: ID,
}

/// Which task is to be set aside.
#[derive(InputObject)]
pub struct DisableTaskInput {
    /// Which task.
    id: ID,
}

/// Which deleted task is to come back.
#[derive(InputObject)]
pub struct RestoreTaskInput {
    /// Which task.
    id: ID,
}

/// The task that counts again.
#[derive(SimpleObject)]
pub struct EnableTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The task that was set aside.
#[derive(SimpleObject)]
pub struct DisableTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The task that is back.
#[derive(SimpleObject)]
pub struct RestoreTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Setting tasks aside and bringing deleted ones back.
#[derive(Debug, Default)]
pub struct TaskStateMutation;

#[Object]
impl TaskStateMutation {
    /// Makes a disabled task count again. To one that is enabled nothing happens.
    async fn enable_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task is to count again.")] input: EnableTaskInput,
    ) -> Result<EnableTaskPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = task_id(&input.id)?;
        let result = service::set_enabled(ctx.app(), viewer, id, true).await;
        let (task, user_errors) = payload(result)?;
        Ok(EnableTaskPayload { task, user_errors })
    }

    /// Sets a task aside: it leaves the lists that do not ask for disabled ones, nobody is told of it,
    /// and it takes no change but `enableTask`. It can still be deleted, restored and watched.
    async fn disable_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task is to be set aside.")] input: DisableTaskInput,
    ) -> Result<DisableTaskPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = task_id(&input.id)?;
        let result = service::set_enabled(ctx.app(), viewer, id, false).await;
        let (task, user_errors) = payload(result)?;
        Ok(DisableTaskPayload { task, user_errors })
    }

    /// Brings a task back that was deleted less than 30 days ago. Whoever may delete it may. To one that
    /// is not deleted nothing happens.
    async fn restore_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deleted task is to come back.")] input: RestoreTaskInput,
    ) -> Result<RestoreTaskPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = task_id(&input.id)?;
        let (task, user_errors) = payload(service::restore(ctx.app(), viewer, id).await)?;
        Ok(RestoreTaskPayload { task, user_errors })
    }
}
