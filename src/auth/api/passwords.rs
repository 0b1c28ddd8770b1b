//! Passwords, in GraphQL.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};

use super::sign_in::count;
use super::{AuthPayload, payload, user_errors};
use crate::app::AppExt;
use crate::auth::password_policy::{self, Strength};
use crate::auth::service;
use crate::graphql::{ApiError, ContextExt, UserError};
use crate::limits::{Bucket, Charge, Key};
use crate::settings;

/// How many names `strength` looks at, and how many characters of each.
const MOST_NAMES: usize = 10;
const MOST_CHARACTERS: usize = 100;

/// The old password and the new one.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password as it is.
    current_password: String,
    /// The password as it is to be.
    new_password: String,
}

/// Whose password is to be set anew.
#[derive(InputObject)]
pub struct RequestPasswordResetInput {
    /// The e-mail address or the user name, in any case.
    identifier: String,
}

/// That a mail was asked for. The same whether there is such an account or not.
#[derive(Debug, SimpleObject)]
pub struct RequestPasswordResetPayload {
    /// What the person can put right; empty.
    user_errors: Vec<UserError>,
}

/// The new password, and what shows that one may set it.
#[derive(InputObject)]
pub struct ResetPasswordInput {
    /// The token of the mail: what stands behind `#reset-password=` in its link.
    token: String,
    /// The password as it is to be.
    new_password: String,
}

/// That the password was set.
#[derive(Debug, SimpleObject)]
pub struct ResetPasswordPayload {
    /// What the person can put right. A password that is refused does not use the token up.
    user_errors: Vec<UserError>,
}

/// Changing passwords.
#[derive(Debug, Default)]
pub struct PasswordMutation;

#[Object]
impl PasswordMutation {
    /// Sets another password. All other sessions of the person end, and this one gets new tokens: the
    /// old ones are good no more.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The old password and the new one.")] input: ChangePasswordInput,
    ) -> Result<AuthPayload, ApiError> {
        let viewer = ctx.viewer()?;
        count_guess(ctx).await?;
        let (current, new) = (input.current_password, input.new_password);
        payload(service::change_password(ctx.app(), viewer, current, new).await)
    }

    /// Sends a mail with which a forgotten password can be set anew, if there is such an account and
    /// it has a confirmed address. The answer is always the same.
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose password is to be set anew.")] input: RequestPasswordResetInput,
    ) -> Result<RequestPasswordResetPayload, ApiError> {
        let (address, account) = (Bucket::AccountMailAddress, Bucket::AccountMailAccount);
        count(ctx, address, account, [&input.identifier]).await?;
        let result = service::request_password_reset(ctx.app(), &input.identifier).await;
        Ok(RequestPasswordResetPayload {
            user_errors: user_errors(result)?,
        })
    }

    /// Sets a new password with the token of a mail. All sessions of the account end.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new password, and what shows that one may set it.")]
        input: ResetPasswordInput,
    ) -> Result<ResetPasswordPayload, ApiError> {
        let result = service::reset_password(ctx.app(), &input.token, input.new_password).await;
        Ok(ResetPasswordPayload {
            user_errors: user_errors(result)?,
        })
    }
}

/// Counts a try to guess the password of somebody whose access token one has.
pub(super) async fn count_guess(ctx: &Context<'_>) -> Result<(), ApiError> {
    let meter = ctx.meter();
    let user = Key::user(ctx.viewer()?.user_id);
    meter
        .charge(&[
            meter.at_address(Bucket::LoginAddress),
            Charge::one(Bucket::LoginAccount, user),
        ])
        .await
}

/// The rule a new password is measured by, beside its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "PasswordPolicyKind")]
pub enum PolicyKind {
    /// It has an upper-case and a lower-case letter, a digit and a symbol.
    Composition,
    /// Its length decides (NIST SP 800-63B).
    Nist,
}

/// What a new password must be.
#[derive(Debug)]
pub struct PasswordPolicy(settings::PasswordSettings);

impl PasswordPolicy {
    fn asks_for_classes(&self) -> bool {
        self.0.policy == settings::PasswordPolicy::Composition
    }
}

/// What a new password must be. It may be made of any letters and signs there are, and it must not
/// be among those that are guessed first, nor contain a name of the person or of the product.
#[Object]
impl PasswordPolicy {
    /// The fewest characters.
    async fn min_length(&self) -> u32 {
        self.0.min_length()
    }

    /// The most bytes, in UTF-8.
    async fn max_bytes(&self) -> usize {
        password_policy::MAX_BYTES
    }

    /// The rule.
    async fn policy(&self) -> PolicyKind {
        match self.0.policy {
            settings::PasswordPolicy::Composition => PolicyKind::Composition,
            settings::PasswordPolicy::Nist => PolicyKind::Nist,
        }
    }

    /// Whether it needs an upper-case letter.
    async fn requires_uppercase(&self) -> bool {
        self.asks_for_classes()
    }

    /// Whether it needs a lower-case letter.
    async fn requires_lowercase(&self) -> bool {
        self.asks_for_classes()
    }

    /// Whether it needs a digit.
    async fn requires_digit(&self) -> bool {
        self.asks_for_classes()
    }

    /// Whether it needs a symbol: what is neither a letter nor a digit.
    async fn requires_symbol(&self) -> bool {
        self.asks_for_classes()
    }

    /// How good a password is, for a meter beside the field in which it is typed. It is kept
    /// nowhere.
    async fn strength(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password as far as it is typed.")] password: String,
        #[graphql(
            desc = "The names of its owner (display name, user name, e-mail address), which it must not contain; the first 10 count."
        )]
        names: Option<Vec<String>>,
    ) -> Result<PasswordStrength, ApiError> {
        // It costs more than other fields, and each alias costs it again.
        let meter = ctx.meter();
        meter.charge(&[meter.at_address(Bucket::Anonymous)]).await?;
        let names = names.unwrap_or_default().into_iter().take(MOST_NAMES);
        let mut words = password_policy::context("", None, None);
        for name in names {
            let name: String = name.trim().chars().take(MOST_CHARACTERS).collect();
            // Of an address the first part counts.
            let word = name.split('@').next().unwrap_or_default();
            words.push(word.to_owned());
        }
        let strength = service::strength(ctx.app(), password, words).await?;
        Ok(PasswordStrength(strength))
    }
}

/// How good a password is.
#[derive(Debug)]
pub struct PasswordStrength(Strength);

/// How good a password is.
#[Object]
impl PasswordStrength {
    /// From 0, guessed at once, to 4, not guessed.
    async fn score(&self) -> u8 {
        self.0.score
    }

    /// Whether this server takes it.
    async fn is_acceptable(&self) -> bool {
        self.0.problems.is_empty()
    }

    /// Why this server does not take it, in sentences; empty when it does.
    async fn problems(&self) -> &[String] {
        &self.0.problems
    }

    /// What makes it easy to guess, if anything does.
    async fn warning(&self) -> Option<&str> {
        self.0.warning.as_deref()
    }

    /// What would make it better, in sentences.
    async fn suggestions(&self) -> &[String] {
        &self.0.suggestions
    }
}

/// What passwords must be.
#[derive(Debug, Default)]
pub struct PasswordQuery;

#[Object]
impl PasswordQuery {
    /// What a new password must be. For anybody: whoever registers is not signed in.
    async fn password_policy(&self, ctx: &Context<'_>) -> PasswordPolicy {
        PasswordPolicy(ctx.app().settings.auth.password.clone())
    }
}
