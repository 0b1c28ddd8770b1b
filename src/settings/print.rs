//! Showing the settings: the effective values in the default document's order, with every secret masked.

use std::fmt::Write;

use secrecy::{ExposeSecret, SecretString};
use serde::Serializer;
use toml::{Table, Value};
use url::Url;

use super::Settings;
use super::document::{self, Line};

/// What stands in a secret's place.
const MASK: &str = "***";

impl Settings {
    /// The effective settings as TOML, in the order of `taskflow.default.toml`. Secrets are `***`. A setting that is not
    /// set is commented out, with the value it has for that reason, if it has one.
    pub fn print(&self) -> String {
        let table = match Table::try_from(self) {
            Ok(table) => table,
            Err(error) => return format!("# the settings cannot be shown: {error}\n"),
        };
        let mut out = String::new();
        for line in document::lines() {
            // Writing to a String cannot fail.
            let _ = match line {
                Line::Section(name) => writeln!(out, "\n[{name}]"),
                Line::Key(known) => {
                    let name = known.key.rsplit('.').next().unwrap_or_default();
                    match (document::get(&table, &known.key), self.derived(&known.key)) {
                        (Some(value), _) => writeln!(out, "{name} = {value}"),
                        (None, Some(value)) => writeln!(out, "# {name} = {value}"),
                        (None, None) => writeln!(out, "# {name} ="),
                    }
                }
            };
        }
        out
    }

    /// The value of an optional setting that follows from the others while it is not set.
    fn derived(&self, key: &str) -> Option<Value> {
        match key {
            "server.host" => Some(self.bind_host().to_string().into()),
            "server.public_url" => Some(self.public_url().into()),
            "database.migrate_on_start" => Some(self.migrate_on_start().into()),
            "auth.issuer" => Some(self.issuer().into()),
            "auth.password.min_length" => Some(i64::from(self.auth.password.min_length()).into()),
            "graphql.graphiql" => Some(self.graphiql().into()),
            "graphql.introspection" => Some(self.introspection().into()),
            "limits.profile" => Value::try_from(self.limits_profile()).ok(),
            _ => Some(self.derived_limit(key.strip_prefix("limits.")?)?.into()),
        }
    }
}

/// Serializes a secret as the mask.
#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
pub(super) fn hidden<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_some(MASK),
        None => serializer.serialize_none(),
    }
}

/// Serializes a URL without its password.
pub(super) fn url<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hide_password(secret.expose_secret()))
}

/// Serializes a URL that may be missing without its password.
#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
pub(super) fn optional_url<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(&hide_password(secret.expose_secret())),
        None => serializer.serialize_none(),
    }
}

/// Whether the URL's host ends where it was meant to. A `/`, `?` or `#` in a password that was not percent-encoded ends it
/// too early: the rest of the password and its `@` are then taken for a path.
pub(super) fn authority_is_whole(url: &Url) -> bool {
    let query = url.query().unwrap_or_default();
    !url.cannot_be_a_base()
        && url.fragment().is_none()
        && !url.path().contains('@')
        && !query.contains('@')
}

/// The URL with its scheme, user, host and path; the password and the query, which may hold one too, are masked.
pub(crate) fn hide_password(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return match text.split_once('?') {
            Some((file, _)) => format!("{file}?{MASK}"),
            None => text.to_owned(),
        };
    }
    let Some(mut url) = Url::parse(text).ok().filter(authority_is_whole) else {
        return MASK.to_owned();
    };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some(MASK));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_all_but_the_secret() {
        for (text, shown) in [
            (
                "postgres://user:pw@host:5433/db",
                "postgres://user:***@host:5433/db",
            ),
            (
                "postgres://user@host/db?password=pw",
                "postgres://user@host/db?***",
            ),
            ("postgres:///db?host=/run/pg", "postgres:///db?***"),
            ("redis://:pw@host/1", "redis://:***@host/1"),
            ("smtp://a%40b:pw@[::1]:25", "smtp://a%40b:***@[::1]:25"),
            ("sqlite://data/taskflow.db", "sqlite://data/taskflow.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("sqlite://x.db?key=pw", "sqlite://x.db?***"),
            // Passwords that were not percent-encoded.
            ("postgres://u:p@w/rest@host/db", "***"),
            ("postgres://u:12?34@host/db", "***"),
            ("postgres://u:12#34@host/db", "***"),
            ("postgres://u:p?w@host/db", "***"),
            ("only-a-password", "***"),
        ] {
            assert_eq!(hide_password(text), shown, "{text}");
        }
    }
}
