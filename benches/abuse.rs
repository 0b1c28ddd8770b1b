//! What documents that mean harm cost, and what a neighbour notices of them.
//!
//! `make bench` runs it. One process serves; a neighbour reads a page of tasks over and over, first
//! alone, then while somebody sends one kind of document as fast as it is answered. Times are of
//! the whole round trip, client included, on whatever machine this is: compare them with each other.
//! It prints and never fails on a time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot go on should stop where it stands"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskflow::app::App;
use taskflow::db::Clock;
use taskflow::lifecycle::Lifecycle;
use taskflow::server;
use taskflow::settings::Settings;
use tokio::net::TcpListener;

/// How long each kind of document is sent.
const SPAN: Duration = Duration::from_millis(1_500);

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` builds and starts this, too, and wants no numbers.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let address = serve(&folder).await;
    let neighbour = Neighbour::new(address).await;
    let mut alone = neighbour.reads_for(SPAN).await;
    println!(
        "{:<34} {:>9} {:>24} {:>9} {:>9} {:>13}",
        "document", "bytes", "answer", "median ms", "p99 ms", "neighbour p99"
    );
    let quiet = percentile(&mut alone, 99);
    println!(
        "{:<34} {:>9} {:>24} {:>9} {:>9} {quiet:>13.2}",
        "(nobody)", "", "", "", ""
    );
    for (name, body) in documents() {
        let ((mut times, answer), mut beside) =
            tokio::join!(send(address, body.clone()), neighbour.reads_for(SPAN));
        println!(
            "{name:<34} {:>9} {answer:>24} {:>9.2} {:>9.2} {:>13.2}",
            body.len(),
            percentile(&mut times, 50),
            percentile(&mut times, 99),
            percentile(&mut beside, 99),
        );
    }
}

async fn serve(folder: &tempfile::TempDir) -> SocketAddr {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let env: BTreeMap<String, String> = [
        ("DATABASE_URL", format!("sqlite://{}", path("taskflow.db"))),
        ("JWT_PRIVATE_KEY_FILE", path("key.pem")),
        ("TASKFLOW_MAIL__TRANSPORT", "none".to_owned()),
        ("TASKFLOW_LIMITS__USER", "off".to_owned()),
        ("TASKFLOW_LIMITS__ANONYMOUS", "off".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let settings = Settings::load(None, &env, folder.path()).expect("good settings");
    let (app, bus) = App::start(settings, Clock::default())
        .await
        .expect("a start");
    let lifecycle = Lifecycle::default();
    tokio::spawn(bus.run(lifecycle.ended.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = server::router(&app, &lifecycle);
    tokio::spawn(async move {
        server::serve_on(
            listener,
            router,
            &app.settings.server,
            lifecycle.draining.clone(),
        )
        .await;
    });
    address
}

/// Somebody who does nothing wrong.
struct Neighbour {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Neighbour {
    async fn new(address: SocketAddr) -> Self {
        let client = reqwest::Client::new();
        let url = format!("http://{address}/graphql");
        let register = "mutation { register(input: {username: \"ada\", name: \"Ada\",
            password: \"Correct-Horse-7-Battery\"}) { accessToken } }";
        let answer: Value = client
            .post(&url)
            .json(&json!({"query": register}))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let token = answer["data"]["register"]["accessToken"].as_str();
        let token = token.expect("a token").to_owned();
        let neighbour = Self { client, url, token };
        for number in 0..20 {
            let create = format!(
                "mutation {{ createTask(input: {{title: \"Task {number}\"}}) {{ task {{ id }} }} }}"
            );
            neighbour.asks(&create).await;
        }
        neighbour
    }

    async fn asks(&self, query: &str) {
        let request = self.client.post(&self.url).bearer_auth(&self.token);
        let answer = request.json(&json!({"query": query})).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer:#}");
    }

    async fn reads_for(&self, span: Duration) -> Vec<f64> {
        let end = Instant::now() + span;
        let mut times = Vec::new();
        while Instant::now() < end {
            let begun = Instant::now();
            self.asks("{ tasks(first: 20) { nodes { id title assignee { name } } } }")
                .await;
            times.push(milliseconds(begun));
        }
        times
    }
}

/// Sends one document over and over; how long each took, and the code of the last answer.
async fn send(address: SocketAddr, body: String) -> (Vec<f64>, String) {
    let client = reqwest::Client::new();
    let url = format!("http://{address}/graphql");
    let end = Instant::now() + SPAN;
    let mut times = Vec::new();
    let mut code = String::new();
    while Instant::now() < end {
        let begun = Instant::now();
        let request = client
            .post(&url)
            .header("content-type", "application/json")
            .header("accept", "application/graphql-response+json")
            .body(body.clone());
        // A body over the cap is refused before it was sent, which may look like a broken pipe.
        let Ok(answer) = request.send().await else {
            "refused early".clone_into(&mut code);
            continue;
        };
        let answer: Value = answer.json().await.unwrap_or_default();
        times.push(milliseconds(begun));
        let found = &answer["errors"][0]["extensions"]["code"];
        found.as_str().unwrap_or("none").clone_into(&mut code);
    }
    (times, code)
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}

fn percentile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or(f64::NAN)
}

/// The documents, each as the body of a request.
fn documents() -> Vec<(&'static str, String)> {
    let query = |text: String| json!({"query": text}).to_string();
    let variables = |variables: Value| {
        let text = "query($filter: TaskFilter) { tasks(filter: $filter) { totalCount } }";
        json!({"query": text, "variables": {"filter": variables}}).to_string()
    };
    let nested = |levels: usize| {
        (0..levels).fold(
            json!({"enabled": {"eq": true}}),
            |inner, _| json!({"not": inner}),
        )
    };
    let aliases = |count: usize| {
        let fields: Vec<String> = (0..count)
            .map(|number| format!("a{number}:__typename"))
            .collect();
        format!("{{ {} }}", fields.join(" "))
    };
    let operations: Vec<String> = (0..1_000)
        .map(|number| format!("query Q{number} {{ __typename }}"))
        .collect();
    let operations = operations.join(" ");
    vec![
        ("within the limits", query("{ __typename }".to_owned())),
        ("fragments that double, 24 levels", query(doubling(24))),
        ("fragments that double, 31 levels", query(doubling(31))),
        ("fragments 40 wide, 8 deep", query(wide(40, 8))),
        ("100,000 braces", query("{".repeat(100_000))),
        ("30,000 brackets", query("[".repeat(30_000))),
        (
            "2,000 list types",
            query(format!("query($a:{}Int", "[".repeat(2_000))),
        ),
        ("10,000 aliases", query(aliases(10_000))),
        ("1,500 aliases", query(aliases(1_500))),
        (
            "10,000 directives",
            query(format!(
                "{{ __typename {} }}",
                "@skip(if:false)".repeat(2_000)
            )),
        ),
        (
            "500 repeated fields",
            query(format!("{{ {} }}", "__typename ".repeat(500))),
        ),
        ("variables 100 deep", variables(nested(100))),
        (
            "variables 90 KB wide",
            variables(json!({"and": vec![nested(1); 2_500]})),
        ),
        (
            "variables megabytes wide",
            variables(json!({"and": vec![nested(1); 100_000]})),
        ),
        (
            "a batch of 1,000",
            json!(vec![json!({"query": "{ __typename }"}); 1_000]).to_string(),
        ),
        (
            "introspection in circles",
            query(format!(
                "{{ __schema {{ types {{ {} name {} }} }} }}",
                "fields { type { ".repeat(10),
                "} }".repeat(10)
            )),
        ),
        ("1,000 operations", query(operations)),
    ]
}

fn doubling(levels: usize) -> String {
    let mut text = "{ ...F0 }".to_owned();
    for level in 0..levels {
        let next = level + 1;
        write!(
            text,
            " fragment F{level} on Query {{ ...F{next} ...F{next} }}"
        )
        .unwrap();
    }
    write!(text, " fragment F{levels} on Query {{ __typename }}").unwrap();
    text
}

fn wide(width: usize, depth: usize) -> String {
    let mut text = "{ ...F0 }".to_owned();
    for level in 0..depth {
        let spreads = format!("...F{} ", level + 1).repeat(width);
        write!(text, " fragment F{level} on Query {{ {spreads}}}").unwrap();
    }
    write!(text, " fragment F{depth} on Query {{ __typename }}").unwrap();
    text
}
