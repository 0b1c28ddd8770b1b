//! Where vendors call back to tell what became of a message. Nobody signs in here: a call is believed for
//! its signature, and says something only of messages that this server gave to that vendor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::time::timeout;
use url::Url;

use crate::app::App;
use crate::db::DbError;
use crate::delivery::callbacks::ses::{Call, Heard};
use crate::delivery::callbacks::{CallbackError, Report, twilio};
use crate::notifications;
use crate::telemetry;

/// The largest call. SendGrid sends many events at once.
const MOST_BYTES: usize = 1 << 20;
/// The largest certificate, and what a confirmation answers.
const MOST_CERTIFICATE: usize = 16 << 10;
/// How many certificates are kept: Amazon has one for each region at a time.
const MOST_KEPT: usize = 16;

#[derive(Clone)]
struct Calls {
    app: App,
    /// By their addresses. What is at one of them never changes.
    certificates: Arc<Mutex<HashMap<Url, Bytes>>>,
}

/// Why a call is not taken.
enum Refusal {
    /// This server does not use the vendor, or was not told how its calls are checked.
    Unused,
    /// It was not read in time, or is too large.
    Body(StatusCode),
    /// It is not believed.
    Unbelieved(CallbackError),
    /// Amazon could not be asked; it calls again.
    Unreachable,
    /// The database failed; the vendor calls again.
    Db(DbError),
}

pub fn router(app: &App) -> Router {
    let calls = Calls {
        app: app.clone(),
        certificates: Arc::default(),
    };
    Router::new()
        .route("/callbacks/sendgrid", post(sendgrid))
        .route("/callbacks/ses", post(ses))
        .route("/callbacks/twilio", post(twilio))
        .with_state(calls)
}

async fn sendgrid(State(calls): State<Calls>, request: Request) -> StatusCode {
    answer(calls.sendgrid(request).await, "sendgrid")
}

async fn ses(State(calls): State<Calls>, request: Request) -> StatusCode {
    answer(calls.ses(request).await, "ses")
}

async fn twilio(State(calls): State<Calls>, request: Request) -> StatusCode {
    answer(calls.twilio(request).await, "twilio")
}

fn answer(result: Result<(), Refusal>, vendor: &'static str) -> StatusCode {
    match result {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(Refusal::Unused) => StatusCode::NOT_FOUND,
        Err(Refusal::Body(status)) => status,
        Err(Refusal::Unbelieved(error)) => {
            tracing::warn!(vendor, %error, "a call of a vendor was not believed");
            StatusCode::FORBIDDEN
        }
        Err(Refusal::Unreachable) => {
            tracing::warn!(vendor, "the vendor's own address could not be fetched");
            StatusCode::BAD_GATEWAY
        }
        Err(Refusal::Db(error)) => {
            let error = telemetry::chain(&error);
            tracing::error!(vendor, error, "what a vendor said was not written");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

impl Calls {
    async fn sendgrid(&self, request: Request) -> Result<(), Refusal> {
        let verifier = self.app.sendgrid_calls.as_ref().ok_or(Refusal::Unused)?;
        let (headers, body) = self.read(request).await?;
        let now = self.app.db.clock().now();
        let reports = verifier.read(&body, &headers, now);
        self.apply(reports.map_err(Refusal::Unbelieved)?).await
    }

    async fn twilio(&self, request: Request) -> Result<(), Refusal> {
        let token = self.app.settings.sms.twilio.auth_token.as_ref();
        let token = token.ok_or(Refusal::Unused)?;
        // As Twilio was given it, whatever a proxy made of it.
        let url = format!("{}/callbacks/twilio", self.app.settings.public_url());
        let url = Url::parse(&url).map_err(|_| Refusal::Unused)?;
        let (headers, body) = self.read(request).await?;
        let reports = twilio::read(&url, &body, &headers, token);
        self.apply(reports.map_err(Refusal::Unbelieved)?).await
    }

    async fn ses(&self, request: Request) -> Result<(), Refusal> {
        let topic = self.app.settings.mail.ses.callback_topic_arn.as_deref();
        let topic = topic.ok_or(Refusal::Unused)?;
        let (_, body) = self.read(request).await?;
        let now = self.app.db.clock().now();
        let call = Call::read(&body, topic, now).map_err(Refusal::Unbelieved)?;
        let url = call.certificate_url().clone();
        let certificate = self.certificate(&url).await?;
        let heard = call.verify(&certificate).map_err(Refusal::Unbelieved)?;
        self.keep(url, certificate);
        match heard {
            Heard::Reports(reports) => self.apply(reports).await,
            Heard::Subscription(url) => {
                self.fetch(&url).await?;
                tracing::info!(topic, "confirmed that Amazon SNS calls back here");
                Ok(())
            }
            Heard::Unsubscribed => {
                tracing::warn!(topic, "Amazon SNS calls back here no more");
                Ok(())
            }
        }
    }

    async fn read(&self, request: Request) -> Result<(HeaderMap, Bytes), Refusal> {
        let (parts, body) = request.into_parts();
        let patience = Duration::from_secs(self.app.settings.server.operation_timeout_seconds);
        let body = timeout(patience, to_bytes(body, MOST_BYTES)).await;
        let body = body.map_err(|_| Refusal::Body(StatusCode::REQUEST_TIMEOUT))?;
        let body = body.map_err(|_| Refusal::Body(StatusCode::PAYLOAD_TOO_LARGE))?;
        Ok((parts.headers, body))
    }

    async fn apply(&self, reports: Vec<Report>) -> Result<(), Refusal> {
        notifications::apply_reports(&self.app, &reports)
            .await
            .map_err(Refusal::Db)
    }

    async fn certificate(&self, url: &Url) -> Result<Bytes, Refusal> {
        if let Some(kept) = self.certificates().get(url) {
            return Ok(kept.clone());
        }
        self.fetch(url).await
    }

    /// Keeps what a good call was signed with.
    fn keep(&self, url: Url, certificate: Bytes) {
        let mut kept = self.certificates();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(url, certificate);
    }

    fn certificates(&self) -> std::sync::MutexGuard<'_, HashMap<Url, Bytes>> {
        // Nobody panics while holding the lock.
        self.certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// An address of Amazon's, which [`Call`] has looked at.
    async fn fetch(&self, url: &Url) -> Result<Bytes, Refusal> {
        let sent = self.app.outbound.trusted().get(url.clone()).send().await;
        let response = sent.and_then(reqwest::Response::error_for_status);
        let response = response.map_err(|_| Refusal::Unreachable)?;
        let body = Body::new(reqwest::Body::from(response));
        let body = to_bytes(body, MOST_CERTIFICATE).await;
        body.map_err(|_| Refusal::Unreachable)
    }
}
