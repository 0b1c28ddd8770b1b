//! `make bench`: measures on whatever machine this is, prints, and never fails on a time. Times are
//! of whole round trips, client included: compare them with each other. Name one to run it alone:
//! `cargo bench --bench main -- logins`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot go on should stop where it stands"
)]

mod abuse;
mod logins;
mod site;
mod sockets;

#[tokio::main]
async fn main() {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` builds and starts this, too, and wants no numbers.
    if !names.iter().any(|name| name == "--bench") {
        return;
    }
    names.retain(|name| !name.starts_with("--"));
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    if wanted("logins") {
        logins::run().await;
    }
    if wanted("abuse") {
        abuse::run().await;
    }
    if wanted("sockets") {
        sockets::run().await;
    }
}
