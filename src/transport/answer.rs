//! Turns an answer into bytes of HTTP.

use async_graphql::{Response as GraphqlResponse, ServerError, Value};
use async_graphql_axum::GraphQLResponse;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::accept::MediaType;
use super::headers::{Logged, RATE_LIMIT_HEADERS};
use crate::graphql::{Answer, ApiError, ErrorCode, stamp};
use crate::limits::Standing;

/// What of an answer goes over the wire. An operation that never ran has no `data`, not even null.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Wire<'a> {
    /// It ran.
    Executed(&'a GraphqlResponse),
    /// It did not.
    Refused {
        /// Why.
        errors: &'a [ServerError],
    },
}

impl<'a> From<&'a Answer> for Wire<'a> {
    fn from(answer: &'a Answer) -> Self {
        if answer.executed {
            Self::Executed(&answer.response)
        } else {
            Self::Refused {
                errors: &answer.response.errors,
            }
        }
    }
}

/// The answer of an operation.
pub fn executed(answer: Answer, media: MediaType, mut logged: Logged) -> Response {
    logged.code = first_code(&answer.response);
    let status = match media {
        _ if answer.executed => StatusCode::OK,
        _ if logged.code.as_deref() == Some(ErrorCode::RateLimited.as_str()) => {
            StatusCode::TOO_MANY_REQUESTS
        }
        MediaType::GraphqlResponse => StatusCode::BAD_REQUEST,
        MediaType::Json => StatusCode::OK,
    };
    let retry_after = retry_after(&answer.response);
    let standing = answer.standing;
    let body = if answer.executed {
        GraphQLResponse::from(answer.response).into_response()
    } else {
        Json(Wire::from(&answer)).into_response()
    };
    let mut response = finish(body, status, media, retry_after, logged);
    tell_standing(standing, response.headers_mut());
    response
}

/// The answers of a batch, in its order. The batch itself is well formed, so the status is 200.
pub fn executed_batch(answers: &[Answer], media: MediaType, mut logged: Logged) -> Response {
    let responses = || answers.iter().map(|answer| &answer.response);
    logged.code = responses().find_map(first_code);
    let retry_after = responses().filter_map(retry_after).max();
    let all: Vec<Wire<'_>> = answers.iter().map(Wire::from).collect();
    let body = Json(all).into_response();
    let mut response = finish(body, StatusCode::OK, media, retry_after, logged);
    let standings = answers.iter().filter_map(|answer| answer.standing);
    let tightest = standings.min_by_key(|standing| standing.remaining);
    tell_standing(tightest, response.headers_mut());
    response
}

/// An error where no operation could run.
pub fn refused(
    error: ApiError,
    status: StatusCode,
    media: MediaType,
    request_id: &str,
    mut logged: Logged,
) -> Response {
    let mut response = error.into_response();
    stamp(&mut response, request_id);
    logged.code = first_code(&response);
    let retry_after = retry_after(&response);
    let errors = &response.errors;
    let body = Json(Wire::Refused { errors }).into_response();
    finish(body, status, media, retry_after, logged)
}

fn finish(
    mut response: Response,
    status: StatusCode,
    media: MediaType,
    retry_after: Option<u64>,
    logged: Logged,
) -> Response {
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media.as_str()),
    );
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response.extensions_mut().insert(logged);
    response
}

/// The code of the first error of an answer.
pub fn first_code(response: &GraphqlResponse) -> Option<String> {
    match extension(response, "code")? {
        Value::String(code) => Some(code.clone()),
        _ => None,
    }
}

/// When to try again, in seconds: when the last of its errors says so.
fn retry_after(response: &GraphqlResponse) -> Option<u64> {
    let each = response.errors.iter().filter_map(|error| {
        match error.extensions.as_ref()?.get("retryAfter")? {
            Value::Number(seconds) => seconds.as_u64(),
            _ => None,
        }
    });
    each.max()
}

fn extension<'a>(response: &'a GraphqlResponse, name: &str) -> Option<&'a Value> {
    response.errors.first()?.extensions.as_ref()?.get(name)
}

/// Says how the tightest limit stands that was counted against: the header fields of
/// draft-ietf-httpapi-ratelimit-headers, as most clients know them.
fn tell_standing(standing: Option<Standing>, headers: &mut HeaderMap) {
    let Some(standing) = standing else { return };
    let Standing {
        limit,
        window_seconds,
        ..
    } = standing;
    let name = standing.bucket.name();
    let policy = format!("{limit};w={window_seconds};name=\"{name}\"");
    let reset = standing.reset_after.as_millis().div_ceil(1_000);
    let values = [
        limit.into(),
        standing.remaining.into(),
        u64::try_from(reset).unwrap_or(u64::MAX).into(),
        // Digits and a name of ours: always a good value.
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
    ];
    for (name, value) in RATE_LIMIT_HEADERS.iter().zip(values) {
        headers.insert(name, value);
    }
}
