//! What a page of a list of tasks costs, by how many tasks there are and by which page it is. Of 10,000,000
//! tasks only when asked for: `BENCH_TASKS=10000000`, which takes many minutes and some 10 GB.

use std::iter::successors;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_graphql::connection::CursorType;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use chrono::{DateTime, Utc};
use entity::user_role::Role;
use entity::{SessionId, TaskId, UserId, user};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, QueryOrder, Statement};
use serde_json::{Value, json};
use taskflow::app::App;
use taskflow::db::new_id;
use taskflow::graphql::{CursorTime, Kind, OpaqueCursor};
use taskflow::lifecycle::Lifecycle;
use taskflow::server;
use tower::ServiceExt;
use uuid::Uuid;

use super::bed::{Bed, Service, connect};
use super::report::Section;
use super::site::{self, milliseconds, percentile};

/// The smallest database, and what `demo seed` makes of each.
const FEW: u32 = 10_000;
/// The largest when nothing else is asked for, and ever.
const MANY: u32 = 1_000_000;
const MOST: u32 = 10_000_000;
const USERS: u32 = 1_000;
/// How many tasks the person has, whatever the size: a few in a hundred even of the smallest, so that each
/// stands in a block of its own in all sizes.
const OWN: u32 = 550;
const PAGE: u32 = 20;

/// What is not counted: caches fill, and `PostgreSQL` settles for a plan.
const WARM_UP: usize = 50;
/// What is counted: the system counts the processor in hundredths of a second, so that fewer would say little.
const REQUESTS: usize = 2_000;
/// What is slow is asked for less often: for so long, and before that a quarter as long.
const SPAN: Duration = Duration::from_secs(4);

pub async fn run() -> Vec<Section> {
    let asked = std::env::var("BENCH_TASKS").ok();
    let largest = asked.map_or(MANY, |tasks| {
        tasks.parse().expect("BENCH_TASKS is a number")
    });
    let largest = largest.clamp(FEW, MOST);
    let mut section = Section::new(
        "Pages",
        &format!(
            "`tasks(first: {PAGE}) {{ nodes {{ id title status }} }}` of an administrator, who sees all, and of a person \
             who asks for what is assigned to them, {OWN} tasks in each database. One connection that asks again \
             and again for the same page, up to {REQUESTS} times; the server has one worker thread, and {USERS} users. *blocks* are \
             those of 8 KiB that PostgreSQL touched for the statement, in its memory or not."
        ),
    )
    .head(&["list", "page", "tasks", "ms, median", "server CPU µs", "blocks"]);
    let bed = Bed::start().await;
    let mut costs: Vec<Cost> = Vec::new();
    let sizes = successors(Some(FEW), |size| size.checked_mul(10));
    for size in sizes.take_while(|size| *size <= largest) {
        let site = Site::start(&bed, size).await;
        for cost in site.measures().await {
            section.row(&[
                cost.list,
                &cost.page,
                &grouped(u64::from(cost.size)),
                &format!("{:.2}", cost.wall),
                &format!("{:.0}", cost.processor),
                &cost.blocks.to_string(),
            ]);
            costs.push(cost);
        }
    }
    section.says(
        "Aimed at: the same within 20 %, from the smallest database to the largest and from the first page to the \
         last. What came of it, as ratios:",
    );
    section.says(&ratios(&costs));
    vec![section]
}

/// What a page costs.
struct Cost {
    list: &'static str,
    page: String,
    size: u32,
    /// From the request to the answer, in milliseconds.
    wall: f64,
    /// The server's time of the processor, in microseconds.
    processor: f64,
    /// Blocks of the database.
    blocks: u64,
}

/// The largest database by the smallest for each page, and in the largest each page by the first.
fn ratios(costs: &[Cost]) -> String {
    let mut lines = Vec::new();
    let mut line = |what: String, one: &Cost, other: &Cost| {
        lines.push(format!(
            "- {what}: server CPU × {:.2}, time × {:.2}, blocks {} → {}",
            other.processor / one.processor,
            other.wall / one.wall,
            one.blocks,
            other.blocks,
        ));
    };
    let largest = costs.iter().map(|cost| cost.size).max().unwrap_or_default();
    for one in costs.iter().filter(|cost| cost.size == FEW) {
        let same = |cost: &&Cost| cost.list == one.list && cost.page == one.page;
        let other = costs.iter().filter(same).find(|cost| cost.size == largest);
        if let Some(other) = other {
            let what = format!(
                "{}, {}, {} tasks by {}",
                one.list,
                one.page,
                grouped(u64::from(largest)),
                grouped(u64::from(FEW))
            );
            line(what, one, other);
        }
    }
    for list in LISTS {
        let mut pages = costs
            .iter()
            .filter(|cost| cost.list == list && cost.size == largest);
        let Some(first) = pages.next() else { continue };
        for other in pages {
            let what = format!(
                "{list}, {} tasks, {} by {}",
                grouped(u64::from(largest)),
                other.page,
                first.page
            );
            line(what, first, other);
        }
    }
    lines.join("\n")
}

/// Of whom there are lists.
const LISTS: [&str; 2] = ["all tasks", "my tasks"];

/// A page of a list.
#[derive(Clone, Copy)]
enum Place {
    /// By its number, from 1.
    Nth(u32),
    /// With as many tasks before it as behind it: what only the ends of an index make cheap shows here.
    Middle,
    /// Ahead of the last full one.
    Last,
}

impl Place {
    fn name(self) -> String {
        match self {
            Self::Nth(1) => "first".to_owned(),
            Self::Nth(number) => format!("number {number}"),
            Self::Middle => "in the middle".to_owned(),
            Self::Last => "near the end".to_owned(),
        }
    }
}

/// A list that somebody reads.
struct List {
    name: &'static str,
    token: String,
    /// In GraphQL.
    filter: String,
    /// The same in SQL.
    condition: String,
    /// How many tasks there are in it, or a few more.
    length: u32,
    pages: [Place; 4],
}

/// A database, a server on it, and the same application in this process to see its statements.
struct Site {
    size: u32,
    db: DatabaseConnection,
    service: Service,
    app: App,
    lifecycle: Lifecycle,
    router: Router,
    seen: Arc<Mutex<Vec<Statement>>>,
    client: reqwest::Client,
    me: user::Model,
}

impl Site {
    async fn start(bed: &Bed, size: u32) -> Self {
        let url = bed.seeded(&format!("pages_{size}"), USERS, FEW).await;
        let db = connect(&url).await;
        let first = user::Entity::find()
            .order_by_asc(user::Column::Id)
            .one(&db)
            .await;
        let me = first.unwrap().expect("there are people");
        fill(&db, size, me.id).await;
        let service = bed
            .serve(
                &url,
                &["serve", "--no-worker"],
                &[("TOKIO_WORKER_THREADS", "1")],
            )
            .await;
        let app = site::open(bed, &url, &[]).await;
        let lifecycle = Lifecycle::default();
        // Who does not hear of ended sessions for a while believes nobody.
        let revocations = app.revocations.clone();
        tokio::spawn(revocations.run(app.bus.clone(), lifecycle.ended.clone()));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let to = seen.clone();
        app.db
            .watch(move |statement| to.lock().unwrap().push(statement.clone()));
        Self {
            size,
            db,
            service,
            router: server::router(&app, &lifecycle),
            app,
            lifecycle,
            seen,
            client: reqwest::Client::new(),
            me,
        }
    }

    fn lists(&self) -> [List; 2] {
        let token = |roles| {
            let session = SessionId(new_id(self.app.db.clock()));
            let epoch = self.me.token_epoch;
            let issued = self.app.tokens.issue(self.me.id, session, roles, epoch);
            issued.expect("the key signs").0
        };
        let live = "deleted_at IS NULL AND enabled";
        [
            List {
                name: LISTS[0],
                token: token(vec![Role::Admin]),
                filter: String::new(),
                condition: live.to_owned(),
                length: self.size,
                pages: [Place::Nth(1), Place::Nth(100), Place::Middle, Place::Last],
            },
            List {
                name: LISTS[1],
                token: token(Vec::new()),
                filter: format!(
                    ", filter: {{assignee: {{eq: \"{}\"}}}}",
                    Kind::User.encode(self.me.id.0).as_str()
                ),
                condition: format!("{live} AND assignee_id = '{}'", self.me.id.0),
                length: OWN,
                pages: [Place::Nth(1), Place::Nth(10), Place::Middle, Place::Last],
            },
        ]
    }

    async fn measures(self) -> Vec<Cost> {
        let mut costs = Vec::new();
        for list in self.lists() {
            for place in list.pages {
                let cursor = self.cursor(&list, place).await;
                let query = format!(
                    "query Page($after: String) {{ tasks(first: {PAGE}, after: $after{}) {{ nodes {{ id title status }} }} }}",
                    list.filter
                );
                let body = json!({"query": query, "variables": {"after": cursor}}).to_string();
                let blocks = self.blocks(&list.token, &body).await;
                let (wall, processor) = self.times(&list.token, &body).await;
                costs.push(Cost {
                    list: list.name,
                    page: place.name(),
                    size: self.size,
                    wall,
                    processor,
                    blocks,
                });
            }
        }
        self.lifecycle.ended.cancel();
        self.app.db.clone().close(Duration::from_secs(5)).await;
        self.db.close().await.unwrap();
        costs
    }

    /// The cursor before a page: walking there would take too long, so it is made of the row, as the server
    /// makes it.
    async fn cursor(&self, list: &List, place: Place) -> Option<String> {
        let (way, skip) = match place {
            Place::Nth(1) => return None,
            Place::Nth(number) => ("DESC", (number - 1) * PAGE - 1),
            Place::Middle => ("DESC", list.length / 2),
            // A page and a half stand behind it.
            Place::Last => ("ASC", PAGE + PAGE / 2),
        };
        let query = format!(
            "SELECT created_at, id FROM tasks WHERE {} ORDER BY created_at {way}, id {way} OFFSET {skip} LIMIT 1",
            list.condition
        );
        let query = Statement::from_string(self.db.get_database_backend(), query);
        let row = self.row(query).await;
        let at: DateTime<Utc> = row.try_get_by_index(0).unwrap();
        let id: Uuid = row.try_get_by_index(1).unwrap();
        let cursor = OpaqueCursor::new("CreatedAtDesc", ([CursorTime::of(at)], TaskId(id)));
        Some(cursor.encode_cursor())
    }

    async fn row(&self, statement: Statement) -> sea_orm::QueryResult {
        let row = self.db.query_one_raw(statement).await;
        row.expect("the database answers").expect("a row")
    }

    /// How many blocks `PostgreSQL` touches for what this request asks of it.
    async fn blocks(&self, token: &str, body: &str) -> u64 {
        self.seen.lock().unwrap().clear();
        let request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let nodes = answer["data"]["tasks"]["nodes"].as_array().map(Vec::len);
        assert_eq!(nodes, Some(PAGE as usize), "a full page, not {answer:#}");
        let statements = std::mem::take(&mut *self.seen.lock().unwrap());
        let mut blocks = 0;
        // What the application looks after beside it is not counted.
        let of_tasks = |statement: &Statement| statement.sql.contains("FROM \"tasks\"");
        for statement in statements.into_iter().filter(of_tasks) {
            let explain = Statement {
                sql: format!(
                    "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {}",
                    statement.sql
                ),
                ..statement
            };
            let plan: Value = self.row(explain).await.try_get_by_index(0).unwrap();
            let of = |name: &str| plan[0]["Plan"][name].as_u64().expect("a number of blocks");
            blocks += of("Shared Hit Blocks") + of("Shared Read Blocks");
        }
        assert!(blocks > 0, "no statement was seen");
        blocks
    }

    /// The median of the times of this request in milliseconds, and the server's time of the processor for one in
    /// microseconds.
    async fn times(&self, token: &str, body: &str) -> (f64, f64) {
        let begun = Instant::now();
        for _ in 0..WARM_UP {
            if begun.elapsed() < SPAN / 4 {
                self.asks(token, body).await;
            }
        }
        let (begun, before) = (Instant::now(), self.service.processor());
        let mut times = Vec::with_capacity(REQUESTS);
        while times.len() < REQUESTS && begun.elapsed() < SPAN {
            let asked = Instant::now();
            self.asks(token, body).await;
            times.push(milliseconds(asked));
        }
        let used = self.service.processor().saturating_sub(before);
        let count = u32::try_from(times.len()).expect("few");
        let processor = used.as_secs_f64() * 1e6 / f64::from(count);
        (percentile(&mut times, 50), processor)
    }

    async fn asks(&self, token: &str, body: &str) {
        let request = self
            .client
            .post(format!("http://{}/graphql", self.service.address()))
            .header(header::CONTENT_TYPE, "application/json")
            .bearer_auth(token)
            .body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("text");
        let is_good = status.is_success() && !text.contains("\"errors\"");
        assert!(is_good, "{status}: {text}\n{}", self.service.output());
    }
}

/// Makes so many tasks of the few that there are, each with a date and an id of its own, spread over a year in the
/// order in which they would have been made. `me` gets [`OWN`] of them, spread evenly. What belongs
/// to tasks is left out: no page here looks at it. Foreign keys are not looked at and the indexes are made
/// at the end, as `demo seed` does it, but all of it in the database: a million take seconds, not minutes.
async fn fill(db: &DatabaseConnection, size: u32, me: UserId) {
    let found = "SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
        FROM pg_index WHERE indrelid = 'tasks'::regclass AND NOT indisunique";
    let found = Statement::from_string(db.get_database_backend(), found);
    let (mut drops, mut anew) = (Vec::new(), Vec::new());
    for row in db.query_all_raw(found).await.unwrap() {
        drops.push(row.try_get_by_index::<String>(0).unwrap());
        anew.push(row.try_get_by_index::<String>(1).unwrap());
    }
    let (drops, anew) = (drops.join(";\n"), anew.join(";\n"));
    let (last, stride, me) = (size - 1, size / OWN, me.0);
    // One text, so that it is one connection and one transaction.
    let script = format!(
        "BEGIN;
         SET LOCAL session_replication_role = replica;
         SET LOCAL maintenance_work_mem = '128MB';
         CREATE TEMP TABLE few ON COMMIT DROP AS
             SELECT (row_number() OVER (ORDER BY created_at, id) - 1)::integer AS place, tasks.* FROM tasks;
         CREATE UNIQUE INDEX ON few (place);
         ANALYZE few;
         TRUNCATE tasks CASCADE;
         {drops};
         INSERT INTO tasks (id, title, description, status, priority, enabled, project_id, number, start_at,
             start_on, due_at, due_on, due_order, creator_id, assignee_id, assignee_told, completed_at,
             deleted_at, version, created_at, updated_at)
         SELECT (lpad(to_hex(floor(extract(epoch FROM made.at) * 1000)::bigint), 12, '0')
                 || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
             title, description, status, priority, enabled OR made.own, project_id,
             CASE WHEN project_id IS NOT NULL THEN n + 1 END, start_at, start_on, due_at, due_on, due_order,
             creator_id, CASE WHEN made.own THEN '{me}' ELSE NULLIF(assignee_id, '{me}') END,
             assignee_told, made.at + (completed_at - created_at),
             CASE WHEN NOT made.own THEN made.at + (deleted_at - created_at) END, version,
             made.at, made.at + (updated_at - created_at)
         FROM generate_series(0, {last}) AS n
         CROSS JOIN LATERAL (SELECT n % {stride} = 0 AS own,
             now() - interval '365 days' * (({size} - n)::float8 / {size}) AS at OFFSET 0) AS made
         CROSS JOIN LATERAL (SELECT * FROM few WHERE place = n % {FEW} OFFSET 0) AS one;
         {anew};
         COMMIT;"
    );
    db.execute_unprepared(&script).await.expect("tasks");
    db.execute_unprepared("VACUUM ANALYZE")
        .await
        .expect("figures for the planner");
    db.execute_unprepared("CHECKPOINT")
        .await
        .expect("nothing is left to write meanwhile");
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
