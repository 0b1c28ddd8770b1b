//! The layer of the environment: full names (`TASKFLOW_SERVER__PORT`), plain names (`PORT`), and secrets in files (`…_FILE`).
//!
//! The variables are handed in, never read from the process here, so every rule can be tested without touching it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use toml::Value;

use super::Given;
use super::document::{self, Known, PREFIX};
use super::file::unknown;
use super::problem::Problem;

/// The settings that have a plain name beside their full one.
pub(super) const PLAIN: [(&str, &str); 10] = [
    ("PORT", "server.port"),
    ("METRICS_PORT", "server.metrics_port"),
    ("ALLOWED_ORIGINS", "server.allowed_origins"),
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "redis.url"),
    ("JWT_PRIVATE_KEY_FILE", "auth.jwt_private_key_file"),
    ("JWT_SECRET", "auth.jwt_secret"),
    ("SMTP_URL", "mail.smtp_url"),
    ("LOG_LEVEL", "log.level"),
    // Its full name is TASKFLOW_ENV already; it stands here so that this list is complete.
    ("TASKFLOW_ENV", "env"),
];

/// Names the settings file, like `--config`; it is no setting itself.
pub(super) const CONFIG: &str = "TASKFLOW_CONFIG";

/// The environment the settings are read from.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a> {
    /// Names and values, as the process has them.
    pub(super) all: &'a BTreeMap<String, String>,
    /// Where relative paths start.
    pub(super) folder: &'a Path,
}

impl<'a> Variables<'a> {
    /// A variable's value. An empty one counts as not set, because compose files and shells cannot unset.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let value = self.all.get(name)?.as_str();
        (!value.is_empty() && !is_service_link(name, value)).then_some(value)
    }

    /// Whether a secret is set, by its value or by the file it is in.
    pub(super) fn has_secret(&self, name: &str) -> bool {
        self.text(name).is_some() || self.text(&format!("{name}_FILE")).is_some()
    }

    /// A secret and the variable it came from: `NAME`, or the file that `NAME_FILE` names, without one newline at its end.
    pub(super) fn secret(
        &self,
        name: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<(String, String)> {
        let name_of_file = format!("{name}_FILE");
        let value = self.text(name);
        let Some(path) = self.text(&name_of_file) else {
            return value.map(|value| (value.to_owned(), name.to_owned()));
        };
        if value.is_some() {
            problems.push(Problem::plain(format!(
                "{name} and {name_of_file} are both set: set only one"
            )));
            return None;
        }
        match fs::read_to_string(self.folder.join(path)) {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                if text.is_empty() {
                    problems.push(Problem::plain(format!(
                        "{name_of_file}: the file {path} is empty"
                    )));
                    return None;
                }
                Some((text.to_owned(), name_of_file))
            }
            Err(error) => {
                problems.push(Problem::plain(format!(
                    "{name_of_file}: cannot read {path}: {error}"
                )));
                None
            }
        }
    }
}

/// Reads the plain names and, over them, the full names into `given`.
pub(super) fn read(
    variables: Variables<'_>,
    known: &[Known],
    given: &mut BTreeMap<String, Given>,
    problems: &mut Vec<Problem>,
) {
    let mut ours = BTreeSet::from([CONFIG.to_owned()]);
    let plain = PLAIN.iter().filter_map(|(name, key)| {
        let known = known.iter().find(|known| known.key == *key)?;
        Some(((*name).to_owned(), known))
    });
    let full = known.iter().map(|known| (known.variable(), known));
    for (name, known) in plain.chain(full) {
        let found = if known.is_secret() {
            ours.insert(format!("{name}_FILE"));
            variables.secret(&name, problems)
        } else {
            variables
                .text(&name)
                .map(|value| (value.to_owned(), name.clone()))
        };
        ours.insert(name);
        let Some((text, source)) = found else {
            continue;
        };
        let place = format!("from {source}");
        match parse(&text, &known.sample) {
            Ok(value) => {
                given.insert(known.key.clone(), Given { value, place });
            }
            Err(message) => problems.push(Problem::of(&known.key, message).at(&place)),
        }
    }
    for (name, value) in variables.all {
        let is_set = !value.is_empty() && !is_service_link(name, value);
        if is_set && name.starts_with(PREFIX) && !ours.contains(name) {
            problems.push(unknown_variable(name, known));
        }
    }
}

/// Reads text as the type that the default document shows.
fn parse(text: &str, sample: &Value) -> Result<Value, String> {
    match sample {
        Value::Integer(_) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("must be a whole number, not `{text}`")),
        Value::Boolean(_) => match text.trim() {
            "true" | "1" => Ok(Value::Boolean(true)),
            "false" | "0" => Ok(Value::Boolean(false)),
            _ => Err(format!("must be true or false, not `{text}`")),
        },
        Value::Array(samples) => {
            // A list without anything in it is one of texts.
            let sample = samples.first().filter(|sample| sample.is_integer());
            let entries = text
                .split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty());
            let entries = entries.map(|entry| match sample {
                Some(sample) => parse(entry, sample),
                None => Ok(Value::String(entry.to_owned())),
            });
            Ok(Value::Array(entries.collect::<Result<_, _>>()?))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn unknown_variable(name: &str, known: &[Known]) -> Problem {
    // Compared as keys: in TASKFLOW_SERVER_PORT one underscore is missing, and in TASKFLOW_PORT the section.
    let as_key = |name: &str| {
        name.trim_start_matches(PREFIX)
            .to_lowercase()
            .replace("__", ".")
    };
    let key = as_key(name);
    if let Some(known) = known
        .iter()
        .find(|known| key.strip_suffix("_file") == Some(&known.key))
    {
        let message = format!(
            "{name}: only secrets are read from a file; set {}",
            known.variable()
        );
        return Problem::plain(message);
    }
    let secrets = document::SECRETS.iter().map(|key| format!("{key}_file"));
    let keys: Vec<String> = known
        .iter()
        .map(|known| known.key.clone())
        .chain(secrets)
        .collect();
    let candidates = keys.iter().map(String::as_str).chain(["config"]);
    let near = document::nearest(&key, candidates).map(document::variable);
    unknown(name, "in the environment", near.as_deref())
}

/// Whether Kubernetes wrote this variable to tell a container where a service is. It does so for every service of the
/// namespace, so a service named `taskflow` or `db` would otherwise be taken for our settings.
/// Rule: <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>.
fn is_service_link(name: &str, value: &str) -> bool {
    // A service's name cannot make two underscores, so this is our full name.
    if name.contains("__") {
        return false;
    }
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    if is_address && (name.ends_with("_PORT") || name.contains("_PORT_")) {
        return true;
    }
    // As in TASKFLOW_PORT_8080_TCP_ADDR.
    let of_port = name
        .split("_PORT_")
        .nth(1)
        .and_then(|rest| rest.split_once('_'));
    let names_protocol = of_port.is_some_and(|(port, rest)| {
        let protocol = rest.split('_').next().unwrap_or_default();
        port.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(&protocol)
    });
    names_protocol || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_the_type_of_the_default() {
        assert_eq!(parse(" 80 ", &Value::Integer(1)), Ok(Value::Integer(80)));
        assert!(parse("8o", &Value::Integer(1)).is_err());
        assert_eq!(
            parse("true", &Value::Boolean(false)),
            Ok(Value::Boolean(true))
        );
        assert!(parse("yes", &Value::Boolean(false)).is_err());
        assert_eq!(
            parse("12", &Value::String(String::new())),
            Ok(Value::String("12".to_owned()))
        );
        let list: Value = vec!["https://a".to_owned(), "https://b".to_owned()].into();
        assert_eq!(
            parse("https://a, https://b,", &Value::Array(Vec::new())),
            Ok(list)
        );
    }

    #[test]
    fn links_of_kubernetes_are_no_settings() {
        for (name, value) in [
            ("TASKFLOW_PORT", "tcp://10.0.0.1:80"),
            ("TASKFLOW_SERVICE_HOST", "10.0.0.1"),
            ("TASKFLOW_SERVICE_PORT", "80"),
            ("TASKFLOW_WEB_SERVICE_PORT_HTTP", "80"),
            ("TASKFLOW_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("TASKFLOW_PORT_8080_TCP_PROTO", "tcp"),
            ("TASKFLOW_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("DB_PORT", "tcp://10.0.0.2:5432"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
        for (name, value) in [
            ("TASKFLOW_PORT", "8080"),
            ("DB_PORT", "5432"),
            ("TASKFLOW_SERVER__PORT", "tcp://x"),
        ] {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
