//! Whether the process lives, and whether it can serve.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::app::App;
use crate::lifecycle::Lifecycle;
use crate::telemetry;

#[derive(Clone)]
struct Health {
    app: App,
    lifecycle: Lifecycle,
}

pub fn router(app: App, lifecycle: Lifecycle) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(report))
        .route("/health", get(report))
        .with_state(Health { app, lifecycle })
}

/// Ready means: the database answers and the process is not stopping. Redis away is a degradation,
/// not an outage: everything works, hints come later.
async fn report(State(health): State<Health>) -> Response {
    let Health { app, lifecycle } = health;
    let database = match app.db.ping().await {
        Ok(()) => "ok",
        Err(error) => {
            tracing::error!(
                error = telemetry::chain(&error),
                "the database does not answer"
            );
            "unavailable"
        }
    };
    let bus = if *app.bus.up().borrow() {
        "ok"
    } else {
        "degraded"
    };
    let stopping = lifecycle.draining.is_cancelled();
    let ready = database == "ok" && !stopping;
    let status = match (ready, bus) {
        (false, _) => "unavailable",
        (true, "ok") => "ok",
        (true, _) => "degraded",
    };
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "checks": { "database": database, "bus": bus, "stopping": stopping },
    });
    (code, Json(body)).into_response()
}
