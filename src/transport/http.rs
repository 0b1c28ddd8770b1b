//! GraphQL over HTTP (<https://graphql.github.io/graphql-over-http/draft/>).

use std::time::{Duration, Instant};

use async_graphql::parser::types::OperationType;
use axum::body::to_bytes;
use axum::extract::{FromRequestParts, Query, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use entity::Viewer;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::accept::MediaType;
use super::headers::{Logged, RequestId, new_request_id};
use super::{Edge, answer, operation_word, ws};
use crate::graphql::guard::{self, Checked, Params};
use crate::graphql::{Answer, ApiError, Caller, ErrorCode, stamp};

/// A request that is refused before it runs, and with which status.
struct Refusal {
    status: StatusCode,
    error: ApiError,
    /// The methods that would do, when the one used does not.
    allow: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, code: ErrorCode, message: &str) -> Self {
        Self {
            status,
            error: ApiError::new(code, message),
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
}

/// Everything that comes to `/graphql`.
pub async fn handle(State(edge): State<Edge>, request: Request) -> Response {
    let request_id = request
        .extensions()
        .get::<RequestId>()
        .map_or_else(new_request_id, |id| id.0.clone());
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let negotiated = MediaType::negotiate(accept);
    let media = negotiated.unwrap_or(MediaType::Json);
    let refuse = |refusal: Refusal| {
        let Refusal { status, error, .. } = refusal;
        answer::refused(error, status, media, &request_id, Logged::default())
    };
    if edge.origins.refuses(request.headers()) {
        return refuse(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Forbidden,
            "Pages of this site may not use this server. Its operator can add the site to ALLOWED_ORIGINS.",
        ));
    }
    if is_upgrade(request.headers()) {
        let (mut parts, _) = request.into_parts();
        return match WebSocketUpgrade::from_request_parts(&mut parts, &edge).await {
            Ok(upgrade) => ws::upgrade(edge, upgrade, &parts.headers).unwrap_or_else(|| {
                refuse(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    ErrorCode::BadUserInput,
                    "This server speaks the WebSocket sub-protocol graphql-transport-ws only.",
                ))
            }),
            Err(_) => refuse(Refusal::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::BadUserInput,
                "This is not a WebSocket handshake.",
            )),
        };
    }
    if negotiated.is_none() {
        return refuse(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::BadUserInput,
            "This server answers application/graphql-response+json and application/json.",
        ));
    }
    match run(&edge, request, &request_id).await {
        Ok((answer, logged)) => answer::executed(answer, media, logged),
        Err(refusal) => {
            let allow = refusal.allow;
            // A document that cannot run is a well-formed request: `application/json` says 200.
            let in_document = refusal.status == StatusCode::BAD_REQUEST
                && !refusal.error.is(ErrorCode::BadUserInput);
            let status = match media {
                MediaType::Json if in_document => StatusCode::OK,
                _ => refusal.status,
            };
            let mut response = refuse(Refusal { status, ..refusal });
            if let Some(methods) = allow {
                let methods = HeaderValue::from_static(methods);
                response.headers_mut().insert(header::ALLOW, methods);
            }
            response
        }
    }
}

async fn run(edge: &Edge, request: Request, request_id: &str) -> Result<(Answer, Logged), Refusal> {
    let method = request.method().clone();
    let caller = edge.caller_of(request.headers());
    let params = match method {
        Method::POST => from_body(edge, request).await?,
        Method::GET => from_query(&request)?,
        _ => {
            return Err(Refusal::method(
                "GET, POST",
                "Send GraphQL by POST, or a query by GET.",
            ));
        }
    };
    let checked = guard::check(&edge.limits, params).map_err(|error| Refusal {
        status: StatusCode::BAD_REQUEST,
        error,
        allow: None,
    })?;
    match checked.operation_type {
        OperationType::Mutation if method == Method::GET => {
            return Err(Refusal::method("POST", "A mutation must be sent by POST."));
        }
        OperationType::Subscription => {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::BadUserInput,
                "Subscribe over a WebSocket on this path, with the sub-protocol graphql-transport-ws.",
            ));
        }
        _ => {}
    }
    let logged = Logged {
        viewer: viewer_of(&caller).map(|viewer| viewer.user_id.0),
        operation: Some(operation_word(checked.operation_type)),
        name: Some(checked.name_for_log()),
        code: None,
    };
    Ok((execute(edge, checked, caller, request_id).await, logged))
}

/// Runs a query or a mutation to its end, within the time an operation has.
pub async fn execute(edge: &Edge, checked: Checked, caller: Caller, request_id: &str) -> Answer {
    let begun = Instant::now();
    let operation = operation_word(checked.operation_type);
    let most = Duration::from_secs(edge.server.operation_timeout_seconds);
    let mut answers = (edge.execute)(checked, caller, request_id.to_owned());
    let answer = timeout(most, answers.next())
        .await
        .ok()
        .flatten()
        .unwrap_or_else(|| {
            let error = ApiError::new(
                ErrorCode::Unavailable,
                "The operation took too long and was stopped. Ask for less, or try again.",
            );
            let mut response = error.retry_after(Duration::from_secs(1)).into_response();
            stamp(&mut response, request_id);
            Answer {
                response,
                executed: true,
            }
        });
    let status = answer::first_code(&answer.response).unwrap_or_else(|| "ok".to_owned());
    metrics::counter!("graphql_requests_total", "operation_type" => operation, "status" => status)
        .increment(1);
    metrics::histogram!("graphql_request_duration_seconds", "operation_type" => operation)
        .record(begun.elapsed().as_secs_f64());
    answer
}

async fn from_body(edge: &Edge, request: Request) -> Result<Params, Refusal> {
    // Anything a form can send is refused: so a page elsewhere cannot send without being asked.
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::BadUserInput,
            "Send the request as application/json.",
        ));
    }
    let most = edge.server.max_body_bytes;
    let patience = Duration::from_secs(edge.server.operation_timeout_seconds);
    let body = timeout(patience, to_bytes(request.into_body(), most)).await;
    let body = body.map_err(|_| {
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            ErrorCode::BadUserInput,
            "The body did not arrive in time.",
        )
    })?;
    let body = body.map_err(|_| {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::BadUserInput,
            &format!("The body has more than {most} bytes, or did not arrive whole."),
        )
    })?;
    // By way of an object: serde would take an array of the fields in their order, too.
    let object: Result<serde_json::Map<_, _>, _> = serde_json::from_slice(&body);
    let params = object.and_then(|object| serde_json::from_value(object.into()));
    params.map_err(|_| {
        malformed("The body must be one JSON object with `query`, and perhaps `operationName` and `variables`.")
    })
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryParams {
    query: String,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

fn from_query(request: &Request) -> Result<Params, Refusal> {
    let Query(params) = Query::<QueryParams>::try_from_uri(request.uri())
        .map_err(|_| malformed("A GET needs the parameter `query`."))?;
    let object = |text: Option<String>| match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => serde_json::from_str(&text)
            .map_err(|_| malformed("`variables` and `extensions` must be JSON objects.")),
    };
    Ok(Params {
        query: params.query,
        operation_name: params.operation_name.filter(|name| !name.is_empty()),
        variables: object(params.variables)?,
        extensions: object(params.extensions)?,
    })
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::BadUserInput, message)
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The signed-in person, if there is one.
pub fn viewer_of(caller: &Caller) -> Option<&Viewer> {
    match caller {
        Caller::User(viewer) => Some(viewer),
        _ => None,
    }
}

impl Edge {
    fn caller_of(&self, headers: &HeaderMap) -> Caller {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Caller::Anonymous;
        };
        match value.to_str().ok().and_then(bearer) {
            Some(token) => self.caller(Some(token)),
            None => Caller::Refused(
                "The Authorization header must read `Bearer` and an access token.".to_owned(),
            ),
        }
    }
}

/// The token of `Bearer …`: RFC 6750, section 2.1.
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
