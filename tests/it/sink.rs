//! Other services follow what happens: the Redis Stream, and the log on the command line.

mod command_line;
mod consumers;

use std::collections::{BTreeMap, BTreeSet};

use entity::event;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use rstest::rstest;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use taskflow::sink::TOPICS;

use crate::end_to_end::{assign, register};
use crate::start::at;
use crate::support::Mode::{self, Embedded, Full};
use crate::support::redis::{self as servers, RedisServer};
use crate::support::server::Site;
use crate::support::{Person, TestApp};

const ON: (&str, &str) = ("TASKFLOW_SINK__REDIS_STREAM", "true");

/// An entry of the stream: its place, and its fields.
type Entry = (String, BTreeMap<String, String>);

/// The stream of an installation, as a service of others reads it.
struct Stream {
    redis: MultiplexedConnection,
    key: String,
}

impl Stream {
    async fn open(url: &str, prefix: &str) -> Self {
        // Some commands wait for entries.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let client = Client::open(url).unwrap();
        let redis = client.get_multiplexed_async_connection_with_config(&config);
        Self {
            redis: redis.await.unwrap(),
            key: format!("{prefix}:events"),
        }
    }

    async fn of(app: &TestApp) -> Self {
        Self::open(&app.env["REDIS_URL"], &app.env["TASKFLOW_REDIS__PREFIX"]).await
    }

    async fn of_site(site: &Site) -> Self {
        let get = |wanted: &str| {
            let found = site.env.iter().find(|(name, _)| name == wanted);
            found.unwrap().1.clone()
        };
        Self::open(&get("REDIS_URL"), &get("TASKFLOW_REDIS__PREFIX")).await
    }

    async fn entries(&mut self) -> Vec<Entry> {
        let mut range = redis::cmd("XRANGE");
        range.arg(&self.key).arg("-").arg("+");
        range.query_async(&mut self.redis).await.unwrap()
    }

    /// All events, in the order of the stream.
    async fn events(&mut self) -> Vec<Value> {
        self.entries().await.iter().map(event_of).collect()
    }

    /// Waits until there are so many entries.
    async fn wait_for(&mut self, count: usize) -> Vec<Value> {
        loop {
            let entries = self.entries().await;
            if entries.len() >= count {
                return entries.iter().map(event_of).collect();
            }
            let last = entries.last().map_or("0-0", |(place, _)| place);
            let mut read = redis::cmd("XREAD");
            read.arg(&["BLOCK", "60000", "STREAMS", &self.key, last]);
            let came: redis::Value = read.query_async(&mut self.redis).await.unwrap();
            assert_ne!(came, redis::Value::Nil, "no more than {}", entries.len());
        }
    }

    async fn forget(&mut self) {
        let mut del = redis::cmd("DEL");
        del.arg(&self.key);
        del.query_async::<()>(&mut self.redis).await.unwrap();
    }
}

fn event_of((_, fields): &Entry) -> Value {
    let event: Value = serde_json::from_str(&fields["event"]).unwrap();
    assert_eq!(event["id"], json!(fields["id"]));
    assert_eq!(fields.len(), 2, "{fields:?}");
    event
}

fn ids(events: &[Value]) -> BTreeSet<String> {
    let ids = events.iter().map(|event| event["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

/// The ids of all events that other services are to be told of.
async fn happened(app: &TestApp) -> BTreeSet<String> {
    let told = event::Column::Topic.is_in(TOPICS);
    let events = event::Entity::find().filter(told);
    let events = events.all(&app.sql().await).await.unwrap();
    events.iter().map(|event| event.id.0.to_string()).collect()
}

/// Sends a mutation with an input, which must succeed.
async fn send(person: &Person, mutation: &str, input: Value) {
    let capital = mutation[..1].to_uppercase() + &mutation[1..];
    let query = format!(
        "mutation($input: {capital}Input!) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}"
    );
    let reply = person.graphql(&query, json!({"input": input})).await;
    assert_eq!(reply.data()[mutation]["userErrors"], json!([]));
}

async fn until_connected(app: &TestApp) {
    let patience = crate::support::process::PATIENCE;
    let up = tokio::time::timeout(patience, app.app.kv.is_up());
    up.await.expect("Redis answers");
}

#[rstest]
#[tokio::test]
async fn every_event_is_in_the_stream_with_what_it_speaks_of(#[values(Embedded, Full)] mode: Mode) {
    // SQLite, too, may have a Redis beside it.
    let url = servers::server().url();
    let app = TestApp::with(mode, &[ON, ("REDIS_URL", url)]).await;
    let (ada, bob) = (app.person("ada").await, app.person("bob").await);
    let artist = json!({"username": "eve", "email": "eve@example.org", "name": "Eve",
        "password": crate::support::PASSWORD, "stageName": "The Countess", "genres": ["noise"]});
    send(&app.anybody(), "registerArtist", artist).await;
    let project = ada.creates_project("OPS").await;
    ada.adds_member(&project, &bob, "EDITOR").await;
    let input = json!({"title": "Write", "projectId": project, "priority": "HIGH",
        "dueDate": "2026-12-24"});
    let task = ada.creates(input).await;
    ada.assigns(&task, &bob).await.data();
    app.work().await;
    let done = json!({"id": task, "status": "COMPLETED"});
    send(&bob, "updateTask", done).await;
    app.work().await;
    send(&ada, "deleteTask", json!({"id": task})).await;
    app.work().await;
    send(&ada, "restoreTask", json!({"id": task})).await;
    app.work().await;

    let mut stream = Stream::of(&app).await;
    let events = stream.events().await;
    assert_eq!(ids(&events), happened(&app).await);
    assert_eq!(ids(&events).len(), events.len(), "each once");
    let of = |topic: &str| {
        let name = format!("taskflow.{topic}");
        let mut found = events.iter().filter(|event| event["type"] == json!(name));
        let event = found.next_back().unwrap_or_else(|| panic!("{topic}"));
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["datacontenttype"], "application/json");
        assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
        assert!(!event["source"].as_str().unwrap().is_empty());
        event.clone()
    };
    let is_of_eve = |event: &&Value| event["data"]["user"]["username"] == "eve";
    let made = events.iter().find(is_of_eve).expect("an account");
    assert_eq!(made["type"], "taskflow.user.created");
    assert_eq!(made["subject"], made["data"]["userId"]);
    assert_eq!(made["data"]["user"]["email"], "eve@example.org");
    assert_eq!(made["data"]["user"]["roles"], json!(["USER", "ARTIST"]));
    let made = of("artist.created");
    assert_eq!(made["data"]["artist"]["stageName"], "The Countess");
    assert_eq!(made["data"]["artist"]["genres"], json!(["noise"]));
    assert_eq!(made["data"]["user"]["name"], "Eve");

    let assigned = of("task.assigned");
    assert_eq!(assigned["subject"], json!(task));
    let data = &assigned["data"];
    assert_eq!(
        (
            &data["taskId"],
            &data["projectId"],
            &data["assigneeId"],
            &data["actorId"]
        ),
        (
            &json!(task),
            &json!(project),
            &json!(bob.id),
            &json!(ada.id)
        )
    );
    for (field, wanted) in [
        ("title", json!("Write")),
        ("status", json!("PENDING")),
        ("priority", json!("HIGH")),
        ("dueDate", json!("2026-12-24")),
        ("dueAt", Value::Null),
        ("assigneeId", json!(bob.id)),
        ("projectKey", json!("OPS")),
        ("key", json!("OPS-1")),
        ("version", json!(2)),
    ] {
        assert_eq!(data["task"][field], wanted, "{field}");
    }
    assert_eq!(of("task.updated")["data"]["fields"], json!(["STATUS"]));
    assert_eq!(of("task.completed")["data"]["task"]["status"], "COMPLETED");
    let deleted = of("task.deleted");
    assert_eq!(deleted["data"]["taskId"], json!(task));
    assert_eq!(deleted["data"]["task"], Value::Null);
    assert_eq!(of("task.restored")["data"]["task"]["title"], "Write");
    // In the order of the task's stream, whatever the order here.
    let mut of_task: Vec<_> = events
        .iter()
        .filter_map(|event| Some((event["sequence"].as_str()?, event["type"].as_str()?)))
        .collect();
    of_task.sort_unstable();
    let types: Vec<_> = of_task.iter().map(|(_, name)| &name[14..]).collect();
    let wanted = [
        "created",
        "assigned",
        "updated",
        "completed",
        "deleted",
        "restored",
    ];
    assert_eq!(types, wanted);
}

#[rstest]
#[tokio::test]
async fn without_the_sink_nobody_has_work_of_it(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    ada.creates(json!({"title": "x"})).await;
    let jobs = app.number("SELECT COUNT(*) FROM jobs WHERE kind = 'sink'");
    assert_eq!(jobs.await, 0);
}

#[tokio::test]
async fn a_sink_without_a_redis_is_refused() {
    let site = Site::new(Embedded, &[]).await;
    let done = at(&site, &[ON], &["config", "check"], "");
    assert_eq!(done.status, Some(2), "{done:?}");
    let told = done.err.contains("`sink.redis_stream`") && done.err.contains("REDIS_URL");
    assert!(told, "{}", done.err);
}

#[tokio::test]
async fn the_stream_keeps_about_as_many_entries_as_it_is_told() {
    let few = ("TASKFLOW_SINK__MAX_ENTRIES", "100");
    let unlimited = ("TASKFLOW_LIMITS__CREATE_TASKS", "off");
    let app = TestApp::with(Full, &[ON, few, unlimited]).await;
    let ada = app.person("ada").await;
    for batch in 0..3 {
        let tasks: Vec<_> = (0..100)
            .map(|n| json!({"title": format!("{batch}-{n}")}))
            .collect();
        send(&ada, "createTasks", json!({"tasks": tasks})).await;
    }
    app.work().await;
    let kept = Stream::of(&app).await.entries().await.len();
    // Redis drops whole blocks of a hundred.
    assert!((100..=200).contains(&kept), "{kept}");
}

#[tokio::test]
async fn nothing_is_lost_while_redis_is_away() {
    let mut server = RedisServer::start_private();
    let app = TestApp::with(Full, &[ON, ("REDIS_URL", server.url())]).await;
    let ada = app.person("ada").await;
    let mut got = BTreeSet::new();
    until_connected(&app).await;
    app.work().await;
    got.extend(ids(&Stream::of(&app).await.events().await));
    assert_eq!(got, happened(&app).await);

    server.kill();
    for title in ["One", "Two", "Three"] {
        ada.creates(json!({"title": title})).await;
    }
    app.work().await;
    let waiting = "SELECT COUNT(*) FROM jobs WHERE kind = 'sink' AND state = 'ready' AND last_error IS NOT NULL";
    assert_eq!(app.number(waiting).await, 3);
    // The mail is not held up by it.
    let others = "SELECT COUNT(*) FROM jobs WHERE kind <> 'sink' AND state <> 'done'";
    assert_eq!(app.number(others).await, 0);

    // Empty, as this one keeps nothing on disk.
    server.start();
    until_connected(&app).await;
    // The first that gets through calls those that would wait longer.
    ada.creates(json!({"title": "Four"})).await;
    app.work().await;
    let mut stream = Stream::of(&app).await;
    got.extend(ids(&stream.events().await));
    assert_eq!(got, happened(&app).await);
    let unfinished = "SELECT COUNT(*) FROM jobs WHERE state <> 'done'";
    assert_eq!(app.number(unfinished).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_kill_between_commit_and_stream_loses_nothing(#[values(Embedded, Full)] mode: Mode) {
    let url = servers::server().url();
    let site = Site::new(mode, &[ON, ("REDIS_URL", url)]).await;
    let (mut server, address) = site.serve(&["serve", "--no-worker"]).await;
    let ada = register(address, "ada").await;
    let task = assign(address, &ada, &ada, "Write the notes").await;
    server.kill9();
    assert!(!server.wait().await.success());
    let mut stream = Stream::of_site(&site).await;
    assert_eq!(stream.entries().await.len(), 0);
    let (_server, _) = site.serve(&["serve"]).await;
    let events = stream.wait_for(3).await;
    let mut types: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    types.sort_unstable();
    assert_eq!(
        types,
        [
            "taskflow.task.assigned",
            "taskflow.task.created",
            "taskflow.user.created"
        ]
    );
    let assigned = events
        .iter()
        .find(|event| event["type"] == "taskflow.task.assigned");
    assert_eq!(assigned.unwrap()["data"]["task"]["id"], json!(task));
}
