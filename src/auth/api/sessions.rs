//! Staying signed in, and signing out, in GraphQL.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::{AuthPayload, payload};
use crate::app::AppExt;
use crate::auth::service;
use crate::graphql::{ApiError, ContextExt, UserError};

/// What renews the access.
#[derive(InputObject)]
pub struct RefreshTokenInput {
    /// The refresh token of the last answer. It is good once.
    refresh_token: String,
}

/// What to end.
#[derive(InputObject)]
pub struct LogoutInput {
    /// End all sessions of the person, on all devices, not just this one.
    #[graphql(default = false)]
    all_sessions: bool,
}

/// What was ended.
#[derive(Debug, SimpleObject)]
pub struct LogoutPayload {
    /// How many sessions were ended.
    ended_sessions: u64,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Staying signed in, and signing out.
#[derive(Debug, Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Gives a new pair of tokens for a refresh token, which is then used up. Fails with
    /// `UNAUTHENTICATED` when the refresh token is not good any more.
    async fn refresh_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What renews the access.")] input: RefreshTokenInput,
    ) -> Result<AuthPayload, ApiError> {
        payload(service::refresh(ctx.app(), &input.refresh_token).await)
    }

    /// Ends the session of the access token: its refresh token is good no more. The access token
    /// itself ends within minutes.
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to end; this session when not given.")] input: Option<LogoutInput>,
    ) -> Result<LogoutPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let all = input.is_some_and(|input| input.all_sessions);
        Ok(LogoutPayload {
            ended_sessions: service::logout(ctx.app(), viewer, all).await?,
            user_errors: Vec::new(),
        })
    }
}
