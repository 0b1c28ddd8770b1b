//! Invitations of the command line, and what a real server says while mails with tokens leave.

use rstest::rstest;
use serde_json::json;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::PASSWORD;
use crate::support::process::Proc;
use crate::support::server::{Site, post};

use super::read;

/// Runs a command to its end; whether it went well, and what it said.
async fn admin(site: &Site, args: &[&str]) -> (bool, String) {
    let mut command: Proc = site.spawn(&[&["admin"], args].concat());
    command.close_stdin();
    let status = command.wait().await;
    (status.success(), command.output())
}

#[rstest]
#[tokio::test]
async fn the_command_line_invites_and_the_log_has_no_token(#[values(Embedded, Full)] mode: Mode) {
    let settings = [
        ("TASKFLOW_AUTH__REGISTRATION", "invite"),
        ("TASKFLOW_LOG__LEVEL", "debug"),
    ];
    let site = Site::new(mode, &settings).await;
    let invite = ["invite", "--email", "bob@example.org"];
    let (done, said) = admin(&site, &invite).await;
    assert!(
        !done && said.contains("there is no administrator"),
        "{said}"
    );
    let root = [
        "create-user",
        "--username",
        "root1",
        "--name",
        "Root",
        "--admin",
    ];
    let other = ["create-user", "--username", "other", "--name", "Other"];
    for args in [&root[..], &other[..]] {
        assert!(admin(&site, args).await.0);
    }
    for (more, words) in [
        (["--by", "nobody"], "there is no account of nobody"),
        (["--by", "other"], "Other is no administrator"),
    ] {
        let (done, said) = admin(&site, &[&invite[..], &more].concat()).await;
        assert!(!done && said.contains(words), "{said}");
    }
    let (done, said) = admin(&site, &["invite", "--email", "nonsense"]).await;
    assert!(!done && said.contains("not an e-mail address"), "{said}");
    let (done, said) = admin(&site, &invite).await;
    assert!(
        done && said.contains("invited bob@example.org until"),
        "{said}"
    );

    let (mut server, address) = site.serve(&[]).await;
    // It may have been said before the server said that it is ready.
    if !server.output().contains("delivery settled") {
        let settled = |line: &str| line.contains("delivery settled");
        server.wait_for_line(settled).await;
    }
    let folder = site.folder.path().join("mailbox");
    let mails: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert_eq!(mails.len(), 1);
    let mail = std::fs::read_to_string(mails[0].as_ref().unwrap().path()).unwrap();
    let mail = read(&mail);
    let text = mail.body_text(0).unwrap();
    assert!(text.contains("Root invites bob@example.org"), "{text}");
    let (_, rest) = text
        .split_once("http://taskflow.test/account#invitation=")
        .unwrap();
    let token = rest.split_whitespace().next().unwrap();
    let query = "mutation R($input: RegisterInput!) { register(input: $input) {
        user { email } userErrors { code message } } }";
    let input = json!({"name": "Bob", "password": PASSWORD, "invitation": token});
    let reply = post(address, None, query, json!({"input": input})).await;
    let user = &reply["data"]["register"]["user"];
    assert_eq!(user["email"], "bob@example.org", "{reply:#}");
    let logged = server.output();
    assert!(logged.contains("delivery settled"));
    assert!(!logged.contains(token), "the log has the token");
    assert!(!logged.contains(PASSWORD), "the log has the password");
}
