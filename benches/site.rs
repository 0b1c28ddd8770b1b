//! What the parts share: the library on the settings of a server, people with tokens, and somebody who only reads.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use entity::{SessionId, UserId, user};
use sea_orm::{EntityTrait, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use taskflow::app::App;
use taskflow::db::{Clock, DbError, new_id};
use taskflow::settings::Settings;
use uuid::Uuid;

use super::bed::{Bed, processor_of};

/// The library on the database of a server, with the same key: for what no server does by itself.
pub async fn open(bed: &Bed, database: &str, more: &[(&str, &str)]) -> App {
    let env = bed.env(database, more).into_iter().collect();
    let settings = Settings::load(None, &env, bed.folder()).expect("good settings");
    let (app, _bus) = App::start(settings, Clock::default())
        .await
        .expect("a start");
    app
}

/// Somebody who is signed in.
pub struct Person {
    pub id: Uuid,
    pub token: String,
}

impl Person {
    /// With a token that was made here: as many logins would take minutes.
    pub fn new(app: &App, id: UserId, epoch: i32) -> Self {
        let session = SessionId(new_id(app.db.clock()));
        let (token, _) = app
            .tokens
            .issue(id, session, Vec::new(), epoch)
            .expect("a token");
        Self { id: id.0, token }
    }
}

/// So many people of a database, in the order in which they came.
pub async fn people(app: &App, count: u64) -> Vec<Person> {
    let found = app.db.read(|db| async move {
        let people = user::Entity::find()
            .order_by_asc(user::Column::Id)
            .limit(count);
        people.all(&db).await.map_err(DbError::from)
    });
    let found: Vec<user::Model> = found.await.expect("people");
    assert_eq!(found.len() as u64, count, "people are missing");
    let person = |row: &user::Model| Person::new(app, row.id, row.token_epoch);
    found.iter().map(person).collect()
}

/// Somebody who does nothing wrong.
pub struct Neighbour {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Neighbour {
    /// Registers and makes some tasks to read.
    pub async fn new(address: SocketAddr) -> Self {
        let mut neighbour = Self {
            client: reqwest::Client::new(),
            url: format!("http://{address}/graphql"),
            token: String::new(),
        };
        let register = "mutation { register(input: {username: \"ada\", name: \"Ada\",
            password: \"Correct-Horse-7-Battery\"}) { accessToken } }";
        let data = neighbour.asks(register).await;
        let token = data["register"]["accessToken"].as_str();
        token.expect("a token").clone_into(&mut neighbour.token);
        for number in 0..20 {
            let create = format!(
                "mutation {{ createTask(input: {{title: \"Task {number}\"}}) {{ task {{ id }} }} }}"
            );
            neighbour.asks(&create).await;
        }
        neighbour
    }

    async fn asks(&self, query: &str) -> Value {
        let mut request = self.client.post(&self.url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let answer = request.json(&json!({"query": query})).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    async fn reads(&self) -> f64 {
        let begun = Instant::now();
        self.asks("{ tasks(first: 20) { nodes { id title assignee { name } } } }")
            .await;
        milliseconds(begun)
    }

    /// Reads again and again; how long each took, in milliseconds.
    pub async fn reads_for(&self, span: Duration) -> Vec<f64> {
        let end = Instant::now() + span;
        let mut times = Vec::new();
        while Instant::now() < end {
            times.push(self.reads().await);
        }
        times
    }

    /// The same for as long as something else takes.
    pub async fn reads_beside<T>(&self, work: impl Future<Output = T>) -> (T, Vec<f64>) {
        let mut work = std::pin::pin!(work);
        let mut times = Vec::new();
        loop {
            tokio::select! {
                done = &mut work => return (done, times),
                time = self.reads() => times.push(time),
            }
        }
    }
}

/// Since then.
pub fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// Not a number where there are no times.
pub fn percentile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or(f64::NAN)
}

/// One count by another.
#[expect(
    clippy::cast_precision_loss,
    reason = "far below where a float leaves whole numbers out"
)]
pub fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

/// So many in a time, in each second of it.
pub fn rate(count: usize, span: Duration) -> f64 {
    ratio(count as u64, 1) / span.as_secs_f64()
}

/// How a figure did against its target, as a word.
pub fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// The time of the processor that this process has had.
pub fn own_processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    processor_of(&stat)
}
