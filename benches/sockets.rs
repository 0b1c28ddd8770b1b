//! What idle sockets cost a server in memory, what an assignment costs with and without them, since who does not
//! follow a stream should not notice what happens there, and what it costs to tell those who do.

mod assign;
mod crowd;
mod wire;

use sea_orm::ConnectionTrait;
use taskflow::app::App;
use taskflow::db::DbError;

use self::assign::{Api, Cost, LIMIT, Load, OURS, THEIRS, by_the_clock, one_by_one};
use self::crowd::{Crowd, is_quiet};
use super::bed::{self, Bed, Service};
use super::report::Section;
use super::site::{Person, met, open, people, percentile, ratio};

/// How many sockets each person has.
const EACH: usize = 5;
/// Who has them where peers are compared, and where it is many.
const PEOPLE: usize = 1_000;
const MANY: u32 = 2_000;
/// How many assignments go one after the other, to each of two servers in turn.
const ASSIGNMENTS: usize = 100;
const TURNS: usize = 6;
/// The open files the many need, with some to spare.
const FILES: u64 = 11_000;

/// The peers that have subscriptions: what each is called, and its file.
const PEERS: [(&str, &str); 2] = [("Mercurius", "mercurius.js"), ("Yoga", "yoga.js")];

const SERVER: &[&str] = &["serve", "--no-worker"];
/// One person, and one address, has all of them here.
const LIMITS: [(&str, &str); 4] = [
    ("TASKFLOW_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "120"),
    ("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_USER", "20000"),
    ("TASKFLOW_WEBSOCKET__MAX_SOCKETS_PER_ADDRESS", "20000"),
    ("TASKFLOW_SERVER__MAX_CONNECTIONS_PER_ADDRESS", "20000"),
];

const MACHINE: &str = "PostgreSQL, Redis and the clients share the machine with the server.";

pub async fn run() -> Vec<Section> {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_default();
    if files < FILES {
        let mut section = Section::new("Sockets", "Not measured.");
        section.says(&format!(
            "10,000 sockets need {FILES} open files; this machine allows {files}."
        ));
        return vec![section];
    }
    let bed = Bed::start().await;
    let url = bed.seeded("sockets", 3 + MANY, 1_000).await;
    let app = open(&bed, &url, &[]).await;
    let all = people(&app, u64::from(3 + MANY)).await;
    let (few, many) = all.split_at(3);
    let mut rates = Rates::new();
    let service = bed.serve(&url, SERVER, &LIMITS).await;
    let lonely = bed.serve(&url, SERVER, &LIMITS).await;
    let (idle, beside, mut crowd) = idle([&lonely, &service], few, many).await;
    drop(lonely);
    let load = by_the_clock(&service, &mut crowd, many, EACH, &OURS, &url).await;
    rates.of_many(&crowd, load);
    drop((crowd, service));
    rates.of_few(&bed, &app, &url, &many[..PEOPLE]).await;
    vec![idle, beside, rates.section]
}

/// Sockets that do nothing, and assignments to somebody else beside them and at another server without them.
async fn idle(
    servers: [&Service; 2],
    few: &[Person],
    many: &[Person],
) -> (Section, Section, Crowd) {
    let [lonely, service] = servers;
    is_quiet(service).await;
    let before = service.memory();
    let crowd = Crowd::open(service.address(), many, EACH, OURS.follow).await;
    is_quiet(service).await;
    let opened = service.memory();
    crowd.follow(service).await;
    let followed = service.memory();
    let each = |memory: u64| ratio(memory.saturating_sub(before), crowd.size() as u64);
    let mut idle = Section::new(
        "Idle sockets",
        &format!(
            "{} sockets of {} people, signed in; what the process has in memory more than before.",
            crowd.size(),
            many.len()
        ),
    )
    .head(&["sockets", "KiB each", "process, MiB"]);
    for (name, memory) in [
        ("signed in", opened),
        ("with a subscription each", followed),
    ] {
        idle.row(&[
            name,
            &format!("{:.1}", each(memory)),
            &(memory / 1_024).to_string(),
        ]);
    }
    let figure = each(followed);
    idle.says(&format!(
        "Target: at most 16 KiB a socket. {figure:.1} KiB with a subscription: {}.",
        met(figure <= 16.0)
    ));
    let mut costs = [Cost::default(), Cost::default()];
    let mut hear = Vec::new();
    for (server, to) in [(lonely, 1), (service, 2)] {
        let mut hears = Crowd::open(server.address(), &few[to..=to], 1, OURS.follow).await;
        hears.follow(server).await;
        one_by_one(server, &mut hears, (&few[0], &few[to]), ASSIGNMENTS).await;
        hear.push((server, hears, to));
    }
    // In turn, so that what others do on this machine is done to both.
    for _ in 0..TURNS {
        for ((server, hears, to), cost) in hear.iter_mut().zip(&mut costs) {
            let turn = one_by_one(server, hears, (&few[0], &few[*to]), ASSIGNMENTS).await;
            cost.processor += turn.processor / ratio(TURNS as u64, 1);
            cost.delays.extend(turn.delays);
        }
    }
    let [alone, beside] = costs;
    (idle, unrelated(alone, beside, &crowd), crowd)
}

fn unrelated(alone: Cost, beside: Cost, crowd: &Crowd) -> Section {
    let mut section = Section::new(
        "An assignment beside sockets it does not concern",
        &format!(
            "Assignments one after the other to somebody with one socket: at a server that has no other, and at one \
             that has {} which follow other streams. Both run at the same time; {TURNS} times {ASSIGNMENTS} to each, \
             in turn.",
            crowd.size()
        ),
    )
    .head(&["", "CPU ms", "heard after ms (p50)", "p99"]);
    let grown = beside.processor / alone.processor;
    for (name, mut cost) in [("alone", alone), ("beside them", beside)] {
        section.row(&[
            name,
            &format!("{:.2}", cost.processor),
            &format!("{:.2}", percentile(&mut cost.delays, 50)),
            &format!("{:.2}", percentile(&mut cost.delays, 99)),
        ]);
    }
    section.says(&format!(
        "Target: the cost of an event does not grow with unrelated sockets (at most by 20 %). {grown:.2} times: {}.",
        met(grown <= 1.2)
    ));
    section
}

/// Assignments at a fixed rate, and what they cost each server.
struct Rates {
    section: Section,
}

impl Rates {
    fn new() -> Self {
        let section = Section::new(
            "Assignments told to sockets",
            &format!(
                "200 assignments a second by the clock for 15 s, each heard on the 5 sockets of one person. CPU is \
                 the server's, of all it did meanwhile divided by the deliveries, the mutation included; times go \
                 from when the request was due to when the event was read. {MACHINE} Peers send no mail, so the \
                 jobs are left undone, but for the row that says so. Servers that are compared \
                 have one thread for their work, as above; the other rows of ours have as many as there are cores. \
                 *by hand (the limit)* inserts one row, sends one message to Redis and hands its text on to the \
                 sockets of whom it is for: no event is kept, no right is asked for, and no GraphQL is read."
            ),
        );
        let head = [
            "server",
            "sockets",
            "KiB a socket",
            "CPU µs a delivery",
            "p50 ms",
            "p99 ms",
            "heard",
        ];
        Self {
            section: section.head(&head),
        }
    }

    fn row(&mut self, name: &str, sockets: usize, memory: &str, load: &mut Load) {
        let failures = if load.failed == 0 {
            String::new()
        } else {
            format!(", {} assignments failed", load.failed)
        };
        self.section.row(&[
            name,
            &sockets.to_string(),
            memory,
            &format!("{:.0}", load.processor),
            &format!("{:.1}", load.delay(50)),
            &format!("{:.1}", load.delay(99)),
            &format!("{} of {}{failures}", load.heard, load.expected),
        ]);
    }

    /// 10,000 sockets.
    fn of_many(&mut self, crowd: &Crowd, mut load: Load) {
        self.row("Taskflow, all cores", crowd.size(), "", &mut load);
        let (name, late) = if load.after_commit.is_empty() {
            (
                "From the request, in which the commit lies,",
                load.delay(99),
            )
        } else {
            ("From the commit", percentile(&mut load.after_commit, 99))
        };
        let sound = load.heard == load.expected;
        self.section.says(&format!(
            "Target: p99 from commit to socket at most 50 ms at 1,000 deliveries a second and 10,000 sockets. {name} \
             {late:.1} ms, while no job is done: {}.",
            met(sound && late <= 50.0)
        ));
        self.says_processor("10,000 sockets", &load);
    }

    fn says_processor(&mut self, what: &str, load: &Load) {
        let cost = load.processor;
        self.section.says(&format!(
            "Target: at most 100 µs of CPU a delivery. {cost:.0} µs with {what}: {}.",
            met(cost <= 100.0)
        ));
    }

    /// 5,000 sockets, on ours and on each peer.
    async fn of_few(&mut self, bed: &Bed, app: &App, url: &str, people: &[Person]) {
        // What earlier parts left to do is not to be done now.
        forget_jobs(app).await;
        let service = bed.serve(url, &["serve"], &LIMITS).await;
        self.one(
            "Taskflow, all cores, with its jobs",
            &service,
            people,
            &OURS,
            url,
        )
        .await;
        drop(service);
        let mut one_thread = LIMITS.to_vec();
        one_thread.push(("TOKIO_WORKER_THREADS", "1"));
        let service = bed.serve(url, SERVER, &one_thread).await;
        let ours = self
            .one("Taskflow, one thread", &service, people, &OURS, url)
            .await;
        drop(service);
        let key = bed.public_key(app);
        let service = bed.own(url, &key, "limit-server").await;
        let name = "by hand (the limit)";
        let limit = self.one(name, &service, people, &LIMIT, url).await;
        drop(service);
        self.says_processor("5,000 sockets", &ours);
        self.section.says(&format!(
            "By hand it is {:.0} µs; ours are {:.1} times that.",
            limit.processor,
            ours.processor / limit.processor
        ));
        let Some((folder, node)) = bed::peers() else {
            self.section.says(
                "The peers are not installed (`scripts/bench-deps.sh`), so they were not measured.",
            );
            return;
        };
        let mut best = f64::INFINITY;
        for (name, file) in PEERS {
            let script = folder.join(file).display().to_string();
            let service = bed.other(url, &key, &node, &script).await;
            let load = self.one(name, &service, people, &THEIRS, url).await;
            best = best.min(load.processor);
        }
        let times = best / ours.processor;
        self.section.says(&format!(
            "Target: four times ahead of the best peer. {times:.1} times: {}.",
            met(times >= 4.0)
        ));
    }

    async fn one(
        &mut self,
        name: &str,
        service: &Service,
        people: &[Person],
        api: &Api,
        database: &str,
    ) -> Load {
        is_quiet(service).await;
        let before = service.memory();
        let mut crowd = Crowd::open(service.address(), people, EACH, api.follow).await;
        crowd.follow(service).await;
        let grown = service.memory().saturating_sub(before);
        let memory = format!("{:.1}", ratio(grown, crowd.size() as u64));
        let mut load = by_the_clock(service, &mut crowd, people, EACH, api, database).await;
        self.row(name, crowd.size(), &memory, &mut load);
        load
    }
}

async fn forget_jobs(app: &App) {
    let deleted = app.db.write(|tx| async move {
        tx.conn()
            .execute_unprepared("DELETE FROM jobs")
            .await
            .map_err(DbError::from)
    });
    deleted.await.expect("the table of jobs");
}
