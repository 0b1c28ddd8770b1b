//! What a resolver may ask of the request it serves.

use async_graphql::{Context, Response};
use entity::Viewer;

use super::{ApiError, ErrorCode};

/// Who sent the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Sent no token.
    Anonymous,
    /// Sent a good one.
    User(Viewer),
    /// Sent one that is not good; the reason is for the client. Fields that need nobody still run,
    /// or nobody could ever renew a token.
    Refused(String),
}

/// Short ways to what travels with a request.
pub trait ContextExt {
    /// Who sent the request.
    fn caller(&self) -> &Caller;

    /// The signed-in person.
    ///
    /// # Errors
    /// UNAUTHENTICATED when there is none.
    fn viewer(&self) -> Result<&Viewer, ApiError> {
        match self.caller() {
            Caller::User(viewer) => Ok(viewer),
            Caller::Anonymous => Err(ApiError::new(
                ErrorCode::Unauthenticated,
                "Sign in first: send the access token as `Authorization: Bearer …`.",
            )),
            Caller::Refused(reason) => {
                Err(ApiError::new(ErrorCode::Unauthenticated, reason.clone()))
            }
        }
    }
}

impl ContextExt for Context<'_> {
    fn caller(&self) -> &Caller {
        // Put there by `schema::execute` for every request; a schema without it answers nobody.
        self.data_opt().unwrap_or(&Caller::Anonymous)
    }
}

/// What an operation leads to: one answer for queries and mutations, many for a subscription.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response,
    /// Whether the operation ran. If not, the errors say why it was refused as a whole.
    pub executed: bool,
}
