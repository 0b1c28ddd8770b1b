//! What a resolver may ask of the request it serves.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::{Context, Response};
use entity::Viewer;

use super::{ApiError, ErrorCode, Meter, stamp};
use crate::limits::Standing;

/// Who sent the request.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Sent no token.
    Anonymous,
    /// Sent a good one.
    User(Viewer),
    /// Sent one that is not good, or of which nobody can tell at this moment; the error is for the
    /// client. Fields that need nobody still run, or nobody could ever renew a token.
    Refused(ApiError),
}

/// The program that sent a request.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it is, as far as the proxies in front of this server are believed.
    pub address: IpAddr,
    /// What it calls itself (`User-Agent`): cut, and in one line.
    pub user_agent: Option<Arc<str>>,
}

/// What travels with an operation beside its document.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Who sent it.
    pub caller: Caller,
    /// With what.
    pub client: Client,
    /// The request's name in the log and in errors.
    pub request_id: String,
}

/// Short ways to what travels with a request.
pub trait ContextExt {
    /// Who sent the request.
    fn caller(&self) -> &Caller;

    /// With what the request was sent.
    fn client(&self) -> &Client;

    /// Counts what the operation does.
    fn meter(&self) -> &Meter;

    /// Says of a subscription that it runs.
    fn begins(&self);

    /// The signed-in person.
    ///
    /// # Errors
    /// UNAUTHENTICATED when there is none; UNAVAILABLE when nobody can tell.
    fn viewer(&self) -> Result<&Viewer, ApiError> {
        match self.caller() {
            Caller::User(viewer) => Ok(viewer),
            Caller::Anonymous => Err(ApiError::new(
                ErrorCode::Unauthenticated,
                "Sign in first: send the access token as `Authorization: Bearer …`.",
            )),
            Caller::Refused(error) => Err(error.clone()),
        }
    }
}

impl ContextExt for Context<'_> {
    fn caller(&self) -> &Caller {
        // Put there by `schema::execute` for every request; a schema without it answers nobody.
        self.data_opt()
            .map_or(&Caller::Anonymous, |request: &RequestContext| {
                &request.caller
            })
    }

    fn client(&self) -> &Client {
        // Put there with the meter.
        &self.data_unchecked::<RequestContext>().client
    }

    fn begins(&self) {
        if let Some(executed) = self.data_opt::<Executed>() {
            executed.set();
        }
    }

    fn meter(&self) -> &Meter {
        // `schema::Api` puts it into every request; there is no schema that serves without.
        self.data_unchecked()
    }
}

/// Set once the operation runs: parse, validation and start errors come in the same shape as an
/// error of a field, and the protocols want to know which it was.
#[derive(Clone, Debug, Default)]
pub struct Executed(Arc<AtomicBool>);

impl Executed {
    /// It runs.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it runs.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an operation leads to: one answer for queries and mutations, many for a subscription.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response,
    /// Whether the operation ran. If not, the errors say why it was refused as a whole.
    pub executed: bool,
    /// How the tightest of the limits stands that it was counted against.
    pub standing: Option<Standing>,
}

impl Answer {
    /// The answer to an operation that is refused before it runs.
    pub fn refused(error: ApiError, request_id: &str) -> Self {
        let mut response = error.into_response();
        stamp(&mut response, request_id);
        Self {
            response,
            executed: false,
            standing: None,
        }
    }
}
