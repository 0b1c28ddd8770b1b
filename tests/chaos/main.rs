//! `make chaos`: real processes, real faults, and a checker that counts what was lost. Without
//! arguments, as in `cargo test`, it plays every row for a few seconds; see `docs/CHAOS.md`.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod checker;
mod clients;
mod dice;
mod faults;
mod report;
mod rows;
mod scene;
mod site;
#[path = "../it/support"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod support {
    pub mod postgres;
    pub mod process;
    pub mod redis;
    pub mod smtp;
}

use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;

use self::report::Report;
use self::rows::{LIES, ROWS};
use self::scene::{Row, play};
use self::site::Mode;

/// How many rows are played at the same time.
const AT_ONCE: usize = 4;

/// What was asked for.
#[derive(Default)]
struct Wish {
    /// For how long; none: each row once.
    minutes: Option<u64>,
    seed: Option<u64>,
    row: Option<String>,
    mode: Option<Mode>,
    sockets: Option<usize>,
    /// For `cargo test some-name`: that is no test of ours.
    is_for_others: bool,
}

impl Wish {
    fn of_process() -> Result<Self, String> {
        let mut wish = Self::default();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} wants a value"));
            let number = |text: String| {
                text.parse::<u64>()
                    .map_err(|_| format!("{text} is no number"))
            };
            match arg.as_str() {
                "--minutes" => wish.minutes = Some(number(value()?)?),
                "--seed" => wish.seed = Some(number(value()?)?),
                "--sockets" => wish.sockets = usize::try_from(number(value()?)?).ok(),
                "--row" => wish.row = Some(value()?),
                "--mode" => {
                    wish.mode = match value()?.as_str() {
                        "sqlite" => Some(Mode::Sqlite),
                        "postgres" => Some(Mode::Postgres),
                        _ => return Err("--mode is sqlite or postgres".to_owned()),
                    }
                }
                "--list" => wish.is_for_others = true,
                other if other.starts_with('-') => {}
                other => wish.is_for_others |= other != "chaos",
            }
        }
        Ok(wish)
    }

    fn wants(&self, row: &Row) -> bool {
        self.row
            .as_ref()
            .is_none_or(|name| name.eq_ignore_ascii_case(row.name))
    }
}

fn main() -> ExitCode {
    let wish = match Wish::of_process() {
        Ok(wish) if wish.is_for_others => return ExitCode::SUCCESS,
        Ok(wish) => wish,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let is_good = runtime.expect("a runtime").block_on(run(&wish));
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn run(wish: &Wish) -> bool {
    let begun = Instant::now();
    let seed = wish.seed.unwrap_or_else(|| {
        let now = std::time::UNIX_EPOCH.elapsed();
        now.map_or(1, |now| now.as_secs())
    });
    println!("chaos: seed {seed}");
    if wish.row.is_none() && !finds_lies(seed).await {
        return false;
    }
    let mut all = Report::default();
    let mut is_good = true;
    let mut round = 0;
    let mut played = 0;
    loop {
        let of_round = seed.wrapping_add(round);
        let runs = ROWS.iter().filter(|row| wish.wants(row)).flat_map(|row| {
            let modes = row
                .modes
                .iter()
                .filter(|mode| wish.mode.is_none_or(|it| it == **mode));
            modes.map(move |mode| one(row, *mode, of_round, wish))
        });
        // They mostly wait: for leases, and for what stopped to go on.
        let mut runs = futures_util::stream::iter(runs).buffer_unordered(AT_ONCE);
        while let Some(report) = runs.next().await {
            played += 1;
            is_good &= report.is_good();
            all.add(report);
        }
        round += 1;
        let minutes = wish.minutes.unwrap_or_default();
        if begun.elapsed() >= Duration::from_mins(minutes) || played == 0 {
            break;
        }
    }
    println!("all {played} runs, {} s: {all}", begun.elapsed().as_secs());
    if played == 0 {
        eprintln!("there is no such row");
    }
    is_good && played > 0
}

/// Plays a row once, and prints what came of it.
async fn one(row: &Row, mode: Mode, seed: u64, wish: &Wish) -> Report {
    let begun = Instant::now();
    let seconds = if wish.minutes.is_some() { 20 } else { 0 };
    let report = play(row, mode, seed, seconds, wish.sockets).await;
    let (name, what, took) = (row.name, row.what, begun.elapsed().as_secs());
    println!("{name} {mode:?} ({what}), {took} s: {report}");
    if !report.is_good() {
        print!("{}", report.wrongs());
        let mode = format!("{mode:?}").to_lowercase();
        println!("    again: make chaos ROW={name} SEED={seed} MODE={mode}");
    }
    report
}

/// The test of the test: with a planted mistake the checker must not be content, and without one
/// it must.
async fn finds_lies(seed: u64) -> bool {
    for row in LIES {
        let report = play(row, Mode::Sqlite, seed, 0, None).await;
        if report.is_good() != row.failpoint.is_empty() {
            println!("the checker is wrong about {}: {report}", row.what);
            print!("{}", report.wrongs());
            return false;
        }
        println!("the checker is right about {}: {report}", row.what);
        print!("{}", report.wrongs());
    }
    true
}

/// Waits for time to pass: faults last, and nobody tells when they have lasted long enough.
#[expect(clippy::disallowed_methods, reason = "the one sleep of the harness")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
