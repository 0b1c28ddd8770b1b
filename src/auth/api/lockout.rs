//! Lifting a lockout, in GraphQL.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::user_errors;
use crate::app::AppExt;
use crate::auth::service;
use crate::graphql::{ApiError, UserError};

/// What lifts the lockout.
#[derive(InputObject)]
pub struct UnlockAccountInput {
    /// The token of the mail.
    token: String,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct UnlockAccountPayload {
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Lifting a lockout.
#[derive(Debug, Default)]
pub struct LockoutMutation;

#[Object]
impl LockoutMutation {
    /// Lets a network log in again that was locked out of an account, with the token that its owner
    /// was sent by mail.
    async fn unlock_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What lifts the lockout.")] input: UnlockAccountInput,
    ) -> Result<UnlockAccountPayload, ApiError> {
        Ok(UnlockAccountPayload {
            user_errors: user_errors(service::unlock(ctx.app(), &input.token).await)?,
        })
    }
}
