//! The main job: assign a task, and the assignee hears of it at once.

use rstest::rstest;
use serde_json::json;

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Socket, TestApp};

#[rstest]
#[tokio::test]
async fn the_assignee_hears_of_the_task_and_gets_a_mail(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let address = app.listen().await;
    let mut socket = Socket::signed_in(address, bob.token.as_deref().unwrap()).await;
    let cursor = bob.event_cursor().await;
    socket.follow("1", &cursor).await;

    let task = ada
        .creates(json!({"title": "Write the notes", "assigneeId": bob.id}))
        .await;

    let event = socket.event("1").await["taskAssigned"].clone();
    assert_eq!(
        event["task"],
        json!({"id": task, "title": "Write the notes"})
    );
    assert_eq!(event["assignedBy"]["name"], "Name of ada");
    assert_ne!(event["cursor"], json!(cursor));
    assert_eq!(
        app.work().await,
        2,
        "one job to find who is told, one to tell"
    );
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("bob@example.org"), "{}", mails[0]);
}
