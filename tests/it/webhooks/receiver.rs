//! A system that is told of events: a real server on this machine.

use std::collections::VecDeque;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// How the receiver answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With this status and body.
    Status(u16, &'static str),
    /// With this status and a header.
    Header(u16, &'static str, String),
    /// Not at all.
    Never,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub headers: HeaderMap,
    pub body: String,
}

#[derive(Debug, Default)]
struct Book {
    seen: Vec<Seen>,
    answers: VecDeque<Answer>,
    always: Option<Answer>,
}

/// The receiver; it answers 204 if nothing else is said.
#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = Arc::new(Mutex::new(Book::default()));
        let router = Router::new()
            .fallback(any(receive))
            .with_state(book.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, book }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Answers the next request so, after those that were said before.
    pub fn answers(&self, answer: Answer) {
        self.book.lock().unwrap().answers.push_back(answer);
    }

    /// Answers all so that nothing else was said for; none is 204 again.
    pub fn always(&self, answer: Option<Answer>) {
        self.book.lock().unwrap().always = answer;
    }

    /// What has come.
    pub fn seen(&self) -> Vec<Seen> {
        self.book.lock().unwrap().seen.clone()
    }

    /// The types of what has come.
    pub fn types(&self) -> Vec<String> {
        let mut types: Vec<_> = self.seen().iter().map(Seen::kind).collect();
        types.sort_unstable();
        types
    }
}

async fn receive(
    State(book): State<Arc<Mutex<Book>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = {
        let mut book = book.lock().unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        book.seen.push(Seen { headers, body });
        let next = book.answers.pop_front();
        next.or_else(|| book.always.clone())
    };
    let status = |code| StatusCode::from_u16(code).unwrap();
    match answer.unwrap_or(Answer::Status(204, "")) {
        Answer::Status(code, body) => (status(code), body).into_response(),
        Answer::Header(code, name, value) => (status(code), [(name, value)]).into_response(),
        Answer::Never => pending().await,
    }
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("{name} in {:?}", self.headers));
        value.to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    pub fn signatures(&self) -> Vec<&str> {
        self.header("webhook-signature").split(' ').collect()
    }

    /// Whether one of the signatures was made with this secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").unwrap();
        let key = STANDARD.decode(key).unwrap();
        assert!((24..=64).contains(&key.len()));
        let (id, time) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = format!("{id}.{time}.{}", self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(tag));
        self.signatures().contains(&signature.as_str())
    }
}
