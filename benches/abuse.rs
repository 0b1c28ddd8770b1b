//! What documents that mean harm cost, and what a neighbour notices of them: first it reads alone,
//! then while somebody sends one kind of document as fast as it is answered.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bed::Bed;
use super::report::Section;
use super::site::{Neighbour, milliseconds, percentile};

/// How long each kind of document is sent.
const SPAN: Duration = Duration::from_millis(1_500);

pub async fn run() -> Vec<Section> {
    let bed = Bed::start().await;
    let sqlite = format!("sqlite://{}", bed.folder().join("abuse.db").display());
    let service = bed.serve(&sqlite, &["serve"], &[]).await;
    let address = service.address();
    let neighbour = Neighbour::new(address).await;
    let mut section = Section::new(
        "Documents that mean harm",
        "Each is sent over and over, on SQLite, while somebody else reads lists of 20 tasks. Both clients share the \
         machine with the server.",
    )
    .head(&["document", "bytes", "answer", "p50 ms", "p99 ms", "the reader's p99 ms"]);
    let mut alone = neighbour.reads_for(SPAN).await;
    let quiet = percentile(&mut alone, 99);
    section.row(&["(none)", "", "", "", "", &format!("{quiet:.2}")]);
    let mut worst = (quiet, "none");
    for (name, body) in documents() {
        let ((mut times, answer), mut beside) =
            tokio::join!(send(address, body.clone()), neighbour.reads_for(SPAN));
        let late = percentile(&mut beside, 99);
        if late > worst.0 {
            worst = (late, name);
        }
        section.row(&[
            name,
            &body.len().to_string(),
            &answer,
            &format!("{:.2}", percentile(&mut times, 50)),
            &format!("{:.2}", percentile(&mut times, 99)),
            &format!("{late:.2}"),
        ]);
    }
    let memory = service.peak_memory() / 1_024;
    section.says(&format!(
        "There is no target. The reader's p99 was {quiet:.2} ms alone and at worst {:.2} ms ({}); the server had at \
         most {memory} MiB in memory.",
        worst.0, worst.1
    ));
    vec![section]
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
