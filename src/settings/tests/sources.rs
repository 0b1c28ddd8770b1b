//! Where values come from: the layers, files of secrets, names of other systems; and what is said about wrong ones.

use std::collections::BTreeSet;
use std::path::Path;

use secrecy::ExposeSecret;

use super::super::*;
use super::{Place, SECRET, load, refused};

#[test]
fn each_layer_is_stronger_than_the_one_before() {
    let text = "[server]\nport = 1\nmetrics_port = 2\n[redis]\nurl = \"redis://file\"\n[database]\nurl = \"postgres://u@file/d\"\n";
    let redis = |env: &[(&str, &str)]| {
        let settings = Place::new(env).file("taskflow.toml", text).load().unwrap();
        settings.redis.url.unwrap().expose_secret().to_owned()
    };
    let alias = ("REDIS_NOTIFIER_ADDR", "alias:1");
    let plain = ("REDIS_URL", "redis://plain");
    let full = ("TASKFLOW_REDIS__URL", "redis://full");
    assert_eq!(redis(&[]), "redis://file");
    assert_eq!(redis(&[alias]), "redis://alias:1");
    assert_eq!(redis(&[alias, plain]), "redis://plain");
    assert_eq!(redis(&[alias, plain, full]), "redis://full");
    assert_eq!(
        redis(&[("REDIS_URL", ""), ("TASKFLOW_REDIS__URL", "")]),
        "redis://file"
    );

    let settings = Place::new(&[("PORT", "3")])
        .file("taskflow.toml", text)
        .load()
        .unwrap();
    assert_eq!((settings.server.port, settings.server.metrics_port), (3, 2));
    let nested = load(&[("TASKFLOW_AUTH__PASSWORD__MIN_LENGTH", "20")]);
    assert_eq!(nested.auth.password.min_length(), 20);
}

#[test]
fn a_named_file_must_exist_and_replaces_the_usual_one() {
    let place = Place::new(&[("TASKFLOW_CONFIG", "b.toml")])
        .file("taskflow.toml", "[server]\nport = 1\n")
        .file("a.toml", "[server]\nport = 2\n")
        .file("b.toml", "[server]\nport = 3\n");
    assert_eq!(place.load().unwrap().server.port, 3);
    let named = |name| Settings::load(Some(Path::new(name)), &place.env, place.folder.path());
    assert_eq!(named("a.toml").unwrap().server.port, 2);
    assert!(
        named("c.toml")
            .unwrap_err()
            .to_string()
            .starts_with("cannot read c.toml: ")
    );
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    let text = "sever.port = 1\n[server]\nprot = 1\n[auth.password]\nmin_lenght = 9\n[database.url]\nhost = 1\n";
    let place = Place::new(&[
        ("TASKFLOW_SERVER__PROT", "1"),
        ("TASKFLOW_SERVER_PORT", "1"),
        ("TASKFLOW_PORT", "1"),
        ("TASKFLOW_SERVER__PORT_FILE", "x"),
        ("TASKFLOW_CONFG", "x"),
        // Not ours, or not set.
        ("PROT", "1"),
        ("TASKFLOW_FOO", ""),
        ("TASKFLOW_SERVICE_PORT", "80"),
        ("TASKFLOW_PORT_80_TCP", "tcp://10.0.0.1:80"),
    ])
    .file("taskflow.toml", text);
    let expected = [
        "unknown setting `auth.password.min_lenght` (in taskflow.toml); did you mean `auth.password.min_length`?",
        "unknown setting `database.url.host` (in taskflow.toml); did you mean `server.host`?",
        "unknown setting `server.prot` (in taskflow.toml); did you mean `server.port`?",
        "unknown setting `sever.port` (in taskflow.toml); did you mean `server.port`?",
        "unknown setting `TASKFLOW_CONFG` (in the environment); did you mean `TASKFLOW_CONFIG`?",
        "unknown setting `TASKFLOW_PORT` (in the environment); did you mean `TASKFLOW_SERVER__PORT`?",
        "unknown setting `TASKFLOW_SERVER_PORT` (in the environment); did you mean `TASKFLOW_SERVER__PORT`?",
        "unknown setting `TASKFLOW_SERVER__PROT` (in the environment); did you mean `TASKFLOW_SERVER__PORT`?",
        "TASKFLOW_SERVER__PORT_FILE: only secrets are read from a file; set TASKFLOW_SERVER__PORT",
    ];
    let found: BTreeSet<String> = place.refused().into_iter().collect();
    assert_eq!(found, expected.into_iter().map(str::to_owned).collect());
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let text = "log = 1\n[server]\nmax_body_bytes = 0\npublic_url = \"tasks\"\nallowed_origins = [\"a\", \"b\"]\n[auth]\nregistration = \"friends\"\njwt_secret = 12345\n";
    let env = [
        ("PORT", "70000"),
        ("TASKFLOW_JOBS__BATCH", "many"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
    ];
    let found = Place::new(&env).file("taskflow.toml", text).refused();
    let expected = [
        "`log` (in taskflow.toml): is a section: write its keys under [log]",
        "`jobs.batch` (from TASKFLOW_JOBS__BATCH): must be a whole number, not `many`",
        "`server.port` (from PORT): invalid value: integer `70000`, expected u16",
        "`server.public_url` (in taskflow.toml): relative URL without a base: \"tasks\"",
        "`auth.jwt_secret` (in taskflow.toml): must be a text",
        "`auth.registration` (in taskflow.toml): unknown variant `friends`, expected one of `open`, `invite`, `closed`",
        "`server.allowed_origins` (in taskflow.toml): `a` is not an origin: write scheme://host[:port]",
        "`server.allowed_origins` (in taskflow.toml): `b` is not an origin: write scheme://host[:port]",
        "`server.max_body_bytes` (in taskflow.toml): must be at least 1, not 0",
        "`database.url` (from DATABASE_URL): must begin with sqlite: or postgres://",
    ];
    let as_set = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(as_set(found), as_set(expected.map(str::to_owned).to_vec()));
}

#[test]
fn a_broken_file_is_told_by_its_line_and_not_quoted() {
    for value in [
        "\"hunter2 hunter2",
        "hunter2",
        "\"\"hunter2",
        "'hunter2",
        "\"x\"\njwt_secret = \"hunter2\"",
        "\"\\hunter2\"",
    ] {
        let text = format!("[auth]\njwt_secret = {value}\n");
        let found = Place::new(&[])
            .file("taskflow.toml", &text)
            .refused()
            .join("\n");
        assert!(found.starts_with("taskflow.toml, line "), "{found}");
        assert!(
            !found.contains("hunter2") && !found.contains("line 1:"),
            "{found}"
        );
    }
}

#[test]
fn secrets_come_from_files() {
    let long = SECRET.to_owned() + " \n\n";
    let place = Place::new(&[
        ("JWT_SECRET_FILE", "jwt"),
        ("TASKFLOW_DATABASE__URL_FILE", "database"),
        ("DATABASE_URL", "postgres://weaker/db"),
        ("JWT_PRIVATE_KEY_FILE", "keys/jwt.pem"),
    ])
    .file("jwt", &long)
    .file("database", "postgres://stronger/db\r\n");
    let settings = place.load().unwrap();
    // One newline goes, and nothing else.
    assert_eq!(
        settings.auth.jwt_secret.unwrap().expose_secret(),
        SECRET.to_owned() + " \n"
    );
    assert_eq!(
        settings.database.url.expose_secret(),
        "postgres://stronger/db"
    );
    assert_eq!(
        settings.auth.jwt_private_key_file,
        Path::new("keys/jwt.pem")
    );

    let both = refused(&[("SMTP_URL", "smtp://a"), ("SMTP_URL_FILE", "b")]);
    assert_eq!(
        both,
        ["SMTP_URL and SMTP_URL_FILE are both set: set only one"]
    );
    let full = refused(&[
        ("TASKFLOW_REDIS__URL", "redis://a"),
        ("TASKFLOW_REDIS__URL_FILE", "b"),
    ]);
    assert_eq!(
        full,
        ["TASKFLOW_REDIS__URL and TASKFLOW_REDIS__URL_FILE are both set: set only one"]
    );
    let missing = refused(&[("REDIS_URL_FILE", "none")]);
    assert!(
        missing[0].starts_with("REDIS_URL_FILE: cannot read none: "),
        "{missing:?}"
    );
    let empty = Place::new(&[("REDIS_URL_FILE", "empty")])
        .file("empty", "\n")
        .refused();
    assert_eq!(empty, ["REDIS_URL_FILE: the file empty is empty"]);
}

#[test]
fn names_of_other_systems_work() {
    let database = |env: &[(&str, &str)]| load(env).database.url.expose_secret().to_owned();
    let all = [
        ("DB_HOST", "db:5433"),
        ("DB_USER", "a@b"),
        ("DB_PASSWORD", "p%41/ü"),
        ("DB_NAME", "tasks"),
    ];
    assert_eq!(
        database(&all),
        "postgres://a%40b:p%2541%2F%C3%BC@db:5433/tasks"
    );
    let few = [("DB_HOST", "db"), ("DB_USER", "u"), ("DB_PORT", "5434")];
    assert_eq!(database(&few), "postgres://u@db:5434/task_management");
    let linked = [
        ("DB_HOST", "db"),
        ("DB_USER", "u"),
        ("DB_PORT", "tcp://10.0.0.2:1"),
    ];
    assert_eq!(database(&linked), "postgres://u@db:5432/task_management");
    let overruled = [("DB_HOST", "db"), ("DATABASE_URL", "sqlite://x.db")];
    assert_eq!(database(&overruled), "sqlite://x.db");
    let from_file = Place::new(&[
        ("DB_HOST", "db"),
        ("DB_USER", "u"),
        ("DB_PASSWORD_FILE", "pw"),
    ])
    .file("pw", "p w\n");
    let url = from_file.load().unwrap().database.url;
    assert_eq!(
        url.expose_secret(),
        "postgres://u:p%20w@db:5432/task_management"
    );
    assert!(refused(&[("DB_PASSWORD", "x")])[0].contains("DB_HOST is not"));
    assert!(refused(&[("DB_HOST", "db")])[0].contains("DB_USER is not"));

    let mail = load(&[
        ("GMAIL_SOURCE", "me@gmail.com"),
        ("GMAIL_APP_PASSWORD", "abcd efgh ijkl mnop"),
    ])
    .mail;
    let url = mail.smtp_url.as_ref().unwrap().expose_secret();
    assert_eq!(
        url,
        "smtp://me%40gmail.com:abcdefghijklmnop@smtp.gmail.com:587"
    );
    assert_eq!(mail.from, "me@gmail.com");
    assert_eq!(mail.effective_transport(), EffectiveTransport::Smtp);
    assert!(refused(&[("GMAIL_SOURCE", "me@gmail.com")])[0].contains("set both"));
}

#[test]
fn keys_in_vault_are_refused_and_a_lonely_address_is_not() {
    load(&[("VAULT_ADDR", "https://vault")]);
    let env = [
        ("VAULT_ADDR", "https://vault"),
        ("APPROLE_SECRET_ID", "hunter2"),
        ("VAULTKEY_NAME", "k"),
    ];
    let found = refused(&env);
    let message =
        "keys in Vault are not read by this version; use auth.jwt_private_key_file or JWT_SECRET";
    assert_eq!(
        found,
        [format!(
            "`auth.vault.secret_id` (from APPROLE_SECRET_ID): {message}"
        )]
    );
    assert!(refused(&[("TASKFLOW_AUTH__VAULT__ADDRESS", "https://vault")])[0].contains(message));
}
