//! The names that other systems use for the same things, so that people who come from them need not rename anything.
//! An alias is weaker than our own names and stronger than the settings file.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use toml::Value;
use url::Host;

use super::Given;
use super::environment::Variables;
use super::problem::Problem;

/// The variables of systems that keep their signing key in Vault, beside `VAULT_ADDR`.
const VAULT: [(&str, &str); 4] = [
    ("APPROLE_ROLE_ID", "auth.vault.role_id"),
    ("APPROLE_SECRET_ID", "auth.vault.secret_id"),
    ("VAULTKEY_PATH", "auth.vault.key_path"),
    ("VAULTKEY_NAME", "auth.vault.key_name"),
];

/// Every alias, for messages about names that are ours.
pub(super) const NAMES: [&str; 13] = [
    "DB_HOST",
    "DB_PORT",
    "DB_USER",
    "DB_PASSWORD",
    "DB_NAME",
    "REDIS_NOTIFIER_ADDR",
    "GMAIL_SOURCE",
    "GMAIL_APP_PASSWORD",
    "VAULT_ADDR",
    "APPROLE_ROLE_ID",
    "APPROLE_SECRET_ID",
    "VAULTKEY_PATH",
    "VAULTKEY_NAME",
];

/// Reads the aliases into `given`.
pub(super) fn read(
    variables: Variables<'_>,
    given: &mut BTreeMap<String, Given>,
    problems: &mut Vec<Problem>,
) {
    if !overruled(variables, "DATABASE_URL", "TASKFLOW_DATABASE__URL") {
        database(variables, given, problems);
    }
    if !overruled(variables, "REDIS_URL", "TASKFLOW_REDIS__URL") {
        redis(variables, given, problems);
    }
    if !overruled(variables, "SMTP_URL", "TASKFLOW_MAIL__SMTP_URL") {
        gmail(variables, given, problems);
    }
    vault(variables, given, problems);
}

/// Whether one of our own names is set, so that the alias is not looked at.
fn overruled(variables: Variables<'_>, plain: &str, full: &str) -> bool {
    variables.has_secret(plain) || variables.has_secret(full)
}

/// `DB_HOST`, `DB_PORT`, `DB_USER`, `DB_PASSWORD` and `DB_NAME`: a `PostgreSQL` server.
fn database(
    variables: Variables<'_>,
    given: &mut BTreeMap<String, Given>,
    problems: &mut Vec<Problem>,
) {
    let Some(address) = variables.text("DB_HOST") else {
        let lonely = ["DB_USER", "DB_PASSWORD", "DB_NAME"];
        // Without this, a forgotten DB_HOST would quietly start an empty SQLite file.
        if let Some(name) = lonely.iter().find(|name| variables.has_secret(name))
            && !given.contains_key("database.url")
        {
            problems.push(Problem::plain(format!(
                "{name} is set but DB_HOST is not: set DB_HOST too, or DATABASE_URL"
            )));
        }
        return;
    };
    let Some((host, port)) = host_and_port(address) else {
        problems.push(Problem::plain("DB_HOST: must be a host, or host:port"));
        return;
    };
    let port = match (port, variables.text("DB_PORT")) {
        (Some(port), _) => port,
        (None, None) => 5432,
        (None, Some(text)) => {
            let Ok(port) = text.trim().parse() else {
                problems.push(Problem::plain(format!(
                    "DB_PORT: must be a port, not `{text}`"
                )));
                return;
            };
            port
        }
    };
    let Some(user) = variables.text("DB_USER") else {
        problems.push(Problem::plain(
            "DB_HOST is set but DB_USER is not: set DB_USER too, or DATABASE_URL",
        ));
        return;
    };
    let before = problems.len();
    let password = variables
        .secret("DB_PASSWORD", problems)
        .map(|(password, _)| format!(":{}", encoded(&password)))
        .unwrap_or_default();
    if problems.len() > before {
        return;
    }
    let name = encoded(variables.text("DB_NAME").unwrap_or("task_management"));
    let url = format!(
        "postgres://{}{password}@{host}:{port}/{name}",
        encoded(user)
    );
    give(
        given,
        "database.url",
        url,
        "from DB_HOST and the other DB_ variables",
    );
}

/// `REDIS_NOTIFIER_ADDR`: host:port of a Redis.
fn redis(
    variables: Variables<'_>,
    given: &mut BTreeMap<String, Given>,
    problems: &mut Vec<Problem>,
) {
    let Some(address) = variables.text("REDIS_NOTIFIER_ADDR") else {
        return;
    };
    if let Some((host, port)) = host_and_port(address) {
        let url = format!("redis://{host}:{}", port.unwrap_or(6379));
        give(given, "redis.url", url, "from REDIS_NOTIFIER_ADDR");
    } else {
        problems.push(Problem::plain(
            "REDIS_NOTIFIER_ADDR: must be host:port; a URL belongs into REDIS_URL",
        ));
    }
}

/// `GMAIL_SOURCE` and `GMAIL_APP_PASSWORD`: Gmail's server, and the sender.
fn gmail(
    variables: Variables<'_>,
    given: &mut BTreeMap<String, Given>,
    problems: &mut Vec<Problem>,
) {
    let source = variables.text("GMAIL_SOURCE");
    let has_password = variables.has_secret("GMAIL_APP_PASSWORD");
    let Some(source) = source else {
        if has_password {
            problems.push(Problem::plain(
                "GMAIL_APP_PASSWORD is set but GMAIL_SOURCE is not: set both",
            ));
        }
        return;
    };
    if !has_password {
        problems.push(Problem::plain(
            "GMAIL_SOURCE is set but GMAIL_APP_PASSWORD is not: set both",
        ));
        return;
    }
    let Some((password, _)) = variables.secret("GMAIL_APP_PASSWORD", problems) else {
        return;
    };
    // Google shows an app password in four groups with spaces that are not part of it.
    let password: String = password.split_whitespace().collect();
    let url = format!(
        "smtp://{}:{}@smtp.gmail.com:587",
        encoded(source),
        encoded(&password)
    );
    give(
        given,
        "mail.smtp_url",
        url,
        "from GMAIL_SOURCE and GMAIL_APP_PASSWORD",
    );
    give(given, "mail.from", source.to_owned(), "from GMAIL_SOURCE");
}

/// The variables of a key in Vault. They are taken over so that the start is refused: nobody shall believe they work.
fn vault(
    variables: Variables<'_>,
    given: &mut BTreeMap<String, Given>,
    problems: &mut Vec<Problem>,
) {
    let mut any = false;
    for (name, key) in VAULT {
        let found = if key == "auth.vault.secret_id" {
            variables.secret(name, problems)
        } else {
            variables
                .text(name)
                .map(|value| (value.to_owned(), name.to_owned()))
        };
        if let Some((value, source)) = found {
            any = true;
            give(given, key, value, &format!("from {source}"));
        }
    }
    // VAULT_ADDR alone is in many people's shell for Vault's own command line and says nothing about us.
    if any && let Some(address) = variables.text("VAULT_ADDR") {
        give(
            given,
            "auth.vault.address",
            address.to_owned(),
            "from VAULT_ADDR",
        );
    }
}

fn give(given: &mut BTreeMap<String, Given>, key: &str, value: String, place: &str) {
    let place = place.to_owned();
    let value = Value::String(value);
    given.insert(key.to_owned(), Given { value, place });
}

/// Splits `host`, `host:port`, `::1` or `[::1]:port`. The host comes back as a URL needs it.
fn host_and_port(address: &str) -> Option<(String, Option<u16>)> {
    if let Ok(address) = address.parse::<Ipv6Addr>() {
        return Some((format!("[{address}]"), None));
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !address.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (address, None),
    };
    Some((Host::parse(host).ok()?.to_string(), port))
}

/// Text for a part of a URL: all but the unreserved characters of RFC 3986 section 2.3 becomes `%XX`. The `url` crate's own
/// setters leave `%` as it is, so a password with `%41` in it would arrive as another one.
fn encoded(text: &str) -> String {
    use std::fmt::Write;

    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_all_spellings() {
        let found = |text| host_and_port(text).map(|(host, port)| (host, port.unwrap_or(0)));
        assert_eq!(found("db"), Some(("db".to_owned(), 0)));
        assert_eq!(found("my_db:5433"), Some(("my_db".to_owned(), 5433)));
        assert_eq!(found("::1"), Some(("[::1]".to_owned(), 0)));
        assert_eq!(found("[::1]"), Some(("[::1]".to_owned(), 0)));
        assert_eq!(found("[::1]:5433"), Some(("[::1]".to_owned(), 5433)));
        for wrong in [
            "",
            "db:",
            "db:x",
            "redis://db:1",
            "a@b",
            "/var/run/postgresql",
            "db:99999",
        ] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_special_character_is_encoded() {
        assert_eq!(encoded("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(encoded("p%41@:/ü?#"), "p%2541%40%3A%2F%C3%BC%3F%23");
    }
}
