//! Turns an answer into bytes of HTTP.

use async_graphql::Response as GraphqlResponse;
use async_graphql_axum::GraphQLResponse;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::accept::MediaType;
use super::headers::Logged;
use crate::graphql::{Answer, ApiError, stamp};

/// The answer of an operation.
pub fn executed(answer: Answer, media: MediaType, mut logged: Logged) -> Response {
    logged.code = first_code(&answer.response);
    let status = match media {
        MediaType::GraphqlResponse if !answer.executed => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let body = if answer.executed {
        respond(answer.response)
    } else {
        // An operation that never ran has no `data`, not even null.
        errors_only(&answer.response)
    };
    finish(body, status, media, logged)
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
    finish(errors_only(&response), status, media, logged)
}

fn respond(response: GraphqlResponse) -> Response {
    GraphQLResponse::from(response).into_response()
}

fn errors_only(response: &GraphqlResponse) -> Response {
    axum::Json(serde_json::json!({ "errors": response.errors })).into_response()
}

fn finish(
    mut response: Response,
    status: StatusCode,
    media: MediaType,
    logged: Logged,
) -> Response {
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media.as_str()),
    );
    response.extensions_mut().insert(logged);
    response
}

/// The code of the first error of an answer.
pub fn first_code(response: &GraphqlResponse) -> Option<String> {
    let code = response.errors.first()?.extensions.as_ref()?.get("code")?;
    match code {
        async_graphql::Value::String(code) => Some(code.clone()),
        _ => None,
    }
}
