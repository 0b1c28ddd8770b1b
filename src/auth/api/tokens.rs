//! What an access token is worth, in GraphQL.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use crate::accounts::UserRole;
use crate::app::AppExt;
use crate::auth::{TokenError, authenticate};
use crate::graphql::{ApiError, Kind};

/// Why an access token is good no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum TokenRefusal {
    /// Its time is over.
    Expired,
    /// It is none of this server's.
    Invalid,
    /// Its session was ended, or what its owner may do was changed, before its time was over.
    Revoked,
}

/// What an access token says. All but `isValid` and `reason` are null when it is not good.
#[derive(Debug, Default, SimpleObject)]
pub struct TokenInfo {
    /// Whether it is good at this moment.
    is_valid: bool,
    /// Why it is not; null when it is.
    reason: Option<TokenRefusal>,
    /// Whose it is.
    user_id: Option<ID>,
    /// Of which session.
    session_id: Option<ID>,
    /// What its owner may do, as far as the token says: what was given since then is in the next one.
    roles: Option<Vec<UserRole>>,
    /// When it was made.
    issued_at: Option<DateTime<Utc>>,
    /// When it ends.
    expires_at: Option<DateTime<Utc>>,
}

/// What access tokens are worth.
#[derive(Debug, Default)]
pub struct TokenQuery;

#[Object]
impl TokenQuery {
    /// What an access token is worth at this moment: for services that are given one and do not check
    /// signatures themselves. Anybody who has the token may ask.
    async fn validate_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The access token.")] token: String,
    ) -> Result<TokenInfo, ApiError> {
        let app = ctx.app();
        let reason = match authenticate(app, &token) {
            Ok(verified) => {
                app.revocations.require_knowledge()?;
                let viewer = verified.viewer;
                return Ok(TokenInfo {
                    is_valid: true,
                    reason: None,
                    user_id: Some(Kind::User.encode(viewer.user_id.0)),
                    session_id: Some(Kind::Session.encode(viewer.session_id.0)),
                    roles: Some(UserRole::all(viewer.roles)),
                    issued_at: Some(verified.issued_at),
                    expires_at: Some(verified.expires_at),
                });
            }
            Err(TokenError::Expired) => TokenRefusal::Expired,
            Err(TokenError::Invalid) => TokenRefusal::Invalid,
            Err(TokenError::Ended) => TokenRefusal::Revoked,
        };
        Ok(TokenInfo {
            reason: Some(reason),
            ..TokenInfo::default()
        })
    }
}
