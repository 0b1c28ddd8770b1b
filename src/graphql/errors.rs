//! The two ways to say no.
//!
//! What a user can cause and a form can show is data: [`UserError`] in the payload. What a client
//! got wrong or the server could not do is an error of the answer: [`ApiError`], with a code out of
//! [`ErrorCode`]. Nothing else leaves the server: no text of a driver, no name of a type, no path.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Enum, ErrorExtensionValues, Response, ServerError, SimpleObject};

use crate::db::DbError;
use crate::telemetry;

/// Every code a client can meet in `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// No access token, or one that is not good.
    Unauthenticated,
    /// Signed in, and not allowed.
    Forbidden,
    /// It does not exist, or not for this viewer.
    NotFound,
    /// A malformed id or cursor, an argument out of range.
    BadUserInput,
    /// Too many requests of this kind: come back after `retryAfter` seconds.
    RateLimited,
    /// A limit of the guard.
    QueryTooComplex,
    /// The document is not GraphQL.
    GraphqlParseFailed,
    /// The document does not fit the schema, or the variables not the document.
    GraphqlValidationFailed,
    /// No document is registered under this hash: send it once more, with its text.
    PersistedQueryNotFound,
    /// This server takes no documents by their hash.
    PersistedQueryNotSupported,
    /// The idempotency key was used with another input.
    IdempotencyConflict,
    /// What comes after the cursor is gone: read the list anew.
    CursorExpired,
    /// Too much at once, or a part of the server is away: try again.
    Unavailable,
    /// Our fault; the request id leads to the log.
    InternalServerError,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::BadUserInput,
        Self::RateLimited,
        Self::QueryTooComplex,
        Self::GraphqlParseFailed,
        Self::GraphqlValidationFailed,
        Self::PersistedQueryNotFound,
        Self::PersistedQueryNotSupported,
        Self::IdempotencyConflict,
        Self::CursorExpired,
        Self::Unavailable,
        Self::InternalServerError,
    ];

    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::RateLimited => "RATE_LIMITED",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::IdempotencyConflict => "IDEMPOTENCY_CONFLICT",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::Unavailable => "UNAVAILABLE",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
        }
    }
}

/// An error of the answer. It has no `Display`: so the library's catch-all conversion does not
/// apply, and the only way out is ours, which sets the code.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    more: Vec<(&'static str, async_graphql::Value)>,
}

impl ApiError {
    /// An error with a sentence that says what to do.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            more: Vec::new(),
        }
    }

    /// Its code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Whether it has this code.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code == code
    }

    /// Something of ours failed: the detail goes to the log, a fixed sentence to the client.
    pub fn internal(detail: &str) -> Self {
        tracing::error!(
            request_id = telemetry::request_id(),
            error = detail,
            "internal error"
        );
        Self::new(
            ErrorCode::InternalServerError,
            "Something went wrong on our side. Tell the operator the requestId.",
        )
    }

    /// When to try again; whole seconds on the wire, at least one.
    #[must_use]
    pub fn retry_after(self, span: Duration) -> Self {
        let seconds = span.as_secs_f64().ceil().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few seconds"
        )]
        self.with("retryAfter", seconds as u64)
    }

    /// One more extension.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<async_graphql::Value>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// The same error where there is no field: an answer of nothing but this.
    pub fn into_response(self) -> Response {
        Response::from_errors(vec![self.into_server_error()])
    }

    fn extensions(&self) -> ErrorExtensionValues {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", self.code.as_str());
        for (name, value) in &self.more {
            extensions.set(name, value.clone());
        }
        extensions
    }

    fn into_server_error(self) -> ServerError {
        let mut error = ServerError::new(self.message.clone(), None);
        error.extensions = Some(self.extensions());
        // Marks the error as ours for `stamp`.
        error.source = Some(Arc::new(self));
        error
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        Self {
            message: error.message.clone(),
            extensions: Some(error.extensions()),
            source: Some(Arc::new(error)),
        }
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        if error.is_busy() {
            tracing::warn!(
                request_id = telemetry::request_id(),
                error = telemetry::chain(&error),
                "others were in the way for too long"
            );
            return Self::new(
                ErrorCode::Unavailable,
                "Others are changing the same at this moment. Try again.",
            )
            .retry_after(Duration::from_secs(1));
        }
        if error.is_unavailable() {
            tracing::error!(
                request_id = telemetry::request_id(),
                error = telemetry::chain(&error),
                "the database is unavailable"
            );
            return Self::new(
                ErrorCode::Unavailable,
                "The server cannot reach its database at this moment. Try again.",
            )
            .retry_after(Duration::from_secs(1));
        }
        if error.is_unstorable() {
            return Self::new(
                ErrorCode::BadUserInput,
                "A value cannot be stored: a text with a NUL character, or a number or date out of range.",
            );
        }
        Self::internal(&telemetry::chain(&error))
    }
}

/// Completes the errors of an answer: the library's own get a code and lose what repeats the
/// document, and each gets the request id.
pub fn stamp(response: &mut Response, request_id: &str) {
    for error in &mut response.errors {
        if error.source::<ApiError>().is_none() {
            let code = if error.path.is_empty() {
                ErrorCode::GraphqlValidationFailed
            } else {
                // An argument that did not fit its type, found while the field ran. The library's
                // sentence ends with the value.
                if let Some(end) = error.message.find(", found ") {
                    error.message.truncate(end);
                    error.message.push('.');
                }
                ErrorCode::BadUserInput
            };
            let extensions = error.extensions.get_or_insert_default();
            if extensions.get("code").is_none() {
                extensions.set("code", code.as_str());
            }
        }
        error
            .extensions
            .get_or_insert_default()
            .set("requestId", request_id);
    }
}

/// How many errors a document that did not run is told of, and how many characters of each.
const MOST_ERRORS: usize = 20;
const MOST_CHARACTERS: usize = 500;

/// Shortens the answer to a document that did not run: it can be made to break a rule thousands of
/// times, in names that are thousands of letters long.
pub fn shorten(response: &mut Response) {
    response.errors.truncate(MOST_ERRORS);
    for error in &mut response.errors {
        if let Some((end, _)) = error.message.char_indices().nth(MOST_CHARACTERS) {
            error.message.truncate(end);
            error.message.push('…');
        }
    }
}

/// What a form can show beside a field.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct UserError {
    /// What kind of problem it is, for programs.
    pub code: UserErrorCode,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// The way to the input that caused it, as `["input", "title"]`; null when no single one did.
    pub field: Option<Vec<String>>,
}

/// The kinds of problem a user can cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserErrorCode {
    /// The value does not fit the rule the message names.
    Invalid,
    /// Somebody has this e-mail address or user name already, or another project this key.
    Taken,
    /// The name or the password is wrong.
    WrongCredentials,
    /// Log in once more, with the code that was sent by mail.
    CodeRequired,
    /// The token out of a mail was used, is over, or never was one.
    InvalidToken,
    /// There is no such person to assign to.
    UnknownAssignee,
    /// The object was changed since it was read; the payload has it as it is now.
    Conflict,
    /// The task is disabled. Enable it first.
    Disabled,
}

impl UserError {
    /// A problem at a field of the input.
    pub fn new(code: UserErrorCode, message: impl Into<String>, field: &[&str]) -> Self {
        Self {
            code,
            message: message.into(),
            field: (!field.is_empty()).then(|| field.iter().map(ToString::to_string).collect()),
        }
    }
}
