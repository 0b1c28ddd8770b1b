//! Addresses that take no mail: how they come onto the list, and how they leave it.

use chrono::TimeDelta;
use entity::delivery;
use rstest::rstest;
use serde_json::{Value, json};

use super::{ada_assigns_to_bob, deliveries, over_smtp, read};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::process::Proc;
use crate::support::server::Site;
use crate::support::smtp::Behaviour;
use crate::support::{Person, TestApp};

const LIST: &str = "{ suppressions { nodes { address reason createdAt } } }";

async fn listed(admin: &Person) -> Vec<(String, String)> {
    let reply = admin.graphql(LIST, json!({})).await;
    let nodes = reply.data()["suppressions"]["nodes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    nodes
        .iter()
        .map(|node| (text(&node["address"]), text(&node["reason"])))
        .collect()
}

async fn removed(admin: &Person, address: &str) -> Value {
    let query = "mutation($address: String!) { removeSuppression(input: {address: $address}) {
        suppression { address } userErrors { code } } }";
    let reply = admin.graphql(query, json!({"address": address})).await;
    reply.data()["removeSuppression"]["suppression"].clone()
}

async fn states(app: &TestApp) -> Vec<(delivery::State, Option<String>)> {
    let rows = deliveries(app).await;
    rows.into_iter()
        .map(|row| (row.state, row.reason))
        .collect()
}

async fn suppress(app: &TestApp, address: &str) {
    app.execute(&format!(
        "INSERT INTO suppressions (channel, address, reason, created_at)
         SELECT 'email', '{address}', 'gone', min(created_at) FROM users"
    ))
    .await;
}

#[rstest]
#[tokio::test]
async fn an_address_that_takes_no_mail_gets_none_until_an_administrator_says_so(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::RejectRcpt(
        550,
        "5.1.1 <bob@example.org> unknown",
    ));
    let (ada, bob, _) = ada_assigns_to_bob(&app).await;
    app.work().await;
    let root = app.admin("root").await;
    let reason = "550 5.1.1 <address> unknown (at RCPT)".to_owned();
    let entry = ("bob@example.org".to_owned(), reason.clone());
    assert_eq!(listed(&root).await, [entry]);

    let next = json!({"title": "Next", "assigneeId": bob.id});
    ada.creates(next.clone()).await;
    app.work().await;
    let skipped = (delivery::State::Suppressed, Some("suppressed".to_owned()));
    let failed = (delivery::State::Failed, Some(reason));
    assert_eq!(states(&app).await, [failed, skipped]);
    assert_eq!(smtp.failures(), 1, "the server was asked once");

    assert_eq!(removed(&root, "eve@example.org").await, Value::Null);
    assert_eq!(removed(&root, "\0").await, Value::Null);
    let gone = removed(&root, " BOB@Example.org ").await;
    assert_eq!(gone, json!({"address": "bob@example.org"}));
    assert_eq!(listed(&root).await, []);
    ada.creates(next).await;
    app.work().await;
    assert_eq!(smtp.mails().len(), 1);
}

#[rstest]
#[tokio::test]
async fn the_list_has_pages_by_address(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    for name in ["c", "a", "b"] {
        suppress(&app, &format!("{name}@example.org")).await;
    }
    let query = "query($after: String) { suppressions(first: 2, after: $after) {
        edges { cursor node { address } } pageInfo { hasNextPage } } }";
    let page = root.graphql(query, json!({})).await;
    let page = &page.data()["suppressions"];
    assert_eq!(page["edges"][1]["node"]["address"], "b@example.org");
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let after = json!({"after": page["edges"][1]["cursor"]});
    let page = root.graphql(query, after).await;
    let page = &page.data()["suppressions"];
    assert_eq!(page["edges"].as_array().unwrap().len(), 1);
    assert_eq!(page["edges"][0]["node"]["address"], "c@example.org");
    assert_eq!(page["pageInfo"]["hasNextPage"], false);
}

/// The token of the newest mail with such a link.
fn token(app: &TestApp, what: &str) -> String {
    let marker = format!("/account#{what}=");
    let mails = app.mails();
    let text = |mail: &String| read(mail.as_bytes()).body_text(0).unwrap().into_owned();
    let texts = mails.iter().map(text);
    let mut links = texts.filter_map(|text| Some(text.split_once(&marker)?.1.to_owned()));
    let link = links.next_back().expect("a mail with a link");
    link.split_whitespace().next().unwrap().to_owned()
}

/// Also who has confirmed it before.
#[rstest]
#[tokio::test]
async fn whoever_confirms_an_address_anew_gets_mail_there_again(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    app.execute("UPDATE users SET email_verified_at = created_at")
        .await;
    suppress(&app, "bob@example.org").await;
    let resend = "mutation { resendVerification { userErrors { code } } }";
    // Nothing is wrong with hers.
    ada.graphql(resend, json!({})).await.data();
    assert_eq!(app.work().await, 0);
    bob.graphql(resend, json!({})).await.data();
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    let query = "mutation($token: String!) { verifyEmail(input: {token: $token}) {
        userErrors { code } } }";
    let token = json!({"token": token(&app, "verify-email")});
    let reply = app.anybody().graphql(query, token).await;
    assert_eq!(reply.data()["verifyEmail"]["userErrors"], json!([]));
    assert_eq!(app.number("SELECT count(*) FROM suppressions").await, 0);
    let task = json!({"title": "Next", "assigneeId": bob.id});
    ada.creates(task).await;
    app.work().await;
    assert_eq!(app.mails().len(), 2);
}

#[rstest]
#[tokio::test]
async fn who_moves_to_an_address_that_took_no_mail_gets_mail_there(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let bob = app.person("bob").await;
    suppress(&app, "new@example.org").await;
    let query = "mutation($password: String!) { requestEmailChange(input: {
        newEmail: \"New@example.org\", password: $password}) { userErrors { code } } }";
    let password = json!({"password": crate::support::PASSWORD});
    bob.graphql(query, password).await.data();
    app.work().await;
    let query = "mutation($token: String!) { confirmEmailChange(input: {token: $token}) {
        userErrors { code } } }";
    let token = json!({"token": token(&app, "change-email")});
    app.anybody().graphql(query, token).await.data();
    assert_eq!(app.number("SELECT count(*) FROM suppressions").await, 0);
}

/// Who cannot get in at all has no other way to say so.
#[rstest]
#[tokio::test]
async fn who_forgot_the_password_gets_back_in_though_the_address_is_listed(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    app.person("bob").await;
    suppress(&app, "bob@example.org").await;
    let query = "mutation { requestPasswordReset(input: {identifier: \"bob@example.org\"}) {
        userErrors { code } } }";
    app.anybody().graphql(query, json!({})).await.data();
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    let query = "mutation($token: String!) { resetPassword(input: {token: $token,
        newPassword: \"Another-Horse-8-Battery\"}) { userErrors { code } } }";
    let token = json!({"token": token(&app, "reset-password")});
    let reply = app.anybody().graphql(query, token).await;
    assert_eq!(reply.data()["resetPassword"]["userErrors"], json!([]));
    assert_eq!(app.number("SELECT count(*) FROM suppressions").await, 0);
}

/// What is said of an address a second time counts from then.
#[tokio::test]
async fn an_address_is_on_the_list_once() {
    let (app, smtp) = over_smtp(Embedded).await;
    let refusal = Behaviour::RejectRcpt(550, "5.1.1 unknown");
    smtp.behave(refusal.clone());
    smtp.behave(refusal);
    let (_, bob, _) = ada_assigns_to_bob(&app).await;
    app.work().await;
    let before = app.number("SELECT count(*) FROM suppressions").await;
    app.clock.advance(TimeDelta::hours(1));
    let resend = "mutation { resendVerification { userErrors { code } } }";
    let bob = bob.logged_in_again().await;
    bob.graphql(resend, json!({})).await.data();
    app.work().await;
    assert_eq!((smtp.failures(), before), (2, 1));
    let later = "SELECT count(*) FROM suppressions, users
                 WHERE suppressions.created_at > users.created_at AND users.username_norm = 'bob'";
    assert_eq!(app.number(later).await, 1);
}

async fn says(mut command: Proc) -> (Option<i32>, String) {
    let code = command.wait().await.code();
    (code, command.output())
}

#[rstest]
#[tokio::test]
async fn the_list_is_looked_after_on_the_command_line(#[values(Embedded, Full)] mode: Mode) {
    let site = Site::new(mode, &[]).await;
    let list = ["admin", "suppressions", "list"];
    let (code, said) = says(site.spawn(&list)).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no addresses"), "{said}");
    let url = site.env.iter().find(|(name, _)| name == "DATABASE_URL");
    let db = sea_orm::Database::connect(&url.unwrap().1).await.unwrap();
    let insert = "INSERT INTO suppressions (channel, address, reason, created_at)
        VALUES ('email', 'bob@example.org', 'gone', '2026-11-22 10:00:00+00:00'),
            ('email', 'old@example.org', 'gone', '2026-11-20 10:00:00+00:00'),
            ('email', 'new@example.org', 'gone', '2026-11-22 10:00:01+00:00')";
    sea_orm::ConnectionTrait::execute_unprepared(&db, insert)
        .await
        .unwrap();
    db.close().await.unwrap();
    let (_, said) = says(site.spawn(&list)).await;
    assert!(said.contains("bob@example.org  gone"), "{said}");
    let remove = ["admin", "suppressions", "remove", "Bob@example.org"];
    let (code, said) = says(site.spawn(&remove)).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = says(site.spawn(&remove)).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not on the list"), "{said}");
    let since = [
        "admin",
        "suppressions",
        "remove",
        "--since",
        "2026-11-21T00:00:00Z",
    ];
    let (code, said) = says(site.spawn(&since)).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 addresses get mail again"), "{said}");
    let (_, said) = says(site.spawn(&list)).await;
    assert!(
        said.contains("old@example.org") && !said.contains("new@"),
        "{said}"
    );
}
