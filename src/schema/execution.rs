//! What is around the execution of an operation: the request it belongs to, and whether it began.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::Response;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

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

/// Set once the operation runs: parse, validation and start errors come in the same shape as an
/// error of a field, and the protocols want to know which it was.
pub(super) struct Executed(pub(super) Arc<AtomicBool>);

pub(super) struct NoteExecution;

impl ExtensionFactory for NoteExecution {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for NoteExecution {
    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Ok(Executed(executed)) = ctx.data::<Executed>() {
            executed.store(true, Ordering::Relaxed);
        }
        next.run(ctx, operation_name).await
    }
}
