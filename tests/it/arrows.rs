//! The arrows between the rooms point downward.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The rooms, the highest first; a room may use what is lower, and nothing else. Rooms on one line
/// may use each other.
const FLOORS: &[&[&str]] = &[
    &["main", "cli"],
    &["server", "ops"],
    &["transport", "schema", "worker", "mailbox"],
    // A notification reads the task and the people it speaks of; a task writes the job that
    // notifies. Both go through what the other room exports. So does what other services are told.
    &[
        "auth",
        "accounts",
        "tasks",
        "notifications",
        "sink",
        "upkeep",
    ],
    // The parts a domain is given.
    &["app"],
    &["delivery", "events", "jobs"],
    &["graphql"],
    &["limits"],
    &["db", "crypto", "kv", "outbound", "text"],
    &["lifecycle", "telemetry", "failpoint"],
    &["settings"],
];

/// `app` wires what is above it: it may name these, and is named by the domains.
const WIRED: &[&str] = &["auth", "notifications"];

#[test]
fn no_room_uses_one_above_it() {
    let floor: BTreeMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(i, rooms)| rooms.iter().map(move |room| (*room, i)))
        .collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    each_file(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut |path, text| {
            let relative = path
                .strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
                .unwrap();
            let room = relative
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_str()
                .unwrap();
            let room = room.trim_end_matches(".rs");
            if room == "lib" {
                return;
            }
            let from = floor
                .get(room)
                .unwrap_or_else(|| panic!("`{room}` is on no floor"));
            for other in used_rooms(text) {
                seen += 1;
                let to = floor
                    .get(other.as_str())
                    .unwrap_or_else(|| panic!("`{other}` is on no floor"));
                let wired = room == "app" && WIRED.contains(&other.as_str());
                if to < from && !wired {
                    wrong.push(format!("{} uses {other}", relative.display()));
                }
            }
        },
    );
    assert!(seen > 100, "the test reads nothing");
    assert!(
        wrong.is_empty(),
        "arrows that point upward:\n{}",
        wrong.join("\n")
    );
}

/// The domains, each with its own tables.
const ROOMS: [&str; 6] = [
    "accounts",
    "auth",
    "notifications",
    "sink",
    "tasks",
    "upkeep",
];

#[test]
fn a_domain_never_reaches_into_the_store_of_another() {
    let mut wrong = Vec::new();
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    each_file(src, &mut |path, text| {
        let own = path.strip_prefix(src).unwrap().iter().next().unwrap();
        for room in ROOMS.iter().filter(|room| own != **room) {
            let of_room = format!("crate::{room}::");
            let reaches = |line: &str| {
                line.split_once(&of_room).is_some_and(|(_, rest)| {
                    rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                        .any(|word| word == "store")
                })
            };
            if text.lines().any(reaches) {
                wrong.push(path.display().to_string());
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_statements_of_a_domain_stand_in_its_store() {
    let mut wrong = Vec::new();
    for room in ROOMS {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).join(room);
        each_file(&folder, &mut |path, text| {
            let is_store = path.components().any(|part| {
                let part = part.as_os_str();
                part == "store" || part == "store.rs"
            });
            let states = ["EntityTrait", "from_sql_and_values", "_raw("];
            if !is_store && states.iter().any(|word| text.contains(word)) {
                wrong.push(path.display().to_string());
            }
        });
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn no_file_wants_to_be_two() {
    let mut long = Vec::new();
    for folder in ["src", "entity/src", "migration/src", "tests/it"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        each_file(&folder, &mut |path, text| {
            if text.lines().count() > 500 {
                long.push(path.display().to_string());
            }
        });
    }
    assert!(long.is_empty(), "over 500 lines: {long:?}");
}

/// The first words after `crate::`, also inside `use crate::{…}`.
fn used_rooms(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for part in text.split("crate::").skip(1) {
        let names: Vec<&str> = match part.strip_prefix('{') {
            Some(list) => list
                .split('}')
                .next()
                .unwrap_or_default()
                .split(',')
                .collect(),
            None => vec![part],
        };
        for name in names {
            let word: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            if !word.is_empty() {
                rooms.push(word);
            }
        }
    }
    rooms
}

fn each_file(folder: &Path, see: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, see);
        } else if path.extension().is_some_and(|end| end == "rs") {
            see(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
