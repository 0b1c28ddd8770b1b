//! From what a client sent to an answer, the same for every transport.

use std::time::{Duration, Instant};

use async_graphql::parser::types::OperationType;
use entity::Viewer;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::timeout;

use super::Edge;
use super::answer::first_code;
use crate::graphql::guard::{self, Checked, Params};
use crate::graphql::{Answer, ApiError, Caller, ErrorCode, RequestContext, stamp};

/// Finds the document and lets it pass the guard.
///
/// # Errors
/// Those of the registered documents and of the guard.
pub async fn prepare(edge: &Edge, params: Params, caller: &Caller) -> Result<Checked, ApiError> {
    let found = edge.documents.find(params).await?;
    let checked = guard::check(&edge.limits, found.params)?;
    if let Some(registration) = found.registration {
        // Only what passed the guard is kept.
        edge.documents.register(registration, caller).await;
    }
    Ok(checked)
}

/// Runs a query or a mutation to its end, within the time an operation has.
pub async fn execute(edge: &Edge, checked: Checked, context: RequestContext) -> Answer {
    let begun = Instant::now();
    let operation = operation_word(checked.operation_type);
    let most = Duration::from_secs(edge.server.operation_timeout_seconds);
    let request_id = context.request_id.clone();
    let mut answers = (edge.execute)(checked, context);
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
            stamp(&mut response, &request_id);
            Answer {
                response,
                executed: true,
                standing: None,
            }
        });
    let status = first_code(&answer.response).unwrap_or_else(|| "ok".to_owned());
    metrics::counter!("graphql_requests_total", "operation_type" => operation, "status" => status)
        .increment(1);
    metrics::histogram!("graphql_request_duration_seconds", "operation_type" => operation)
        .record(begun.elapsed().as_secs_f64());
    answer
}

/// Begins a subscription. Dropping the stream ends it.
pub fn subscribe(
    edge: &Edge,
    checked: Checked,
    context: RequestContext,
) -> BoxStream<'static, Answer> {
    metrics::counter!("graphql_subscriptions_started_total").increment(1);
    metrics::gauge!("graphql_subscriptions").increment(1.0);
    let running = Running;
    (edge.execute)(checked, context)
        .inspect(move |_| {
            let _ = &running;
        })
        .boxed()
}

/// Counts a subscription for as long as it lives.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        metrics::gauge!("graphql_subscriptions").decrement(1.0);
    }
}

/// The kind of an operation in the log and the metrics.
pub fn operation_word(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

/// The signed-in person, if there is one.
pub fn viewer_of(caller: &Caller) -> Option<&Viewer> {
    match caller {
        Caller::User(viewer) => Some(viewer),
        _ => None,
    }
}
