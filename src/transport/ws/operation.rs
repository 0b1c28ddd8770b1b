//! One operation of a socket.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_graphql::parser::types::OperationType;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{AbortHandle, Abortable, BoxStream, Stream, StreamExt, once};

use crate::graphql::guard::Params;
use crate::graphql::{Answer, Caller, Client, RequestContext};
use crate::transport::headers::new_request_id;
use crate::transport::operation::{execute, operation_word, prepare, subscribe, viewer_of};
use crate::transport::{Edge, answer};

/// An operation that goes on when it is polled.
pub struct Operation {
    id: Arc<str>,
    work: Abortable<Work>,
}

/// What an operation comes to next.
pub enum Step {
    /// It is a subscription, and runs: it may take for ever.
    Subscribed,
    /// It has an answer.
    Answer(Box<Answer>),
}

impl Operation {
    /// An operation, and the handle that ends it.
    pub fn new(
        edge: &Edge,
        id: Arc<str>,
        params: Params,
        caller: Caller,
        client: Client,
    ) -> (Self, AbortHandle) {
        let preparing = begin(edge.clone(), params, caller, client).boxed();
        let (handle, registration) = AbortHandle::new_pair();
        let work = Abortable::new(Work::Preparing(preparing), registration);
        (Self { id, work }, handle)
    }

    /// What the client calls it.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Whether the client has ended it.
    pub fn is_aborted(&self) -> bool {
        self.work.is_aborted()
    }
}

impl Stream for Operation {
    type Item = Step;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        self.work.poll_next_unpin(cx)
    }
}

/// Before it runs, and while it does. What the first needs is gone in the second.
enum Work {
    Preparing(BoxFuture<'static, Begun>),
    Answering(BoxStream<'static, Answer>),
}

/// What came of preparing: it runs, and perhaps for ever.
struct Begun {
    subscribed: bool,
    answers: BoxStream<'static, Answer>,
}

impl Stream for Work {
    type Item = Step;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        loop {
            match &mut *self {
                Self::Preparing(preparing) => {
                    let begun = ready!(preparing.poll_unpin(cx));
                    *self = Self::Answering(begun.answers);
                    if begun.subscribed {
                        return Poll::Ready(Some(Step::Subscribed));
                    }
                }
                Self::Answering(answers) => {
                    let answer = ready!(answers.poll_next_unpin(cx));
                    return Poll::Ready(answer.map(|answer| Step::Answer(Box::new(answer))));
                }
            }
        }
    }
}

async fn begin(edge: Edge, params: Params, caller: Caller, client: Client) -> Begun {
    let context = RequestContext {
        caller,
        client,
        request_id: new_request_id(),
    };
    let request_id = &context.request_id;
    let viewer = viewer_of(&context.caller).map(|viewer| viewer.user_id.0);
    let viewer = viewer.map(tracing::field::display);
    let checked = match prepare(&edge, params, &context).await {
        Ok(checked) => checked,
        Err(error) => {
            let answer = Answer::refused(error, request_id);
            let code = answer::first_code(&answer.response);
            tracing::info!(request_id, viewer, code, "socket operation refused");
            return Begun {
                subscribed: false,
                answers: once(async { answer }).boxed(),
            };
        }
    };
    let operation = operation_word(checked.operation_type);
    let name = checked.name_for_log();
    tracing::info!(request_id, viewer, operation, name, "socket operation");
    if checked.operation_type == OperationType::Subscription {
        return Begun {
            subscribed: true,
            answers: subscribe(&edge, checked, context),
        };
    }
    Begun {
        subscribed: false,
        answers: once(async move { execute(&edge, checked, context).await }).boxed(),
    }
}
