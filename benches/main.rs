//! `make bench`: measures on whatever machine this is, prints, writes `docs/BENCHMARKS.md` when all of it was
//! measured, and never fails on a time. Name parts to run them alone, which writes nothing:
//! `cargo bench --bench main -- work logins`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot go on should stop where it stands"
)]

mod abuse;
mod bed;
mod jobs;
mod limit;
mod load;
mod logins;
mod pages;
mod pure;
mod report;
mod site;
mod sockets;
mod start;
mod work;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use self::report::Section;

#[path = "../tests/chaos/faults/postgres.rs"]
#[expect(dead_code, reason = "the rest is for faults")]
mod postgres;
#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support {
    pub mod postgres;
    pub mod process;
    pub mod redis;
    pub mod smtp;
}

/// Each part by its name, in the order of the page.
const PARTS: [&str; 8] = [
    "work", "sockets", "logins", "jobs", "start", "pages", "abuse", "pure",
];

fn main() {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    // A server or a client of the benchmark's own, in a process of its own.
    match names.first().map(String::as_str) {
        Some("limit-server") => return limit::serve(limit::By::Hand),
        Some("library-server") => return limit::serve(limit::By::Library),
        Some("pure-run") => return pure::run_one(&names[1..]),
        _ => {}
    }
    // `cargo test --all-targets` builds and starts this, too, and wants no numbers.
    if !names.iter().any(|name| name == "--bench") {
        return;
    }
    names.retain(|name| !name.starts_with("--"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(run(&names));
}

async fn run(names: &[String]) {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let mut sections: Vec<Section> = Vec::new();
    for name in PARTS.into_iter().filter(|name| wanted(name)) {
        let part: LocalBoxFuture<'_, Vec<Section>> = match name {
            "work" => work::run().boxed_local(),
            "sockets" => sockets::run().boxed_local(),
            "logins" => logins::run().boxed_local(),
            "jobs" => jobs::run().boxed_local(),
            "start" => start::run().boxed_local(),
            "pages" => pages::run().boxed_local(),
            "abuse" => abuse::run().boxed_local(),
            _ => pure::run().boxed_local(),
        };
        // What the others have measured in half an hour is not to be lost with one that breaks off.
        let measured = AssertUnwindSafe(part).catch_unwind().await;
        sections.extend(measured.unwrap_or_else(|_| {
            vec![Section::new(
                name,
                "Not measured: it broke off. What it said is above the tables.",
            )]
        }));
    }
    for section in &sections {
        println!("{}", section.markdown());
    }
    if names.is_empty() {
        report::write(&sections);
    }
}
