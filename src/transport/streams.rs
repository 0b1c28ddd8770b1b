//! Many answers over one HTTP response: server-sent events, and Apollo's multipart subscriptions.
//!
//! A slow reader costs nothing but its connection: the response asks for the next answer only when
//! the last one left, and what waits meanwhile stays in the database.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use entity::Timestamp;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt, pending};
use futures_util::stream::{self, BoxStream};
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Edge;
use super::accept::{Accepted, StreamType};
use super::answer::{Wire, first_code};
use super::headers::Logged;
use super::seats::Seat;
use crate::graphql::Answer;

/// Keeps proxies from closing a stream on which nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(12);

/// What a stream that may go on for ever has beside its answers.
#[derive(Default)]
pub struct Bounds {
    /// When the token ends.
    pub ends_at: Option<Timestamp>,
    /// Resolves when the session is ended.
    pub signed_out: Option<BoxFuture<'static, ()>>,
    /// Kept for as long as there is more to come.
    pub seat: Option<Seat>,
}

/// The response that carries these answers, until they end, the token or the session ends or the
/// server stops.
pub fn respond(
    edge: &Edge,
    accepted: Accepted,
    answers: BoxStream<'static, Answer>,
    bounds: Bounds,
    logged: Logged,
) -> Response {
    let kind = accepted.stream.unwrap_or(StreamType::Events);
    let left = |at: Timestamp| (at - edge.clock.now()).to_std().unwrap_or_default();
    let left = bounds.ends_at.map(left);
    let now = Instant::now();
    let stream = Stream {
        kind,
        answers,
        heartbeat: Box::pin(sleep_until(now + HEARTBEAT)),
        deadline: left.map(|left| Box::pin(sleep_until(now + left))),
        draining: edge.lifecycle.draining.clone(),
        signed_out: bounds.signed_out.unwrap_or_else(|| pending().boxed()),
        _seat: bounds.seat,
        state: State::Beginning,
    };
    let chunks = stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, Infallible>(chunk), stream))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(match kind {
            StreamType::Events => "text/event-stream; charset=utf-8",
            StreamType::Multipart => "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0",
        }),
    );
    // Proxies of the nginx kind collect an answer before they pass it on.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response.extensions_mut().insert(logged);
    response
}

struct Stream {
    kind: StreamType,
    answers: BoxStream<'static, Answer>,
    heartbeat: Pin<Box<Sleep>>,
    /// When the token ends.
    deadline: Option<Pin<Box<Sleep>>>,
    signed_out: BoxFuture<'static, ()>,
    draining: CancellationToken,
    _seat: Option<Seat>,
    state: State,
}

#[derive(PartialEq)]
enum State {
    /// Nothing was said yet.
    Beginning,
    Running,
    /// The last answer is out, the end is not.
    Ending,
    Over,
}

/// Why the server ends a stream that could go on.
#[derive(Clone, Copy)]
enum Cut {
    TokenOver,
    SignedOut,
    Stopping,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::Beginning => {
                self.state = State::Running;
                // Tells the client at once that it is heard.
                return Some(self.kind.begin());
            }
            State::Running => {}
            State::Ending => {
                self.state = State::Over;
                return Some(self.kind.end());
            }
            State::Over => return None,
        }
        let deadline = async {
            match &mut self.deadline {
                Some(deadline) => deadline.as_mut().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            answer = self.answers.next() => {
                self.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
                let Some(answer) = answer else {
                    self.state = State::Over;
                    return Some(self.kind.end());
                };
                if !answer.executed {
                    tracing::info!(code = first_code(&answer.response), "stream refused");
                    self.state = State::Ending;
                }
                Some(self.kind.answer(&answer))
            }
            () = self.heartbeat.as_mut() => {
                self.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
                Some(self.kind.heartbeat())
            }
            () = deadline => self.cut(Cut::TokenOver),
            () = &mut self.signed_out => self.cut(Cut::SignedOut),
            () = self.draining.cancelled() => self.cut(Cut::Stopping),
        }
    }

    fn cut(&mut self, why: Cut) -> Option<Bytes> {
        self.state = State::Over;
        self.kind.cut(why)
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    payload: Wire<'a>,
}

impl StreamType {
    fn begin(self) -> Bytes {
        match self {
            Self::Events => Bytes::from_static(b":\n\n"),
            Self::Multipart => Bytes::from_static(b"\r\n--graphql"),
        }
    }

    fn answer(self, answer: &Answer) -> Bytes {
        let payload = Wire::from(answer);
        match self {
            Self::Events => format!("event: next\ndata: {}\n\n", json(&payload)).into(),
            Self::Multipart => part(&json(&Payload { payload })),
        }
    }

    fn heartbeat(self) -> Bytes {
        match self {
            Self::Events => Bytes::from_static(b":\n\n"),
            Self::Multipart => part("{}"),
        }
    }

    /// The operation is over.
    fn end(self) -> Bytes {
        match self {
            // An event without data is not dispatched by a browser.
            Self::Events => Bytes::from_static(b"event: complete\ndata: \n\n"),
            Self::Multipart => Bytes::from_static(b"--\r\n"),
        }
    }

    /// The operation is not over: the client is to come again. A stream of events just ends, without
    /// `complete`; in the other form that would look like the end of the operation.
    fn cut(self, why: Cut) -> Option<Bytes> {
        let (code, message) = match why {
            Cut::TokenOver => (
                "UNAUTHENTICATED",
                "The access token is over. Subscribe again with a new one, after the last cursor.",
            ),
            Cut::SignedOut => ("UNAUTHENTICATED", "The session has ended. Log in again."),
            Cut::Stopping => (
                "UNAVAILABLE",
                "The server stops. Subscribe again, after the last cursor.",
            ),
        };
        match self {
            Self::Events => None,
            Self::Multipart => {
                let error = serde_json::json!({
                    "payload": null,
                    "errors": [{"message": message, "extensions": {"code": code}}],
                });
                Some([part(&json(&error)), self.end()].concat().into())
            }
        }
    }
}

/// A part and the boundary behind it: a reader takes a part for whole when it sees the next
/// boundary, which otherwise would come with the next event.
fn part(json: &str) -> Bytes {
    format!("\r\ncontent-type: application/json\r\n\r\n{json}\r\n--graphql").into()
}

fn json(value: &impl Serialize) -> String {
    // Answers hold nothing that has no JSON form.
    serde_json::to_string(value).unwrap_or_default()
}
