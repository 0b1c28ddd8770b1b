//! The settings as a whole: from the layers to the messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use secrecy::ExposeSecret;
use tempfile::TempDir;
use toml::Table;

use super::*;

mod sources;
mod vendors;

/// A folder for the settings file and secrets, and the variables to load with.
struct Place {
    folder: TempDir,
    env: BTreeMap<String, String>,
}

impl Place {
    fn new(env: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self { folder, env }
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn load(&self) -> Result<Settings, SettingsError> {
        Settings::load(None, &self.env, self.folder.path())
    }

    /// The problems, one a line.
    fn refused(&self) -> Vec<String> {
        self.load()
            .unwrap_err()
            .to_string()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn load(env: &[(&str, &str)]) -> Settings {
    Place::new(env).load().unwrap()
}

fn refused(env: &[(&str, &str)]) -> Vec<String> {
    Place::new(env).refused()
}

const SECRET: &str = "0123456789-0123456789-0123456789";

const READY: [(&str, &str); 5] = [
    ("TASKFLOW_ENV", "production"),
    ("JWT_SECRET", SECRET),
    ("TASKFLOW_MAIL__TRANSPORT", "none"),
    ("TASKFLOW_SERVER__PUBLIC_URL", "https://tasks.example.org/"),
    (
        "ALLOWED_ORIGINS",
        "https://tasks.example.org, https://app.example.org",
    ),
];

#[test]
fn nothing_is_needed_in_development() {
    let settings = load(&[]);
    assert_eq!(settings.bind_host().to_string(), "127.0.0.1");
    assert_eq!(
        (settings.server.port, settings.server.metrics_port),
        (8080, 9091)
    );
    assert_eq!(settings.public_url(), "http://localhost:8080");
    assert_eq!(settings.issuer(), "taskflow");
    assert_eq!(
        settings.database.url.expose_secret(),
        "sqlite://data/taskflow.db"
    );
    assert_eq!(
        settings.mail.effective_transport(),
        EffectiveTransport::Mailbox
    );
    assert_eq!(settings.auth.password.min_length(), 12);
    assert!(settings.graphiql() && settings.introspection() && settings.migrate_on_start());
    assert!(!settings.logs_as_json());
    assert!(settings.warnings().is_empty());
}

#[test]
fn production_turns_the_defaults_round() {
    let settings = load(&READY);
    assert_eq!(settings.bind_host().to_string(), "0.0.0.0");
    assert_eq!(settings.public_url(), "https://tasks.example.org");
    assert_eq!(settings.issuer(), "https://tasks.example.org");
    assert_eq!(
        settings.server.allowed_origins,
        ["https://tasks.example.org", "https://app.example.org"]
    );
    assert!(!settings.graphiql() && !settings.introspection() && !settings.migrate_on_start());
    assert!(settings.logs_as_json());
    let warnings = settings.warnings().join("\n");
    for text in ["HS256", "SQLite", "nobody gets mail"] {
        assert!(warnings.contains(text), "{text} in {warnings}");
    }
    let mut env = READY.to_vec();
    env.push(("DATABASE_URL", "postgres://u@h/db"));
    assert!(
        load(&env)
            .warnings()
            .join("\n")
            .contains("redis.url is not set")
    );
}

/// Every name that serde accepts in a section, from its own list in the refusal of an unknown one.
fn fields(section: &str) -> BTreeSet<String> {
    let mut table = document::defaults().unwrap();
    let prefix = if section.is_empty() {
        String::new()
    } else {
        format!("{section}.")
    };
    document::put(
        &mut table,
        &format!("{prefix}no_such_key"),
        Value::Integer(0),
    );
    let error = table.try_into::<Settings>().unwrap_err();
    let (_, list) = error.message().split_once("expected ").unwrap();
    list.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_default_document_and_the_structs_have_the_same_keys() {
    let known = document::known();
    let mut by_section = BTreeMap::<String, BTreeSet<String>>::new();
    for known in &known {
        let (section, name) = known.key.rsplit_once('.').unwrap_or(("", &known.key));
        by_section
            .entry(section.to_owned())
            .or_default()
            .insert(name.to_owned());
    }
    // A section is itself a field of the one around it.
    for section in by_section
        .keys()
        .filter(|section| !section.is_empty())
        .cloned()
        .collect::<Vec<_>>()
    {
        let (around, name) = section.rsplit_once('.').unwrap_or(("", &section));
        by_section.get_mut(around).unwrap().insert(name.to_owned());
    }
    assert_eq!(by_section.len(), 28);
    for (section, names) in by_section {
        assert_eq!(fields(&section), names, "[{section}]");
    }
    for key in document::SECRETS {
        assert!(known.iter().any(|known| known.key == key), "{key}");
    }
    for (_, key) in environment::PLAIN {
        assert!(known.iter().any(|known| known.key == key), "{key}");
    }
}

#[test]
fn every_key_can_be_set_with_its_example() {
    for known in document::known().iter().filter(|known| known.optional) {
        let mut table = Table::new();
        document::put(&mut table, &known.key, known.sample.clone());
        let settings = Place::new(&[])
            .file("taskflow.toml", &table.to_string())
            .load();
        // The examples of files do not exist here, and some settings need each other.
        let alone = [
            "mail.smtp_ca_file",
            "push.fcm.service_account_file",
            "push.apns.key_file",
            "push.apns.key_id",
            "push.apns.team_id",
            "push.apns.topic",
        ];
        assert_eq!(
            settings.is_ok(),
            !alone.contains(&known.key.as_str()),
            "{}",
            known.key
        );
    }
}

#[test]
fn production_lists_everything_it_misses() {
    let found = refused(&[("TASKFLOW_ENV", "production")]);
    assert_eq!(found.len(), 4);
    for (line, text) in found.iter().zip([
        "JWT_PRIVATE_KEY_FILE",
        "SMTP_URL",
        "PUBLIC_URL",
        "ALLOWED_ORIGINS",
    ]) {
        assert!(line.contains(text), "{line}");
    }
    let env: Vec<_> = READY
        .into_iter()
        .filter(|(name, _)| *name != "JWT_SECRET")
        .collect();
    assert_eq!(Place::new(&env).refused().len(), 1);
    let place = Place::new(&env)
        .file("taskflow.toml", "auth.jwt_private_key_file = \"key.pem\"\n")
        .file("key.pem", "x");
    place.load().unwrap();
}

#[test]
fn secrets_are_never_shown() {
    let place = Place::new(&[
        ("DATABASE_URL", "postgres://user:hunter2@host/db"),
        ("REDIS_URL", "rediss://:hunter2@host:6380/0"),
        ("SMTP_URL", "smtps://user:hunter2@mail.example.org"),
        ("JWT_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2"),
    ]);
    let settings = place.load().unwrap();
    let (debug, print) = (format!("{settings:?}"), settings.print());
    assert!(!debug.contains("hunter2"), "{debug}");
    assert!(!print.contains("hunter2"), "{print}");
    for line in [
        "url = \"postgres://user:***@host/db\"",
        "url = \"rediss://:***@host:6380/0\"",
        "smtp_url = \"smtps://user:***@mail.example.org\"",
        "jwt_secret = \"***\"",
    ] {
        assert!(
            print.lines().any(|found| found == line),
            "{line} in {print}"
        );
    }
    // Wrong secrets are told without them, too.
    let wrong = refused(&[
        ("DATABASE_URL", "postgres://user:hunter2/x@host/db"),
        ("REDIS_URL", "hunter2"),
        ("SMTP_URL", "smtp://user:hunter2@"),
        ("JWT_SECRET", "hunter2"),
    ]);
    assert_eq!(wrong.len(), 4);
    assert!(!wrong.join("\n").contains("hunter2"), "{wrong:?}");
}

#[test]
fn what_is_printed_can_be_loaded_again() {
    let settings = load(&[("PORT", "1234"), ("TASKFLOW_LOG__FORMAT", "json")]);
    let print = settings.print();
    for line in [
        "env = \"development\"",
        "# host = \"127.0.0.1\"",
        "port = 1234",
        "# smtp_url =",
        "# min_length = 12",
    ] {
        assert!(
            print.lines().any(|found| found == line),
            "{line} in {print}"
        );
    }
    let again = Place::new(&[])
        .file("taskflow.toml", &print)
        .load()
        .unwrap();
    assert_eq!(again.print(), print);
    let order = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with('['))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        order(&print),
        order(include_str!("../../../taskflow.default.toml"))
    );
}
