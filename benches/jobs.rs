//! How many jobs a worker gets done in a second: such that do nothing, which is what the queue itself costs, and
//! mails into a server that takes them all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use sea_orm::{ConnectionTrait, DatabaseBackend};
use serde_json::{Value, json};
use taskflow::app::App;
use taskflow::db::DbError;
use taskflow::graphql::Kind;
use taskflow::jobs::{self, DEFAULT_QUEUE, Handler, NewJob, Outcome, Runner};
use taskflow::lifecycle::Lifecycle;
use taskflow::notifications;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::bed::{Bed, Service, connect, pause};
use super::report::Section;
use super::site::{met, open, own_processor, people, rate, ratio};

/// How many jobs that do nothing.
const JOBS: usize = 20_000;
/// No longer than this for each kind of worker: what was done by then says enough.
const MOST: Duration = Duration::from_secs(8);
/// When a count has stood still for so long, it goes no further.
const STILL: Duration = Duration::from_secs(3);
/// The settings that are tried beside the default: how many at the same time, and how many a claim takes.
const TRIED: [usize; 2] = [32, 100];

/// How many mails.
const MAILS: usize = 2_000;

pub async fn run() -> Vec<Section> {
    let bed = Bed::start().await;
    let postgres = bed.seeded("jobs", 1_000, 0).await;
    let sqlite = format!("sqlite://{}", bed.folder().join("jobs.db").display());
    let mut section = Section::new(
        "Jobs that do nothing",
        &format!(
            "{JOBS} jobs wait; a worker of this process has nothing to do for each, and writes down which are done when it \
             claims the next, for at most {} s. Both databases sync every commit to the disk; PostgreSQL shares the machine.",
            MOST.as_secs()
        ),
    )
    .head(&["database", "at the same time", "a claim", "jobs/s", "CPU µs a job", "statements a job"]);
    for (name, url, target) in [
        ("PostgreSQL", &postgres, 5_000.0),
        ("SQLite", &sqlite, 1_500.0),
    ] {
        let app = open(&bed, url, &[]).await;
        let usual = app.settings.jobs.concurrency;
        let mut best: (f64, usize) = (0.0, usual);
        let mut default = 0.0;
        for concurrency in std::iter::once(usual).chain(TRIED) {
            let batch = if concurrency == usual {
                app.settings.jobs.batch
            } else {
                concurrency as u64
            };
            let done = nothing(&app, url, concurrency, batch).await;
            if concurrency == usual {
                default = done.rate;
            }
            if done.rate > best.0 {
                best = (done.rate, concurrency);
            }
            section.row(&[
                name,
                &concurrency.to_string(),
                &batch.to_string(),
                &format!("{:.0}", done.rate),
                &format!("{:.0}", done.processor),
                &format!("{:.2}", done.statements),
            ]);
        }
        section.says(&format!(
            "Target: at least {target:.0} a second on {name}. {default:.0} by default: {}; {:.0} at best, with {}.",
            met(default >= target),
            best.0,
            best.1
        ));
    }
    vec![section, mails(&bed, &postgres).await]
}

/// What a worker came to.
struct Done {
    /// Jobs a second.
    rate: f64,
    /// Of each, of this process.
    processor: f64,
    statements: f64,
}

/// Fills the queue and has a worker empty it.
async fn nothing(app: &App, url: &str, concurrency: usize, batch: u64) -> Done {
    run_sql(app, "DELETE FROM jobs").await;
    for piece in (0..JOBS).collect::<Vec<_>>().chunks(1_000) {
        let new = piece.iter().map(|number| NewJob {
            queue: DEFAULT_QUEUE,
            kind: "nothing",
            payload: json!({}),
            dedupe_key: format!("nothing:{number}"),
            max_attempts: 3,
        });
        let new: Vec<NewJob> = new.collect();
        let new = &new;
        let written = app.db.write(|tx| async move {
            jobs::enqueue(&tx, &app.bus, new.clone());
            Ok::<_, DbError>(())
        });
        written.await.expect("jobs");
    }
    if app.db.backend() == DatabaseBackend::Postgres {
        // As it does by itself within a minute: what the run before has left is not to slow this one.
        let vacuumed = connect(url)
            .await
            .execute_unprepared("VACUUM ANALYZE jobs")
            .await;
        vacuumed.expect("the table of jobs");
    }
    let finished = Arc::new(AtomicUsize::new(0));
    let handler: Handler = {
        let finished = finished.clone();
        Arc::new(move |_| {
            finished.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(Outcome::Done) })
        })
    };
    let (statements, processor) = (app.db.statements(), own_processor());
    let worker = Worker::start(app, handler, concurrency, batch);
    let (count, took) = reaches(&finished, JOBS, MOST).await;
    let (statements, processor) = (
        app.db.statements() - statements,
        own_processor().saturating_sub(processor),
    );
    worker.stop().await;
    Done {
        rate: rate(count, took),
        processor: processor.as_secs_f64() * 1e6 / ratio(count as u64, 1),
        statements: ratio(statements, count as u64),
    }
}

async fn run_sql(app: &App, text: &'static str) {
    let ran = app.db.write(|tx| async move {
        tx.conn()
            .execute_unprepared(text)
            .await
            .map_err(DbError::from)
    });
    ran.await.expect("the database answers");
}

/// Waits until a count has come so far, or goes no further, or that took too long. Answers how far it is, and how
/// long it took to come there.
async fn reaches(count: &AtomicUsize, wanted: usize, at_most: Duration) -> (usize, Duration) {
    let begun = Instant::now();
    let (mut last, mut at) = (count.load(Ordering::Relaxed), begun);
    while last < wanted && begun.elapsed() < at_most && at.elapsed() < STILL {
        pause(Duration::from_millis(2)).await;
        let now = count.load(Ordering::Relaxed);
        if now != last {
            (last, at) = (now, Instant::now());
        }
    }
    (last, at - begun)
}

/// A worker of this process.
struct Worker {
    lifecycle: Lifecycle,
    task: tokio::task::JoinHandle<()>,
}

impl Worker {
    fn start(app: &App, handler: Handler, concurrency: usize, batch: u64) -> Self {
        let mut settings = app.settings.jobs.clone();
        (settings.concurrency, settings.batch) = (concurrency, batch);
        let runner = Runner::new(app.db.clone(), app.bus.clone(), settings, handler);
        let lifecycle = Lifecycle::default();
        let task = tokio::spawn(runner.run(lifecycle.clone()));
        Self { lifecycle, task }
    }

    async fn stop(self) {
        self.lifecycle.draining.cancel();
        self.task.await.expect("a worker ends");
    }
}

/// Assignments become deliveries, and deliveries mails.
async fn mails(bed: &Bed, url: &str) -> Section {
    let sink = Sink::start().await;
    let smtp = format!("smtp://{}", sink.address);
    let mail = [
        ("TASKFLOW_MAIL__TRANSPORT", "smtp"),
        ("SMTP_URL", smtp.as_str()),
    ];
    let app = open(bed, url, &mail).await;
    run_sql(&app, "DELETE FROM jobs").await;
    let mut section = Section::new(
        "Mails",
        &format!(
            "{MAILS} tasks are assigned while nobody works. First a worker of this process decides who is told, then \
             `serve` sends what waits, on PostgreSQL, to a mail server of this process that takes everything."
        ),
    )
    .head(&["work", "done", "a second", "CPU ms each"]);
    let service = bed.serve(url, &["serve", "--no-worker"], &mail).await;
    assign(&app, &service).await;
    drop(service);

    let dispatched = Arc::new(AtomicUsize::new(0));
    let settings = &app.settings.jobs;
    let processor = own_processor();
    let worker = Worker::start(
        &app,
        dispatcher(&app, &dispatched),
        settings.concurrency,
        settings.batch,
    );
    let (count, took) = reaches(&dispatched, MAILS, 3 * MOST).await;
    let spent = own_processor().saturating_sub(processor);
    worker.stop().await;
    section.row(&[
        "deciding who is told",
        &count.to_string(),
        &format!("{:.0}", rate(count, took)),
        &format!("{:.2}", milliseconds_each(spent, count)),
    ]);

    let db = connect(url).await;
    let due = "UPDATE jobs SET run_at = now() WHERE kind = 'deliver' AND state = 'ready'";
    let due = db.execute_unprepared(due).await.expect("jobs");
    let waiting = usize::try_from(due.rows_affected()).expect("some");
    let service = bed.serve(url, &["serve"], &mail).await;
    // It began before it was ready; what it did until then does not count.
    let (before, processor) = (sink.taken.load(Ordering::Relaxed), service.processor());
    let (all, took) = reaches(&sink.taken, waiting, 3 * MOST).await;
    let (count, spent) = (all - before, service.processor().saturating_sub(processor));
    let figure = rate(count, took);
    section.row(&[
        "sending",
        &count.to_string(),
        &format!("{figure:.0}"),
        &format!("{:.2}", milliseconds_each(spent, count)),
    ]);
    section.says(&format!(
        "Target: at least 1,000 mails a second. {figure:.0}: {}.",
        met(figure >= 1_000.0)
    ));
    section
}

fn milliseconds_each(spent: Duration, count: usize) -> f64 {
    spent.as_secs_f64() * 1_000.0 / ratio(count.max(1) as u64, 1)
}

/// Everybody gives tasks to the next.
async fn assign(app: &App, service: &Service) {
    let people = people(app, 1_000).await;
    let (client, url) = (
        reqwest::Client::new(),
        format!("http://{}/graphql", service.address()),
    );
    let create = "mutation($title: String!, $to: ID!) { \
                  createTask(input: {title: $title, assigneeId: $to}) { task { id } } }";
    let assigned = stream::iter(0..MAILS).map(|number| {
        let (by, to) = (
            &people[number % people.len()],
            &people[(number + 1) % people.len()],
        );
        let variables = json!({"title": format!("Task {number}"), "to": Kind::User.encode(to.id)});
        let body = json!({"query": create, "variables": variables});
        let request = client.post(&url).bearer_auth(&by.token).json(&body);
        async move {
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert!(answer.get("errors").is_none(), "{answer:#}");
        }
    });
    assigned.buffer_unordered(16).collect::<()>().await;
}

/// Decides who is told and leaves the sending for later.
fn dispatcher(app: &App, dispatched: &Arc<AtomicUsize>) -> Handler {
    let (app, dispatched) = (app.clone(), dispatched.clone());
    Arc::new(move |claimed| {
        let (app, dispatched) = (app.clone(), dispatched.clone());
        Box::pin(async move {
            if claimed.job.kind == notifications::DISPATCH {
                let outcome = notifications::dispatch(&app, &claimed).await?;
                dispatched.fetch_add(1, Ordering::Relaxed);
                return Ok(outcome);
            }
            Ok(Outcome::Postponed {
                after: Duration::from_hours(1),
                reason: "its time is not yet measured".to_owned(),
            })
        })
    })
}

/// A mail server that takes everything and keeps nothing.
struct Sink {
    address: std::net::SocketAddr,
    taken: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Sink {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let taken = counted.clone();
                // That a client leaves is no mistake.
                tokio::spawn(async move { serve(stream, &taken).await.ok() });
            }
        });
        Self {
            address,
            taken,
            task,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection: commands end with a line, and a mail with a dot on a line.
async fn serve(mut stream: TcpStream, taken: &AtomicUsize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 localhost ESMTP\r\n").await?;
    let mut buffer = Vec::with_capacity(16_384);
    let mut is_mail = false;
    loop {
        let end: &[u8] = if is_mail { b"\r\n.\r\n" } else { b"\r\n" };
        let Some(at) = buffer.windows(end.len()).position(|window| window == end) else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let said: Vec<u8> = buffer.drain(..at + end.len()).collect();
        let verb = said.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = if is_mail {
            taken.fetch_add(1, Ordering::Relaxed);
            is_mail = false;
            "250 2.0.0 kept\r\n"
        } else {
            match verb.as_slice() {
                b"EHLO" => "250-localhost\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
                b"DATA" => {
                    is_mail = true;
                    "354 go ahead\r\n"
                }
                b"QUIT" => "221 2.0.0 bye\r\n",
                _ => "250 2.0.0 ok\r\n",
            }
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}
