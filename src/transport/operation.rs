//! From what a client sent to an answer, the same for every transport.

use std::ops::Deref;
use std::time::{Duration, Instant};

use async_graphql::parser::types::OperationType;
use async_graphql::{Name, Value};
use entity::Viewer;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::timeout;

use super::Edge;
use super::answer::first_code;
use crate::graphql::guard::{self, Checked, Params};
use crate::graphql::{
    Answer, ApiError, Caller, ErrorCode, Meter, Registration, RequestContext, stamp,
};

/// An operation that may run.
pub struct Prepared {
    checked: Checked,
    /// What to keep once it did.
    registration: Option<Registration>,
}

impl Deref for Prepared {
    type Target = Checked;

    fn deref(&self) -> &Checked {
        &self.checked
    }
}

/// Finds the document and lets it pass the guard.
///
/// # Errors
/// Those of the registered documents and of the guard; and `RATE_LIMITED`, since finding out what
/// is wrong with a document is work, too.
pub async fn prepare(
    edge: &Edge,
    params: Params,
    context: &RequestContext,
) -> Result<Prepared, ApiError> {
    let prepared = match edge.documents.find(params).await {
        Ok(found) => guard::check(&edge.limits, found.params).map(|checked| Prepared {
            checked,
            registration: found.registration,
        }),
        Err(error) => Err(error),
    };
    if prepared.is_err() {
        let meter = Meter::new(edge.limiter.clone(), context);
        meter.begin(&context.caller, 1).await?;
    }
    prepared
}

/// Runs a query or a mutation to its end, within the time an operation has.
pub async fn execute(edge: &Edge, prepared: Prepared, context: RequestContext) -> Answer {
    let begun = Instant::now();
    let operation = operation_word(prepared.operation_type);
    let most = Duration::from_secs(edge.server.operation_timeout_seconds);
    let request_id = context.request_id.clone();
    let registering = prepared
        .registration
        .map(|registration| (registration, context.clone()));
    let mut answers = (edge.execute)(prepared.checked, context);
    let mut answer = timeout(most, answers.next())
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
    if let Some((registration, context)) = registering.filter(|_| answer.executed) {
        edge.documents.register(registration, &context).await;
    }
    bound(
        &mut answer,
        edge.limits.settings.max_answer_bytes,
        &request_id,
    );
    let status = first_code(&answer.response).unwrap_or_else(|| "ok".to_owned());
    metrics::counter!("graphql_requests_total", "operation_type" => operation, "status" => status)
        .increment(1);
    metrics::histogram!("graphql_request_duration_seconds", "operation_type" => operation)
        .record(begun.elapsed().as_secs_f64());
    answer
}

/// Replaces an answer that is too large: a short document can ask for many long texts, and a client
/// that reads slowly would have the server hold them.
fn bound(answer: &mut Answer, most: usize, request_id: &str) {
    let data = &answer.response.data;
    // However often a text has to be escaped: most answers are far from the limit.
    let at_most = size(data, &|text| 6 * text.len());
    if at_most <= most || size(data, &escaped) <= most {
        return;
    }
    let error = ApiError::new(
        ErrorCode::QueryTooComplex,
        format!(
            "The answer has more than {most} bytes, which is the most this server gives. Ask for less at once."
        ),
    );
    answer.response = error.into_response();
    stamp(&mut answer.response, request_id);
}

/// About how many bytes a value has as JSON, by how many its texts have.
fn size(value: &Value, text: &impl Fn(&str) -> usize) -> usize {
    match value {
        Value::String(value) => text(value) + 2,
        Value::List(items) => items.iter().map(|item| size(item, text) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            let field = |(name, value): (&Name, &Value)| name.len() + size(value, text) + 4;
            fields.iter().map(field).sum::<usize>() + 2
        }
        _ => 8,
    }
}

/// How many bytes a text has as JSON: a control character is written as six.
fn escaped(text: &str) -> usize {
    let control = text.bytes().filter(|byte| *byte < b' ').count();
    text.len() + 5 * control
}

/// Begins a subscription. Dropping the stream ends it.
pub fn subscribe(
    edge: &Edge,
    prepared: Prepared,
    context: RequestContext,
) -> BoxStream<'static, Answer> {
    metrics::counter!("graphql_subscriptions_started_total").increment(1);
    metrics::gauge!("graphql_subscriptions").increment(1.0);
    let running = Running;
    let Prepared {
        checked,
        registration,
    } = prepared;
    // On the heap, and only where there is something to register: a subscription waits for long.
    let mut registering =
        registration.map(|registration| Box::new((registration, edge.clone(), context.clone())));
    (edge.execute)(checked, context)
        .inspect(move |answer| {
            let _ = &running;
            if let Some(registering) = registering.take_if(|_| answer.executed) {
                let (registration, edge, context) = *registering;
                tokio::spawn(async move {
                    edge.documents.register(registration, &context).await;
                });
            }
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
