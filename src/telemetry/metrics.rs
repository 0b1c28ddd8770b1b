//! Numbers for Prometheus, on a port of their own.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the histogram buckets, in seconds.
const SECONDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Begins to count. The handle gives the text for `/metrics`.
///
/// # Errors
/// When this process counts already.
pub fn init() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    ::metrics::describe_counter!(
        "graphql_requests_total",
        "Operations by type and status (ok, or the code of the first error)."
    );
    ::metrics::describe_histogram!("graphql_request_duration_seconds", "Time of an operation.");
    ::metrics::describe_counter!(
        "graphql_subscriptions_started_total",
        "Subscriptions that began, over any transport."
    );
    ::metrics::describe_gauge!("graphql_subscriptions", "Subscriptions that are running.");
    ::metrics::describe_histogram!(
        "database_statement_duration_seconds",
        "Time of a statement, the wait for a connection included."
    );
    ::metrics::describe_counter!("auth_logins_total", "Logins by status (success, failure).");
    ::metrics::describe_counter!(
        "jobs_finished_total",
        "Attempts of jobs by kind and outcome."
    );
    ::metrics::describe_counter!(
        "deliveries_total",
        "Messages that ended, by channel and state (sent, suppressed, failed)."
    );
    ::metrics::describe_gauge!(
        "delivery_breaker_open",
        "1 while a channel refuses this process and its messages wait, by channel."
    );
    ::metrics::describe_counter!("auth_registrations_total", "Accounts that were made.");
    ::metrics::describe_counter!("bus_hints_dropped_total", "Hints dropped by a full queue.");
    ::metrics::describe_counter!(
        "bus_publish_failures_total",
        "Hints that did not reach Redis."
    );
    ::metrics::describe_counter!(
        "rate_limit_decisions_total",
        "Charges of rate limits by bucket and outcome (allowed, refused)."
    );
    ::metrics::describe_counter!(
        "rate_limit_fallback_total",
        "Steps counted in this process alone because Redis did not answer."
    );
    ::metrics::describe_counter!(
        "auth_token_validations_total",
        "Checks of access tokens by result (valid, invalid)."
    );
    ::metrics::describe_gauge!(
        "auth_active_sessions",
        "Sessions that go on, in the whole installation; counted every minute."
    );
    ::metrics::describe_gauge!("server_connections", "Open connections, sockets included.");
    ::metrics::describe_gauge!("websocket_connections", "Open sockets.");
    ::metrics::describe_gauge!(
        "taskflow_info",
        "Always 1; the label says which version runs."
    );
    ::metrics::gauge!("taskflow_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}
