//! What administrators do with accounts, in GraphQL.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::UserId;
use entity::user_role::Role;

use super::payload;
use super::profile::UpdateProfileInput;
use super::user::{User, UserRole};
use crate::accounts::Actor;
use crate::accounts::service::{self, NewAccount, NewUser};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, UserError};

/// The account to make. Give an e-mail address, a user name, or both.
#[derive(InputObject)]
pub struct CreateUserInput {
    /// The e-mail address: where notices go, and one way to log in.
    email: Option<String>,
    /// The user name, 3 to 50 letters and digits: the other way to log in.
    username: Option<String>,
    /// The display name, 1 to 100 characters in one line.
    name: String,
    /// The password, under the same rules as for `register`. Without one a link to set it is sent to
    /// the address.
    password: Option<String>,
    /// What the account may do; everyone has `USER`. An artist gets a profile with the display name.
    #[graphql(default)]
    roles: Vec<UserRole>,
}

/// Whose profile is to change, and what. A field that is absent keeps its value; null clears it
/// where it may be empty.
#[derive(InputObject)]
pub struct UpdateUserInput {
    /// Who.
    id: ID,
    #[graphql(flatten)]
    profile: UpdateProfileInput,
}

/// Whose account is to be disabled.
#[derive(InputObject)]
pub struct DisableUserInput {
    /// Who.
    id: ID,
}

/// Whose account is to be enabled.
#[derive(InputObject)]
pub struct EnableUserInput {
    /// Who.
    id: ID,
}

/// Who gets which roles.
#[derive(InputObject)]
pub struct SetUserRolesInput {
    /// Who.
    id: ID,
    /// All roles the person is to have; everyone has `USER`. Others are taken away. Who becomes an
    /// artist gets a profile with the display name, or the one from before.
    roles: Vec<UserRole>,
}

/// Whose wrong passwords are to be forgotten.
#[derive(InputObject)]
pub struct UnlockUserInput {
    /// Who.
    id: ID,
}

/// The account that was made.
#[derive(Debug, SimpleObject)]
pub struct CreateUserPayload {
    /// Its owner; null when there are user errors.
    user: Option<User>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// The person whose profile was changed.
#[derive(Debug, SimpleObject)]
pub struct UpdateUserPayload {
    /// The person as they are now; null when there are user errors.
    user: Option<User>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// The person whose account is disabled now.
#[derive(Debug, SimpleObject)]
pub struct DisableUserPayload {
    /// The person; null when there are user errors.
    user: Option<User>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// The person whose account is enabled now.
#[derive(Debug, SimpleObject)]
pub struct EnableUserPayload {
    /// The person; null when there are user errors.
    user: Option<User>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// The person who has these roles now.
#[derive(Debug, SimpleObject)]
pub struct SetUserRolesPayload {
    /// The person; null when there are user errors.
    user: Option<User>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// The person who can log in from everywhere again.
#[derive(Debug, SimpleObject)]
pub struct UnlockUserPayload {
    /// The person; null when there are user errors.
    user: Option<User>,
    /// What the administrator can put right.
    user_errors: Vec<UserError>,
}

/// Looking after accounts. For administrators: for all others each of these is `FORBIDDEN`.
#[derive(Debug, Default)]
pub struct AdminMutation;

#[Object]
impl AdminMutation {
    /// Makes an account for somebody. For administrators.
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to make.")] input: CreateUserInput,
    ) -> Result<CreateUserPayload, ApiError> {
        let actor = Actor::Viewer(ctx.viewer()?);
        let new = NewAccount {
            user: NewUser::tidy(input.email, input.username, &input.name),
            password: input.password,
            roles: stored(input.roles),
        };
        let (user, user_errors) = payload(service::create_user(ctx.app(), actor, new).await)?;
        Ok(CreateUserPayload { user, user_errors })
    }

    /// Changes what an account says of its owner. For administrators.
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose profile is to change, and what.")] input: UpdateUserInput,
    ) -> Result<UpdateUserPayload, ApiError> {
        let actor = Actor::Viewer(ctx.viewer()?);
        let (id, changes) = (user_id(&input.id)?, input.profile.into());
        let result = service::update_user(ctx.app(), actor, id, changes).await;
        let (user, user_errors) = payload(result)?;
        Ok(UpdateUserPayload { user, user_errors })
    }

    /// Ends the use of an account: all its sessions end, nobody can sign in, and no mail is sent.
    /// Its tasks stay. For administrators; not for one's own account, nor for that of the last
    /// active administrator. To whom is disabled already, nothing happens.
    async fn disable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose account is to be disabled.")] input: DisableUserInput,
    ) -> Result<DisableUserPayload, ApiError> {
        let actor = Actor::Viewer(ctx.viewer()?);
        let id = user_id(&input.id)?;
        let (user, user_errors) = payload(service::disable_user(ctx.app(), actor, id).await)?;
        Ok(DisableUserPayload { user, user_errors })
    }

    /// Lets an account be used again. For administrators. To whom is active already, nothing
    /// happens.
    async fn enable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose account is to be enabled.")] input: EnableUserInput,
    ) -> Result<EnableUserPayload, ApiError> {
        let actor = Actor::Viewer(ctx.viewer()?);
        let id = user_id(&input.id)?;
        let (user, user_errors) = payload(service::enable_user(ctx.app(), actor, id).await)?;
        Ok(EnableUserPayload { user, user_errors })
    }

    /// Gives a person these roles, and takes all others. Who loses one stays signed in, but has to
    /// renew the access token at once. For administrators; the last active administrator stays one.
    async fn set_user_roles(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who gets which roles.")] input: SetUserRolesInput,
    ) -> Result<SetUserRolesPayload, ApiError> {
        let actor = Actor::Viewer(ctx.viewer()?);
        let (id, roles) = (user_id(&input.id)?, stored(input.roles));
        let result = service::set_user_roles(ctx.app(), actor, id, roles).await;
        let (user, user_errors) = payload(result)?;
        Ok(SetUserRolesPayload { user, user_errors })
    }

    /// Forgets the wrong passwords of a person, who can then log in from everywhere again. For
    /// administrators.
    async fn unlock_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose wrong passwords are to be forgotten.")] input: UnlockUserInput,
    ) -> Result<UnlockUserPayload, ApiError> {
        let actor = Actor::Viewer(ctx.viewer()?);
        let id = user_id(&input.id)?;
        let (user, user_errors) = payload(service::unlock_user(ctx.app(), actor, id).await)?;
        Ok(UnlockUserPayload { user, user_errors })
    }
}

fn user_id(id: &str) -> Result<UserId, ApiError> {
    Kind::User.decode(id).map(UserId)
}

fn stored(roles: Vec<UserRole>) -> BTreeSet<Role> {
    roles.into_iter().filter_map(UserRole::stored).collect()
}
