//! What was measured, printed as it comes and written into `docs/BENCHMARKS.md` at the end.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use taskflow::db::Clock;

use super::support::postgres::find_postgres;
use super::support::process::find_program;

/// The folder of this repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Stands for a version of what is not installed.
const ABSENT: &str = "not there";

/// A part of the page: a table with words around it.
pub struct Section {
    title: String,
    before: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    after: String,
}

impl Section {
    /// A part that is explained by these words.
    pub fn new(title: &str, before: &str) -> Self {
        Self {
            title: title.to_owned(),
            before: before.to_owned(),
            head: Vec::new(),
            rows: Vec::new(),
            after: String::new(),
        }
    }

    /// The head of the table.
    #[must_use]
    pub fn head(mut self, cells: &[&str]) -> Self {
        self.head = cells.iter().map(|cell| (*cell).to_owned()).collect();
        self
    }

    /// Another row; printed at once, so that a long run shows that it goes on.
    pub fn row(&mut self, cells: &[&str]) {
        eprintln!("{}: {}", self.title, cells.join(" | "));
        self.rows
            .push(cells.iter().map(|cell| (*cell).to_owned()).collect());
    }

    /// Words below the table: what was aimed at, and what came of it.
    pub fn says(&mut self, text: &str) {
        eprintln!("{}: {text}", self.title);
        write!(self.after, "\n{text}\n").expect("text");
    }

    /// As Markdown, columns aligned so that it reads well as text, too.
    pub fn markdown(&self) -> String {
        let mut out = format!("## {}\n\n{}\n", self.title, self.before);
        if !self.head.is_empty() {
            let all = || std::iter::once(&self.head).chain(&self.rows);
            let width = |column: usize| {
                let cells = all().filter_map(|row| row.get(column));
                cells
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or_default()
            };
            let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
            let line = |row: &[String]| {
                let cells = row
                    .iter()
                    .zip(&widths)
                    .map(|(cell, width)| format!(" {cell:<width$} |"));
                format!("|{}\n", cells.collect::<String>())
            };
            out.push('\n');
            out.push_str(&line(&self.head));
            let rule = widths
                .iter()
                .map(|width| format!("{}|", "-".repeat(width + 2)));
            out.extend(["|".to_owned(), rule.collect(), "\n".to_owned()]);
            for row in &self.rows {
                out.push_str(&line(row));
            }
        }
        out.push_str(&self.after);
        out
    }
}

/// What paid and what did not: words that no run can find.
const NOTES: &str = include_str!("notes.md");

/// Writes `docs/BENCHMARKS.md` anew: about the page and the machine, then what was measured, then the notes.
pub fn write(sections: &[Section]) {
    let mut page = String::from(
        "# Benchmarks\n\n\
         What Taskflow costs, measured by `make bench`, which writes this page: all but the last chapter, which is kept \
         by hand in `benches/notes.md`. Run it on a machine that does nothing else; it installs what it needs. \
         Figures depend on the machine, and ratios less so: compare what stands in one run. `cargo bench --bench main -- \
         pages pure` measures only the parts that are named, and writes nothing.\n\n",
    );
    for (name, value) in surroundings() {
        writeln!(page, "- {name}: {value}").expect("text");
    }
    for section in sections {
        write!(page, "\n{}", section.markdown()).expect("text");
    }
    write!(page, "\n{NOTES}").expect("text");
    let path = Path::new(ROOT).join("docs/BENCHMARKS.md");
    std::fs::write(path, page).expect("the page can be written");
}

/// On what it was measured. What is not there is said to be so: it was not measured either.
fn surroundings() -> Vec<(&'static str, String)> {
    let commit = said(
        find_program("git"),
        &["-C", ROOT, "rev-parse", "--short", "HEAD"],
    );
    let taskflow = format!("{}, commit {commit}", env!("CARGO_PKG_VERSION"));
    // `postgres (PostgreSQL) 15.1 (…)`, `Redis server v=7.0.15 …`
    let postgres = said(Some(find_postgres()), &["--version"]);
    let redis = said(find_program("redis-server"), &["--version"]);
    let word = |text: &str, place| {
        text.split_whitespace()
            .nth(place)
            .unwrap_or(text)
            .to_owned()
    };
    vec![
        (
            "date",
            Clock::default().now().format("%Y-%m-%d").to_string(),
        ),
        ("processor", processor()),
        ("memory", memory()),
        ("kernel", kernel()),
        ("Taskflow", taskflow),
        ("compiler", said(find_program("rustc"), &["-V"])),
        ("PostgreSQL", word(&postgres, 2)),
        ("Redis", word(&redis, 2).trim_start_matches("v=").to_owned()),
        ("Node.js", said(node(), &["--version"])),
        ("peers", peers()),
    ]
}

/// The first line that a program says.
fn said(program: Option<PathBuf>, args: &[&str]) -> String {
    let output = program.and_then(|program| Command::new(program).args(args).output().ok());
    let output = output.filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text.as_deref().and_then(|text| text.lines().next());
    line.unwrap_or(ABSENT).to_owned()
}

/// The value of the first line of a file of `/proc` that has this name.
fn value_in(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let named = |line: &str| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    };
    text.lines().find_map(named)
}

fn processor() -> String {
    let model = value_in("/proc/cpuinfo", "model name");
    let cores = std::thread::available_parallelism().map_or(0, NonZeroUsize::get);
    format!(
        "{}, {cores} cores",
        model.as_deref().unwrap_or("of no name")
    )
}

fn memory() -> String {
    let total = value_in("/proc/meminfo", "MemTotal");
    let kib = total.and_then(|total| total.trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or_else(
        || ABSENT.to_owned(),
        |kib| format!("{} GiB", (kib + (1 << 19)) >> 20),
    )
}

/// Its number alone: the rest is the name that somebody gave to their build.
fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let number = release
        .split(|c: char| c != '.' && !c.is_ascii_digit())
        .next();
    format!("Linux {}", number.unwrap_or_default())
}

/// The one that the peers run on: their own, where it is installed.
fn node() -> Option<PathBuf> {
    let own = Path::new(ROOT).join("benches/peers/node_modules/.bin/node");
    if own.is_file() {
        Some(own)
    } else {
        find_program("node")
    }
}

/// Those that a run wants to measure beside us.
fn peers() -> String {
    let file = Path::new(ROOT).join("benches/peers/package.json");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let package: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(all) = package["dependencies"].as_object() else {
        return ABSENT.to_owned();
    };
    let all = all.iter().filter(|(name, _)| *name != "node");
    let one = |(name, version): (&String, &Value)| {
        let version = version.as_str().unwrap_or("of any version");
        format!("{name} {version}")
    };
    all.map(one).collect::<Vec<_>>().join(", ")
}
