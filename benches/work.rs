//! The same work on our server, on the servers it is measured beside, and on one that is written by hand for
//! nothing else: what each takes of the processor for a request.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use entity::UserId;
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use serde_json::{Value, json};
use taskflow::app::App;
use taskflow::graphql::Kind;
use uuid::Uuid;

use super::bed::{Bed, Service, connect, peers};
use super::load::{Bound, Measured, Requests, drive, post};
use super::report::Section;
use super::site::{self, Person, met, rate, ratio};

const USERS: u32 = 1_000;
const TASKS: u32 = 100_000;

/// How many people ask.
const PEOPLE: usize = 200;
/// How many tasks there are to a page, and of how many each of them asks one by one.
const PAGE: usize = 20;
/// How many requests are under way at the same time.
const CONNECTIONS: usize = 16;
/// What is not counted: caches fill, just-in-time compilers work.
const WARM_UP: u64 = 3_000;
/// How often each server has its turn, and for how long.
const ROUNDS: usize = 3;
const TURN: Duration = Duration::from_secs(2);

/// The peers: what each is called, its file, and what it is asked in.
const PEERS: [(&str, &str, Dialect); 4] = [
    (MERCURIUS, "mercurius.js", Dialect::Resolvers),
    ("Apollo Server", "apollo.js", Dialect::Resolvers),
    ("Yoga", "yoga.js", Dialect::Resolvers),
    ("PostGraphile", "postgraphile.js", Dialect::Tables),
];
const OURS: &str = "Taskflow";
const LIMIT: &str = "by hand (the limit)";
const LIBRARY: &str = "async-graphql by hand";
const MERCURIUS: &str = "Mercurius";

/// Somebody who asks, and the newest tasks that are theirs.
struct Asker {
    id: Uuid,
    token: String,
    tasks: Vec<Uuid>,
}

/// What is done.
#[derive(Clone, Copy)]
enum Work {
    Nothing,
    One,
    Page,
    Create,
}

impl Work {
    const ALL: [Self; 4] = [Self::Nothing, Self::One, Self::Page, Self::Create];

    /// How many tasks an answer has.
    fn tasks(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One | Self::Create => 1,
            Self::Page => PAGE,
        }
    }
}

/// How a server is asked.
#[derive(Clone, Copy)]
enum Dialect {
    Ours,
    Limit,
    /// The API that the peers with resolvers have in common.
    Resolvers,
    /// The API that PostGraphile makes of the tables.
    Tables,
}

struct Server {
    name: &'static str,
    dialect: Dialect,
    service: Service,
    /// What was measured of each work that it can do, in their order.
    cells: Vec<Option<Cell>>,
}

/// One work on one server.
#[derive(Default)]
struct Cell {
    processor: Duration,
    load: Measured,
}

impl Cell {
    /// The time of the processor for a request, in microseconds.
    fn cost(&self) -> f64 {
        self.processor.as_secs_f64() * 1_000_000.0 / ratio(self.load.requests(), 1)
    }
}

pub async fn run() -> Vec<Section> {
    let bed = Bed::start().await;
    let database = bed.seeded("work", USERS, TASKS).await;
    let app = site::open(&bed, &database, &[]).await;
    let key = bed.public_key(&app);
    let askers = askers(&app, &database).await;
    drop(app);
    let mut servers = servers(&bed, &database, &key).await;
    for (place, work) in Work::ALL.into_iter().enumerate() {
        measure(&mut servers, place, work, &askers).await;
    }
    let costs = costs(&servers);
    vec![costs, speeds(&mut servers)]
}

/// People with at least a page of tasks, in an order that is the same each time.
async fn askers(app: &App, database: &str) -> Vec<Asker> {
    let db = connect(database).await;
    let found = Statement::from_string(
        db.get_database_backend(),
        format!(
            "SELECT users.id, token_epoch, newest FROM users JOIN (
               SELECT assignee_id, array_to_string(
                 (array_agg(id ORDER BY created_at DESC, id DESC))[1:{PAGE}], ' ') AS newest
               FROM tasks WHERE enabled AND deleted_at IS NULL
               GROUP BY assignee_id HAVING count(*) >= {PAGE}
             ) theirs ON assignee_id = users.id
             WHERE status = 'active' ORDER BY users.id LIMIT {PEOPLE}"
        ),
    );
    let rows = db.query_all_raw(found).await.expect("people with tasks");
    assert_eq!(rows.len(), PEOPLE, "people with tasks are missing");
    let asker = |row: &QueryResult| {
        let id: UserId = row.try_get_by_index(0).expect("an id");
        let epoch: i32 = row.try_get_by_index(1).expect("a number");
        let tasks: String = row.try_get_by_index(2).expect("ids");
        Asker {
            id: id.0,
            token: Person::new(app, id, epoch).token,
            tasks: tasks
                .split(' ')
                .map(|id| id.parse().expect("an id"))
                .collect(),
        }
    };
    rows.iter().map(asker).collect()
}

/// All of them, each with one thread for its work, ours first.
async fn servers(bed: &Bed, database: &str, key: &Path) -> Vec<Server> {
    let server = |name, dialect, service| Server {
        name,
        dialect,
        service,
        cells: Work::ALL.map(|_| None).into(),
    };
    let threads = [("TOKIO_WORKER_THREADS", "1")];
    let ours = bed
        .serve(database, &["serve", "--no-worker"], &threads)
        .await;
    let limit = bed.own(database, key, "limit-server").await;
    let library = bed.own(database, key, "library-server").await;
    let mut servers = vec![
        server(OURS, Dialect::Ours, ours),
        server(LIMIT, Dialect::Limit, limit),
        server(LIBRARY, Dialect::Resolvers, library),
    ];
    if let Some((folder, node)) = peers() {
        for (name, file, dialect) in PEERS {
            let script = folder.join(file).display().to_string();
            let peer = bed.other(database, key, &node, &script).await;
            servers.push(server(name, dialect, peer));
        }
    }
    servers
}

/// What is sent to have a work done, over and over: by each person, and about each task if it is about one. None
/// where a server cannot do it.
fn requests(dialect: Dialect, work: Work, askers: &[Asker]) -> Option<Vec<Vec<u8>>> {
    let rounds = match work {
        Work::Nothing | Work::Page => 1,
        Work::One | Work::Create => PAGE,
    };
    let mut all = Vec::with_capacity(rounds * askers.len());
    for round in 0..rounds {
        for (place, asker) in askers.iter().enumerate() {
            // Somebody else, another one in each round.
            let other = &askers[(place + round + 1) % askers.len()];
            let task = asker.tasks[round];
            let body = body(dialect, work, asker, task, other.id)?;
            all.push(post(&asker.token, &body.to_string()));
        }
    }
    Some(all)
}

fn body(dialect: Dialect, work: Work, asker: &Asker, task: Uuid, other: Uuid) -> Option<Value> {
    let title = format!("Look at {task}");
    let user = |id: Uuid| Kind::User.encode(id);
    Some(match (dialect, work) {
        (Dialect::Ours, Work::Nothing) => json!({"query": "{ viewer { __typename } }"}),
        (Dialect::Ours, Work::One) => json!({
            "query": "query($id: ID!) { task(id: $id) { id title description status priority createdAt } }",
            "variables": {"id": Kind::Task.encode(task)},
        }),
        (Dialect::Ours, Work::Page) => json!({
            "query": "query($me: ID!, $first: Int!) { tasks(first: $first, filter: {assignee: {eq: $me}}) { nodes { \
                id title status priority createdAt assignee { id name } creator { id name } } } }",
            "variables": {"me": user(asker.id), "first": PAGE},
        }),
        (Dialect::Ours, Work::Create) => json!({
            "query": "mutation($input: CreateTaskInput!) { createTask(input: $input) { \
                task { id title status createdAt } userErrors { message } } }",
            "variables": {"input": {"title": title, "assigneeId": user(other)}},
        }),
        (Dialect::Limit, Work::Nothing) => json!({"op": "ping"}),
        (Dialect::Limit, Work::One) => json!({"op": "task", "id": task}),
        (Dialect::Limit, Work::Page) => json!({"op": "tasks", "first": PAGE}),
        (Dialect::Resolvers, Work::Nothing) => json!({"query": "{ ping }"}),
        (Dialect::Resolvers, Work::One) => json!({
            "query": "query($id: ID!) { task(id: $id) { id title description status priority createdAt } }",
            "variables": {"id": task},
        }),
        (Dialect::Resolvers, Work::Page) => json!({
            "query": "query($first: Int!) { myTasks(first: $first) { \
                id title status priority createdAt assignee { id name } creator { id name } } }",
            "variables": {"first": PAGE},
        }),
        (Dialect::Resolvers, Work::Create) => json!({
            "query": "mutation($title: String!, $to: ID) { createTask(title: $title, assigneeId: $to) { \
                id title status createdAt } }",
            "variables": {"title": title, "to": other},
        }),
        (Dialect::Tables, Work::One) => json!({
            "query": "query($id: UUID!) { taskByRowId(rowId: $id) { \
                rowId title description status priority createdAt } }",
            "variables": {"id": task},
        }),
        (Dialect::Tables, Work::Page) => json!({
            "query": "query($me: UUID!, $first: Int!) { \
                allTasks(condition: {assigneeId: $me}, orderBy: [CREATED_AT_DESC, ROW_ID_DESC], first: $first) { \
                nodes { rowId title status priority createdAt \
                userByAssigneeId { rowId name } userByCreatorId { rowId name } } } }",
            "variables": {"me": asker.id, "first": PAGE},
        }),
        (Dialect::Limit, Work::Create) => {
            json!({"op": "create", "new": {"title": title, "to": other}})
        }
        (Dialect::Tables, Work::Nothing | Work::Create) => return None,
    })
}

/// One work on all servers that can do it. They take turns, so that a machine that is busy for a while is busy
/// for all of them.
async fn measure(servers: &mut [Server], place: usize, work: Work, askers: &[Asker]) {
    let mut turns: Vec<(&mut Server, Requests)> = Vec::new();
    for server in servers {
        let Some(all) = requests(server.dialect, work, askers) else {
            continue;
        };
        let count = all.len() as u64;
        let at = move |number: u64| usize::try_from(number % count).unwrap_or_default();
        let requests: Requests = Arc::new(move |number| all[at(number)].clone());
        let address = server.service.address();
        let warm = drive(address, CONNECTIONS, Bound::Count(WARM_UP), &requests).await;
        let tasks = warm.answer.matches("\"createdAt\"").count();
        assert_eq!(
            tasks,
            work.tasks(),
            "{} answers: {}",
            server.name,
            warm.answer
        );
        server.cells[place] = Some(Cell::default());
        turns.push((server, requests));
    }
    for _ in 0..ROUNDS {
        for (server, requests) in &mut turns {
            let before = server.service.processor();
            let address = server.service.address();
            let load = drive(address, CONNECTIONS, Bound::Span(TURN), requests).await;
            let processor = server.service.processor().saturating_sub(before);
            let cell = server.cells[place].get_or_insert_default();
            cell.processor += processor;
            cell.load.add(load);
        }
    }
}

const HEAD: [&str; 5] = ["", "nothing, signed in", "one task", "20 tasks", "create"];

fn costs(servers: &[Server]) -> Section {
    let mut section = Section::new(
        "The same work on every server",
        &format!(
            "Microseconds of the processor that a server takes for a request; what the database takes is not in it. \
             {USERS} users and {TASKS} tasks in PostgreSQL on the same machine; {CONNECTIONS} connections, requests \
             of {PEOPLE} people, {ROUNDS} turns of {} s for each server, one thread each (Node.js adds its own \
             helpers). All of them check the same Ed25519 tokens, and remember which they have checked.\n\n\
             *nothing, signed in* is `{{ viewer {{ __typename }} }}` of ours and `{{ ping }}` of the others. *one \
             task* is six fields of a task by its id. *20 tasks* are those assigned to the person, the newest first, \
             each with its assignee and its creator. *create* makes a task and assigns it to somebody: ours with \
             what is checked, the event, the feed and the jobs in the same transaction, the others by one insert and \
             one message to Redis. Nobody does the jobs meanwhile.\n\n\
             *{LIMIT}* is axum and sqlx with its pool, one statement a request and the same rights asked for, none for \
             *create*; it parses no GraphQL. *{LIBRARY}* is the same with async-graphql in front, a schema of these four \
             fields and nothing else: what GraphQL costs on the library that ours is built on. The other peers \
             ask for no rights. PostGraphile has no ping and publishes nothing, and its page has disabled and deleted \
             tasks in it.",
            TURN.as_secs()
        ),
    )
    .head(&HEAD);
    for server in servers {
        row(&mut section, server.name, |place| {
            server.cells[place]
                .as_ref()
                .map(|cell| format!("{:.0}", cell.cost()))
        });
    }
    let by = |above: &str, below: &str, place: usize| {
        Some(cost_of(servers, above, place)? / cost_of(servers, below, place)?)
    };
    let ratios = [
        ("Taskflow / the limit", OURS, LIMIT),
        ("async-graphql / the limit", LIBRARY, LIMIT),
        ("Mercurius / Taskflow", MERCURIUS, OURS),
    ];
    for (name, above, below) in ratios {
        row(&mut section, name, |place| {
            by(above, below, place).map(|ratio: f64| format!("{ratio:.2}"))
        });
    }
    let [_, one, twenty, create] = [0, 1, 2, 3];
    let targets = [
        (
            "One task: at most 1.3 times the limit",
            by(OURS, LIMIT, one),
            1.3,
            true,
        ),
        (
            "20 tasks: at most 1.5 times the limit",
            by(OURS, LIMIT, twenty),
            1.5,
            true,
        ),
        (
            "20 tasks: Mercurius at least 3 times ours",
            by(MERCURIUS, OURS, twenty),
            3.0,
            false,
        ),
        (
            "Create: no dearer than Mercurius",
            by(OURS, MERCURIUS, create),
            1.0,
            true,
        ),
    ];
    for (target, ratio, bound, is_most) in targets {
        let Some(ratio) = ratio else {
            section.says(&format!(
                "Target: {target}. Not measured: the peers are not installed."
            ));
            continue;
        };
        let is_met = if is_most {
            ratio <= bound
        } else {
            ratio >= bound
        };
        section.says(&format!(
            "Target: {target}. {ratio:.2} times: {}.",
            met(is_met)
        ));
    }
    let sizes: Vec<String> = servers
        .iter()
        .filter_map(|server| {
            let bytes = server.cells[twenty].as_ref()?.load.answer.len();
            Some(format!("{} {bytes}", server.name))
        })
        .collect();
    section.says(&format!(
        "Bytes of an answer of 20 tasks, which all have the same fields: {}.",
        sizes.join(", ")
    ));
    section
}

fn speeds(servers: &mut [Server]) -> Section {
    let mut section = Section::new(
        "The same work: rates and times",
        "Requests a second, and the milliseconds that half of them and 99 of 100 took at most, in the same run. The \
         database and what sends the requests share the cores with the server, so that these say more of the \
         machine than the costs above.",
    )
    .head(&HEAD);
    for server in servers {
        let cells: Vec<Option<String>> = server
            .cells
            .iter_mut()
            .map(|cell| {
                let load = &mut cell.as_mut()?.load;
                let rate = rate(usize::try_from(load.requests()).ok()?, load.took);
                let (p50, p99) = (load.percentile(50), load.percentile(99));
                Some(format!("{rate:.0}; {p50:.1} / {p99:.1}"))
            })
            .collect();
        row(&mut section, server.name, |place| cells[place].clone());
    }
    section
}

/// A row of a table, with a dash for what was not measured.
fn row(section: &mut Section, name: &str, cell: impl Fn(usize) -> Option<String>) {
    let cells = (0..Work::ALL.len()).map(|place| cell(place).unwrap_or_else(|| "–".to_owned()));
    let cells: Vec<String> = std::iter::once(name.to_owned()).chain(cells).collect();
    section.row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
}

fn cost_of(servers: &[Server], name: &str, place: usize) -> Option<f64> {
    let server = servers.iter().find(|server| server.name == name)?;
    server.cells[place].as_ref().map(Cell::cost)
}
