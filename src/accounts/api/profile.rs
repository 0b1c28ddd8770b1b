//! Changing one's own profile, in GraphQL.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};

use super::payload;
use super::user::User;
use crate::accounts::service::{self, ProfileChanges};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, UserError};

/// What is to change. A field that is absent keeps its value; null clears it where it may be empty.
#[derive(InputObject)]
pub struct UpdateProfileInput {
    /// The display name, 1 to 100 characters in one line.
    name: Option<String>,
    /// The user name, 3 to 50 letters and digits. Null removes it, if there is an e-mail address.
    username: MaybeUndefined<String>,
    /// The given name, at most 100 characters.
    first_name: MaybeUndefined<String>,
    /// The family name, at most 100 characters.
    last_name: MaybeUndefined<String>,
    /// A picture: an https URL of at most 2,048 characters (in development http, too).
    avatar_url: MaybeUndefined<String>,
    /// The language of mails: a tag of BCP 47, as `de` or `en-GB`.
    locale: MaybeUndefined<String>,
    /// The time zone: a name of the IANA database, as `Europe/Berlin`.
    timezone: MaybeUndefined<String>,
}

impl From<UpdateProfileInput> for ProfileChanges {
    fn from(input: UpdateProfileInput) -> Self {
        Self {
            name: input.name,
            username: input.username,
            first_name: input.first_name,
            last_name: input.last_name,
            avatar_url: input.avatar_url,
            locale: input.locale,
            timezone: input.timezone,
        }
    }
}

/// The signed-in person, changed.
#[derive(Debug, SimpleObject)]
pub struct UpdateProfilePayload {
    /// The person as they are now; null when there are user errors.
    user: Option<User>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Changing one's own account.
#[derive(Debug, Default)]
pub struct AccountsMutation;

#[Object]
impl AccountsMutation {
    /// Changes what the signed-in person's account says of them.
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateProfileInput,
    ) -> Result<UpdateProfilePayload, ApiError> {
        let viewer = ctx.viewer()?;
        let result = service::update_profile(ctx.app(), viewer, input.into()).await;
        let (user, user_errors) = payload(result)?;
        Ok(UpdateProfilePayload { user, user_errors })
    }
}
