//! What is around the execution of an operation: the request it belongs to, whether its document is valid, and
//! whether it began.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextValidation,
};
use async_graphql::{Response, ServerError, ValidationResult};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::graphql::Executed;
use crate::graphql::guard::{Document, KnownDocuments};
use crate::telemetry;

/// A stream whose every step runs as a part of its request.
pub(super) struct InRequest {
    pub(super) answers: BoxStream<'static, Response>,
    pub(super) request_id: String,
}

impl futures_util::Stream for InRequest {
    type Item = Response;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Response>> {
        let this = &mut *self;
        telemetry::in_request(&this.request_id, || this.answers.poll_next_unpin(cx))
    }
}

/// A document that was not known yet. Kept as soon as it is found valid, and let go here: a subscription may wait
/// for hours until something is executed, and the same document is asked for on many sockets.
pub(super) struct NewDocument {
    document: Mutex<Option<Arc<Document>>>,
    known: Arc<KnownDocuments>,
}

impl NewDocument {
    pub(super) fn new(document: Arc<Document>, known: Arc<KnownDocuments>) -> Self {
        Self {
            document: Mutex::new(Some(document)),
            known,
        }
    }

    fn is_valid(&self) {
        let mut document = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = document.take() {
            self.known.keep(&document);
        }
    }
}

pub(super) struct NoteExecution;

impl ExtensionFactory for NoteExecution {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for NoteExecution {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let valid = next.run(ctx).await?;
        if let Some(new) = ctx.data_opt::<NewDocument>() {
            new.is_valid();
        }
        Ok(valid)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Some(executed) = ctx.data_opt::<Executed>() {
            executed.set();
        }
        next.run(ctx, operation_name).await
    }
}
