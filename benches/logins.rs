//! Logins: how many a second beside how many the hash alone allows, and a storm of them beside
//! somebody who only reads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use futures_util::future::join_all;
use serde_json::{Value, json};
use taskflow::accounts::NewUser;
use taskflow::app::App;
use taskflow::auth::{ImportedUser, import_users};

use super::site::{Neighbour, milliseconds, percentile, serve};

const PASSWORD: &str = "Correct-Horse-7-Battery";
const PEOPLE: usize = 300;
const SPAN: Duration = Duration::from_secs(5);

pub async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let (app, address) = serve(&folder).await;
    let neighbour = Neighbour::new(address).await;
    people(&app).await;
    let bare = bare_hashes(&app);
    let logins = logins_a_second(address).await;
    println!("Logins");
    println!("  Argon2id alone, all cores      {bare:>9.1} /s");
    println!(
        "  logins through HTTP            {logins:>9.1} /s   ({:.0} % of it)",
        logins / bare * 100.0
    );
    let mut alone = neighbour.reads_for(SPAN).await;
    let client = reqwest::Client::new();
    let begun = Instant::now();
    let storm = async {
        let answers = join_all((0..PEOPLE).map(|number| login(&client, address, number))).await;
        (answers, begun.elapsed())
    };
    let ((answers, took), mut beside) = tokio::join!(storm, neighbour.reads_for(SPAN));
    let count = |wanted: &str| answers.iter().filter(|answer| *answer == wanted).count();
    println!("A storm: {PEOPLE} logins at once");
    println!("  signed in                      {:>9}", count("ok"));
    println!(
        "  told to come back (UNAVAILABLE){:>9}",
        count("UNAVAILABLE")
    );
    println!(
        "  until all were answered        {:>9.0} ms",
        took.as_secs_f64() * 1_000.0
    );
    println!("  most memory of the process     {:>9}", peak_memory());
    for (name, times) in [("alone", &mut alone), ("beside the storm", &mut beside)] {
        println!(
            "  a reader {name:<22}{:>9.2} ms median, {:.2} ms p99",
            percentile(times, 50),
            percentile(times, 99)
        );
    }
    println!();
}

/// People who all have the same password: making each hash anew would take longer than the rest.
async fn people(app: &App) {
    let hash = app.passwords.hash(PASSWORD.to_owned()).await.unwrap();
    let all: Vec<_> = (0..PEOPLE)
        .map(|number| ImportedUser {
            new: NewUser::tidy(None, Some(format!("user{number}")), "Somebody"),
            password_hash: Some(hash.clone()),
            roles: std::collections::BTreeSet::new(),
        })
        .collect();
    let made = import_users(app, &all).await.unwrap();
    assert!(made.iter().all(Result::is_ok));
}

/// The hash by itself, on as many threads as there are cores.
fn bare_hashes(app: &App) -> f64 {
    let settings = &app.settings.auth.password;
    let params = Params::new(
        settings.argon2_memory_kib,
        settings.argon2_iterations,
        settings.argon2_parallelism,
        None,
    );
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.unwrap());
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    let done = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while begun.elapsed() < SPAN {
                    argon2.hash_password(PASSWORD.as_bytes()).unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    rate(done.into_inner(), begun)
}

/// Eight clients who log in as fast as they are let.
async fn logins_a_second(address: SocketAddr) -> f64 {
    let (begun, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let client = reqwest::Client::new();
    let clients = (0..8).map(|_| async {
        while begun.elapsed() < SPAN {
            let number = next.fetch_add(1, Ordering::Relaxed) % PEOPLE;
            assert_eq!(login(&client, address, number).await, "ok");
        }
    });
    join_all(clients).await;
    rate(next.load(Ordering::Relaxed), begun)
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn rate(count: usize, begun: Instant) -> f64 {
    count as f64 * 1_000.0 / milliseconds(begun)
}

/// `ok`, or the code of the error.
async fn login(client: &reqwest::Client, address: SocketAddr, number: usize) -> String {
    let query = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let input = json!({"identifier": format!("user{number}"), "password": PASSWORD});
    let body = json!({"query": query, "variables": {"input": input}});
    let request = client.post(format!("http://{address}/graphql")).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    if answer["data"]["login"]["accessToken"].is_string() {
        return "ok".to_owned();
    }
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or("none").to_owned()
}

/// The high-water mark of the resident set, as Linux tells it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}
