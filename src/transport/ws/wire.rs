//! The socket, and what waits to go out on it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// A longer message goes out in frames of this many bytes: the buffer below never shrinks, and a
/// ping fits in between.
const FRAME_BYTES: usize = 16 << 10;
/// With this much waiting nothing more is begun, nor read.
const QUEUE_FRAMES: usize = 64;
const QUEUE_BYTES: usize = 1 << 20;
/// How long a client that does not read is given to read why it is closed.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How long a socket that was closed waits for the client to take notice.
const LINGER: Duration = Duration::from_secs(1);

/// A socket. Nothing here waits for a client but [`Wire::turn`].
pub struct Wire {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    queue: VecDeque<Message>,
    bytes: usize,
    /// Whether something was handed to the connection and may be stuck in it.
    flushing: bool,
    /// Since when the client has taken nothing.
    blocked: Option<Instant>,
    /// Whether reading came to an end that leaves the bytes behind it unread.
    unread: bool,
}

/// What happened on the socket.
pub enum Turn {
    /// The client says something.
    Heard(Message),
    /// Everything is out. The client took some of it just now if it was slow before.
    Sent {
        /// Whether it was slow before.
        slow: bool,
    },
    /// What the client sent is not a message: too large, not text, not a frame of a client.
    Broken,
    /// The client is gone.
    Gone,
}

impl Wire {
    pub async fn new(upgraded: Upgraded, max_message_bytes: usize) -> Self {
        let config = WebSocketConfig::default()
            // Small buffers: an idle socket is to cost little.
            .read_buffer_size(1_024)
            .write_buffer_size(0)
            // Our own frames are small and go one by one; this bounds the answers to pings of a client
            // that does not read them.
            .max_write_buffer_size(64 << 10)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        let io = TokioIo::new(upgraded);
        Self {
            stream: WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await,
            queue: VecDeque::new(),
            bytes: 0,
            flushing: false,
            blocked: None,
            unread: false,
        }
    }

    /// Puts a message behind what waits.
    pub fn send(&mut self, text: String) {
        if text.len() <= FRAME_BYTES {
            return self.push(Message::text(text));
        }
        let bytes = Bytes::from(text);
        let mut kind = Data::Text;
        let mut from = 0;
        while from < bytes.len() {
            let to = bytes.len().min(from + FRAME_BYTES);
            let last = to == bytes.len();
            let frame = Frame::message(bytes.slice(from..to), OpCode::Data(kind), last);
            self.push(Message::Frame(frame));
            kind = Data::Continue;
            from = to;
        }
    }

    /// Asks for a sign of life, before all that waits.
    pub fn ping(&mut self) {
        self.queue.push_front(Message::Ping(Bytes::new()));
    }

    fn push(&mut self, message: Message) {
        self.bytes += message.len();
        self.queue.push_back(message);
    }

    /// Whether everything is out.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.flushing
    }

    /// Whether more waits than should.
    pub fn is_full(&self) -> bool {
        self.queue.len() >= QUEUE_FRAMES || self.bytes >= QUEUE_BYTES
    }

    /// Since when the client has taken nothing of what waits.
    pub fn blocked_since(&self) -> Option<Instant> {
        self.blocked
    }

    /// Sends what waits and, when asked to, listens. May be dropped at any time.
    pub async fn turn(&mut self, listening: bool) -> Turn {
        poll_fn(|cx| {
            if !self.is_idle() {
                let slow = self.blocked.is_some();
                match self.poll_send(cx) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Turn::Sent { slow }),
                    Poll::Ready(Err(_)) => return Poll::Ready(Turn::Gone),
                    Poll::Pending => {}
                }
            }
            if !listening {
                return Poll::Pending;
            }
            Poll::Ready(match ready!(self.stream.poll_next_unpin(cx)) {
                Some(Ok(message)) => Turn::Heard(message),
                Some(Err(error)) if is_of_client(&error) => {
                    self.unread = true;
                    Turn::Broken
                }
                Some(Err(_)) | None => Turn::Gone,
            })
        })
        .await
    }

    /// One frame after the other: what the connection below has not taken stays here.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if self.flushing {
                if self.stream.poll_flush_unpin(cx)?.is_pending() {
                    self.blocked.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
                self.flushing = false;
                self.blocked = None;
            }
            let Some(message) = self.queue.pop_front() else {
                return Poll::Ready(Ok(()));
            };
            self.bytes = self.bytes.saturating_sub(message.len());
            self.flushing = true;
            self.stream.start_send_unpin(message)?;
        }
    }

    /// Tells the client that this is the end, and sees to it that it can read so: a connection that
    /// is dropped with something unread in it takes back what it said.
    pub async fn close(mut self, code: u16, reason: String, mut patience: Duration) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        };
        if self.blocked.is_some() {
            // What waits would take for ever: the client hears the end at the next frame, if it
            // reads at all.
            self.queue.clear();
            patience = patience.min(LAST_WORD);
        }
        let told = timeout(patience, async {
            poll_fn(|cx| self.poll_send(cx)).await?;
            self.stream.send(Message::Close(Some(frame))).await
        });
        if !matches!(told.await, Ok(Ok(()))) {
            return;
        }
        timeout(LINGER, async {
            if !self.unread {
                // The client answers with a close of its own, and that is the end.
                while let Some(Ok(_)) = self.stream.next().await {}
                return;
            }
            let io = self.stream.get_mut();
            io.shutdown().await.ok();
            let mut rest = [0; 1_024];
            while io.read(&mut rest).await.is_ok_and(|count| count > 0) {}
        })
        .await
        .ok();
    }

    /// Answers the client's close with the same, and is gone.
    pub async fn closed(mut self) {
        let answered = async { while let Some(Ok(_)) = self.stream.next().await {} };
        timeout(LINGER, answered).await.ok();
    }
}

/// Whether it is the client that did what it must not, or just the connection that failed.
fn is_of_client(error: &Error) -> bool {
    match error {
        Error::Capacity(_) | Error::Utf8(_) => true,
        Error::Protocol(error) => !matches!(
            error,
            ProtocolError::ResetWithoutClosingHandshake
                | ProtocolError::ReceivedAfterClosing
                | ProtocolError::SendAfterClosing
        ),
        _ => false,
    }
}
