//! What the process says about itself: log lines and metrics. No line holds a secret, a token, an
//! address or the text of a task.

pub mod metrics;

use std::error::Error;
use std::fmt::Write;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::settings::Settings;

/// Parts that say too much at the levels below: what goes over sockets, what fills a template, what
/// PostgreSQL notes on each statement of a change.
const QUIET: &str = "tungstenite=info,tokio_tungstenite=info,handlebars=info,\
    sea_orm_migration=warn,sqlx::postgres::notice=warn";

tokio::task_local! {
    static REQUEST_ID: String;
}

/// Runs a future as a part of the request with this id.
pub fn with_request_id<F: Future>(id: String, future: F) -> impl Future<Output = F::Output> {
    REQUEST_ID.scope(id, future)
}

/// Runs a step as a part of the request with this id.
pub fn in_request<T>(id: &str, step: impl FnOnce() -> T) -> T {
    REQUEST_ID.sync_scope(id.to_owned(), step)
}

/// The id of the request that is being served, if one is.
pub fn request_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

/// Begins to write log lines: readable on a terminal, JSON in production.
///
/// # Errors
/// When the level cannot be understood.
pub fn init(settings: &Settings) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(format!("{},{QUIET}", settings.log.level))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Whoever read our lines may be gone; that must not end a request.
        .log_internal_errors(false);
    if settings.logs_as_json() {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .init();
    } else {
        lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .compact()
            .init();
    }
    Ok(())
}

/// An error with all its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string does not fail.
        write!(text, ": {cause}").ok();
        source = cause.source();
    }
    text
}
