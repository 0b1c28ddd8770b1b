//! `taskflow admin import-users`: people of another system, out of a file.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use entity::user_role::Role;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::accounts::NewUser;
use crate::app::App;
use crate::auth::{self, ImportedUser};

/// How many are made in one transaction.
const BATCH: usize = 200;

#[derive(Debug, Args)]
pub struct Import {
    /// The file: CSV with a first line of column names, or JSON with an array of objects.
    file: PathBuf,
    /// How the file is written; as its name ends when not given.
    #[arg(long)]
    format: Option<Format>,
    /// Look at all of it and make nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

/// Somebody, as the file has them. These are the names of the columns.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Record {
    email: Option<String>,
    username: Option<String>,
    /// The user name, or the address up to the `@`, when not given.
    name: Option<String>,
    password_hash: Option<String>,
    /// Separated by blanks: admin, artist, service.
    roles: Option<String>,
    /// `true` or `false`.
    email_verified: Option<bool>,
}

/// What a file may say of somebody.
const COLUMNS: [&str; 6] = [
    "email",
    "username",
    "name",
    "password_hash",
    "roles",
    "email_verified",
];

/// A line of the file and who stands there, or what is wrong with it.
type Line = (u64, Result<ImportedUser, Vec<String>>);

pub async fn run(app: &App, args: Import) -> anyhow::Result<()> {
    let by_name = match args.file.extension().and_then(|end| end.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("json") => Some(Format::Json),
        _ => None,
    };
    let Some(format) = args.format.or(by_name) else {
        bail!("say how the file is written: --format csv or --format json");
    };
    let lines = match format {
        Format::Csv => read_csv(&args.file)?,
        Format::Json => read_json(&args.file)?,
    };
    let bar = ProgressBar::new(lines.len() as u64).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} people, {eta} to go")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (mut made, mut refused) = (0, 0);
    for batch in lines.chunks(BATCH) {
        let results = if args.dry_run {
            look_at(app, batch).await?
        } else {
            make(app, batch).await?
        };
        bar.suspend(|| {
            for ((line, read), result) in batch.iter().zip(&results) {
                let who = read.as_ref().map_or("", |user| user.new.name.as_str());
                let (word, why) = match result {
                    Ok(()) if args.dry_run => ("good", String::new()),
                    Ok(()) => ("made", String::new()),
                    Err(problems) => ("refused", format!(": {}", problems.join(" "))),
                };
                // Whoever reads the report may have gone.
                let told = plain(&format!("{who}{why}"));
                writeln!(std::io::stdout(), "{line}\t{word}\t{told}").ok();
            }
        });
        let good = results.iter().filter(|result| result.is_ok()).count();
        made += good;
        refused += results.len() - good;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let word = if args.dry_run {
        "would be made"
    } else {
        "made"
    };
    println!("{made} {word}, {refused} refused");
    if refused > 0 {
        bail!(
            "{refused} of {} were refused; correct them and run it again: those that are there already are left alone",
            made + refused
        );
    }
    Ok(())
}

/// What would become of them.
async fn look_at(app: &App, batch: &[Line]) -> anyhow::Result<Vec<auth::Imported>> {
    judge(batch, auth::check_import(app, &readable(batch)).await?)
}

async fn make(app: &App, batch: &[Line]) -> anyhow::Result<Vec<auth::Imported>> {
    judge(batch, auth::import_users(app, &readable(batch)).await?)
}

fn readable(batch: &[Line]) -> Vec<ImportedUser> {
    let users = batch.iter().filter_map(|(_, read)| read.as_ref().ok());
    users.cloned().collect()
}

/// Puts what became of those that could be read between those that could not.
fn judge(batch: &[Line], readable: Vec<auth::Imported>) -> anyhow::Result<Vec<auth::Imported>> {
    let mut readable = readable.into_iter();
    batch
        .iter()
        .map(|(_, read)| match read {
            Ok(_) => readable.next().context("an answer for each"),
            Err(problems) => Ok(Err(problems.clone())),
        })
        .collect()
}

/// What a terminal shows as it stands: a file may have signs that do something to it.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn read_csv(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = open(path)?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(file);
    let headers = reader.headers().context("the first line")?.clone();
    for header in &headers {
        if !COLUMNS.contains(&header) {
            bail!(
                "there is no column `{}`: {}",
                plain(header),
                COLUMNS.join(", ")
            );
        }
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("{}", path.display()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let read = if record.len() == headers.len() {
            record
                .deserialize::<Record>(Some(&headers))
                .map_err(|error| explain(&error, &headers))
        } else {
            let (has, wanted) = (record.len(), headers.len());
            Err(format!(
                "The line has {has} values, and the first has {wanted}."
            ))
        };
        lines.push((line, user(read)));
    }
    Ok(lines)
}

/// The library counts the columns from 0.
fn explain(error: &csv::Error, headers: &csv::StringRecord) -> String {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else {
        return error.to_string();
    };
    let place = err.field().and_then(|field| usize::try_from(field).ok());
    let column = place.and_then(|place| headers.get(place));
    format!("{}: {}", column.unwrap_or("the line"), err.kind())
}

/// Items are counted, since JSON has no lines that mean anything.
fn read_json(path: &Path) -> anyhow::Result<Vec<Line>> {
    let items: Vec<serde_json::Value> = serde_json::from_reader(open(path)?)
        .with_context(|| format!("{} is not an array of JSON", path.display()))?;
    let lines = items.into_iter().zip(1..);
    Ok(lines
        .map(|(item, number)| {
            let read = serde_json::from_value(item).map_err(|error| error.to_string());
            (number, user(read))
        })
        .collect())
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    Ok(BufReader::new(file))
}

fn user(read: Result<Record, String>) -> Result<ImportedUser, Vec<String>> {
    let record = read.map_err(|error| vec![error])?;
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (email, username) = (given(record.email), given(record.username));
    let local = |email: &String| email.split('@').next().map(str::to_owned);
    let name = given(record.name)
        .or_else(|| username.clone())
        .or_else(|| email.as_ref().and_then(local));
    let mut roles = BTreeSet::new();
    for role in record.roles.unwrap_or_default().split_whitespace() {
        roles.insert(match role {
            "admin" => Role::Admin,
            "artist" => Role::Artist,
            "service" => Role::Service,
            "user" => continue,
            other => {
                let message = format!("There is no role `{other}`: admin, artist, service.");
                return Err(vec![message]);
            }
        });
    }
    Ok(ImportedUser {
        new: NewUser {
            email_verified: email.is_some() && record.email_verified.unwrap_or(false),
            ..NewUser::tidy(email, username, &name.unwrap_or_default())
        },
        password_hash: given(record.password_hash),
        roles,
    })
}
