//! Signing in and out, in GraphQL.

use std::collections::BTreeSet;

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::AuthError;
use super::service::{self, SignedIn};
use crate::accounts::{NewUser, User, folded};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, UserError};
use crate::limits::{Bucket, Charge, Key};

/// The account to make. Give an e-mail address, a user name, or both.
#[derive(InputObject)]
pub struct RegisterInput {
    /// The e-mail address: where notices go, and one way to log in.
    email: Option<String>,
    /// The user name, 3 to 50 letters and digits: the other way to log in.
    username: Option<String>,
    /// The password: at least 12 characters with an upper-case and a lower-case letter, a digit
    /// and a symbol, unless the server is set otherwise.
    password: String,
    /// The display name, 1 to 100 characters.
    name: String,
}

/// Who logs in.
#[derive(InputObject)]
pub struct LoginInput {
    /// The e-mail address or the user name, in any case.
    identifier: String,
    /// The password.
    password: String,
}

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

/// The tokens of somebody who signed in. All but `userErrors` are null when that did not succeed.
#[derive(Debug, Default, SimpleObject)]
pub struct AuthPayload {
    /// Send it with every request as `Authorization: Bearer …`.
    access_token: Option<String>,
    /// When the access token ends.
    access_token_expires_at: Option<DateTime<Utc>>,
    /// Gives the next pair of tokens, once, through `refreshToken`. Keep it secret.
    refresh_token: Option<String>,
    /// When the refresh token ends.
    refresh_token_expires_at: Option<DateTime<Utc>>,
    /// Who signed in.
    user: Option<User>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// What was ended.
#[derive(Debug, SimpleObject)]
pub struct LogoutPayload {
    /// How many sessions were ended.
    ended_sessions: u64,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Signing in and out.
#[derive(Debug, Default)]
pub struct AuthMutation;

#[Object]
impl AuthMutation {
    /// Makes an account and signs its owner in.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to make.")] input: RegisterInput,
    ) -> Result<AuthPayload, ApiError> {
        let new = NewUser::tidy(input.email, input.username, &input.name);
        let names = [&new.email, &new.username].into_iter().flatten();
        count(ctx, Bucket::RegisterAddress, Bucket::RegisterAccount, names).await?;
        payload(service::register(ctx.app(), new, input.password).await)
    }

    /// Signs somebody in by e-mail address or user name.
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who logs in.")] input: LoginInput,
    ) -> Result<AuthPayload, ApiError> {
        let name = [&input.identifier];
        // Before the password is hashed: what is refused here costs next to nothing. A lockout of
        // the account has to be told before this.
        count(ctx, Bucket::LoginAddress, Bucket::LoginAccount, name).await?;
        payload(service::login(ctx.app(), &input.identifier, input.password).await)
    }

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

/// Counts a try, by the address it came from and by the names that were typed.
async fn count(
    ctx: &Context<'_>,
    by_address: Bucket,
    by_account: Bucket,
    names: impl IntoIterator<Item = &String>,
) -> Result<(), ApiError> {
    let meter = ctx.meter();
    let keys: BTreeSet<String> = names.into_iter().map(|name| folded(name)).collect();
    let of_account = |name: String| Charge::one(by_account, Key::account(&name));
    let mut charges = vec![meter.at_address(by_address)];
    charges.extend(keys.into_iter().map(of_account));
    meter.charge(&charges).await
}

fn payload(result: Result<SignedIn, AuthError>) -> Result<AuthPayload, ApiError> {
    match result {
        Ok(signed_in) => Ok(AuthPayload {
            access_token: Some(signed_in.access_token),
            access_token_expires_at: Some(signed_in.access_token_expires_at),
            refresh_token: Some(signed_in.refresh_token),
            refresh_token_expires_at: Some(signed_in.refresh_token_expires_at),
            user: Some(User::just_signed_in(signed_in.user)),
            user_errors: Vec::new(),
        }),
        Err(AuthError::Refused(user_errors)) => Ok(AuthPayload {
            user_errors,
            ..AuthPayload::default()
        }),
        Err(error) => Err(error.into()),
    }
}
