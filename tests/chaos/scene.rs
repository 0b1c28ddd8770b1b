//! One run of one row: people at work, faults, rest, and the check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::checker::Ledger;
use crate::clients::assigner::Assigner;
use crate::clients::subscriber::Subscriber;
use crate::clients::{Account, ask, register};
use crate::dice::Dice;
use crate::faults::proxy::Proxy;
use crate::pause;
use crate::report::Report;
use crate::site::{Mode, Site};

/// How long what was asked may go unanswered when the faults are over.
const ANSWERS: Duration = Duration::from_secs(45);

/// A fault, and what must hold.
pub struct Row {
    /// As in `R4`.
    pub name: &'static str,
    /// What is done, in a few words.
    pub what: &'static str,
    /// On which servers.
    pub modes: &'static [Mode],
    /// Settings of its own.
    pub settings: &'static [(&'static str, &'static str)],
    /// How many workers there are beside the servers.
    pub workers: usize,
    /// Every process has it from the start.
    pub failpoint: &'static str,
    /// How many give tasks.
    pub assigners: usize,
    /// How many are given tasks.
    pub people: usize,
    /// How many sockets each of those has.
    pub sockets: usize,
    /// The longest pause of an assigner, in milliseconds.
    pub pause_ms: usize,
    /// How many characters a task has, of four bytes each.
    pub words: usize,
    /// Whether a few tasks go on to somebody else, or come in two steps.
    pub is_varied: bool,
    /// The shortest run that shows something, in seconds.
    pub seconds: u64,
    /// The longest from the answer to a socket.
    pub heard_within: Option<Duration>,
    /// What is done, for as long as [`Scene::goes_on`].
    pub faults: for<'a> fn(&'a mut Scene) -> BoxFuture<'a, ()>,
}

/// What a row is made of when it says nothing else.
pub const USUAL: Row = Row {
    name: "",
    what: "",
    modes: &[Mode::Postgres],
    settings: &[],
    workers: 1,
    failpoint: "",
    assigners: 2,
    people: 3,
    sockets: 2,
    pause_ms: 60,
    words: 0,
    is_varied: true,
    seconds: 6,
    heard_within: None,
    faults: |scene| Box::pin(async move { scene.calm().await }),
};

/// A row under way.
pub struct Scene {
    pub site: Site,
    pub ledger: Arc<Ledger>,
    pub dice: Dice,
    pub people: Vec<Account>,
    /// Where each of those began to follow.
    pub cursors: Vec<String>,
    /// Ends with the scene; takes whoever else is to follow.
    pub followers: JoinSet<()>,
    pub stop: CancellationToken,
    /// Ways that followers go, kept to the end.
    pub proxies: Vec<Proxy>,
    /// How long followers bear that nothing comes.
    pub silence: Duration,
    ends: Instant,
}

impl Scene {
    /// Whether there is time for another fault.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.ends
    }

    /// Waits for the end.
    pub async fn calm(&self) {
        pause(self.ends.saturating_duration_since(Instant::now())).await;
    }

    /// Has somebody follow through these servers, from where the person began.
    pub fn follow(&mut self, person: usize, servers: Vec<std::net::SocketAddr>) {
        let account = self.people[person].clone();
        let cursor = self.cursors[person].clone();
        let place = self.ledger.follows(account.uuid, &cursor);
        let dice = Dice::new(self.dice.number(), 1);
        let ledger = self.ledger.clone();
        let subscriber = Subscriber {
            account,
            servers,
            ledger,
            place,
            cursor,
            dice,
            silence: self.silence,
        };
        self.followers.spawn(subscriber.run(self.stop.clone()));
    }
}

/// Plays a row once.
pub async fn play(
    row: &Row,
    mode: Mode,
    seed: u64,
    seconds: u64,
    sockets: Option<usize>,
) -> Report {
    let site = Site::start(mode, seed, row.settings, row.workers, row.failpoint).await;
    let client = reqwest::Client::new();
    let servers = site.servers();
    let (mut people, mut cursors, mut givers) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..row.people {
        let person = register(&client, servers[0], &format!("person-{number}")).await;
        let query = "{ viewer { eventCursor } }";
        let answer = ask(&client, servers[0], Some(&person.token), query, json!({})).await;
        let answer = answer.expect("an answer");
        let cursor = answer["data"]["viewer"]["eventCursor"]
            .as_str()
            .expect("a cursor");
        cursors.push(cursor.to_owned());
        people.push(person);
    }
    for number in 0..row.assigners {
        givers.push(register(&client, servers[0], &format!("giver-{number}")).await);
    }
    let (stop, give_up) = (CancellationToken::new(), CancellationToken::new());
    let ledger = Arc::new(Ledger::default());
    let mut scene = Scene {
        ledger: ledger.clone(),
        dice: Dice::new(seed, 0),
        people: people.clone(),
        cursors,
        followers: JoinSet::new(),
        stop: CancellationToken::new(),
        proxies: Vec::new(),
        silence: Duration::from_secs(3),
        ends: Instant::now() + Duration::from_secs(seconds.max(row.seconds)),
        site,
    };
    let each = sockets.map_or(row.sockets, |all| all.div_ceil(row.people));
    for person in 0..row.people {
        for _ in 0..each {
            scene.follow(person, servers.clone());
        }
    }
    scene.followers.spawn(
        ledger
            .clone()
            .takes_mail(scene.site.smtp.clone(), scene.stop.clone()),
    );
    let mut assigners = JoinSet::new();
    for (number, by) in givers.into_iter().enumerate() {
        let assigner = Assigner {
            name: format!("{}-{number}", row.name),
            by,
            to: people.clone(),
            servers: servers.clone(),
            ledger: ledger.clone(),
            dice: Dice::new(seed, 10 + number as u64),
            pause_ms: row.pause_ms,
            words: row.words,
            is_varied: row.is_varied,
        };
        assigners.spawn(assigner.run(stop.clone(), give_up.clone()));
    }
    (row.faults)(&mut scene).await;
    scene.site.heal().await;
    stop.cancel();
    if timeout(ANSWERS, async {
        while assigners.join_next().await.is_some() {}
    })
    .await
    .is_err()
    {
        ledger.violated("somebody never got an answer".to_owned());
        give_up.cancel();
    }
    let db = scene.site.sql().await;
    ledger.settle(&db).await;
    let mut report = ledger
        .check(&scene.site, &db)
        .await
        .expect("the database answers");
    scene.stop.cancel();
    let longest = report.heard_after.iter().max().copied().unwrap_or_default();
    if row.heard_within.is_some_and(|bound| longest > bound) {
        report
            .violations
            .push(format!("somebody heard only after {longest:?}"));
    }
    if report.acknowledged == 0 {
        report.violations.push("nothing was assigned".to_owned());
    }
    if !report.is_good() && row.failpoint.is_empty() {
        eprintln!("{}", scene.site.output());
    }
    report
}
