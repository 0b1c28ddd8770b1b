//! Invitations, in GraphQL.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::user_errors;
use crate::accounts::folded;
use crate::app::AppExt;
use crate::auth::{AuthError, service};
use crate::graphql::{ApiError, ContextExt, UserError};
use crate::limits::{Bucket, Charge, Key};

/// Who is invited.
#[derive(InputObject)]
pub struct InviteUserInput {
    /// The e-mail address.
    email: String,
}

/// An invitation that was sent.
#[derive(Debug, SimpleObject)]
pub struct InviteUserPayload {
    /// Until when it is good; null when there is something to put right.
    expires_at: Option<DateTime<Utc>>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Inviting people.
#[derive(Debug, Default)]
pub struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Sends somebody a mail with which they can register, also where registration is for those only
    /// who are invited. For administrators.
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who is invited.")] input: InviteUserInput,
    ) -> Result<InviteUserPayload, ApiError> {
        let viewer = ctx.viewer()?;
        if !viewer.is_admin() {
            return Err(AuthError::NotAdmin.into());
        }
        let account = Key::account(&folded(&input.email));
        let charge = Charge::one(Bucket::AccountMailAccount, account);
        ctx.meter().charge(&[charge]).await?;
        match service::invite(ctx.app(), viewer.user_id, &input.email).await {
            Ok(expires_at) => Ok(InviteUserPayload {
                expires_at: Some(expires_at),
                user_errors: Vec::new(),
            }),
            Err(error) => Ok(InviteUserPayload {
                expires_at: None,
                user_errors: user_errors(Err(error))?,
            }),
        }
    }
}
