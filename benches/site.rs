//! What is measured, and somebody who only reads.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskflow::app::App;
use taskflow::db::Clock;
use taskflow::lifecycle::Lifecycle;
use taskflow::server;
use taskflow::settings::Settings;
use tokio::net::TcpListener;

/// A server on SQLite in this process, without limits on how often.
pub async fn serve(folder: &tempfile::TempDir) -> (App, SocketAddr) {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let env: BTreeMap<String, String> = [
        ("DATABASE_URL", format!("sqlite://{}", path("taskflow.db"))),
        ("JWT_PRIVATE_KEY_FILE", path("key.pem")),
        ("TASKFLOW_MAIL__TRANSPORT", "none".to_owned()),
        ("TASKFLOW_LIMITS__USER", "off".to_owned()),
        ("TASKFLOW_LIMITS__ANONYMOUS", "off".to_owned()),
        ("TASKFLOW_LIMITS__LOGIN_ADDRESS", "off".to_owned()),
        ("TASKFLOW_LIMITS__LOGIN_ACCOUNT", "off".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let settings = Settings::load(None, &env, folder.path()).expect("good settings");
    let (app, bus) = App::start(settings, Clock::default())
        .await
        .expect("a start");
    let lifecycle = Lifecycle::default();
    tokio::spawn(bus.run(lifecycle.ended.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = server::router(&app, &lifecycle);
    let serving = app.clone();
    tokio::spawn(async move {
        server::serve_on(
            listener,
            router,
            &serving.settings.server,
            lifecycle.draining.clone(),
        )
        .await;
    });
    (app, address)
}

/// Somebody who does nothing wrong.
pub struct Neighbour {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Neighbour {
    pub async fn new(address: SocketAddr) -> Self {
        let client = reqwest::Client::new();
        let url = format!("http://{address}/graphql");
        let register = "mutation { register(input: {username: \"ada\", name: \"Ada\",
            password: \"Correct-Horse-7-Battery\"}) { accessToken } }";
        let answer: Value = client
            .post(&url)
            .json(&json!({"query": register}))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let token = answer["data"]["register"]["accessToken"].as_str();
        let token = token.expect("a token").to_owned();
        let neighbour = Self { client, url, token };
        for number in 0..20 {
            let create = format!(
                "mutation {{ createTask(input: {{title: \"Task {number}\"}}) {{ task {{ id }} }} }}"
            );
            neighbour.asks(&create).await;
        }
        neighbour
    }

    async fn asks(&self, query: &str) {
        let request = self.client.post(&self.url).bearer_auth(&self.token);
        let answer = request.json(&json!({"query": query})).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer:#}");
    }

    pub async fn reads_for(&self, span: Duration) -> Vec<f64> {
        let end = Instant::now() + span;
        let mut times = Vec::new();
        while Instant::now() < end {
            let begun = Instant::now();
            self.asks("{ tasks(first: 20) { nodes { id title assignee { name } } } }")
                .await;
            times.push(milliseconds(begun));
        }
        times
    }
}

pub fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}

pub fn percentile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or(f64::NAN)
}
