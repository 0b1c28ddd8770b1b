//! What goes by mail about accounts: confirming an address, a forgotten password, a new address,
//! invitations, and the notices of what happened.

mod addresses;
mod invitations;
mod page;
mod passwords;
mod process;
mod secrets;

use mail_parser::{Message, MessageParser};
use serde_json::{Value, json};

use crate::support::{Mode, Person, Reply, TestApp};

const VERIFY: (&str, &str) = ("TASKFLOW_AUTH__VERIFY_EMAIL", "true");
/// As in production.
const CONFIRMED_ONLY: (&str, &str) = ("TASKFLOW_MAIL__TO_UNVERIFIED", "false");

/// An application that asks for confirmations and sends nothing else to addresses without one.
async fn strict(mode: Mode) -> TestApp {
    TestApp::with(mode, &[VERIFY, CONFIRMED_ONLY]).await
}

fn read(mail: &str) -> Message<'_> {
    MessageParser::default().parse(mail.as_bytes()).unwrap()
}

/// Whom all mails went to and what they are about, sorted.
fn sent(app: &TestApp) -> Vec<(String, String)> {
    let mut sent: Vec<_> = (app.mails().iter())
        .map(|mail| {
            let mail = read(mail);
            let to = mail.to().unwrap().first().unwrap();
            let subject = mail.subject().unwrap_or_default();
            (to.address().unwrap().to_owned(), subject.to_owned())
        })
        .collect();
    sent.sort();
    sent
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(to, subject): &(&str, &str)| ((*to).to_owned(), (*subject).to_owned());
    pairs.iter().map(owned).collect()
}

/// The tokens of all links of this kind, the oldest first.
fn tokens(app: &TestApp, what: &str) -> Vec<String> {
    let marker = format!("/account#{what}=");
    let mut found: Vec<_> = (app.mails().iter())
        .filter_map(|mail| {
            let mail = read(mail);
            let id = mail.message_id().unwrap().to_owned();
            let text = mail.body_text(0).unwrap().into_owned();
            let token = text.split_once(&marker)?.1.split_whitespace().next()?;
            Some((id, token.to_owned()))
        })
        .collect();
    // The ids of events are of the time they were made at.
    found.sort();
    found.into_iter().map(|(_, token)| token).collect()
}

fn token(app: &TestApp, what: &str) -> String {
    let mut tokens = tokens(app, what);
    tokens
        .pop()
        .unwrap_or_else(|| panic!("no {what} in {:?}", sent(app)))
}

/// Sends a mutation that answers nothing but `userErrors`.
async fn mutate(person: &Person, field: &str, input: Value) -> Reply {
    let capital = field[..1].to_uppercase() + &field[1..];
    let query = format!(
        "mutation($input: {capital}Input!) {{ {field}(input: $input) {{ userErrors {{ code message field }} }} }}"
    );
    person.graphql(&query, json!({"input": input})).await
}

/// The same, and it has to go well.
async fn does(person: &Person, field: &str, input: Value) {
    let reply = mutate(person, field, input).await;
    assert_eq!(reply.data()[field]["userErrors"], json!([]), "{field}");
}

async fn refused(person: &Person, field: &str, input: Value) -> (String, String) {
    mutate(person, field, input).await.user_error(field)
}

fn pair(code: &str, field: &str) -> (String, String) {
    (code.to_owned(), field.to_owned())
}

async fn logs_in(app: &TestApp, identifier: &str, password: &str) -> bool {
    let input = json!({"identifier": identifier, "password": password});
    let reply = mutate(&app.anybody(), "login", input).await;
    reply.data()["login"]["userErrors"] == json!([])
}

/// Notes that an address was confirmed, without the mail.
async fn confirm(app: &TestApp, username: &str) {
    app.execute(&format!(
        "UPDATE users SET email_verified_at = created_at WHERE username = '{username}'"
    ))
    .await;
}
