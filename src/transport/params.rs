//! Reads what a client asks out of an HTTP request.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Query, Request};
use axum::http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::Edge;
use super::http::Refusal;
use crate::graphql::ErrorCode;
use crate::graphql::guard::Params;

/// One operation or, where that is on, several.
pub enum Asked {
    One(Box<Params>),
    Batch(Vec<Params>),
}

pub async fn from_body(edge: &Edge, request: Request) -> Result<Asked, Refusal> {
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
    // By way of a value: serde would take an array of the fields in their order, too.
    match serde_json::from_slice(&body) {
        Ok(Value::Array(items)) => batch(items, edge.limits.settings.max_batch),
        Ok(Value::Object(object)) => {
            read(Value::Object(object)).map(|params| Asked::One(Box::new(params)))
        }
        _ => Err(not_an_object()),
    }
}

fn batch(items: Vec<Value>, most: usize) -> Result<Asked, Refusal> {
    if most == 0 {
        return Err(malformed(
            "This server takes no batches. Send each operation in a request of its own.",
        ));
    }
    if items.is_empty() {
        return Err(malformed("The batch is empty."));
    }
    if items.len() > most {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::QueryTooComplex,
            &format!(
                "The batch has more than {most} operations, which is the most this server takes."
            ),
        ));
    }
    let all: Result<Vec<_>, _> = items.into_iter().map(read).collect();
    all.map(Asked::Batch)
}

fn read(value: Value) -> Result<Params, Refusal> {
    if !value.is_object() {
        return Err(not_an_object());
    }
    serde_json::from_value(value).map_err(|_| not_an_object())
}

fn not_an_object() -> Refusal {
    malformed(
        "The request must be a JSON object with the document in `query`, and perhaps `operationName` and `variables`.",
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryParams {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

pub fn from_query(request: &Request) -> Result<Params, Refusal> {
    let Query(params) = Query::<QueryParams>::try_from_uri(request.uri())
        .map_err(|_| malformed("The parameters of a GET must each be there once, as UTF-8."))?;
    let object = |text: Option<String>| match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => serde_json::from_str(&text)
            .map_err(|_| malformed("`variables` and `extensions` must be JSON objects.")),
    };
    Ok(Params {
        query: params.query,
        document_id: params.document_id.filter(|id| !id.is_empty()),
        operation_name: params.operation_name.filter(|name| !name.is_empty()),
        variables: object(params.variables)?,
        extensions: object(params.extensions)?,
    })
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::BadUserInput, message)
}
