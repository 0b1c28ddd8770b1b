//! Whether somebody who comes with an access token is let in.

use super::{TokenError, Verified};
use crate::app::App;
use crate::graphql::{ApiError, Caller, ErrorCode};

/// Checks an access token: its signature, its claims and its times, and that it did not end before
/// its time. Asks no database; whether enough is known to believe the answer is asked where something
/// is done with it ([`caller_now`]).
///
/// # Errors
/// [`TokenError`], which tells no more than a client needs.
pub fn authenticate(app: &App, token: &str) -> Result<Verified, TokenError> {
    let checked = app.tokens.verify(token).and_then(|verified| {
        if app.revocations.has_ended(&verified.viewer) {
            return Err(TokenError::Ended);
        }
        Ok(verified)
    });
    let result = if checked.is_ok() { "valid" } else { "invalid" };
    metrics::counter!("auth_token_validations_total", "result" => result).increment(1);
    checked
}

/// Who a caller is at the moment of an operation. Every operation comes by here, over whatever
/// transport; the token was checked before, on a socket perhaps long before.
pub fn caller_now(app: &App, caller: Caller) -> Caller {
    let Caller::User(viewer) = &caller else {
        return caller;
    };
    if app.revocations.has_ended(viewer) {
        let message = TokenError::Ended.to_string();
        return Caller::Refused(ApiError::new(ErrorCode::Unauthenticated, message));
    }
    match app.revocations.require_knowledge() {
        Ok(()) => caller,
        Err(error) => Caller::Refused(error.into()),
    }
}
