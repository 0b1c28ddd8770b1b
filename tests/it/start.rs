//! The command line and the lines at start, with the real executable.

mod accounts;
mod import;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rstest::rstest;
use serde_json::{Value, json};

use crate::end_to_end::{assign, register};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::free_port;
use crate::support::server::{Site, TASKFLOW, post};
use crate::support::smtp::{Behaviour, SmtpOptions, SmtpServer};

const SECRET: &str = "0123456789-secret-0123456789-abc";

/// What a command that ends by itself did.
#[derive(Debug)]
pub struct Done {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

fn run(folder: &Path, env: &[(&str, &str)], args: &[&str], stdin: &str) -> Done {
    let mut child = Command::new(TASKFLOW)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read it may have closed it.
    drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done {
        status: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs a command with the settings of a site and some more.
pub fn at(site: &Site, more: &[(&str, &str)], args: &[&str], stdin: &str) -> Done {
    let mut env: Vec<(&str, &str)> = Vec::new();
    env.extend(
        site.env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    env.extend(more);
    run(site.folder.path(), &env, args, stdin)
}

/// What production needs beyond the settings of every test.
pub const PRODUCTION: [(&str, &str); 5] = [
    ("TASKFLOW_ENV", "production"),
    ("TASKFLOW_SERVER__HOST", "127.0.0.1"),
    ("TASKFLOW_MAIL__TRANSPORT", "none"),
    ("ALLOWED_ORIGINS", "https://tasks.example.org"),
    ("JWT_SECRET", SECRET),
];

async fn get(url: &str) -> (u16, String) {
    let reply = reqwest::get(url).await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

#[test]
fn the_schema_is_printed_without_a_database_and_with_broken_settings() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://127.0.0.1:{}/none", free_port());
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("TASKFLOW_SERVER__PROT", "1"),
    ];
    let done = run(folder.path(), &env, &["schema"], "");
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_eq!(done.out, include_str!("../../schema.graphql"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn config_check_says_ok_with_what_is_odd_or_everything_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), &[], &["config", "check"], "");
    assert_eq!((done.status, done.out.as_str()), (Some(0), "ok\n"));

    let done = run(
        folder.path(),
        &[("JWT_SECRET", SECRET)],
        &["config", "check"],
        "",
    );
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(
        done.out.starts_with("warning: auth.jwt_secret is set"),
        "{}",
        done.out
    );

    // A key of another program, and none at all.
    std::fs::write(folder.path().join("key.pem"), "nonsense").unwrap();
    for file in ["key.pem", "missing.pem"] {
        let other = [("TASKFLOW_AUTH__JWT_OTHER_KEY_FILES", file)];
        let done = run(folder.path(), &other, &["config", "check"], "");
        assert_eq!(done.status, Some(1), "{done:?}");
        let told = done.err.contains(file) && done.err.contains("auth.jwt_other_key_files");
        assert!(told, "{}", done.err);
    }

    let env = [
        ("PORT", "many"),
        ("SMTP_URL", "http://mail.example.org"),
        ("JWT_SECRET", "too-short-secret"),
        // No send would ever begin.
        ("TASKFLOW_JOBS__LEASE_SECONDS", "20"),
    ];
    let done = run(folder.path(), &env, &["config", "check"], "");
    assert_eq!(done.status, Some(2), "{done:?}");
    for part in [
        "`server.port` (from PORT)",
        "`mail.smtp_url`",
        "at least 32 bytes",
        "more than mail.timeout_seconds",
    ] {
        assert!(done.err.contains(part), "{part} in {}", done.err);
    }
    assert!(!done.err.contains("too-short-secret"), "{}", done.err);
}

#[test]
fn config_print_hides_every_secret() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("taskflow.toml"),
        "[server]\nport = 8181\n",
    )
    .unwrap();
    let env = [
        (
            "DATABASE_URL",
            "postgres://ada:h1dden-one@db.example.org:5432/tasks",
        ),
        ("REDIS_URL", "redis://:h1dden-two@redis.example.org"),
        ("SMTP_URL", "smtp://mailer:h1dden-three@mail.example.org"),
        ("JWT_SECRET", "h1dden-four-h1dden-four-h1dden-four"),
    ];
    let done = run(folder.path(), &env, &["config", "print"], "");
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(!format!("{done:?}").contains("h1dden"), "{}", done.out);
    for part in [
        "db.example.org:5432/tasks",
        "mail.example.org",
        "port = 8181",
        "***",
    ] {
        assert!(done.out.contains(part), "{part} in {}", done.out);
    }
}

#[rstest]
#[tokio::test]
async fn migrate_shows_applies_and_takes_back(#[values(Embedded, Full)] mode: Mode) {
    let site = Site::new(mode, &[]).await;
    let migrate = |args: &[&str]| {
        let args = [&["migrate"], args].concat();
        let done = at(&site, &[], &args, "");
        assert_eq!(done.status, Some(0), "{done:?}");
        done.out
    };
    let missing = |status: &str| {
        status
            .lines()
            .filter(|line| line.starts_with("missing"))
            .count()
    };
    migrate(&["up"]);
    let status = migrate(&["status"]);
    let all = status.lines().count();
    assert!(all > 1, "{status}");
    assert_eq!(missing(&status), 0, "{status}");
    migrate(&["down"]);
    let status = migrate(&["status"]);
    assert_eq!(missing(&status), 1, "{status}");
    assert!(
        status.lines().last().unwrap().starts_with("missing"),
        "{status}"
    );
    migrate(&["down", "--steps", &(all - 1).to_string()]);
    assert_eq!(missing(&migrate(&["status"])), all);
    let up = migrate(&["up"]);
    assert_eq!(
        up.lines()
            .filter(|line| line.starts_with("applied"))
            .count(),
        all
    );
    assert_eq!(missing(&migrate(&["status"])), 0);
}

#[tokio::test]
async fn healthcheck_is_0_while_the_server_is_ready_and_1_otherwise() {
    let site = Site::new(Embedded, &[]).await;
    let (mut server, address) = site.serve(&[]).await;
    let port = address.port().to_string();
    let check = || at(&site, &[("PORT", &port)], &["healthcheck"], "");
    let done = check();
    assert_eq!(
        (done.status, done.out.as_str()),
        (Some(0), "ready\n"),
        "{done:?}"
    );
    server.terminate();
    assert!(server.wait().await.success());
    let done = check();
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(
        done.out.contains(&format!("no answer on 127.0.0.1:{port}")),
        "{}",
        done.out
    );
}

#[test]
fn production_refuses_to_start_and_lists_every_reason() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(
        folder.path(),
        &[("TASKFLOW_ENV", "production")],
        &["serve"],
        "",
    );
    assert_eq!(done.status, Some(2), "{done:?}");
    for setting in [
        "JWT_PRIVATE_KEY_FILE",
        "SMTP_URL",
        "TASKFLOW_SERVER__PUBLIC_URL",
        "ALLOWED_ORIGINS",
    ] {
        assert!(done.err.contains(setting), "{setting} in {}", done.err);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn production_leaves_the_database_to_migrate_up_and_then_serves_without_the_tools() {
    let site = Site::new(Embedded, &PRODUCTION).await;
    let done = at(&site, &[], &["serve"], "");
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.err.contains("taskflow migrate up"), "{}", done.err);
    assert_eq!(at(&site, &[], &["migrate", "up"], "").status, Some(0));

    let (mut server, address) = site.serve(&[]).await;
    for page in ["graphiql", "mailbox"] {
        assert_eq!(
            get(&format!("http://{address}/{page}")).await.0,
            404,
            "{page}"
        );
    }
    server.terminate();
    assert!(server.wait().await.success());
    for line in server.stderr().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}"));
        assert!(line["level"].is_string(), "{line}");
    }
}

#[rstest]
#[tokio::test]
async fn dead_jobs_are_listed_on_the_command_line(#[values(Embedded, Full)] mode: Mode) {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    smtp.behave(Behaviour::RejectRcpt(
        550,
        "5.1.1 <bob@example.org> unknown",
    ));
    let url = format!("smtp://{}", smtp.address());
    let site = Site::new(mode, &[("SMTP_URL", &url)]).await;
    let dead = || at(&site, &[], &["admin", "jobs", "dead"], "");
    assert_eq!(dead().out, "no dead jobs\n");
    let (mut server, address) = site.serve(&[]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    assign(address, &ada, &bob, "Write the notes").await;
    server
        .wait_for_line(|line| line.contains("job is dead"))
        .await;
    server.terminate();
    assert!(server.wait().await.success());
    let said = dead().out;
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in ["deliver", "attempts 1", "550"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!format!("{said}{}", server.output()).contains("bob@example.org"));
}

#[tokio::test]
async fn the_lines_at_start_name_pages_that_are_there() {
    let site = Site::new(Embedded, &[]).await;
    let (server, address) = site.serve(&[]).await;
    register(address, "ada").await;
    let said = server.output();
    let lines: BTreeMap<&str, &str> = said
        .lines()
        .filter_map(|line| line.trim().split_once("  "))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    for (name, content) in [
        ("GraphiQL", "<html"),
        ("Mailbox", "<html"),
        ("Health", "\"status\":\"ok\""),
        ("Metrics", "graphql_requests_total"),
    ] {
        let url = lines
            .get(name)
            .unwrap_or_else(|| panic!("{name} in {said}"));
        let (status, body) = get(url).await;
        assert_eq!(status, 200, "{url}");
        assert!(body.contains(content), "{url} answers {body}");
    }
    assert_eq!(lines["Database"], "SQLite");
    assert_eq!(lines["Bus"], "in process");
    let folder = site.folder.path().join("mailbox");
    assert_eq!(lines["Mail"], format!("files in {}", folder.display()));
}

#[tokio::test]
async fn a_shared_secret_signs_with_hs256_and_publishes_no_key() {
    let site = Site::new(Embedded, &[("JWT_SECRET", SECRET)]).await;
    let (_server, address) = site.serve(&[]).await;
    let ada = register(address, "ada").await;
    let header = ada.token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header["alg"], "HS256");
    let query = "{ viewer { user { name } } }";
    let reply = post(address, Some(&ada.token), query, json!({})).await;
    assert_eq!(reply["data"]["viewer"]["user"]["name"], "Name of ada");
    let (_, keys) = get(&format!("http://{address}/.well-known/jwks.json")).await;
    assert_eq!(keys, r#"{"keys":[]}"#);
    assert!(!site.folder.path().join("key.pem").exists());
}
