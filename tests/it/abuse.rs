//! Requests made to harm the server, through the real router: over HTTP and over a socket. Each is
//! refused with its code and no data, and whoever comes next is served.

mod documents;
mod rules;
mod values;

use std::fmt::Write;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::support::Mode::Embedded;
use crate::support::{Person, Reply, Socket, TestApp};

const COMPLEX: &str = "QUERY_TOO_COMPLEX";
const INVALID: &str = "GRAPHQL_VALIDATION_FAILED";
const SYNTAX: &str = "GRAPHQL_PARSE_FAILED";

/// A request, and the code it is refused with.
struct Abuse {
    what: &'static str,
    query: String,
    variables: Value,
    code: &'static str,
}

fn abuse(what: &'static str, query: impl Into<String>, code: &'static str) -> Abuse {
    Abuse {
        what,
        query: query.into(),
        variables: json!({}),
        code,
    }
}

impl Abuse {
    fn with(self, variables: Value) -> Self {
        Self { variables, ..self }
    }
}

fn many(n: usize, write: impl Fn(usize) -> String) -> String {
    (0..n).map(write).collect()
}

/// So many closed in by so many.
fn nested(n: usize, open: &str, inside: &str, close: &str) -> String {
    format!("{}{inside}{}", open.repeat(n), close.repeat(n))
}

/// Fragments that each spread the next one so many times.
fn bomb(wide: usize, deep: usize) -> String {
    let mut text = "{ ...F0 }".to_owned();
    for level in 0..deep {
        let spreads = format!("...F{} ", level + 1).repeat(wide);
        write!(text, " fragment F{level} on Query {{ {spreads} }}").unwrap();
    }
    text + &format!(" fragment F{deep} on Query {{ __typename }}")
}

/// That each is refused over HTTP and over one socket, and that both go on.
async fn all_are_refused(app: &TestApp, person: &Person, abuses: Vec<Abuse>) {
    let token = person.token.as_deref().expect("a token");
    let mut socket = Socket::signed_in(app.listen().await, token).await;
    let mut wrong = Vec::new();
    for Abuse {
        what,
        query,
        variables,
        code,
    } in abuses
    {
        let reply = person.graphql(&query, variables.clone()).await;
        let text = reply.body.to_string();
        // An answer that grows with the request is a weapon of its own.
        let is_small = text.len() < 20_000;
        let is_bare = reply.body.get("data").is_none();
        if reply.status != 400 || reply.code() != code || !is_bare || !is_small {
            let start: String = text.chars().take(300).collect();
            wrong.push(format!(
                "{what}: {}, {} bytes: {start}",
                reply.status,
                text.len()
            ));
        }
        // A message on the socket may be shorter than a body.
        if query.len() + variables.to_string().len() < 60_000 {
            socket.subscribe(what, &query, variables).await;
            let message = socket.next().await;
            assert_eq!(message["type"], "error", "{what}: {message:#}");
            assert_eq!(message["id"], what);
            let found = &message["payload"][0]["extensions"]["code"];
            assert_eq!(found, code, "{what}: {message:#}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    socket
        .subscribe("after", "{ viewer { user { id } } }", json!({}))
        .await;
    let data = socket.event("after").await;
    assert_eq!(data["viewer"]["user"]["id"], person.id);
    is_served(person).await;
}

async fn is_served(person: &Person) {
    let reply = person
        .graphql("{ viewer { user { id } } }", json!({}))
        .await;
    assert_eq!(reply.data()["viewer"]["user"]["id"], person.id);
}

/// What came as the body of a request.
async fn body(person: &Person, body: impl Into<Body>) -> Reply {
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/graphql-response+json");
    person.send(request.body(body.into()).unwrap()).await
}
