//! How soon a server is ready, and what it has in memory when nothing happens.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bed::{Bed, TASKFLOW, pairs, pause};
use super::report::Section;
use super::site::{met, milliseconds, percentile, ratio};
use super::support::process::{Proc, free_port};

const STARTS: usize = 10;
/// How long nothing happens before the memory is looked at.
const IDLE: Duration = Duration::from_secs(2);

pub async fn run() -> Vec<Section> {
    let bed = Bed::start().await;
    let sqlite = format!("sqlite://{}", bed.folder().join("start.db").display());
    bed.seed(&sqlite, 50, 2_000).await;
    vec![starts(&bed, &sqlite).await, memory(&bed, &sqlite).await]
}

async fn starts(bed: &Bed, sqlite: &str) -> Section {
    let mut section = Section::new(
        "Start",
        &format!(
            "From the start of the process (and of the shell it is started by) to the first good answer of /readyz, \
             on an SQLite file of 2,000 tasks; {STARTS} times."
        ),
    )
    .head(&["start", "ms"]);
    // The first one reads the executable from the disk.
    start(bed, sqlite).await;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        times.push(start(bed, sqlite).await);
    }
    let median = percentile(&mut times, 50);
    for (name, percent) in [("fastest", 0), ("median", 50), ("slowest", 100)] {
        section.row(&[name, &format!("{:.0}", percentile(&mut times, percent))]);
    }
    section.says(&format!(
        "Target: at most 200 ms to ready on an existing SQLite file. {median:.0} ms (median): {}.",
        met(median <= 200.0)
    ));
    section
}

/// One start, in milliseconds.
async fn start(bed: &Bed, sqlite: &str) -> f64 {
    let port = free_port();
    let text = port.to_string();
    let env = bed.env(sqlite, &[("PORT", &text)]);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let begun = Instant::now();
    let process = Proc::spawn_in(bed.folder(), Path::new(TASKFLOW), &["serve"], &pairs(&env));
    while !is_ready(address).await {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it is not ready:\n{}",
            process.output()
        );
        pause(Duration::from_millis(1)).await;
    }
    milliseconds(begun)
}

/// Asks without a client, which would take longer than the answer.
async fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return false;
    };
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

async fn memory(bed: &Bed, sqlite: &str) -> Section {
    let before = format!(
        "What a server that was just started has in memory (VmRSS) after {} s in which nothing happens, and how much \
         of it is its own (RssAnon): the rest are pages of the executable and of libraries, which the kernel maps \
         by sixteens and takes back when it needs them.",
        IDLE.as_secs()
    );
    let mut section =
        Section::new("Memory of an idle server", &before).head(&["on", "MiB", "its own"]);
    let postgres = bed.seeded("start", 50, 2_000).await;
    let mut most: f64 = 0.0;
    for (name, url) in [("SQLite", sqlite), ("PostgreSQL and Redis", &postgres)] {
        let service = bed.serve(url, &["serve"], &[]).await;
        pause(IDLE).await;
        let memory = ratio(service.memory(), 1_024);
        most = most.max(memory);
        let own = ratio(service.own_memory(), 1_024);
        section.row(&[name, &format!("{memory:.1}"), &format!("{own:.1}")]);
    }
    section.says(&format!(
        "Target: at most 40 MiB. {most:.1} MiB: {}.",
        met(most <= 40.0)
    ));
    section
}
