//! `[database]` and `[redis]`: where the data is, and what several replicas share.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::problem::Problem;
use super::{at_least, print};

/// The section `[database]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite:…` or `postgres://…`; it may hold a password.
    #[serde(serialize_with = "print::url")]
    pub url: SecretString,
    /// The most connections to `PostgreSQL`.
    pub max_connections: u32,
    /// A connection idle for this many seconds is tested before use.
    pub idle_ping_seconds: u64,
    /// A connection is replaced after this many seconds.
    pub max_lifetime_seconds: u64,
    /// How long to wait for a free connection, in seconds.
    pub acquire_timeout_seconds: u64,
    /// `PostgreSQL`'s `statement_timeout`, in seconds.
    pub statement_timeout_seconds: u64,
    /// `PostgreSQL`'s `lock_timeout`, in milliseconds.
    pub lock_timeout_ms: u64,
    /// `PostgreSQL`'s `idle_in_transaction_session_timeout`, in seconds.
    pub idle_in_transaction_seconds: u64,
    /// How many connections read from `SQLite`.
    pub sqlite_readers: u32,
    /// `SQLite`'s `busy_timeout`, in milliseconds.
    pub sqlite_busy_timeout_ms: u64,
    /// Whether `serve` migrates; [`super::Settings::migrate_on_start`] knows the default.
    pub migrate_on_start: Option<bool>,
}

impl DatabaseSettings {
    /// Whether the data is in `SQLite`; otherwise it is in `PostgreSQL`.
    pub fn is_sqlite(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }

    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        if self.is_sqlite() {
            let path = self
                .url
                .expose_secret()
                .trim_start_matches("sqlite:")
                .trim_start_matches("//");
            if path.is_empty() {
                errors.push(Problem::of(
                    "database.url",
                    "names no file: write sqlite://data/taskflow.db",
                ));
            }
        } else if let Err(message) = check_url(
            &self.url,
            &["postgres", "postgresql"],
            "sqlite: or postgres://",
        ) {
            errors.push(Problem::of("database.url", message));
        }
        // Migrating holds one for the lock and works on another.
        at_least(errors, "database.max_connections", self.max_connections, 2);
        at_least(
            errors,
            "database.idle_ping_seconds",
            self.idle_ping_seconds,
            1,
        );
        at_least(
            errors,
            "database.max_lifetime_seconds",
            self.max_lifetime_seconds,
            1,
        );
        at_least(
            errors,
            "database.acquire_timeout_seconds",
            self.acquire_timeout_seconds,
            1,
        );
        // PostgreSQL takes 0 for "no limit", which is never meant here.
        at_least(
            errors,
            "database.statement_timeout_seconds",
            self.statement_timeout_seconds,
            1,
        );
        at_least(errors, "database.lock_timeout_ms", self.lock_timeout_ms, 1);
        at_least(
            errors,
            "database.idle_in_transaction_seconds",
            self.idle_in_transaction_seconds,
            1,
        );
        at_least(errors, "database.sqlite_readers", self.sqlite_readers, 1);
        at_least(
            errors,
            "database.sqlite_busy_timeout_ms",
            self.sqlite_busy_timeout_ms,
            1,
        );
    }
}

/// The section `[redis]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://…` or `rediss://…`; it may hold a password. None: everything stays in this process.
    #[serde(serialize_with = "print::optional_url")]
    pub url: Option<SecretString>,
    /// The beginning of every key and channel name.
    pub prefix: String,
}

impl RedisSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        if let Some(url) = &self.url
            && let Err(message) = check_url(url, &["redis", "rediss"], "redis:// or rediss://")
        {
            errors.push(Problem::of("redis.url", message));
        }
        if self.prefix.is_empty() || !self.prefix.chars().all(|c| c.is_ascii_graphic()) {
            errors.push(Problem::of(
                "redis.prefix",
                "must be visible ASCII characters without spaces",
            ));
        }
    }
}

/// Checks a URL that may hold a password, without ever telling what is in it. `beginnings` names the schemes in the message.
pub(super) fn check_url(
    secret: &SecretString,
    schemes: &[&str],
    beginnings: &str,
) -> Result<Url, String> {
    let text = secret.expose_secret();
    let has_scheme = |scheme: &&str| {
        text.strip_prefix(*scheme)
            .is_some_and(|rest| rest.starts_with("://"))
    };
    if !schemes.iter().any(has_scheme) {
        return Err(format!("must begin with {beginnings}"));
    }
    let url = Url::parse(text).ok();
    // An `@` behind the host means that a `/`, `?` or `#` in the password ended the host too early.
    url.filter(print::authority_is_whole).ok_or_else(|| {
        "is not a valid URL; special characters of a user name or password must be percent-encoded (`@` is %40)"
            .to_owned()
    })
}
