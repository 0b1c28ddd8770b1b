//! Saying something about tasks, in GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::{CommentId, TaskId, UserId};

use super::api::Comment;
use super::service::{self, Edit, NewComment};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, UserError};
use crate::limits::{Bucket, Charge, Key};
use crate::tasks::error::told;

/// What is to be said.
#[derive(InputObject)]
pub struct CreateCommentInput {
    /// About which task.
    task_id: ID,
    /// What is said, in 1 to 10,000 characters. `@username` mentions somebody.
    body: String,
    /// Who is mentioned beside those named in the text: at most 50 people.
    mention_ids: Option<Vec<ID>>,
    /// A repeat with the same key and the same input within 24 hours makes no second comment and
    /// answers with the first. A random UUID is a good key.
    idempotency_key: Option<String>,
}

/// What is to change of a comment. A field that is absent keeps its value.
#[derive(InputObject)]
pub struct UpdateCommentInput {
    /// Which comment.
    id: ID,
    /// What is said instead. Who is named in it as `@username` is mentioned, who is named no more
    /// is not.
    body: Option<String>,
    /// Who is mentioned beside those named in the text, all of them: at most 50 people.
    mention_ids: Option<Vec<ID>>,
}

/// Which comment is to go.
#[derive(InputObject)]
pub struct DeleteCommentInput {
    /// Which comment.
    id: ID,
}

/// The comment that was made.
#[derive(SimpleObject)]
pub struct CreateCommentPayload {
    /// The comment; null when there are user errors.
    comment: Option<Comment>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The comment that was changed.
#[derive(SimpleObject)]
pub struct UpdateCommentPayload {
    /// The comment; null when there are user errors.
    comment: Option<Comment>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The comment that is gone.
#[derive(SimpleObject)]
pub struct DeleteCommentPayload {
    /// Its id; null when there are user errors.
    deleted_comment_id: Option<ID>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Saying something about tasks.
#[derive(Debug, Default)]
pub struct CommentMutation;

#[Object]
impl CommentMutation {
    /// Says something about a task. The author and who is mentioned follow the task from then on,
    /// unless they muted it. Who cannot see the task is not mentioned, without a word.
    async fn create_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be said.")] input: CreateCommentInput,
    ) -> Result<CreateCommentPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let new = NewComment {
            task_id: TaskId(Kind::Task.decode(&input.task_id)?),
            body: input.body,
            mention_ids: users(input.mention_ids.as_deref().unwrap_or_default())?,
        };
        let charge = Charge::one(Bucket::CreateComment, Key::user(viewer.user_id));
        ctx.meter().charge(&[charge]).await?;
        let key = input.idempotency_key.as_deref();
        let (said, user_errors) = told(service::create(ctx.app(), viewer, new, key).await)?;
        let comment = said.map(|(row, task)| Comment::new(row, task));
        Ok(CreateCommentPayload {
            comment,
            user_errors,
        })
    }

    /// Changes what the signed-in person said.
    async fn update_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateCommentInput,
    ) -> Result<UpdateCommentPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = CommentId(Kind::Comment.decode(&input.id)?);
        let edit = Edit {
            body: input.body,
            mention_ids: input.mention_ids.as_deref().map(users).transpose()?,
        };
        let (said, user_errors) = told(service::update(ctx.app(), viewer, id, edit).await)?;
        let comment = said.map(|(row, task)| Comment::new(row, task));
        Ok(UpdateCommentPayload {
            comment,
            user_errors,
        })
    }

    /// Deletes a comment for good. Its author may, and who may delete the task.
    async fn delete_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which comment is to go.")] input: DeleteCommentInput,
    ) -> Result<DeleteCommentPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = CommentId(Kind::Comment.decode(&input.id)?);
        let (gone, user_errors) = told(service::delete(ctx.app(), viewer, id).await)?;
        Ok(DeleteCommentPayload {
            deleted_comment_id: gone.map(|()| input.id),
            user_errors,
        })
    }
}

fn users(ids: &[ID]) -> Result<Vec<UserId>, ApiError> {
    ids.iter()
        .map(|id| Kind::User.decode(id).map(UserId))
        .collect()
}
