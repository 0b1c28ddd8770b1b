//! GraphQL over HTTP (<https://graphql.github.io/graphql-over-http/draft/>).

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use entity::Timestamp;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::accept::{Accepted, MediaType};
use super::address::client_address;
use super::headers::{Logged, RequestId, new_request_id};
use super::operation::{Prepared, execute, operation_word, prepare, subscribe, viewer_of};
use super::params::{Asked, from_body, from_query};
use super::seats::Holder;
use super::streams::Bounds;
use super::{Edge, answer, streams, ws};
use crate::graphql::guard::Params;
use crate::graphql::{Answer, ApiError, Caller, Client, ErrorCode, RequestContext};

/// Longer ones are cut.
const MOST_OF_A_USER_AGENT: usize = 256;

/// A request that is refused before it runs, and with which status.
pub struct Refusal {
    pub status: StatusCode,
    pub error: ApiError,
    /// The methods that would do, when the one used does not.
    allow: Option<&'static str>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: ErrorCode, message: &str) -> Self {
        Self::with_status(status, ApiError::new(code, message))
    }

    pub fn with_status(status: StatusCode, error: ApiError) -> Self {
        Self {
            status,
            error,
            allow: None,
        }
    }

    fn method(allow: &'static str, message: &str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                ErrorCode::BadUserInput,
                message,
            )
        }
    }

    /// Whether the request was well formed and its document is what cannot run.
    fn is_of_document(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST && !self.error.is(ErrorCode::BadUserInput)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let status = match error.code() {
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::with_status(status, error)
    }
}

/// A request that may come in.
struct Incoming {
    method: Method,
    context: RequestContext,
    /// When the token of the caller ends.
    ends_at: Option<Timestamp>,
    accepted: Accepted,
    /// Whether the client asks what its operation costs.
    reports_cost: bool,
}

/// Everything that comes to `/graphql`.
pub async fn handle(State(edge): State<Edge>, request: Request) -> Response {
    let request_id = request
        .extensions()
        .get::<RequestId>()
        .map_or_else(new_request_id, |id| id.0.clone());
    let negotiated = Accepted::negotiate(accept(request.headers()).as_deref());
    let media = negotiated
        .and_then(|accepted| accepted.answer)
        .unwrap_or(MediaType::Json);
    let refuse = |refusal: Refusal| {
        let mut response = answer::refused(
            refusal.error,
            refusal.status,
            media,
            &request_id,
            Logged::default(),
        );
        if let Some(methods) = refusal.allow {
            let methods = HeaderValue::from_static(methods);
            response.headers_mut().insert(header::ALLOW, methods);
        }
        response
    };
    if edge.origins.refuses(request.headers()) {
        return refuse(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Forbidden,
            "Pages of this site may not use this server. Its operator can add the site to ALLOWED_ORIGINS.",
        ));
    }
    if ws::is_upgrade(request.headers()) {
        let client = edge.client_of(&request);
        return ws::open(edge, request, client).unwrap_or_else(|message| {
            let mut response = refuse(Refusal::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::BadUserInput,
                message,
            ));
            // RFC 6455, section 4.4.
            let version = HeaderValue::from_static("13");
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_VERSION, version);
            response
        });
    }
    let Some(accepted) = negotiated else {
        return refuse(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::BadUserInput,
            "This server answers application/graphql-response+json and application/json, and subscriptions as text/event-stream and multipart/mixed;subscriptionSpec=1.0.",
        ));
    };
    let (caller, ends_at) = edge.caller_of(request.headers());
    let incoming = Incoming {
        method: request.method().clone(),
        context: RequestContext {
            caller,
            client: edge.client_of(&request),
            request_id: request_id.clone(),
        },
        ends_at,
        accepted,
        reports_cost: request
            .headers()
            .get("graphql-cost")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"report")),
    };
    match run(&edge, request, incoming).await {
        Ok(response) => response,
        // A client of streams alone hears of its document in the stream.
        Err(refusal) if refusal.is_of_document() && accepted.answer.is_none() => {
            let answer = Answer::refused(refusal.error, &request_id);
            let answers = stream::once(async { answer }).boxed();
            streams::respond(
                &edge,
                accepted,
                answers,
                Bounds::default(),
                Logged::default(),
            )
        }
        Err(refusal) => {
            // `application/json` says 200 for every well-formed request.
            let status = match media {
                MediaType::Json if refusal.is_of_document() => StatusCode::OK,
                _ => refusal.status,
            };
            refuse(Refusal { status, ..refusal })
        }
    }
}

/// What the client takes: several lines of the header are one list (RFC 9110, section 5.3).
fn accept(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

async fn run(edge: &Edge, request: Request, incoming: Incoming) -> Result<Response, Refusal> {
    let asked = match incoming.method {
        Method::POST => from_body(edge, request).await?,
        Method::GET => Asked::One(Box::new(from_query(&request)?)),
        _ => {
            return Err(Refusal::method(
                "GET, POST",
                "Send GraphQL by POST, or a query by GET.",
            ));
        }
    };
    match asked {
        Asked::One(params) => run_one(edge, *params, incoming).await,
        Asked::Batch(all) => run_batch(edge, all, incoming).await,
    }
}

async fn run_one(edge: &Edge, params: Params, incoming: Incoming) -> Result<Response, Refusal> {
    let Incoming {
        context, accepted, ..
    } = &incoming;
    let checked = prepare(edge, params, context).await?;
    let is_subscription = checked.operation_type == OperationType::Subscription;
    if checked.operation_type == OperationType::Mutation && incoming.method == Method::GET {
        return Err(Refusal::method("POST", "A mutation must be sent by POST."));
    }
    if is_subscription && accepted.stream.is_none() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::BadUserInput,
            "Subscribe over a WebSocket on this path, with the sub-protocol graphql-transport-ws, or accept text/event-stream or multipart/mixed;subscriptionSpec=1.0.",
        ));
    }
    let logged = Logged {
        viewer: viewer_of(&context.caller).map(|viewer| viewer.user_id.0),
        operation: Some(operation_word(checked.operation_type)),
        name: Some(checked.name_for_log()),
        code: None,
    };
    if let Some(media) = accepted.answer.filter(|_| !is_subscription) {
        let answer = answer_of(edge, checked, &incoming).await;
        return Ok(answer::executed(answer, media, logged));
    }
    let mut bounds = Bounds::default();
    let answers: BoxStream<'static, Answer> = if is_subscription {
        let viewer = viewer_of(&context.caller);
        let holder = Holder::of(&context.caller, context.client.address);
        bounds = Bounds {
            ends_at: incoming.ends_at,
            signed_out: viewer.map(|viewer| (edge.signed_out)(viewer)),
            seat: Some(edge.seats.take(holder)?),
        };
        subscribe(edge, checked, context.clone())
    } else {
        let answer = answer_of(edge, checked, &incoming).await;
        stream::once(async { answer }).boxed()
    };
    Ok(streams::respond(edge, *accepted, answers, bounds, logged))
}

/// Runs the operations of a batch one after the other, so that a batch holds no more of the server
/// than a request. They share what one operation may cost.
async fn run_batch(edge: &Edge, all: Vec<Params>, incoming: Incoming) -> Result<Response, Refusal> {
    let Some(media) = incoming.accepted.answer else {
        return Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::BadUserInput,
            "A batch is answered as JSON: accept application/json.",
        ));
    };
    let context = &incoming.context;
    let mut prepared = Vec::with_capacity(all.len());
    for params in all {
        let checked = prepare(edge, params, context).await;
        let checked = checked.and_then(|checked| match checked.operation_type {
            OperationType::Subscription => Err(ApiError::new(
                ErrorCode::BadUserInput,
                "A subscription cannot be part of a batch.",
            )),
            _ => Ok(checked),
        });
        prepared.push(checked);
    }
    let most = edge.limits.settings.max_cost;
    let cost: usize = prepared.iter().flatten().map(|checked| checked.cost).sum();
    if cost > most {
        let message =
            format!("The operations of this batch cost {cost} together, and {most} is the most.");
        return Err(ApiError::new(ErrorCode::QueryTooComplex, message).into());
    }
    let mut answers = Vec::with_capacity(prepared.len());
    for checked in prepared {
        answers.push(match checked {
            Ok(checked) => answer_of(edge, checked, &incoming).await,
            Err(error) => Answer::refused(error, &context.request_id),
        });
    }
    let logged = Logged {
        viewer: viewer_of(&context.caller).map(|viewer| viewer.user_id.0),
        operation: Some("batch"),
        ..Logged::default()
    };
    Ok(answer::executed_batch(&answers, media, logged))
}

async fn answer_of(edge: &Edge, checked: Prepared, incoming: &Incoming) -> Answer {
    let cost = checked.cost;
    let mut answer = execute(edge, checked, incoming.context.clone()).await;
    if incoming.reports_cost {
        let limit = edge.limits.settings.max_cost;
        let report = async_graphql::value!({"requested": cost, "limit": limit});
        answer.response.extensions.insert("cost".to_owned(), report);
    }
    answer
}

impl Edge {
    fn caller_of(&self, headers: &HeaderMap) -> (Caller, Option<Timestamp>) {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return (Caller::Anonymous, None);
        };
        let Some(token) = value.to_str().ok().and_then(bearer) else {
            let reason = "The Authorization header must read `Bearer` and an access token.";
            let error = ApiError::new(ErrorCode::Unauthenticated, reason);
            return (Caller::Refused(error), None);
        };
        match (self.authenticate)(token) {
            Ok(authenticated) => (
                Caller::User(authenticated.viewer),
                Some(authenticated.expires_at),
            ),
            Err(reason) => {
                let error = ApiError::new(ErrorCode::Unauthenticated, reason);
                (Caller::Refused(error), None)
            }
        }
    }

    fn client_of(&self, request: &Request) -> Client {
        let hops = self.server.trusted_proxies;
        Client {
            address: client_address(request.headers(), request.extensions(), hops),
            user_agent: user_agent(request.headers()),
        }
    }
}

/// What a client calls itself. It is shown to people, so it is one short line.
fn user_agent(headers: &HeaderMap) -> Option<Arc<str>> {
    let value = headers.get(header::USER_AGENT)?.to_str().ok()?.trim();
    // `to_str` lets visible ASCII and tabs through.
    let line: String = value
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST_OF_A_USER_AGENT)
        .collect();
    (!line.is_empty()).then(|| line.into())
}

/// The token of `Bearer …`: RFC 6750, section 2.1.
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
