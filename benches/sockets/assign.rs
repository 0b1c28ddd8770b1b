//! Assignments, one after the other or by the clock, and when the sockets of those who got them heard.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use serde_json::{Value, json};
use taskflow::db::Clock;
use taskflow::graphql::Kind;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::crowd::{Crowd, Heard, title};
use crate::bed::{Service, connect, pause};
use crate::site::{Person, milliseconds, percentile, ratio};

/// Between two assignments that go by the clock: 200 in a second.
const GAP: Duration = Duration::from_millis(5);
/// How many go first and do not count: caches, connections and compilers warm up.
const WARM: usize = 400;
/// How many count: 15 seconds of them.
const COUNT: usize = 3_000;
/// When nothing was heard for so long, nothing comes any more.
const SILENCE: Duration = Duration::from_secs(5);

/// No two tasks of this process have the same number.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// What a server is asked.
pub struct Api {
    /// Has the variables `title` and `to`.
    pub create: &'static str,
    pub follow: &'static str,
    /// How it writes the id of a person.
    id: fn(Uuid) -> String,
}

/// Ours.
pub const OURS: Api = Api {
    create: "mutation($title: String!, $to: ID!) { \
             createTask(input: {title: $title, assigneeId: $to}) { task { id } } }",
    follow: "subscription { taskAssigned { cursor task { id title } } }",
    id: |id| Kind::User.encode(id).0,
};

/// Those of the peers: one argument after the other, and the task itself as the event.
pub const THEIRS: Api = Api {
    create: "mutation($title: String!, $to: ID) { createTask(title: $title, assigneeId: $to) { id } }",
    follow: "subscription { taskAssigned { id title } }",
    id: |id| id.to_string(),
};

/// That of the server written by hand, which reads no GraphQL.
pub const LIMIT: Api = Api {
    create: "create",
    follow: "",
    id: |id| id.to_string(),
};

/// Somebody who gives tasks to others.
#[derive(Clone)]
struct Hand {
    client: reqwest::Client,
    url: String,
    create: &'static str,
    id: fn(Uuid) -> String,
}

impl Hand {
    fn new(service: &Service, api: &Api) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: format!("http://{}/graphql", service.address()),
            create: api.create,
            id: api.id,
        }
    }

    /// Answers whether that went well.
    async fn assigns(&self, number: usize, token: &str, to: Uuid) -> bool {
        let variables = json!({"title": title(number), "to": (self.id)(to)});
        let body = json!({"query": self.create, "variables": variables});
        let request = self.client.post(&self.url).bearer_auth(token).json(&body);
        let Ok(answer) = request.send().await else {
            return false;
        };
        let answer: Value = answer.json().await.unwrap_or_default();
        let is_good = answer["data"]["createTask"].is_object();
        if !is_good {
            eprintln!("an assignment failed: {answer}");
        }
        is_good
    }
}

/// What some assignments cost when one follows the other.
#[derive(Default)]
pub struct Cost {
    /// Milliseconds of the processor, each.
    pub processor: f64,
    /// From the call to the event, in milliseconds.
    pub delays: Vec<f64>,
}

/// One person gives so many tasks to another, each when the one before was heard of.
pub async fn one_by_one(
    service: &Service,
    hears: &mut Crowd,
    (by, to): (&Person, &Person),
    count: usize,
) -> Cost {
    let hand = Hand::new(service, &OURS);
    let before = service.processor();
    let mut delays = Vec::new();
    for _ in 0..count {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        assert!(
            hand.assigns(number, &by.token, to.id).await,
            "an assignment failed"
        );
        let told = hears.hears(SILENCE).await;
        assert_eq!(
            told.map(|told| told.number),
            Some(number),
            "it was not heard of"
        );
        delays.push(milliseconds(begun));
    }
    let spent = service.processor().saturating_sub(before);
    Cost {
        processor: spent.as_secs_f64() * 1_000.0 / ratio(count as u64, 1),
        delays,
    }
}

/// What assignments by the clock came to.
pub struct Load {
    /// How many deliveries were to be made, those of the warm-up left out, and how many were.
    pub expected: usize,
    pub heard: usize,
    /// How many assignments failed.
    pub failed: usize,
    /// Microseconds of the server's processor for each delivery, its part of the mutation included.
    pub processor: f64,
    /// From when the request was due to the event, in milliseconds.
    pub delays: Vec<f64>,
    /// From the commit to the event, where the database keeps the times of commits.
    pub after_commit: Vec<f64>,
}

impl Load {
    pub fn delay(&mut self, percent: usize) -> f64 {
        percentile(&mut self.delays, percent)
    }
}

/// Gives tasks to these people in turn, 200 in a second whatever the server does about it, each by the next of
/// them. Each of them has so many of the sockets.
pub async fn by_the_clock(
    service: &Service,
    crowd: &mut Crowd,
    people: &[Person],
    each: usize,
    api: &Api,
    database: &str,
) -> Load {
    let hand = Hand::new(service, api);
    let first = NEXT.fetch_add(WARM + COUNT, Ordering::Relaxed);
    let start = Instant::now() + GAP;
    let clock = Clock::default().now() + GAP;
    let due = |number: usize| start + GAP * u32::try_from(number - first).expect("few");
    let mut before = Duration::ZERO;
    let mut requests = JoinSet::new();
    let mut failed = 0;
    for number in first..first + WARM + COUNT {
        pause(due(number).saturating_duration_since(Instant::now())).await;
        if number == first + WARM {
            before = service.processor();
        }
        let (by, to) = (
            &people[(number + 1) % people.len()],
            &people[number % people.len()],
        );
        let (hand, token, to) = (hand.clone(), by.token.clone(), to.id);
        requests.spawn(async move { hand.assigns(number, &token, to).await });
        while let Some(done) = requests.try_join_next() {
            failed += usize::from(!matches!(done, Ok(true)));
        }
    }
    let counted = first + WARM..first + WARM + COUNT;
    let mut list: Vec<Heard> = Vec::new();
    let expected = COUNT * each;
    while list.len() < expected
        && let Some(heard) = crowd.hears(SILENCE).await
    {
        if counted.contains(&heard.number) {
            list.push(heard);
        }
    }
    let spent = service.processor().saturating_sub(before);
    while let Ok(Some(done)) = tokio::time::timeout(SILENCE, requests.join_next()).await {
        failed += usize::from(!matches!(done, Ok(true)));
    }
    let since =
        |from: Instant, at: Instant| at.saturating_duration_since(from).as_secs_f64() * 1_000.0;
    let commits = commits(database, &counted).await;
    let after_commit = list.iter().filter_map(|heard| {
        let at = clock + heard.at.saturating_duration_since(start);
        let span = at - *commits.get(&heard.number)?;
        Some(span.as_seconds_f64() * 1_000.0)
    });
    Load {
        expected,
        heard: list.len(),
        failed,
        processor: spent.as_secs_f64() * 1e6 / ratio(list.len().max(1) as u64, 1),
        delays: list
            .iter()
            .map(|heard| since(due(heard.number), heard.at))
            .collect(),
        after_commit: after_commit.collect(),
    }
}

/// When the tasks of these numbers were committed; nothing where the database does not keep it.
async fn commits(database: &str, numbers: &Range<usize>) -> HashMap<usize, DateTime<Utc>> {
    let db = connect(database).await;
    let ask = |text: String| Statement::from_string(db.get_database_backend(), text);
    let setting = db
        .query_one_raw(ask("SHOW track_commit_timestamp".to_owned()))
        .await;
    let setting: Option<String> = setting
        .ok()
        .flatten()
        .and_then(|row| row.try_get_by(0).ok());
    if setting.as_deref() != Some("on") {
        return HashMap::new();
    }
    let query =
        "SELECT title, pg_xact_commit_timestamp(xmin) AS at FROM tasks WHERE title LIKE 'a%'";
    let rows = db
        .query_all_raw(ask(query.to_owned()))
        .await
        .expect("the times of commits");
    let time = |row: &QueryResult| {
        let title: String = row.try_get("", "title").ok()?;
        let number = title.strip_prefix('a')?.parse().ok()?;
        let at: DateTime<Utc> = row.try_get("", "at").ok()?;
        numbers.contains(&number).then_some((number, at))
    };
    rows.iter().filter_map(time).collect()
}
