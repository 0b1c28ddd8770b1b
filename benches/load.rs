//! Drives a server over HTTP/1.1: some connections, each of which sends its next request when the one before
//! was answered. It does little, for it shares the machine with what it measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A server that answers so late does not answer at all.
const PATIENCE: Duration = Duration::from_mins(1);
/// More than the longest answer, so that the buffers never grow.
const BUFFER: usize = 64 << 10;

/// The bytes of a request, by its number.
pub type Requests = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// When there were enough.
#[derive(Clone, Copy)]
pub enum Bound {
    /// So many.
    Count(u64),
    /// As many as there are in this time.
    Span(Duration),
}

/// The bytes of a POST to `/graphql`, as a GraphQL client sends it.
pub fn post(token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/graphql-response+json, application/json\r\n\
         authorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// What was measured.
#[derive(Default)]
pub struct Measured {
    /// From the first request to the last answer.
    pub took: Duration,
    /// One of the answers.
    pub answer: String,
    /// How long each took, in microseconds.
    times: Vec<u32>,
}

impl Measured {
    /// How many were answered.
    pub fn requests(&self) -> u64 {
        self.times.len() as u64
    }

    /// So many percent of the requests took no longer than these milliseconds.
    pub fn percentile(&mut self, percent: usize) -> f64 {
        let place = self.times.len() * percent / 100;
        let place = place.min(self.times.len().saturating_sub(1));
        if self.times.is_empty() {
            return f64::NAN;
        }
        f64::from(*self.times.select_nth_unstable(place).1) / 1_000.0
    }

    /// Counts another round to it.
    pub fn add(&mut self, other: Self) {
        self.took += other.took;
        self.times.extend(other.times);
        if !other.answer.is_empty() {
            self.answer = other.answer;
        }
    }
}

/// Sends requests over so many connections, made for it and closed after it.
///
/// # Panics
/// With the first answer that is not a 200 with data and without errors.
pub async fn drive(
    address: SocketAddr,
    connections: usize,
    bound: Bound,
    requests: &Requests,
) -> Measured {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await);
    }
    let (begun, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut all = JoinSet::new();
    for connection in open {
        all.spawn(connection.run(begun, bound, Arc::clone(&next), Arc::clone(requests)));
    }
    let longest = match bound {
        Bound::Count(_) => PATIENCE,
        Bound::Span(span) => span + PATIENCE,
    };
    let Ok(done) = timeout(longest, all.join_all()).await else {
        panic!("the server at {address} does not answer");
    };
    let mut measured = Measured::default();
    for part in done {
        measured.add(part);
    }
    measured.took = begun.elapsed();
    measured
}

struct Connection {
    stream: TcpStream,
    /// What came, with the head.
    came: Vec<u8>,
    /// The body, if it came in chunks.
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .expect("the server listens");
        stream.set_nodelay(true).expect("a socket of TCP");
        Self {
            stream,
            came: Vec::with_capacity(BUFFER),
            body: Vec::with_capacity(BUFFER),
        }
    }

    async fn run(
        mut self,
        begun: Instant,
        bound: Bound,
        next: Arc<AtomicU64>,
        requests: Requests,
    ) -> Measured {
        let mut measured = Measured::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let sent = Instant::now();
            let over = match bound {
                Bound::Count(count) => number >= count,
                Bound::Span(span) => sent.duration_since(begun) >= span,
            };
            if over {
                break;
            }
            let request = requests(number);
            let answer = self.exchange(&request).await;
            if is_bad(answer) {
                let asked = String::from_utf8_lossy(&request);
                panic!("a bad answer: {answer}\nto: {asked}");
            }
            if measured.times.is_empty() {
                answer.clone_into(&mut measured.answer);
            }
            let time = sent.elapsed().as_micros();
            measured.times.push(u32::try_from(time).unwrap_or(u32::MAX));
        }
        measured
    }

    /// Sends a request and answers with the body of the response.
    async fn exchange(&mut self, request: &[u8]) -> &str {
        self.stream
            .write_all(request)
            .await
            .expect("the server reads");
        self.came.clear();
        let mut head = None;
        loop {
            let read = self
                .stream
                .read_buf(&mut self.came)
                .await
                .expect("the server answers");
            assert!(read > 0, "the server closed a connection");
            if head.is_none() {
                head = Head::read(&self.came);
            }
            let Some(Head { end, length }) = head else {
                continue;
            };
            let is_whole = match length {
                Some(length) => self.came.len() >= end + length,
                None => unchunk(&self.came[end..], &mut self.body),
            };
            if is_whole {
                let body = match length {
                    Some(length) => &self.came[end..end + length],
                    None => &self.body,
                };
                return std::str::from_utf8(body).expect("JSON is UTF-8");
            }
        }
    }
}

/// What matters of the head of a response.
#[derive(Clone, Copy)]
struct Head {
    /// Where the body begins.
    end: usize,
    /// How long it is; none when it comes in chunks.
    length: Option<usize>,
}

impl Head {
    /// None while not all of it is there.
    fn read(came: &[u8]) -> Option<Self> {
        let end = find(came, b"\r\n\r\n")?;
        let text = std::str::from_utf8(&came[..end]).expect("headers are text");
        let (status, headers) = text.split_once("\r\n").unwrap_or((text, ""));
        assert!(
            status.starts_with("HTTP/1.1 200"),
            "a bad answer: {}",
            String::from_utf8_lossy(came)
        );
        let mut length = None;
        let mut is_chunked = false;
        for (name, value) in headers
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
        {
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse().expect("a number"));
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
        }
        assert!(
            length.is_some() || is_chunked,
            "nothing says where this ends: {text}"
        );
        Some(Self {
            end: end + 4,
            length: length.filter(|_| !is_chunked),
        })
    }
}

/// Puts the chunks together; whether all of them are there. RFC 9112, section 7.1, without trailers.
fn unchunk(mut rest: &[u8], body: &mut Vec<u8>) -> bool {
    body.clear();
    while let Some(end) = find(rest, b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).expect("a number");
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).expect("a number");
        rest = &rest[end + 2..];
        if rest.len() < size + 2 {
            return false;
        }
        if size == 0 {
            return true;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
    false
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

/// Whether it has no data, or errors, or user errors. A quote within a text would be escaped, so none of these
/// is found in one. Reading JSON would cost more than some servers take for making it.
fn is_bad(answer: &str) -> bool {
    !answer.contains("\"data\"")
        || answer.contains("\"errors\"")
        || (answer.contains("Errors\":") && !answer.contains("\"userErrors\":[]"))
}
