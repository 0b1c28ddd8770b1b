//! The settings: what the operator chose, read once at start, checked whole, and never read from the environment anywhere else.
//!
//! Layers, each stronger than the one before: `taskflow.default.toml` (built in), `taskflow.toml` or the file the operator
//! named, aliases of other systems, plain names such as `PORT`, full names such as `TASKFLOW_SERVER__PORT`.
//! The layers are merged here and not by the `config` crate, because every value must remember where it came from:
//! all mistakes are told at once, each with its file or variable, and none with a secret in it.

mod aliases;
mod auth;
mod background;
mod check;
mod database;
mod document;
mod environment;
mod file;
mod limits;
mod mail;
mod notifications;
mod outbound;
mod persisted;
mod print;
mod problem;
mod push;
mod rate_limits;
mod server;
mod sms;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Value;

pub use auth::{
    AuthSettings, LockoutSettings, PasswordPolicy, PasswordSettings, Registration, VaultSettings,
};
pub use background::{EventsSettings, JobsSettings, LogFormat, LogSettings, SinkSettings};
pub use database::{DatabaseSettings, RedisSettings};
pub use limits::{GraphqlSettings, WebsocketSettings};
pub use mail::{EffectiveTransport, MailSettings, MailTransport, SendgridSettings, SesSettings};
pub use notifications::{Locale, NotificationsSettings};
pub use outbound::{AwsSettings, OutboundSettings};
pub use persisted::PersistedDocumentsSettings;
pub(crate) use print::hide_password;
pub use problem::{Problem, SettingsError};
pub use push::{
    ApnsSettings, EffectivePush, FcmSettings, PushSettings, PushTransportSetting, PushWay,
};
pub use rate_limits::{Bucket, LimitsProfile, LimitsSettings, Rate, RateSetting};
pub use server::ServerSettings;
pub use sms::{EffectiveSms, SmsSettings, SmsWay, SnsSettings, TwilioSettings};
pub(crate) use sms::{is_name, is_number};
pub use webhooks::WebhooksSettings;

use document::Known;
use environment::Variables;

/// How careful the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// One person's machine: everything works without preparation.
    Development,
    /// Real users: the start is refused while something they need is missing.
    Production,
}

/// All settings. `taskflow.default.toml` explains every key.
///
/// Serializing writes what [`Settings::print`] shows: secrets are masked.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Development or production.
    pub env: Environment,
    /// Listening, and what the outside may send.
    pub server: ServerSettings,
    /// Where the data is.
    pub database: DatabaseSettings,
    /// What several replicas share.
    pub redis: RedisSettings,
    /// Keys, tokens, passwords, registration.
    pub auth: AuthSettings,
    /// How this process calls others by HTTP.
    pub outbound: OutboundSettings,
    /// How mail leaves.
    pub mail: MailSettings,
    /// What people are told.
    pub notifications: NotificationsSettings,
    /// How messages to phones leave.
    pub push: PushSettings,
    /// How text messages leave.
    pub sms: SmsSettings,
    /// What one GraphQL operation may cost.
    pub graphql: GraphqlSettings,
    /// What one WebSocket may cost.
    pub websocket: WebsocketSettings,
    /// How often who may do what.
    pub limits: LimitsSettings,
    /// Documents that clients name by their hash.
    pub persisted_documents: PersistedDocumentsSettings,
    /// The event log's readers.
    pub events: EventsSettings,
    /// What other services are told of.
    pub sink: SinkSettings,
    /// Calling addresses of other systems.
    pub webhooks: WebhooksSettings,
    /// The job queue's workers.
    pub jobs: JobsSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// A value that somebody chose, and where.
struct Given {
    value: Value,
    place: String,
}

impl Settings {
    /// Reads and checks the settings from the process: its environment and its current folder. `config` is `--config FILE`.
    pub fn from_process(config: Option<&Path>) -> Result<Self, SettingsError> {
        let mut env = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    env.insert(name, value);
                }
                // Reading it with replaced characters would change a password without a word.
                Err(_) if name.starts_with(document::PREFIX) || is_plain_name(&name) => {
                    problems.push(Problem::plain(format!("{name}: is not UTF-8")));
                }
                Err(_) => {}
            }
        }
        if !problems.is_empty() {
            return Err(SettingsError { problems });
        }
        // Where the current folder has no name, relative paths still work from it.
        let folder = std::env::current_dir().unwrap_or_default();
        Self::load(config, &env, &folder)
    }

    /// Reads and checks the settings: the file `config` or else `taskflow.toml` in `folder` if there is one, and the
    /// variables `env`. Relative paths start at `folder`. Tells everything that is wrong at once.
    pub fn load(
        config: Option<&Path>,
        env: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Self, SettingsError> {
        let variables = Variables { all: env, folder };
        let known = document::known();
        let mut given = BTreeMap::new();
        let mut problems = Vec::new();
        let named = config.or_else(|| variables.text(environment::CONFIG).map(Path::new));
        file::read(named, folder, &known, &mut given, &mut problems);
        aliases::read(variables, &mut given, &mut problems);
        environment::read(variables, &known, &mut given, &mut problems);

        let settings = match merge(&known, &given, &mut problems) {
            Ok(settings) => settings,
            Err(problem) => {
                problems.push(problem);
                return Err(SettingsError { problems });
            }
        };
        let mut broken_rules = Vec::new();
        settings.validate(folder, &mut broken_rules);
        // A value that could not even be read was replaced by the default: what the rules say about that helps nobody.
        broken_rules.retain(|rule| {
            problems
                .iter()
                .all(|problem| problem.setting != rule.setting)
        });
        for problem in broken_rules {
            let place = given
                .get(&problem.setting)
                .map_or("", |given| given.place.as_str());
            problems.push(problem.at(place));
        }
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError { problems })
        }
    }

    /// Checks every section, then what the sections need from each other.
    fn validate(&self, folder: &Path, errors: &mut Vec<Problem>) {
        self.server.validate(errors);
        self.database.validate(errors);
        self.redis.validate(errors);
        self.auth.validate(errors);
        self.outbound.validate(errors);
        self.mail.validate(folder, errors);
        self.notifications.validate(errors);
        self.push.validate(folder, errors);
        self.sms.validate(self.effective_sms(), errors);
        self.graphql.validate(errors);
        self.websocket.validate(errors);
        self.limits.validate(errors);
        self.persisted_documents.validate(errors);
        self.events.validate(errors);
        self.sink.validate(&self.redis, errors);
        self.webhooks.validate(errors);
        self.jobs.validate(errors);
        self.log.validate(errors);
        // Two workers would send the same message if a send could outlast its lease.
        let sends = [
            ("mail.timeout_seconds", self.mail.timeout_seconds),
            ("push.timeout_seconds", self.push.timeout_seconds),
            ("outbound.timeout_seconds", self.outbound.timeout_seconds),
        ];
        for (key, seconds) in sends {
            if self.jobs.lease_seconds <= seconds {
                let message = format!("must be more than {key}, which is {seconds}");
                errors.push(Problem::of("jobs.lease_seconds", message));
            }
        }
        self.refuse_unready_production(folder, errors);
    }

    /// Whether this is production.
    pub fn is_production(&self) -> bool {
        self.env == Environment::Production
    }

    /// Whether `GraphiQL` is served: as set, or else only in development.
    pub fn graphiql(&self) -> bool {
        self.graphql.graphiql.unwrap_or(!self.is_production())
    }

    /// Whether clients may ask for the schema: as set, or else only in development.
    pub fn introspection(&self) -> bool {
        self.graphql.introspection.unwrap_or(!self.is_production())
    }

    /// Whether `serve` brings the tables up to date: as set, or else only in development.
    pub fn migrate_on_start(&self) -> bool {
        self.database
            .migrate_on_start
            .unwrap_or(!self.is_production())
    }

    /// Whether log lines are JSON: as set, or else only in production.
    pub fn logs_as_json(&self) -> bool {
        match self.log.format {
            LogFormat::Auto => self.is_production(),
            LogFormat::Text => false,
            LogFormat::Json => true,
        }
    }
}

fn is_plain_name(name: &str) -> bool {
    environment::PLAIN.iter().any(|(plain, _)| *plain == name) || aliases::NAMES.contains(&name)
}

/// Puts the given values over the defaults. Each is first tried alone, so that every wrong one is told with its own place.
fn merge(
    known: &[Known],
    given: &BTreeMap<String, Given>,
    problems: &mut Vec<Problem>,
) -> Result<Settings, Problem> {
    let of_document = |error: toml::de::Error| {
        Problem::plain(format!("taskflow.default.toml: {}", error.message()))
    };
    let defaults = document::defaults().map_err(of_document)?;
    let mut merged = defaults.clone();
    for known in known {
        let Some(Given { value, place }) = given.get(&known.key) else {
            continue;
        };
        // In a file an optional key can only be "unset" by an empty text.
        if known.optional && value.as_str() == Some("") {
            continue;
        }
        let mut alone = defaults.clone();
        document::put(&mut alone, &known.key, value.clone());
        match alone.try_into::<Settings>() {
            Ok(_) => document::put(&mut merged, &known.key, value.clone()),
            // The reader's message quotes the value.
            Err(_) if known.is_secret() => {
                problems.push(Problem::of(&known.key, "must be a text").at(place));
            }
            Err(error) => problems.push(Problem::of(&known.key, error.message()).at(place)),
        }
    }
    merged.try_into().map_err(of_document)
}

/// Adds a problem if the value is smaller than `least`.
fn at_least<T: Copy + PartialOrd + Display>(
    errors: &mut Vec<Problem>,
    key: &str,
    value: T,
    least: T,
) {
    if value < least {
        errors.push(Problem::of(
            key,
            format!("must be at least {least}, not {value}"),
        ));
    }
}

/// Adds a problem if the value is not between `least` and `most`.
fn between<T: Copy + PartialOrd + Display>(
    errors: &mut Vec<Problem>,
    key: &str,
    value: T,
    least: T,
    most: T,
) {
    if value < least || value > most {
        errors.push(Problem::of(
            key,
            format!("must be between {least} and {most}, not {value}"),
        ));
    }
}
