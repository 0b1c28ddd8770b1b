//! What is deleted by itself, and that nobody who follows a stream gets a hole.

use chrono::TimeDelta;
use entity::{delivery, job, stream};
use futures_util::StreamExt;
use rstest::rstest;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use taskflow::events::{Cursor, FollowError, Start};
use taskflow::upkeep::prune;

use super::{
    REJECTED, does, gives_a_task, id, only_delivery, only_job, over_smtp, root_and_a_mail_to_bob,
};
use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, Socket, TestApp};

async fn pruned(app: &TestApp) -> u64 {
    prune::prune(&app.app).await.unwrap()
}

async fn gives(ada: &Person, bob: &Person, title: &str) {
    let task = json!({"title": title, "assigneeId": bob.id});
    ada.creates(task).await;
}

/// The stream of what is assigned to Bob.
async fn stream_of(app: &TestApp, bob: &Person) -> stream::Model {
    let id = taskflow::graphql::Kind::User.decode(&bob.id).unwrap();
    let name = taskflow::events::assigned_stream(entity::UserId(id));
    let row = stream::Entity::find().filter(stream::Column::Name.eq(name));
    row.one(&app.sql().await).await.unwrap().unwrap()
}

/// What comes after a cursor: titles, or what the server says instead.
async fn replay(
    app: &TestApp,
    bob: &Person,
    after: &str,
    count: usize,
) -> Result<Vec<String>, Value> {
    let address = app.listen().await;
    let mut socket = Socket::signed_in(address, bob.token.as_deref().unwrap()).await;
    socket.follow("s", after).await;
    let mut titles = Vec::new();
    while titles.len() < count {
        let message = socket.next().await;
        if message["type"] == "error" {
            return Err(message["payload"][0]["extensions"].clone());
        }
        let event = &message["payload"]["data"]["taskAssigned"];
        titles.push(event["task"]["title"].as_str().unwrap().to_owned());
    }
    Ok(titles)
}

#[rstest]
#[tokio::test]
async fn jobs_go_a_week_after_they_were_done_and_dead_ones_stay(
    #[values(Embedded, Full)] mode: Mode,
) {
    let (app, smtp) = over_smtp(mode).await;
    smtp.behave(REJECTED);
    let (root, bob) = root_and_a_mail_to_bob(&app).await;
    app.work().await;
    gives_a_task(&root, &bob).await;
    app.work().await;
    app.clock.advance(TimeDelta::days(6));
    let later = root.logged_in_again().await;
    gives_a_task(&later, &bob).await;
    assert_eq!(pruned(&app).await, 0);
    app.clock
        .advance(TimeDelta::days(1) + TimeDelta::seconds(1));
    assert_eq!(pruned(&app).await, 3, "two dispatches and a delivery");
    let left = job::Entity::find().all(&app.sql().await).await.unwrap();
    let mut left: Vec<_> = left
        .iter()
        .map(|job| (job.kind.as_str(), job.state))
        .collect();
    left.sort_unstable_by_key(|(kind, _)| *kind);
    let wanted = [
        ("deliver", job::State::Dead),
        ("dispatch", job::State::Ready),
    ];
    assert_eq!(left, wanted);
    // Its message is there, so it can be tried after all.
    let dead = job::Entity::find().filter(job::Column::State.eq(job::State::Dead));
    let dead = dead.one(&app.sql().await).await.unwrap().unwrap();
    let root = root.logged_in_again().await;
    does(&root, "retryJob", json!({"id": id(&dead)}))
        .await
        .data();
    app.work().await;
    assert_eq!(smtp.mails().len(), 3);
}

#[rstest]
#[tokio::test]
async fn entries_go_after_a_month_and_a_replay_from_the_border_is_whole(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let mut cursors = vec![bob.event_cursor().await];
    for title in ["1", "2", "3"] {
        gives(&ada, &bob, title).await;
        cursors.push(bob.event_cursor().await);
    }
    app.clock.advance(TimeDelta::days(20));
    let (ada, bob) = (ada.logged_in_again().await, bob.logged_in_again().await);
    for title in ["4", "5"] {
        gives(&ada, &bob, title).await;
        cursors.push(bob.event_cursor().await);
    }
    pruned(&app).await;
    assert_eq!(
        stream_of(&app, &bob).await.min_seq,
        1,
        "nothing is old enough"
    );
    app.clock
        .advance(TimeDelta::days(10) + TimeDelta::seconds(1));
    pruned(&app).await;
    let (ada, bob) = (ada.logged_in_again().await, bob.logged_in_again().await);
    let row = stream_of(&app, &bob).await;
    assert_eq!((row.min_seq, row.last_seq), (4, 5));
    let kept = "SELECT COUNT(*) FROM stream_entries WHERE stream LIKE 'assigned:%'";
    assert_eq!(app.number(kept).await, 2);
    for old in &cursors[..3] {
        let told = replay(&app, &bob, old, 1).await.unwrap_err();
        assert_eq!(told["code"], "CURSOR_EXPIRED");
        assert_eq!(told["oldest"], json!(cursors[3]), "the last that is good");
        assert_eq!(told["latest"], json!(cursors[5]));
    }
    assert_eq!(
        replay(&app, &bob, &cursors[3], 2).await.unwrap(),
        ["4", "5"]
    );
    assert_eq!(replay(&app, &bob, &cursors[4], 1).await.unwrap(), ["5"]);

    // A stream of which nothing is left goes on counting.
    app.clock.advance(TimeDelta::days(31));
    pruned(&app).await;
    let row = stream_of(&app, &bob).await;
    assert_eq!((row.min_seq, row.last_seq), (6, 5));
    let (ada, bob) = (ada.logged_in_again().await, bob.logged_in_again().await);
    assert_eq!(bob.event_cursor().await, cursors[5]);
    gives(&ada, &bob, "6").await;
    assert_eq!(replay(&app, &bob, &cursors[5], 1).await.unwrap(), ["6"]);
    let told = replay(&app, &bob, &cursors[4], 1).await.unwrap_err();
    assert_eq!(told["code"], "CURSOR_EXPIRED");
}

#[rstest]
#[tokio::test]
async fn no_more_entries_of_a_stream_are_kept_than_is_set(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::with(mode, &[("TASKFLOW_EVENTS__KEEP_ENTRIES", "2")]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let mut cursors = vec![bob.event_cursor().await];
    for title in ["1", "2", "3", "4", "5"] {
        gives(&ada, &bob, title).await;
        cursors.push(bob.event_cursor().await);
    }
    assert_eq!(pruned(&app).await, 3, "streams of single tasks are short");
    assert_eq!(stream_of(&app, &bob).await.min_seq, 4);
    assert_eq!(
        replay(&app, &bob, &cursors[3], 2).await.unwrap(),
        ["4", "5"]
    );
    let told = replay(&app, &bob, &cursors[2], 1).await.unwrap_err();
    assert_eq!(told["oldest"], json!(cursors[3]));
    assert_eq!(pruned(&app).await, 0);
}

/// Whoever reads slowly is told when what comes next is gone: before the first read, between two, and
/// when nothing at all is left.
#[rstest]
#[tokio::test]
async fn a_replay_that_is_under_way_is_told_when_the_rest_is_pruned(
    #[values(0, 1, 2)] read_before: usize,
    #[values(true, false)] leaves_some: bool,
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::with(mode, &[("TASKFLOW_EVENTS__REPLAY_PAGE", "1")]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let start = bob.event_cursor().await;
    for title in ["1", "2", "3", "4"] {
        gives(&ada, &bob, title).await;
    }
    let latest = bob.event_cursor().await;
    let name = stream_of(&app, &bob).await.name;
    let after = Start::After(Cursor::decode(&start).unwrap());
    let replay = app.app.feed.follow(name, after).await.unwrap();
    let mut replay = Box::pin(replay);
    for seq in 1..=read_before {
        let entry = replay.next().await.unwrap().unwrap();
        assert_eq!(entry.cursor.seq, i64::try_from(seq).unwrap());
    }
    app.clock.advance(TimeDelta::days(31));
    if leaves_some {
        let (ada, bob) = (ada.logged_in_again().await, bob.logged_in_again().await);
        gives(&ada, &bob, "5").await;
    }
    pruned(&app).await;
    let told = replay.next().await.unwrap();
    let Err(FollowError::Expired { oldest, .. }) = told else {
        panic!("a hole: {told:?}");
    };
    assert_eq!(oldest.encode(), latest);
}

#[rstest]
#[tokio::test]
async fn events_go_when_no_stream_has_them_with_what_told_of_them(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::with(mode, &[("TASKFLOW_EVENTS__KEEP_ENTRIES_DAYS", "100")]).await;
    let (root, bob) = root_and_a_mail_to_bob(&app).await;
    app.work().await;
    let count = async |table: &str| app.number(&format!("SELECT COUNT(*) FROM {table}")).await;
    app.clock.advance(TimeDelta::days(91));
    // What waits needs its event, however long it waits.
    let root = root.logged_in_again().await;
    does(&root, "pauseQueue", json!({"queue": "default"}))
        .await
        .data();
    pruned(&app).await;
    assert_eq!(
        count("events WHERE topic LIKE 'task.%'").await,
        2,
        "entries refer to them"
    );
    assert_eq!(count("events WHERE topic LIKE 'user.%'").await, 0);
    assert_eq!(count("deliveries").await, 1);
    gives_a_task(&root, &bob).await;
    app.clock.advance(TimeDelta::days(20));
    pruned(&app).await;
    assert_eq!(count("deliveries").await, 0);
    assert_eq!(count("delivery_attempts").await, 0);
    assert_eq!(
        count("events WHERE topic LIKE 'task.%'").await,
        2,
        "the later ones"
    );
    app.clock.advance(TimeDelta::days(200));
    pruned(&app).await;
    assert_eq!(count("stream_entries").await, 0);
    let waits = count("events WHERE topic LIKE 'task.%'").await;
    assert!(waits > 0, "its dispatch waits");
    let root = root.logged_in_again().await;
    does(&root, "resumeQueue", json!({"queue": "default"}))
        .await
        .data();
    app.work().await;
    assert_eq!(app.mails().len(), 2);
    assert_eq!(only_delivery(&app).await.state, delivery::State::Sent);
    pruned(&app).await;
    assert_eq!(count("events WHERE topic LIKE 'task.%'").await, 0);
    assert_eq!(count("deliveries").await, 0);
    assert_eq!(only_job(&app, "deliver").await.state, job::State::Done);
}

#[rstest]
#[tokio::test]
async fn idempotency_keys_go_a_day_after_they_are_free(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let input = json!({"title": "x", "idempotencyKey": "k"});
    let first = ada.creates(input.clone()).await;
    let keys = "SELECT COUNT(*) FROM idempotency_keys";
    app.clock.advance(TimeDelta::hours(47));
    pruned(&app).await;
    assert_eq!(app.number(keys).await, 1);
    app.clock
        .advance(TimeDelta::hours(1) + TimeDelta::seconds(1));
    pruned(&app).await;
    assert_eq!(app.number(keys).await, 0);
    let ada = ada.logged_in_again().await;
    assert_ne!(ada.creates(input).await, first);
}
