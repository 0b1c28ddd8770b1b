//! Addresses, in GraphQL.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::passwords::count_guess;
use super::sign_in::count;
use super::user_errors;
use crate::accounts::folded;
use crate::app::AppExt;
use crate::auth::service;
use crate::graphql::{ApiError, ContextExt, UserError};
use crate::limits::{Bucket, Charge, Key};

/// What shows that an address is its owner's.
#[derive(InputObject)]
pub struct VerifyEmailInput {
    /// The token of the mail: what stands behind `#verify-email=` in its link.
    token: String,
}

/// That the address is confirmed.
#[derive(Debug, SimpleObject)]
pub struct VerifyEmailPayload {
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// That the mail was sent again, if it was needed.
#[derive(Debug, SimpleObject)]
pub struct ResendVerificationPayload {
    /// What the person can put right; empty.
    user_errors: Vec<UserError>,
}

/// The new address of an account.
#[derive(InputObject)]
pub struct RequestEmailChangeInput {
    /// The address as it is to be.
    new_email: String,
    /// The password of the account.
    password: String,
}

/// That a mail was sent to the new address.
#[derive(Debug, SimpleObject)]
pub struct RequestEmailChangePayload {
    /// What the person can put right. That somebody else has the address is not told.
    user_errors: Vec<UserError>,
}

/// What shows that the new address is its owner's.
#[derive(InputObject)]
pub struct ConfirmEmailChangeInput {
    /// The token of the mail: what stands behind `#change-email=` in its link.
    token: String,
}

/// That the account has the new address.
#[derive(Debug, SimpleObject)]
pub struct ConfirmEmailChangePayload {
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Confirming and changing addresses.
#[derive(Debug, Default)]
pub struct EmailMutation;

#[Object]
impl EmailMutation {
    /// Confirms the address of an account with the token of a mail. Nobody need be signed in.
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What shows that an address is its owner's.")] input: VerifyEmailInput,
    ) -> Result<VerifyEmailPayload, ApiError> {
        let result = service::verify_email(ctx.app(), &input.token).await;
        Ok(VerifyEmailPayload {
            user_errors: user_errors(result)?,
        })
    }

    /// Sends the mail that asks to confirm the address once more; the link of the one before is good
    /// no more. Does nothing when the address is confirmed, or when there is none.
    async fn resend_verification(
        &self,
        ctx: &Context<'_>,
    ) -> Result<ResendVerificationPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let meter = ctx.meter();
        let account = Charge::one(Bucket::AccountMailAccount, Key::user(viewer.user_id));
        let address = meter.at_address(Bucket::AccountMailAddress);
        meter.charge(&[address, account]).await?;
        let result = service::resend_verification(ctx.app(), viewer).await;
        Ok(ResendVerificationPayload {
            user_errors: user_errors(result)?,
        })
    }

    /// Sends a mail to a new address of the account. The account gets the address with
    /// `confirmEmailChange`; until then it keeps the one it has.
    async fn request_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new address of an account.")] input: RequestEmailChangeInput,
    ) -> Result<RequestEmailChangePayload, ApiError> {
        let viewer = ctx.viewer()?;
        let folded = folded(&input.new_email);
        let (by_address, by_account) = (Bucket::AccountMailAddress, Bucket::AccountMailAccount);
        count_guess(ctx).await?;
        count(ctx, by_address, by_account, [&folded]).await?;
        let (address, password) = (&input.new_email, input.password);
        let result = service::request_email_change(ctx.app(), viewer, address, password).await;
        Ok(RequestEmailChangePayload {
            user_errors: user_errors(result)?,
        })
    }

    /// Gives the account its new address with the token of a mail, and tells the old address. Nobody
    /// need be signed in.
    async fn confirm_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What shows that the new address is its owner's.")]
        input: ConfirmEmailChangeInput,
    ) -> Result<ConfirmEmailChangePayload, ApiError> {
        let result = service::confirm_email_change(ctx.app(), &input.token).await;
        Ok(ConfirmEmailChangePayload {
            user_errors: user_errors(result)?,
        })
    }
}
