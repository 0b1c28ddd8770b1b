//! Registering and logging in, in GraphQL.

use std::collections::BTreeSet;

use async_graphql::{Context, InputObject, Object};

use super::{AuthPayload, payload};
use crate::accounts::{ArtistDetails, NewUser, folded};
use crate::app::AppExt;
use crate::auth::lockout::network_of;
use crate::auth::service::{self, Credentials, Device, SignUp};
use crate::graphql::{ApiError, ContextExt};
use crate::limits::{Bucket, Charge, Key};

/// The account to make. Give an e-mail address, a user name, or both.
#[derive(InputObject)]
pub struct RegisterInput {
    /// The e-mail address: where notices go, and one way to log in.
    pub(super) email: Option<String>,
    /// The user name, 3 to 50 letters and digits: the other way to log in.
    pub(super) username: Option<String>,
    /// The password: at least 12 characters with an upper-case and a lower-case letter, a digit
    /// and a symbol, unless the server is set otherwise.
    pub(super) password: String,
    /// The display name, 1 to 100 characters.
    pub(super) name: String,
    /// The token of an invitation: what stands behind `#invitation=` in the link of its mail. The
    /// account then has the invited address, which need not be given, and it counts as confirmed.
    pub(super) invitation: Option<String>,
    /// What to call this device in the list of sessions, at most 100 characters.
    pub(super) device_name: Option<String>,
}

/// Who logs in.
#[derive(InputObject)]
pub struct LoginInput {
    /// The e-mail address or the user name, in any case.
    identifier: String,
    /// The password.
    password: String,
    /// The code that was sent by mail, if the answer before was CODE_REQUIRED.
    code: Option<String>,
    /// What to call this device in the list of sessions, at most 100 characters.
    device_name: Option<String>,
}

/// Registering and logging in.
#[derive(Debug, Default)]
pub struct SignInMutation;

#[Object]
impl SignInMutation {
    /// Makes an account and signs its owner in.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to make.")] input: RegisterInput,
    ) -> Result<AuthPayload, ApiError> {
        register(ctx, input, None).await
    }

    /// Signs somebody in by e-mail address or user name.
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who logs in.")] input: LoginInput,
    ) -> Result<AuthPayload, ApiError> {
        let device = Device::new(input.device_name.as_deref(), ctx.client());
        // By name and network: nobody uses up the tries of the owner, who is somewhere else. Before
        // the password is hashed: what is refused here costs next to nothing.
        let network = network_of(ctx.client().address);
        let name = format!("{} from {network}", folded(&input.identifier));
        count(ctx, Bucket::LoginAddress, Bucket::LoginAccount, [&name]).await?;
        let credentials = Credentials {
            identifier: input.identifier,
            password: input.password,
            code: input.code,
        };
        payload(service::login(ctx.app(), credentials, device).await)
    }
}

/// Makes an account, of an artist when there are details of one.
pub async fn register(
    ctx: &Context<'_>,
    input: RegisterInput,
    artist: Option<ArtistDetails>,
) -> Result<AuthPayload, ApiError> {
    let device = Device::new(input.device_name.as_deref(), ctx.client());
    let new = NewUser::tidy(input.email, input.username, &input.name);
    let names = [&new.email, &new.username].into_iter().flatten();
    count(ctx, Bucket::RegisterAddress, Bucket::RegisterAccount, names).await?;
    let account = SignUp {
        user: new,
        artist,
        invitation: input.invitation,
        password: input.password,
    };
    payload(service::register(ctx.app(), account, &device).await)
}

/// Counts a try, by the address it came from and by the names that were typed.
pub(super) async fn count(
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
