//! Whether a mail is still wanted is asked before each try.

use chrono::TimeDelta;
use entity::delivery;
use rstest::rstest;
use serde_json::{Value, json};
use taskflow::jobs;

use super::{LONG_PAUSES, ada_assigns_to_bob, deliveries, over_smtp};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::smtp::Behaviour;
use crate::support::{Person, TestApp};

/// What happens before the mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Reassigned,
    Unassigned,
    Deleted,
    TaskDisabled,
    Muted,
    NoAddress,
    Unconfirmed,
    Suppressed,
    AccountDisabled,
}

async fn does(who: &Person, mutation: &str, input: Value) {
    let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
    );
    let reply = who.graphql(&query, json!({"input": input})).await;
    assert_eq!(reply.data()[mutation]["userErrors"], json!([]), "{reply:?}");
}

/// Changes Bob's account behind the API.
async fn change_bob(app: &TestApp, change: &str) {
    app.execute(&format!(
        "UPDATE users SET {change} WHERE username_norm = 'bob'"
    ))
    .await;
}

impl Meanwhile {
    async fn happens(self, app: &TestApp, ada: &Person, bob: &Person, task: &str) {
        match self {
            Self::Reassigned => {
                let eve = app.person("eve").await;
                ada.assigns(task, &eve).await.data();
            }
            Self::Unassigned => does(ada, "unassignTask", json!({"taskId": task})).await,
            Self::Deleted => does(ada, "deleteTask", json!({"id": task})).await,
            Self::TaskDisabled => does(ada, "disableTask", json!({"id": task})).await,
            Self::Muted => does(bob, "muteTask", json!({"taskId": task})).await,
            Self::NoAddress => change_bob(app, "email = NULL, email_norm = NULL").await,
            Self::Unconfirmed => change_bob(app, "email_verified_at = NULL").await,
            Self::Suppressed => {
                app.execute(
                    "INSERT INTO suppressions (channel, address, reason, created_at)
                     SELECT 'email', email_norm, 'gone', created_at FROM users
                     WHERE username_norm = 'bob'",
                )
                .await;
            }
            Self::AccountDisabled => change_bob(app, "status = 'disabled'").await,
        }
    }
}

#[rstest]
#[case::given_to_another(Meanwhile::Reassigned, "reassigned")]
#[case::taken_away(Meanwhile::Unassigned, "reassigned")]
#[case::task_deleted(Meanwhile::Deleted, "task_gone")]
#[case::task_disabled(Meanwhile::TaskDisabled, "task_disabled")]
#[case::muted(Meanwhile::Muted, "muted")]
#[case::no_address(Meanwhile::NoAddress, "no_address")]
#[case::unconfirmed(Meanwhile::Unconfirmed, "unconfirmed")]
#[case::suppressed(Meanwhile::Suppressed, "suppressed")]
#[case::account_disabled(Meanwhile::AccountDisabled, "account_inactive")]
#[tokio::test]
async fn a_mail_that_is_not_wanted_any_more_is_skipped_with_a_word(
    #[case] meanwhile: Meanwhile,
    #[case] word: &str,
    #[values(Embedded, Full)] mode: Mode,
) {
    let confirmed_only = ("TASKFLOW_MAIL__TO_UNVERIFIED", "false");
    let settings: &[_] = match meanwhile {
        Meanwhile::Unconfirmed => &[confirmed_only],
        _ => &[],
    };
    let app = TestApp::with(mode, settings).await;
    let (ada, bob, task) = ada_assigns_to_bob(&app).await;
    change_bob(&app, "email_verified_at = created_at").await;
    meanwhile.happens(&app, &ada, &bob, &task).await;
    app.work().await;

    let bob = taskflow::graphql::Kind::User.decode(&bob.id).unwrap();
    let all = deliveries(&app).await;
    let his: Vec<_> = all.iter().filter(|row| row.recipient_id.0 == bob).collect();
    assert_eq!(his.len(), 1);
    assert_eq!(his[0].state, delivery::State::Suppressed);
    assert_eq!(his[0].reason.as_deref(), Some(word));
    let others = usize::from(meanwhile == Meanwhile::Reassigned);
    let mails = app.mails();
    assert_eq!(mails.len(), others);
    assert!(!mails.concat().contains("bob@example.org"));
    assert!(jobs::list_dead(&app.app.db, 1).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn where_no_mail_is_sent_each_is_skipped(#[values(Embedded, Full)] mode: Mode) {
    let none = ("TASKFLOW_MAIL__TRANSPORT", "none");
    let app = TestApp::with(mode, &[none, LONG_PAUSES]).await;
    ada_assigns_to_bob(&app).await;
    app.work().await;
    let told = deliveries(&app).await.remove(0);
    assert_eq!(told.state, delivery::State::Suppressed);
    assert_eq!(told.reason.as_deref(), Some("mail_off"));
}

#[rstest]
#[tokio::test]
async fn before_a_retry_it_is_asked_again(
    #[values(Meanwhile::Unassigned, Meanwhile::Muted, Meanwhile::Suppressed)] meanwhile: Meanwhile,
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(Behaviour::Greylist(1));
    let (ada, bob, task) = ada_assigns_to_bob(&app).await;
    app.work().await;
    assert_eq!(deliveries(&app).await[0].state, delivery::State::Queued);
    meanwhile.happens(&app, &ada, &bob, &task).await;
    app.clock.advance(TimeDelta::hours(1));
    app.work().await;
    let told = deliveries(&app).await.remove(0);
    assert_eq!(told.state, delivery::State::Suppressed, "{told:?}");
    assert_eq!(told.message, None);
    assert!(smtp.mails().is_empty());
}
