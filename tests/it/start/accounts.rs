//! `taskflow admin`: accounts are made and looked after without a server.

use rstest::rstest;
use serde_json::{Value, json};

use super::at;
use crate::end_to_end::{assign, register};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::server::{Site, post};

/// What an operator does where no mail can.
#[rstest]
#[tokio::test]
async fn a_password_is_set_and_a_lock_lifted_on_the_command_line(
    #[values(Embedded, Full)] mode: Mode,
) {
    let site = Site::new(mode, &[]).await;
    let args = ["admin", "create-user", "--email", "ada@example.org"];
    let more = ["--name", "Ada", "--password-stdin"];
    let made = at(
        &site,
        &[],
        &[&args[..], &more].concat(),
        "First-Horse-9-Battery\n",
    );
    assert_eq!(made.status, Some(0), "{made:?}");
    let set = ["admin", "users", "password", "ada@example.org"];
    let done = at(&site, &[], &set, "short\n");
    assert_eq!(done.status, Some(1), "a weak one is refused: {done:?}");
    let logs_in = async |address, password: &str| {
        let query = "mutation($input: LoginInput!) { login(input: $input) {
            accessToken user { isEmailVerified } } }";
        let input = json!({"input": {"identifier": "ada@example.org", "password": password}});
        post(address, None, query, input).await["data"]["login"].clone()
    };
    {
        let (_server, address) = site.serve(&[]).await;
        let in_now = logs_in(address, "First-Horse-9-Battery").await;
        assert_eq!(
            in_now["user"]["isEmailVerified"], true,
            "the operator vouches"
        );
        for _ in 0..5 {
            logs_in(address, "wrong").await;
        }
        let locked = logs_in(address, "First-Horse-9-Battery").await;
        assert_eq!(locked["accessToken"], Value::Null);
    }
    let done = at(&site, &[], &set, "Second-Horse-8-Battery\n");
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(!format!("{done:?}").contains("Second-Horse"));
    let unlock = ["admin", "users", "unlock", "ada@example.org"];
    assert_eq!(at(&site, &[], &unlock, "").status, Some(0));
    let (_server, address) = site.serve(&[]).await;
    let old = logs_in(address, "First-Horse-9-Battery").await;
    assert_eq!(old["accessToken"], Value::Null);
    let new = logs_in(address, "Second-Horse-8-Battery").await;
    assert!(new["accessToken"].is_string(), "{new:#}");
}

#[rstest]
#[tokio::test]
async fn accounts_are_looked_after_on_the_command_line(#[values(Embedded, Full)] mode: Mode) {
    let site = Site::new(mode, &[]).await;
    let admin = |args: &[&str]| at(&site, &[], &[&["admin"], args].concat(), "");
    let made = |name: &str, more: &[&str]| {
        let args = ["create-user", "--username", name, "--name", name];
        let done = admin(&[&args[..], more].concat());
        assert_eq!(done.status, Some(0), "{done:?}");
    };
    made("root1", &["--admin"]);
    made("ada", &["--role", "artist", "--role", "service"]);
    let list = |more: &[&str]| {
        let done = admin(&[&["users", "list"], more].concat());
        assert_eq!(done.status, Some(0), "{done:?}");
        let cells = |line: &str| {
            line.split_whitespace()
                .skip(1)
                .collect::<Vec<_>>()
                .join(" ")
        };
        done.out.lines().map(cells).collect::<Vec<_>>()
    };
    assert_eq!(
        list(&[]),
        [
            "active artist,service,user ada - ada",
            "active admin,user root1 - root1"
        ]
    );
    assert_eq!(admin(&["users", "disable", "ADA"]).status, Some(0));
    assert_eq!(
        list(&["--disabled"]),
        ["disabled artist,service,user ada - ada"]
    );
    assert_eq!(admin(&["users", "enable", "ada"]).status, Some(0));
    let done = admin(&["users", "roles", "ada", "admin"]);
    assert_eq!(done.out, "ada has the roles: admin,user\n");
    assert_eq!(list(&["--role", "admin"]).len(), 2);
    assert_eq!(admin(&["users", "roles", "root1"]).status, Some(0));
    // The same rules as over the API.
    for args in [
        &["users", "disable", "ada"][..],
        &["users", "roles", "ada"],
        &["users", "disable", "nobody"],
        &["users", "roles", "ada", "king"],
    ] {
        let done = admin(args);
        assert_ne!(done.status, Some(0), "{done:?}");
    }
}

#[rstest]
#[tokio::test]
async fn an_administrator_is_made_on_the_command_line(#[values(Embedded, Full)] mode: Mode) {
    let site = Site::new(mode, &[]).await;
    let args = [
        "admin",
        "create-user",
        "--username",
        "root1",
        "--name",
        "Root",
        "--admin",
    ];
    let with_stdin = [&args[..], &["--password-stdin"]].concat();
    let done = at(&site, &[], &with_stdin, "short\n");
    assert_eq!(done.status, Some(1), "a bad password is refused: {done:?}");
    let done = at(&site, &[], &with_stdin, "Another-Horse-9-Battery\n");
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(!format!("{done:?}").contains("Another-Horse"));
    let done = at(&site, &[], &with_stdin, "Another-Horse-9-Battery\n");
    assert_eq!(done.status, Some(1), "the name is taken: {done:?}");
    let second = [
        "admin",
        "create-user",
        "--email",
        "eve@example.org",
        "--name",
        "Eve",
    ];
    let done = at(&site, &[], &second, "");
    let made = done
        .out
        .lines()
        .find_map(|line| line.strip_prefix("password: "));
    let made = made.unwrap_or_else(|| panic!("a password in {done:?}"));

    let (_server, address) = site.serve(&[]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    let task = assign(address, &ada, &bob, "Write the notes").await;
    let sees = async |identifier: &str, password: &str| {
        let query = "mutation L($input: LoginInput!) { login(input: $input) { accessToken } }";
        let input = json!({"input": {"identifier": identifier, "password": password}});
        let reply = post(address, None, query, input).await;
        let token = reply["data"]["login"]["accessToken"].as_str();
        let token = token.unwrap_or_else(|| panic!("{reply:#}"));
        let query = "query T($id: ID!) { task(id: $id) { title } }";
        let reply = post(address, Some(token), query, json!({"id": task})).await;
        reply["data"]["task"].clone()
    };
    let seen = json!({"title": "Write the notes"});
    assert_eq!(sees("root1", "Another-Horse-9-Battery").await, seen);
    assert_eq!(sees("eve@example.org", made).await, Value::Null);
}
