//! The layer of the settings file: `taskflow.toml` in the current folder, or the file the operator named.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use toml::{Table, Value};

use super::Given;
use super::document::{self, Known};
use super::problem::Problem;

/// The file that is read when the operator names none.
const USUAL: &str = "taskflow.toml";

/// Reads the settings file into `given`. Only a file that was named must exist.
pub(super) fn read(
    named: Option<&Path>,
    folder: &Path,
    known: &[Known],
    given: &mut BTreeMap<String, Given>,
    problems: &mut Vec<Problem>,
) {
    let path = named.unwrap_or(Path::new(USUAL));
    let text = match fs::read_to_string(folder.join(path)) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => return,
        Err(error) => {
            problems.push(Problem::plain(format!(
                "cannot read {}: {error}",
                path.display()
            )));
            return;
        }
    };
    let table = match toml::from_str::<Table>(&text) {
        Ok(table) => table,
        Err(error) => {
            // The error's own Display quotes the line, which may hold a secret: only the line's number is told.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let message = format!(
                "{}, line {line}: this is not TOML: {}",
                path.display(),
                error.message()
            );
            problems.push(Problem::plain(message));
            return;
        }
    };
    let place = format!("in {}", path.display());
    let mut entries = Vec::new();
    flatten("", table, &mut entries);
    for (key, value) in entries {
        if known.iter().any(|known| known.key == key) {
            let place = place.clone();
            given.insert(key, Given { value, place });
        } else if known
            .iter()
            .any(|known| known.key.starts_with(&format!("{key}.")))
        {
            // An empty section is harmless; a value in a section's place is not.
            if !value.is_table() {
                problems.push(
                    Problem::of(&key, format!("is a section: write its keys under [{key}]"))
                        .at(&place),
                );
            }
        } else {
            let near = document::nearest(&key, known.iter().map(|known| known.key.as_str()));
            problems.push(unknown(&key, &place, near));
        }
    }
}

/// The refusal of a name that is no setting.
pub(super) fn unknown(name: &str, place: &str, near: Option<&str>) -> Problem {
    let hint = near.map_or_else(
        || "; taskflow.default.toml lists all settings".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    );
    Problem::plain(format!("unknown setting `{name}` ({place}){hint}"))
}

/// Lists the values with their dotted keys. An empty table stands for itself.
fn flatten(prefix: &str, table: Table, entries: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) if !inner.is_empty() => flatten(&key, inner, entries),
            value => entries.push((key, value)),
        }
    }
}
