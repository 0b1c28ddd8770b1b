//! The rows of what must hold, each by its name.

mod clients;
mod database;
mod lies;
mod redis;
mod worker;

use std::time::Duration;

pub use self::lies::LIES;
use crate::scene::{Row, USUAL};
use crate::site::Mode::{self, Postgres, Sqlite};

const BOTH: &[Mode] = &[Sqlite, Postgres];
/// One job at a time: who dies at one mail leaves no other in doubt.
const ONE_BY_ONE: &[(&str, &str)] = &[
    ("TASKFLOW_JOBS__CONCURRENCY", "1"),
    ("TASKFLOW_JOBS__BATCH", "1"),
];

/// All of them, as in the table of `docs/CHAOS.md`.
pub const ROWS: &[Row] = &[
    Row {
        name: "R1",
        what: "processes die after a commit and between claim and finish",
        modes: BOTH,
        seconds: 7,
        faults: |scene| Box::pin(worker::deaths(scene)),
        ..USUAL
    },
    Row {
        name: "R2",
        what: "the worker dies before DATA, after the final dot, after the 250",
        modes: BOTH,
        settings: ONE_BY_ONE,
        pause_ms: 300,
        seconds: 9,
        faults: |scene| Box::pin(worker::deaths_while_sending(scene)),
        ..USUAL
    },
    Row {
        name: "R3",
        what: "a worker is stopped past its lease, then continued",
        settings: ONE_BY_ONE,
        workers: 2,
        pause_ms: 300,
        seconds: 8,
        faults: |scene| Box::pin(worker::sleeps(scene)),
        ..USUAL
    },
    Row {
        name: "R4",
        what: "Redis is killed, restarted, flushed",
        // Only hints, and while they are down the poll, bring news.
        settings: &[("TASKFLOW_EVENTS__POLL_SECONDS", "3600")],
        // Two seconds, and four for a busy machine; without hints it would be an hour.
        heard_within: Some(Duration::from_secs(6)),
        faults: |scene| Box::pin(redis::dies(scene)),
        ..USUAL
    },
    Row {
        name: "R5",
        what: "Redis hangs",
        pause_ms: 100,
        faults: |scene| Box::pin(redis::hangs(scene)),
        ..USUAL
    },
    Row {
        name: "R6",
        what: "a bus that drops, repeats and exchanges",
        faults: |scene| Box::pin(redis::mangles(scene)),
        ..USUAL
    },
    Row {
        name: "R7",
        what: "PostgreSQL is restarted at once, again and again",
        faults: |scene| Box::pin(database::crashes(scene)),
        ..USUAL
    },
    Row {
        name: "R8",
        what: "commits come out of order",
        assigners: 6,
        people: 1,
        pause_ms: 10,
        faults: |scene| Box::pin(database::delays(scene)),
        ..USUAL
    },
    Row {
        name: "R9",
        what: "a job aborts its process",
        modes: BOTH,
        settings: &[("TASKFLOW_JOBS__MAX_CRASHES", "3")],
        pause_ms: 150,
        seconds: 4,
        faults: |scene| Box::pin(worker::poison(scene)),
        ..USUAL
    },
    Row {
        name: "R10",
        what: "the mail server refuses our password for a while",
        modes: BOTH,
        pause_ms: 150,
        faults: |scene| Box::pin(worker::refused(scene)),
        ..USUAL
    },
    Row {
        name: "R11",
        what: "a socket that reads a byte a second",
        modes: BOTH,
        settings: &[("TASKFLOW_WEBSOCKET__QUEUE_TIMEOUT_SECONDS", "2")],
        people: 1,
        words: 2_000,
        assigners: 4,
        pause_ms: 10,
        is_varied: false,
        faults: |scene| Box::pin(clients::reads_slowly(scene)),
        ..USUAL
    },
    Row {
        name: "R12",
        what: "one of two servers stops, with all its sockets",
        people: 10,
        sockets: 10,
        heard_within: Some(Duration::from_secs(30)),
        faults: |scene| Box::pin(clients::a_server_stops(scene)),
        ..USUAL
    },
    Row {
        name: "R13",
        what: "a full disk, and a file that others lock",
        modes: &[Sqlite],
        settings: &[("TASKFLOW_DATABASE__SQLITE_BUSY_TIMEOUT_MS", "200")],
        faults: |scene| Box::pin(database::full_and_busy(scene)),
        ..USUAL
    },
    Row {
        name: "R14",
        what: "the clock of a worker is an hour ahead",
        workers: 2,
        faults: |scene| Box::pin(worker::clock_jumps(scene)),
        ..USUAL
    },
    Row {
        name: "R15",
        what: "entries are pruned while they are replayed",
        modes: BOTH,
        // What was pruned is known by its task alone, and that of a task that went on is null.
        is_varied: false,
        pause_ms: 20,
        faults: |scene| Box::pin(clients::pruned(scene)),
        ..USUAL
    },
];
