//! Following tasks, in GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::service;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, UserError};
use crate::tasks::error::told;
use crate::tasks::task::{Task, task_id};

/// Which task is to be followed.
#[derive(InputObject)]
pub struct WatchTaskInput {
    /// Which task.
    task_id: ID,
}

/// Which task is to be followed no more.
#[derive(InputObject)]
pub struct UnwatchTaskInput {
    /// Which task.
    task_id: ID,
}

/// Of which task nothing is to be heard.
#[derive(InputObject)]
pub struct MuteTaskInput {
    /// Which task.
    task_id: ID,
}

/// The task that is followed.
#[derive(SimpleObject)]
pub struct WatchTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The task that is followed no more.
#[derive(SimpleObject)]
pub struct UnwatchTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The task of which nothing is to be heard.
#[derive(SimpleObject)]
pub struct MuteTaskPayload {
    /// The task; null when there are user errors.
    task: Option<Task>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Following tasks.
#[derive(Debug, Default)]
pub struct WatcherMutation;

#[Object]
impl WatcherMutation {
    /// Follows a task: the signed-in person is told of its changes. Ends `muteTask`. Who makes a
    /// task, says something about it or is mentioned there follows it by itself.
    async fn watch_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task is to be followed.")] input: WatchTaskInput,
    ) -> Result<WatchTaskPayload, ApiError> {
        let (viewer, id) = (ctx.viewer()?, task_id(&input.task_id)?);
        let (task, user_errors) = told(service::watch(ctx.app(), viewer, id).await.map(Task::new))?;
        Ok(WatchTaskPayload { task, user_errors })
    }

    /// Follows a task no more. Ends `muteTask`, too. The assignee is told of changes all the same.
    async fn unwatch_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task is to be followed no more.")] input: UnwatchTaskInput,
    ) -> Result<UnwatchTaskPayload, ApiError> {
        let (viewer, id) = (ctx.viewer()?, task_id(&input.task_id)?);
        let (task, user_errors) =
            told(service::unwatch(ctx.app(), viewer, id).await.map(Task::new))?;
        Ok(UnwatchTaskPayload { task, user_errors })
    }

    /// Tells the signed-in person nothing of a task any more, until `watchTask` or `unwatchTask`: no
    /// mail, not even when it is assigned to them. What is theirs stays in their lists and in
    /// `taskAssigned`.
    async fn mute_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which task nothing is to be heard.")] input: MuteTaskInput,
    ) -> Result<MuteTaskPayload, ApiError> {
        let (viewer, id) = (ctx.viewer()?, task_id(&input.task_id)?);
        let (task, user_errors) = told(service::mute(ctx.app(), viewer, id).await.map(Task::new))?;
        Ok(MuteTaskPayload { task, user_errors })
    }
}
