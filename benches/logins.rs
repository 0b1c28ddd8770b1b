//! Logins: how many a second beside how many the hash alone allows, and a storm of them beside somebody who only
//! reads.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use futures_util::future::join_all;
use serde_json::{Value, json};
use taskflow::accounts::NewUser;
use taskflow::app::App;
use taskflow::auth::{ImportedUser, import_users};

use super::bed::{Bed, Service, pause};
use super::report::Section;
use super::site::{Neighbour, met, milliseconds, open, own_processor, percentile, rate, ratio};

const PASSWORD: &str = "Correct-Horse-7-Battery";
const PEOPLE: usize = 300;
/// How long each of the two is measured before it is the other's turn, and how often.
const TURN: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
/// How long somebody reads alone.
const READS: Duration = Duration::from_secs(5);

pub async fn run() -> Vec<Section> {
    let bed = Bed::start().await;
    let url = bed.seeded("logins", 20, 100).await;
    let app = open(&bed, &url, &[]).await;
    import(&app).await;
    let service = bed.serve(&url, &["serve"], &[]).await;
    let neighbour = Neighbour::new(service.address()).await;
    vec![
        rates(&app, &service).await,
        storm(&app, &service, &neighbour).await,
    ]
}

/// People who all have the same password: making each hash anew would take longer than the rest.
async fn import(app: &App) {
    let hash = app.passwords.hash(PASSWORD.to_owned()).await.unwrap();
    let all: Vec<_> = (0..PEOPLE)
        .map(|number| ImportedUser {
            new: NewUser::tidy(None, Some(name(number)), "Somebody"),
            password_hash: Some(hash.clone()),
            roles: BTreeSet::new(),
        })
        .collect();
    let made = import_users(app, &all).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "people are missing");
}

fn name(number: usize) -> String {
    format!("visitor{number}")
}

/// What a turn came to.
#[derive(Clone, Copy, Default)]
struct Turn {
    /// How many a second.
    rate: f64,
    /// Milliseconds of the processor for each.
    processor: f64,
}

/// The hash alone and logins in turn, so that both meet the same machine.
async fn rates(app: &App, service: &Service) -> Section {
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    let mut section = Section::new(
        "Logins",
        &format!(
            "Argon2id alone on all {cores} cores, in memory that is used again as the server does, and logins by HTTP with eight clients; in turn, {ROUNDS} times {} s \
             each. PostgreSQL. The clients and the database share the cores with the server, and what they take is \
             missing in the rate of logins; it is not in the time of the server's processor.",
            TURN.as_secs()
        ),
    )
    .head(&["round", "hash alone /s", "logins /s", "of it", "CPU ms a hash", "CPU ms a login", "more"]);
    // A new connection, and the pages of memory that a hash needs.
    login(&reqwest::Client::new(), service.address(), 0).await;
    let row = |section: &mut Section, name: &str, bare: Turn, logins: Turn| {
        let part = format!("{:.0} %", logins.rate / bare.rate * 100.0);
        let more = format!("{:.1} %", (logins.processor / bare.processor - 1.0) * 100.0);
        let numbers = [bare.rate, logins.rate, bare.processor, logins.processor];
        let [bare, logins, hash, login] = numbers.map(|number| format!("{number:.1}"));
        section.row(&[name, &bare, &logins, &part, &hash, &login, &more]);
    };
    let mut sums = [Turn::default(); 2];
    let rounds = ratio(ROUNDS as u64, 1);
    for round in 1..=ROUNDS {
        let turns = [bare_hashes(app, cores), logins_a_second(service).await];
        row(&mut section, &round.to_string(), turns[0], turns[1]);
        for (sum, turn) in sums.iter_mut().zip(turns) {
            sum.rate += turn.rate / rounds;
            sum.processor += turn.processor / rounds;
        }
    }
    let [bare, logins] = sums;
    row(&mut section, "all", bare, logins);
    let lost = (1.0 - logins.rate / bare.rate) * 100.0;
    let more = (logins.processor / bare.processor - 1.0) * 100.0;
    section.says(&format!(
        "Target: within 5 % of the hash alone. By the rate, with everybody on the same cores, {lost:.1} % below it: {}. \
         By what a login takes of the server's processor, {more:.1} % above it: {}.",
        met(lost <= 5.0),
        met(more <= 5.0)
    ));
    section
}

/// The hash by itself, on as many threads as there are cores.
fn bare_hashes(app: &App, cores: usize) -> Turn {
    let argon2 = argon2(app);
    let done = AtomicUsize::new(0);
    let (begun, before) = (Instant::now(), own_processor());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut memory = vec![Block::default(); argon2.params().block_count()];
                while begun.elapsed() < TURN {
                    hash(&argon2, &mut memory);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    turn(
        done.into_inner(),
        begun,
        own_processor().saturating_sub(before),
    )
}

/// One hash, with memory that was used before, as the server's.
fn hash(argon2: &Argon2<'_>, memory: &mut [Block]) {
    let mut hash = [0; 32];
    let salt = b"salt that does not matter";
    let hashed =
        argon2.hash_password_into_with_memory(PASSWORD.as_bytes(), salt, &mut hash, memory);
    hashed.expect("a hash");
    std::hint::black_box(hash);
}

fn argon2(app: &App) -> Argon2<'static> {
    let settings = &app.settings.auth.password;
    let params = Params::new(
        settings.argon2_memory_kib,
        settings.argon2_iterations,
        settings.argon2_parallelism,
        None,
    );
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.unwrap())
}

/// Nothing but hashes, on all cores and behind everything else, for a turn.
fn hashes_behind(argon2: &Argon2<'_>, cores: usize) {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                #[cfg(target_os = "linux")]
                rustix::process::setpriority_process(None, 10).expect("a lower priority");
                let mut memory = vec![Block::default(); argon2.params().block_count()];
                while begun.elapsed() < TURN {
                    hash(argon2, &mut memory);
                }
            });
        }
    });
}

fn turn(count: usize, begun: Instant, processor: Duration) -> Turn {
    Turn {
        rate: rate(count, begun.elapsed()),
        processor: processor.as_secs_f64() * 1_000.0 / ratio(count.max(1) as u64, 1),
    }
}

/// Eight clients who log in as fast as they are let.
async fn logins_a_second(service: &Service) -> Turn {
    let (begun, next) = (Instant::now(), AtomicUsize::new(0));
    let (address, before) = (service.address(), service.processor());
    let client = reqwest::Client::new();
    let clients = (0..8).map(|_| async {
        while begun.elapsed() < TURN {
            let number = next.fetch_add(1, Ordering::Relaxed) % PEOPLE;
            assert_eq!(login(&client, address, number).await, "ok");
        }
    });
    join_all(clients).await;
    turn(
        next.into_inner(),
        begun,
        service.processor().saturating_sub(before),
    )
}

/// Everybody logs in at once while somebody reads.
async fn storm(app: &App, service: &Service, neighbour: &Neighbour) -> Section {
    let mut section = Section::new(
        "A storm of logins",
        &format!(
            "{PEOPLE} logins at once, and somebody who reads lists of 20 tasks meanwhile. *beside hashes alone* is \
             beside one thread for each core that does nothing but hash, with the priority of those of the server \
             (`nice` 10), in another process: what the kernel does to a reader without any login."
        ),
    )
    .head(&["the reader", "reads", "p50 ms", "p99 ms"]);
    let mut alone = neighbour.reads_for(READS).await;
    let (argon2, cores) = (
        argon2(app),
        available_parallelism().map_or(1, std::num::NonZero::get),
    );
    let hashes = tokio::task::spawn_blocking(move || hashes_behind(&argon2, cores));
    let (ended, mut beside_hashes) = neighbour.reads_beside(hashes).await;
    ended.unwrap();
    let (peak, address) = (service.peak_memory(), service.address());
    let begun = Instant::now();
    let storm = tokio::spawn(async move {
        let client = reqwest::Client::new();
        join_all((0..PEOPLE).map(|number| login(&client, address, number))).await
    });
    let (answers, mut beside) = neighbour.reads_beside(storm).await;
    let (answers, took) = (answers.unwrap(), milliseconds(begun));
    for (name, times) in [
        ("alone", &mut alone),
        ("beside hashes alone", &mut beside_hashes),
        ("beside the storm", &mut beside),
    ] {
        let (half, late) = (percentile(times, 50), percentile(times, 99));
        let count = times.len().to_string();
        section.row(&[name, &count, &format!("{half:.2}"), &format!("{late:.2}")]);
    }
    let count = |wanted: &str| answers.iter().filter(|answer| *answer == wanted).count();
    let after = service.peak_memory();
    pause(Duration::from_secs(5)).await;
    section.says(&format!(
        "{} signed in and {} were told to come back (UNAVAILABLE), all within {took:.0} ms. The most memory the \
         server had was {} MiB before and {} MiB after; 5 s later it had {} MiB.",
        count("ok"),
        count("UNAVAILABLE"),
        peak / 1_024,
        after / 1_024,
        service.memory() / 1_024
    ));
    let grown = percentile(&mut beside, 99) / percentile(&mut alone, 99);
    section.says(&format!(
        "Target: the reader's p99 at most doubles. {grown:.1} times: {}. Beside hashes alone it is {:.1} times.",
        met(grown <= 2.0),
        percentile(&mut beside_hashes, 99) / percentile(&mut alone, 99)
    ));
    section
}

/// `ok`, or the code of the error.
async fn login(client: &reqwest::Client, address: SocketAddr, number: usize) -> String {
    let query = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let input = json!({"identifier": name(number), "password": PASSWORD});
    let body = json!({"query": query, "variables": {"input": input}});
    let request = client.post(format!("http://{address}/graphql")).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    if answer["data"]["login"]["accessToken"].is_string() {
        return "ok".to_owned();
    }
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or("none").to_owned()
}
