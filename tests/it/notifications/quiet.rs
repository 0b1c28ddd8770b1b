//! Quiet hours: what makes a noise waits for their end, and no longer.

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{Channel, State};
use rstest::rstest;
use serde_json::json;

use super::{deliveries, sends, sets, states, types};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

/// Quiet from now on, for two hours, on every day, in a zone without daylight saving.
async fn wants_quiet(app: &TestApp, person: &Person) -> DateTime<Utc> {
    let profile = json!({"timezone": "Asia/Kathmandu"});
    sends(person, "updateProfile", profile, "").await;
    let here = app.clock.now() + TimeDelta::minutes(5 * 60 + 45);
    let start = here - TimeDelta::minutes(10);
    let end = start + TimeDelta::hours(2);
    let rule = json!({
        "days": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
        "start": start.format("%H:%M").to_string(),
        "end": end.format("%H:%M").to_string(),
    });
    sets(person, json!({"quietHours": [rule]})).await;
    let query = "{ notificationSettings { quietUntil timezone } }";
    let reply = person.graphql(query, json!({})).await;
    let settings = &reply.data()["notificationSettings"];
    assert_eq!(settings["timezone"], "Asia/Kathmandu");
    settings["quietUntil"].as_str().unwrap().parse().unwrap()
}

async fn gives(app: &TestApp, ada: &Person, bob: &Person) {
    ada.creates(json!({"title": "x", "assigneeId": bob.id}))
        .await;
    app.work().await;
}

#[rstest]
#[tokio::test]
async fn a_mail_waits_for_the_end_and_the_list_does_not(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let until = wants_quiet(&app, &bob).await;
    gives(&app, &ada, &bob).await;
    assert_eq!(types(&bob).await, ["TASK_ASSIGNED"]);
    assert_eq!(states(&app).await, [(Channel::Email, State::Held)]);
    assert_eq!(deliveries(&app).await[0].held_until, Some(until));
    assert_eq!(app.mails().len(), 0);
    // A minute before the end nothing has changed.
    app.clock
        .advance(until - app.clock.now() - TimeDelta::minutes(1));
    app.work().await;
    assert_eq!(app.mails().len(), 0);
    app.clock.advance(TimeDelta::minutes(2));
    app.work().await;
    assert_eq!(states(&app).await, [(Channel::Email, State::Sent)]);
    assert_eq!(app.mails().len(), 1);
}

#[rstest]
#[tokio::test]
async fn who_wants_no_quiet_any_more_gets_what_waited_at_once(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    wants_quiet(&app, &bob).await;
    gives(&app, &ada, &bob).await;
    assert_eq!(app.mails().len(), 0);
    sets(&bob, json!({"quietHours": []})).await;
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    // The same for another time zone, where it is another time of day.
    wants_quiet(&app, &bob).await;
    gives(&app, &ada, &bob).await;
    assert_eq!(app.mails().len(), 1);
    let profile = json!({"timezone": "Pacific/Honolulu"});
    sends(&bob, "updateProfile", profile, "").await;
    app.work().await;
    assert_eq!(app.mails().len(), 2);
}

#[rstest]
#[tokio::test]
async fn what_was_turned_off_meanwhile_is_not_sent_and_says_why(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let until = wants_quiet(&app, &bob).await;
    gives(&app, &ada, &bob).await;
    let off = json!({"preferences": [
        {"type": "TASK_ASSIGNED", "channel": "EMAIL", "enabled": false}]});
    sets(&bob, off).await;
    app.work().await;
    let row = deliveries(&app).await.remove(0);
    assert_eq!(row.state, State::Suppressed);
    assert_eq!(row.reason.as_deref(), Some("turned_off"));
    app.clock
        .advance(until - app.clock.now() + TimeDelta::minutes(1));
    app.work().await;
    assert_eq!(app.mails().len(), 0);
}

#[rstest]
#[tokio::test]
async fn security_and_what_is_critical_does_not_wait(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (root, bob) = (app.admin("root").await, app.person("bob").await);
    wants_quiet(&app, &bob).await;
    let said = json!({"userIds": [bob.id], "title": "Fire", "body": "Leave the house.",
        "priority": "CRITICAL"});
    let reply = sends(&root, "sendNotification", said, "announcementId").await;
    assert!(reply.data()["sendNotification"]["announcementId"].is_string());
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    let calm = json!({"userIds": [bob.id], "title": "Cake", "body": "In the kitchen.",
        "expiresAt": app.clock.now() + TimeDelta::minutes(30)});
    sends(&root, "sendNotification", calm, "").await;
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    // Of no use after the quiet hours: it is dropped, not sent late.
    app.clock.advance(TimeDelta::hours(3));
    app.work().await;
    assert_eq!(app.mails().len(), 1);
    let row = deliveries(&app).await.remove(1);
    assert_eq!(
        (row.state, row.reason.as_deref()),
        (State::Suppressed, Some("expired"))
    );
    assert_eq!(types(&bob.logged_in_again().await).await.len(), 2);
}
