//! The main job with nothing simulated: the real executable, real clients, real servers.

use std::net::SocketAddr;

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{Embedded, Full};
use crate::support::process::{Proc, node};
use crate::support::server::{Site, post};
use crate::support::smtp::{SmtpOptions, SmtpServer};

/// Somebody with an account at a real server.
pub struct Account {
    pub id: String,
    pub token: String,
}

/// Makes the account of `name@example.org`.
pub async fn register(address: SocketAddr, name: &str) -> Account {
    let reply = post(
        address,
        None,
        "mutation R($input: RegisterInput!) { register(input: $input) {
           accessToken user { id } userErrors { message } } }",
        json!({"input": {
            "email": format!("{name}@example.org"),
            "password": "Correct-Horse-7-Battery",
            "name": format!("Name of {name}"),
        }}),
    )
    .await;
    let payload = &reply["data"]["register"];
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{reply:#}"))
            .to_owned()
    };
    Account {
        id: text(&payload["user"]["id"]),
        token: text(&payload["accessToken"]),
    }
}

/// Makes a task and gives it to somebody; answers its id. When this returns, it is committed.
pub async fn assign(address: SocketAddr, by: &Account, to: &Account, title: &str) -> String {
    let reply = post(
        address,
        Some(&by.token),
        "mutation C($input: CreateTaskInput!) { createTask(input: $input) {
           task { id } userErrors { message } } }",
        json!({"input": {"title": title, "assigneeId": to.id}}),
    )
    .await;
    let id = &reply["data"]["createTask"]["task"]["id"];
    id.as_str()
        .unwrap_or_else(|| panic!("{reply:#}"))
        .to_owned()
}

/// The npm client `graphql-ws`, following what is assigned to somebody.
struct Subscriber(Proc);

impl Subscriber {
    async fn start(address: SocketAddr, account: &Account, after: &str) -> Self {
        let url = format!("ws://{address}/graphql");
        let script = "tests/clients/graphql-ws/subscribe.mjs";
        let args = [script, &url, &account.token, after];
        let mut client = Proc::spawn(node(), &args, &[]);
        client.wait_for_line(|line| line == "ready").await;
        Self(client)
    }

    async fn event(&mut self) -> Value {
        let line = self.0.next_line().await;
        let line = line.unwrap_or_else(|| panic!("no event: {}", self.0.output()));
        serde_json::from_str(&line).unwrap()
    }

    async fn leave(mut self) {
        self.0.close_stdin();
        assert!(self.0.wait().await.success(), "{}", self.0.output());
    }
}

async fn event_cursor(address: SocketAddr, account: &Account) -> String {
    let query = "{ viewer { eventCursor } }";
    let reply = post(address, Some(&account.token), query, json!({})).await;
    let cursor = &reply["data"]["viewer"]["eventCursor"];
    cursor.as_str().unwrap().to_owned()
}

#[rstest]
#[tokio::test]
async fn out_of_the_box_the_event_arrives_and_the_mail_is_a_file() {
    let site = Site::new(Embedded, &[]).await;
    let (mut server, address) = site.serve(&[]).await;
    let (ada, bob) = (
        register(address, "ada").await,
        register(address, "bob").await,
    );
    let cursor = event_cursor(address, &bob).await;
    let mut subscriber = Subscriber::start(address, &bob, &cursor).await;

    let task = assign(address, &ada, &bob, "Write the notes").await;

    let event = subscriber.event().await;
    assert_eq!(
        event["task"],
        json!({"id": task, "title": "Write the notes"})
    );
    let by = json!({"id": ada.id, "name": "Name of ada"});
    assert_eq!(event["assignedBy"], by);
    assert!(event["assignedAt"].is_string());
    subscriber.leave().await;

    server
        .wait_for_line(|line| line.contains("delivery settled"))
        .await;
    let folder = site.folder.path().join("mailbox");
    let mails: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert_eq!(mails.len(), 1);
    let mail = std::fs::read_to_string(mails[0].as_ref().unwrap().path()).unwrap();
    assert!(mail.contains("bob@example.org"), "{mail}");
    assert!(mail.contains("Write the notes"), "{mail}");
}

#[rstest]
#[tokio::test]
async fn two_servers_share_events_and_mail_and_one_takes_over_when_the_other_is_killed() {
    let smtp = SmtpServer::start(SmtpOptions::default()).await;
    let url = format!("smtp://{}", smtp.address());
    let site = Site::new(Full, &[("SMTP_URL", &url)]).await;
    let ((mut one, here), (_other, there)) = tokio::join!(site.serve(&[]), site.serve(&[]));
    let (ada, bob) = (register(there, "ada").await, register(here, "bob").await);
    for word in ["already exists", "ERROR"] {
        assert!(!one.output().contains(word), "{}", one.output());
    }
    let cursor = event_cursor(there, &bob).await;
    let mut subscriber = Subscriber::start(here, &bob, &cursor).await;

    let first = assign(there, &ada, &bob, "First").await;

    let event = subscriber.event().await;
    assert_eq!(event["task"], json!({"id": first, "title": "First"}));
    let mail = smtp.next_mail().await;
    assert_eq!(mail.to, ["bob@example.org"]);
    let text = String::from_utf8(mail.data).unwrap();
    assert!(
        text.contains("Subject: Name of ada assigned you a task: First"),
        "{text}"
    );
    let last = event["cursor"].as_str().unwrap().to_owned();

    one.kill9();
    one.wait().await;
    assert!(
        !subscriber.0.wait().await.success(),
        "the connection is gone"
    );
    let missed = [
        assign(there, &ada, &bob, "Second").await,
        assign(there, &ada, &bob, "Third").await,
    ];

    let mut subscriber = Subscriber::start(there, &bob, &last).await;
    for id in missed {
        assert_eq!(subscriber.event().await["task"]["id"], json!(id));
    }
    let live = assign(there, &ada, &bob, "Fourth").await;
    assert_eq!(subscriber.event().await["task"]["id"], json!(live));
    subscriber.leave().await;

    for _ in 0..3 {
        let mail = smtp.next_mail().await;
        assert_eq!(mail.to, ["bob@example.org"]);
    }
    let all = smtp.mails().into_iter().map(|mail| mail.data);
    let all = String::from_utf8(all.flatten().collect()).unwrap();
    for title in ["Second", "Third", "Fourth"] {
        assert!(
            all.contains(&format!("assigned you a task: {title}")),
            "{title} in {all}"
        );
    }
}
