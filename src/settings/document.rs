//! The default document, `taskflow.default.toml`: the only list of the settings. It gives every key its default, its type
//! and its place in the order, so no second list can drift away from it.

use toml::{Table, Value};

/// The document as it is in the repository.
const TEXT: &str = include_str!("../../taskflow.default.toml");

/// The settings that are never shown and that may be read from a file named by `…_FILE`.
pub(super) const SECRETS: [&str; 11] = [
    "database.url",
    "redis.url",
    "auth.jwt_secret",
    "auth.vault.secret_id",
    "mail.smtp_url",
    "mail.sendgrid.api_key",
    "mail.ses.secret_access_key",
    "mail.ses.session_token",
    "sms.twilio.auth_token",
    "sms.sns.secret_access_key",
    "sms.sns.session_token",
];

/// The beginning of every environment variable that is a setting by its full name.
pub(super) const PREFIX: &str = "TASKFLOW_";

/// One setting of the default document.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// The full key, as `auth.password.min_length`.
    pub(super) key: String,
    /// The default, or for an optional key an example. Its type is the setting's type.
    pub(super) sample: Value,
    /// Whether the key is commented out: then it has no default.
    pub(super) optional: bool,
}

impl Known {
    /// The environment variable with this setting's full name, as `TASKFLOW_AUTH__PASSWORD__MIN_LENGTH`.
    pub(super) fn variable(&self) -> String {
        variable(&self.key)
    }

    /// Whether the value must never be shown.
    pub(super) fn is_secret(&self) -> bool {
        SECRETS.contains(&self.key.as_str())
    }
}

/// A line of the default document that means something to a machine.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// `[section]`.
    Section(String),
    /// `key = value`, or `# key = value` for an optional key.
    Key(Known),
}

/// The document's sections and keys, in its order. Every key stands on one line.
pub(super) fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    let mut section = String::new();
    for line in TEXT.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.clone_into(&mut section);
            lines.push(Line::Section(name.to_owned()));
            continue;
        }
        let commented = line.strip_prefix("# ");
        // A sentence is not a table with one key, so it is skipped here.
        let Ok(entry) = toml::from_str::<Table>(commented.unwrap_or(line)) else {
            continue;
        };
        for (name, sample) in entry {
            let key = if section.is_empty() {
                name
            } else {
                format!("{section}.{name}")
            };
            lines.push(Line::Key(Known {
                key,
                sample,
                optional: commented.is_some(),
            }));
        }
    }
    lines
}

/// Every setting, in the document's order.
pub(super) fn known() -> Vec<Known> {
    let keys = lines().into_iter().filter_map(|line| match line {
        Line::Key(known) => Some(known),
        Line::Section(_) => None,
    });
    keys.collect()
}

/// The defaults alone: every section, without the optional keys.
pub(super) fn defaults() -> Result<Table, toml::de::Error> {
    toml::from_str(TEXT)
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// Puts a value at a dotted key, making the tables on the way.
pub(super) fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// The value at a dotted key.
pub(super) fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, rest)) => get(table.get(section)?.as_table()?, rest),
    }
}

/// The known key that an unknown one was most likely meant to be. The same last part counts more than few changed
/// letters, because a key in the wrong section is the commoner mistake.
pub(super) fn nearest<'a>(
    unknown: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let (best, other_name, distance) = candidates
        .into_iter()
        .map(|key| {
            let distance = strsim::damerau_levenshtein(unknown, key);
            (key, last_part(key) != last_part(unknown), distance)
        })
        .min_by_key(|(_, other_name, distance)| (*other_name, *distance))?;
    let similar = distance <= unknown.chars().count() / 2;
    (similar || !other_name).then_some(best)
}

fn last_part(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(prefix: &str, table: &Table, keys: &mut Vec<(String, Value)>) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                Value::Table(inner) => flat(&format!("{key}."), inner, keys),
                value => keys.push((key, value.clone())),
            }
        }
    }

    #[test]
    fn the_lines_say_what_toml_says() {
        let mut expected = Vec::new();
        flat("", &defaults().unwrap(), &mut expected);
        let mut found: Vec<(String, Value)> = known()
            .into_iter()
            .filter(|known| !known.optional)
            .map(|known| (known.key, known.sample))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected);
    }

    #[test]
    fn every_key_has_one_sentence_and_secrets_say_so() {
        let mut before = "";
        for line in TEXT.lines() {
            let text = line.strip_prefix("# ").unwrap_or(line);
            if !text.starts_with('[')
                && let Ok(entry) = toml::from_str::<Table>(text)
                && let Some(name) = entry.keys().next()
            {
                assert!(
                    before.starts_with("# ") && before.contains(['.', ';']),
                    "{line} has no sentence"
                );
                let is_secret = SECRETS.iter().any(|key| last_part(key) == name);
                // `public_url` and `url` differ, so the last part is enough here.
                assert_eq!(before.starts_with("# SECRET. "), is_secret, "{line}");
            }
            before = line;
        }
    }

    #[test]
    fn nearest_prefers_the_same_name_and_gives_up_on_nonsense() {
        let keys = ["env", "server.port", "server.host", "auth.jwt_secret"];
        assert_eq!(nearest("server.prot", keys), Some("server.port"));
        assert_eq!(nearest("sever.host", keys), Some("server.host"));
        assert_eq!(nearest("port", keys), Some("server.port"));
        assert_eq!(nearest("jwt_secret", keys), Some("auth.jwt_secret"));
        assert_eq!(nearest("zzzzzzzzzzzzzz", keys), None);
    }
}
