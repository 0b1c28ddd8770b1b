//! How many instructions the pure parts of a request take. Times differ from run to run and from machine to
//! machine; these repeat, so that a loss of a hundredth shows. What they were last is kept in
//! `instructions.txt`, which belongs to a commit that changes them.
//!
//! Each part runs in processes of its own under callgrind, of few rounds and of many: the difference is that of
//! the rounds alone. Everything that is worked on is fixed. What is left to chance are the keys of hash maps,
//! which the standard library draws for each process and then counts up for each map: the guard makes some
//! maps in every round, so that a thousand rounds are close to the mean of all keys.
//!
//! The processor that valgrind shows has no instructions for SHA-2 and no AVX-512: hashes cost more here than
//! they do in earnest.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::connection::CursorType;
use async_graphql::{Response, Value as GraphqlValue};
use chrono::DateTime;
use entity::{SessionId, TaskId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use taskflow::auth::{Keys, Tokens};
use taskflow::db::Clock;
use taskflow::graphql::guard::{Limits, Params, Types, check};
use taskflow::graphql::{CursorTime, Kind, OpaqueCursor, PageArgs};
use taskflow::schema;
use taskflow::settings::Settings;
use uuid::Uuid;

use super::bed::pause;
use super::report::Section;
use super::site::ratio;
use super::support::process::find_program;

/// The names of fields that the guard knows: the application's own lists, which it shows to nobody.
#[path = "../src/schema/names.rs"]
mod names;

/// Name, and what a round of it is.
const PARTS: [(&str, &str); 6] = [
    ("guard-task", "the guard: a document that asks for a task"),
    (
        "guard-tasks",
        "the guard: 20 tasks, with assignee and creator of each",
    ),
    ("token", "an access token that is known"),
    ("cursor", "a cursor, written and read"),
    ("answer", "an answer of 20 tasks, written as JSON"),
    ("id", "an id, written and read"),
];

/// Rounds in the short run and in the long one.
const FEW: u64 = 100;
const MANY: u64 = 1_100;
/// The longest a run may take; it takes some seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// The last figures.
const LAST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

pub async fn run() -> Vec<Section> {
    let mut section = Section::new(
        "Pure parts",
        "Instructions a round, counted by callgrind, which repeat nearly exactly on every machine. *Last* is what \
         `benches/instructions.txt` had before.",
    );
    let Some(valgrind) = find_program("valgrind") else {
        section.says("Not counted: valgrind is not installed.");
        return vec![section];
    };
    let mut section = section.head(&["part", "instructions", "last", "now by last"]);
    let last = read_last();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut now = String::from(
        "# Instructions a round, as `make bench` counted them last; see benches/pure.rs.\n",
    );
    for (name, what) in PARTS {
        let few = instructions(&valgrind, folder.path(), name, FEW).await;
        let many = instructions(&valgrind, folder.path(), name, MANY).await;
        let round = many.saturating_sub(few) / (MANY - FEW);
        writeln!(now, "{name} {round}").expect("text");
        let (before, ratio) = match last.get(name) {
            Some(last) => (last.to_string(), format!("{:.3}", ratio(round, *last))),
            None => ("-".to_owned(), "-".to_owned()),
        };
        section.row(&[what, &round.to_string(), &before, &ratio]);
    }
    if cfg!(debug_assertions) {
        section.says("A debug build: these figures were not kept.");
    } else {
        std::fs::write(LAST, now).expect("the figures can be kept");
    }
    vec![section]
}

/// The figures that are there, by name.
fn read_last() -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(LAST).unwrap_or_default();
    let figure = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    text.lines().filter_map(figure).collect()
}

/// The instructions of a whole process that does so many rounds.
async fn instructions(valgrind: &Path, folder: &Path, name: &str, rounds: u64) -> u64 {
    let own = std::env::current_exe().expect("this executable");
    let rounds = rounds.to_string();
    // Once by itself: what it makes once, a key, is there afterwards, and what fails can be read.
    finish(&own, folder, &["pure-run", name, "1"]).await;
    let out = folder.join("callgrind.out");
    let to = format!("--callgrind-out-file={}", out.display());
    let own = own.display().to_string();
    finish(
        valgrind,
        folder,
        &["--tool=callgrind", &to, &own, "pure-run", name, &rounds],
    )
    .await;
    let text = std::fs::read_to_string(&out).expect("what callgrind counted");
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let total = total.expect("a total").trim();
    total.parse().expect("a number")
}

/// Runs a program to its end, without the environment: how long that is would change the count.
async fn finish(program: &Path, folder: &Path, args: &[&str]) {
    let said = folder.join("said");
    let mut command = Command::new(program);
    command.args(args).env_clear().current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(&said).expect("a file"));
    let mut child = command.spawn().expect("it starts");
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("it can be waited for") {
            Some(status) => break Some(status),
            None if begun.elapsed() > PATIENCE => break None,
            None => pause(Duration::from_millis(20)).await,
        }
    };
    if status.is_none() {
        child.kill().and_then(|()| child.wait()).ok();
    }
    let said = std::fs::read_to_string(&said).unwrap_or_default();
    let is_good = status.is_some_and(|status| status.success());
    assert!(is_good, "{args:?} ends with {status:?}: {said}");
}

/// Does the part of this name so many times: `NAME ROUNDS`, in a process that does nothing else.
pub fn run_one(args: &[String]) {
    let [name, rounds] = args else {
        panic!("a name and a number of rounds");
    };
    let rounds = rounds.parse().expect("a number of rounds");
    match name.as_str() {
        "guard-task" => guard(rounds, &one_task()),
        "guard-tasks" => guard(rounds, &twenty_tasks()),
        "token" => token(rounds),
        "cursor" => cursor(rounds),
        "answer" => answer(rounds),
        "id" => id(rounds),
        _ => panic!("there is no part {name}"),
    }
}

fn repeat<T>(rounds: u64, mut round: impl FnMut() -> T) {
    for _ in 0..rounds {
        black_box(round());
    }
}

/// The settings by default; files are in the folder this runs in.
fn settings() -> Settings {
    let folder = std::env::current_dir().expect("a folder");
    let key: PathBuf = folder.join("key.pem");
    let env = BTreeMap::from([("JWT_PRIVATE_KEY_FILE".to_owned(), key.display().to_string())]);
    Settings::load(None, &env, &folder).expect("good settings")
}

/// What comes in as JSON: clients send it with values beside the text.
fn params(query: &str, variables: &serde_json::Value) -> Params {
    let body = json!({"query": query, "variables": variables, "operationName": "Ask"});
    serde_json::from_value(body).expect("a request")
}

fn one_task() -> Params {
    params(
        "query Ask($id: ID!) { task(id: $id) { id title status } }",
        &json!({"id": Kind::Task.encode(uuid(1)).as_str()}),
    )
}

fn twenty_tasks() -> Params {
    params(
        "query Ask($filter: TaskFilter, $after: String) {
           tasks(first: 20, filter: $filter, after: $after) {
             nodes { id title status priority dueAt ...People }
             pageInfo { hasNextPage endCursor }
           }
         }
         fragment People on Task { assignee { id name } creator { id name } }",
        &json!({"filter": {"assignee": {"eq": Kind::User.encode(uuid(2)).as_str()}}, "after": null}),
    )
}

/// The limits as `Api::limits` has them, without the database that an `Api` wants.
fn guard(rounds: u64, params: &Params) {
    let settings = settings();
    let limits = Limits {
        introspection: settings.introspection(),
        settings: settings.graphql,
        auth_fields: names::AUTH_FIELDS,
        list_fields: names::LIST_FIELDS,
        by_id_fields: names::BY_ID_FIELDS,
        scans: names::SCANS,
        types: Arc::new(Types::read(&schema::sdl()).expect("our schema")),
        known: Arc::default(),
    };
    repeat(rounds, || {
        check(&limits, black_box(params.clone())).expect("it passes")
    });
}

fn token(rounds: u64) {
    let settings = settings();
    let keys = Keys::load(&settings.auth, true).expect("a key");
    let tokens = Tokens::new(keys, &settings.auth, settings.issuer(), Clock::default());
    let issued = tokens.issue(UserId(uuid(1)), SessionId(uuid(2)), Vec::new(), 0);
    let (token, _) = issued.expect("the key signs");
    tokens.verify(&token).expect("a good token");
    repeat(rounds, || {
        tokens.verify(black_box(&token)).expect("a good token")
    });
}

/// A key of a row, as the cursors of tasks hold it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum SortValue {
    Rank(i32),
    Time(CursorTime),
}

fn cursor(rounds: u64) {
    let order = "CreatedAtDesc";
    let at = DateTime::from_timestamp_micros(1_795_312_800_123_456).expect("a time");
    let keys = (vec![SortValue::Time(CursorTime::of(at))], TaskId(uuid(1)));
    repeat(rounds, || {
        let after = OpaqueCursor::new(order, black_box(&keys).clone()).encode_cursor();
        let args = PageArgs {
            first: Some(20),
            after: Some(after),
        };
        args.read::<(Vec<SortValue>, TaskId)>(order)
            .expect("a page")
    });
}

fn answer(rounds: u64) {
    let person = |number: u32| json!({"id": Kind::User.encode(uuid(number)).as_str(), "name": "Ada Lovelace"});
    let task = |number: u32| {
        json!({
            "id": Kind::Task.encode(uuid(number)).as_str(),
            "title": format!("Look at the gears of engine number {number}"),
            "status": "IN_PROGRESS",
            "priority": "HIGH",
            "dueAt": "2026-11-22T01:45:00Z",
            "assignee": person(number + 100),
            "creator": person(number + 200),
        })
    };
    let nodes: Vec<_> = (0..20).map(task).collect();
    let page = json!({"hasNextPage": true, "endCursor": "eyJvIjoiQ3JlYXRlZEF0RGVzYyJ9"});
    let data = json!({"tasks": {"nodes": nodes, "pageInfo": page}});
    let response = Response::new(GraphqlValue::from_json(data).expect("a value"));
    repeat(rounds, || {
        serde_json::to_vec(black_box(&response)).expect("JSON")
    });
}

fn id(rounds: u64) {
    let uuid = uuid(1);
    repeat(rounds, || {
        let id = Kind::Task.encode(black_box(uuid));
        Kind::Task.decode(black_box(&id)).expect("an id")
    });
}

/// A UUID of version 7 that is always the same.
fn uuid(number: u32) -> Uuid {
    Uuid::from_u128(0x019a_a5d1_ac96_774b_bcce_b302_0000_0000 | u128::from(number))
}
