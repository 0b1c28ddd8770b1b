//! What was promised, what reached sockets and what the mail server took, and what of it is missing.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use entity::{attempt, delivery, event, job, stream, stream_entry, task};
use mail_parser::MessageParser;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder};
use taskflow::events::{Cursor, assigned_stream};
use taskflow::graphql::Kind;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clients::Account;
use crate::report::Report;
use crate::site::Site;
use crate::support::smtp::SmtpServer;
use crate::{lock, pause};

/// How long everything may take to come to rest after the last fault.
const PATIENCE: Duration = Duration::from_secs(45);

/// Everything that was seen from outside. Only what is in here is compared with the database.
#[derive(Default)]
pub struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    acknowledged: Vec<Acknowledged>,
    places: Vec<Place>,
    mails: Vec<Mail>,
    latencies: Vec<Duration>,
    repeated: usize,
    failures: usize,
    violations: Vec<String>,
    /// Mails that are not to be sent: their jobs were given up on purpose.
    forgiven: HashSet<(Uuid, Uuid)>,
}

/// An assignment that was answered.
#[derive(Clone)]
struct Acknowledged {
    task: Uuid,
    to: Uuid,
    title: String,
    at: Instant,
}

/// What one subscriber has heard.
struct Place {
    user: Uuid,
    first: i64,
    last: i64,
    heard: HashMap<i64, (Instant, Option<Uuid>)>,
    /// Numbers it was told are gone.
    expired: HashSet<i64>,
}

impl Place {
    /// When it heard of an assignment; by the task when the entry was pruned and has no number.
    fn hearing(&self, seq: Option<i64>, task: Uuid) -> Option<Instant> {
        match seq {
            Some(seq) => self.heard.get(&seq).map(|(at, _)| *at),
            None => self
                .heard
                .values()
                .find(|(_, heard)| *heard == Some(task))
                .map(|(at, _)| *at),
        }
    }

    /// Whether it knows that it cannot hear of it: it began later, or was told.
    fn was_told_of(&self, seq: Option<i64>) -> bool {
        match seq {
            Some(seq) => seq <= self.first || self.expired.contains(&seq),
            None => !self.expired.is_empty(),
        }
    }
}

struct Mail {
    /// The event and the recipient, as the Message-ID says.
    of: (Uuid, Uuid),
    data: Vec<u8>,
    at: Instant,
}

impl Ledger {
    /// An assignment was answered.
    pub fn acknowledge(&self, task: &str, to: &Account, title: &str) {
        let task = Kind::Task.decode(task).expect("the id of a task");
        let (to, title, at) = (to.uuid, title.to_owned(), Instant::now());
        lock(&self.0).acknowledged.push(Acknowledged {
            task,
            to,
            title,
            at,
        });
    }

    /// An operation was answered with success, at the so-manieth try.
    pub fn answered(&self, latency: Duration, tries: usize) {
        let mut book = lock(&self.0);
        book.latencies.push(latency);
        book.repeated += usize::from(tries > 1);
    }

    /// An operation was not answered, or only that it failed.
    pub fn failed(&self) {
        lock(&self.0).failures += 1;
    }

    /// How many tries were not answered, or only that they failed, so far.
    pub fn failures(&self) -> usize {
        lock(&self.0).failures
    }

    /// How many assignments were answered so far.
    pub fn acknowledged(&self) -> usize {
        lock(&self.0).acknowledged.len()
    }

    /// The middle of how long answers took since they were asked for last.
    pub fn median_latency(&self) -> Duration {
        let mut latencies = std::mem::take(&mut lock(&self.0).latencies);
        latencies.sort();
        latencies
            .get(latencies.len() / 2)
            .copied()
            .unwrap_or_default()
    }

    /// A new subscriber that begins after this cursor; answers its number.
    pub fn follows(&self, user: Uuid, cursor: &str) -> usize {
        let first = seq(cursor);
        let mut book = lock(&self.0);
        let (heard, expired) = (HashMap::new(), HashSet::new());
        book.places.push(Place {
            user,
            first,
            last: first,
            heard,
            expired,
        });
        book.places.len() - 1
    }

    /// A subscriber heard an event.
    pub fn heard(&self, place: usize, cursor: &str, task: Option<&str>) {
        let seq = seq(cursor);
        let task = task.and_then(|id| Kind::Task.decode(id).ok());
        let mut book = lock(&self.0);
        let Place {
            user, last, heard, ..
        } = &mut book.places[place];
        let (user, expected) = (*user, *last + 1);
        if seq >= expected {
            heard.insert(seq, (Instant::now(), task));
            *last = seq;
        }
        if seq != expected {
            let text = format!("{user} heard {seq} where {expected} was to come");
            book.violations.push(text);
        }
    }

    /// A subscriber was told that what it missed is gone, up to this cursor.
    pub fn expired(&self, place: usize, oldest: &str) {
        let seq = seq(oldest);
        let mut book = lock(&self.0);
        let place = &mut book.places[place];
        place.expired.extend(place.last + 1..=seq);
        place.last = seq;
    }

    /// How many events subscribers were told are gone.
    pub fn told_as_gone(&self) -> usize {
        lock(&self.0)
            .places
            .iter()
            .map(|place| place.expired.len())
            .sum()
    }

    /// Something happened that never may.
    pub fn violated(&self, text: String) {
        lock(&self.0).violations.push(text);
    }

    /// No mail of this event is to reach this person.
    pub fn forgive(&self, event: Uuid, recipient: Uuid) {
        lock(&self.0).forgiven.insert((event, recipient));
    }

    /// Writes down what the mail server takes, until stopped.
    pub async fn takes_mail(self: Arc<Self>, smtp: Arc<SmtpServer>, stop: CancellationToken) {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), smtp.next_mail());
            let mail = tokio::select! { mail = next => mail, () = stop.cancelled() => return };
            let Ok(mail) = mail else { continue };
            let at = Instant::now();
            let id = MessageParser::default()
                .parse(&mail.data)
                .and_then(|read| read.message_id().map(str::to_owned))
                .unwrap_or_default();
            let mut parts = id.split('.').map(|part| Uuid::parse_str(part).ok());
            match (parts.next().flatten(), parts.next().flatten()) {
                (Some(event), Some(recipient)) => {
                    let of = (event, recipient);
                    lock(&self.0).mails.push(Mail {
                        of,
                        data: mail.data,
                        at,
                    });
                }
                _ => self.violated(format!("a mail with the id `{id}`")),
            }
        }
    }

    /// Waits until nothing is left to do and every subscriber is where its stream is; or until it
    /// takes too long, and then what is missing is lost.
    pub async fn settle(&self, db: &DatabaseConnection) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.is_settled(db).await.unwrap_or(false) {
                return;
            }
            pause(Duration::from_millis(200)).await;
        }
        self.violated("not everything came to an end in time".to_owned());
    }

    async fn is_settled(&self, db: &DatabaseConnection) -> Result<bool, DbErr> {
        let open = job::Entity::find()
            .filter(job::Column::Kind.is_in(["dispatch", "deliver"]))
            .filter(job::Column::State.is_in([job::State::Ready, job::State::Running]))
            .one(db)
            .await?;
        if open.is_some() {
            return Ok(false);
        }
        let streams = last_of_streams(db).await?;
        let book = lock(&self.0);
        Ok(book.places.iter().all(|place| {
            let stream = assigned_stream(entity::UserId(place.user));
            place.last >= streams.get(&stream).copied().unwrap_or_default()
        }))
    }

    /// Compares what was promised with what came of it.
    pub async fn check(&self, site: &Site, db: &DatabaseConnection) -> Result<Report, DbErr> {
        let truth = Truth::read(db).await?;
        let book = &mut *lock(&self.0);
        let mut report = Report {
            acknowledged: book.acknowledged.len(),
            repeated: book.repeated,
            ..Report::default()
        };
        let mut violations = std::mem::take(&mut book.violations);
        let mut mails: HashMap<(Uuid, Uuid), Vec<&Mail>> = HashMap::new();
        for mail in &book.mails {
            mails.entry(mail.of).or_default().push(mail);
        }
        report.mailed = mails.len();
        for place in &book.places {
            violations.extend(truth.is_whole(place));
        }
        for promise in &book.acknowledged {
            let Some(&event) = truth.assigned.get(&(promise.task, promise.to)) else {
                report
                    .lost
                    .push(format!("{}: nothing tells of it", promise.title));
                continue;
            };
            let seq = truth.places.get(&(event, promise.to)).copied();
            for place in book.places.iter().filter(|place| place.user == promise.to) {
                match place.hearing(seq, promise.task) {
                    Some(at) => {
                        report.delivered += 1;
                        report
                            .heard_after
                            .push(at.saturating_duration_since(promise.at));
                    }
                    None if place.was_told_of(seq) => {}
                    None => {
                        let text = format!("{}: a socket never heard {seq:?}", promise.title);
                        report.lost.push(text);
                    }
                }
            }
            let copies = mails.get(&(event, promise.to));
            match (copies, truth.deliveries.get(&(event, promise.to))) {
                (Some(copies), _) => {
                    let first = copies
                        .iter()
                        .map(|mail| mail.at)
                        .min()
                        .unwrap_or(promise.at);
                    report
                        .mailed_after
                        .push(first.saturating_duration_since(promise.at));
                }
                (None, Some((delivery::State::Suppressed, Some(_)))) => report.skipped += 1,
                (None, _) if book.forgiven.contains(&(event, promise.to)) => {}
                (None, told) => {
                    report
                        .lost
                        .push(format!("{}: no mail, delivery {told:?}", promise.title));
                }
            }
        }
        for (of, copies) in mails {
            report.duplicated += copies.len() - 1;
            if copies.iter().any(|copy| copy.data != copies[0].data) {
                violations.push(format!("copies of the mail {of:?} differ"));
            }
            // The last copy is the one nobody doubted.
            let before = &copies[..copies.len() - 1];
            if before.iter().any(|copy| !site.may_repeat(copy.at)) {
                violations.push(format!("the mail {of:?} was sent again without need"));
            }
        }
        violations.extend(truth.violations);
        report.violations = violations;
        Ok(report)
    }
}

/// What the database says in the end.
struct Truth {
    /// The event of an assignment, by task and assignee.
    assigned: HashMap<(Uuid, Uuid), Uuid>,
    /// Its number in the stream of the assignee, unless it was pruned.
    places: HashMap<(Uuid, Uuid), i64>,
    deliveries: HashMap<(Uuid, Uuid), (delivery::State, Option<String>)>,
    last: HashMap<String, i64>,
    /// Whose task an entry is of, by stream and number.
    entries: HashMap<(String, i64), Uuid>,
    /// Whose each task is now.
    assignees: HashMap<Uuid, Uuid>,
    violations: Vec<String>,
}

impl Truth {
    async fn read(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let events = event::Entity::find()
            .filter(event::Column::Topic.eq("task.assigned"))
            .all(db)
            .await?;
        let id = |event: &event::Model, field: &str| {
            event.payload[field]
                .as_str()
                .and_then(|id| Uuid::parse_str(id).ok())
        };
        let events: HashMap<Uuid, (Uuid, Uuid)> = events
            .iter()
            .filter_map(|event| {
                Some((
                    event.id.0,
                    (id(event, "task_id")?, id(event, "assignee_id")?),
                ))
            })
            .collect();
        let rows = stream_entry::Entity::find()
            .order_by_asc(stream_entry::Column::Seq)
            .all(db)
            .await?;
        let assigned = events.iter().map(|(event, of)| (*of, *event)).collect();
        let (mut places, mut entries) = (HashMap::new(), HashMap::new());
        for row in rows {
            if let Some(&(task, to)) = events.get(&row.event_id.0) {
                if row.stream == assigned_stream(entity::UserId(to)) {
                    places.insert((row.event_id.0, to), row.seq);
                }
                entries.insert((row.stream, row.seq), task);
            }
        }
        let mut violations = Vec::new();
        let mut deliveries = HashMap::new();
        for row in delivery::Entity::find().all(db).await? {
            let tries = attempt::Entity::find()
                .filter(attempt::Column::DeliveryId.eq(row.id))
                .filter(attempt::Column::Outcome.eq(attempt::Outcome::Sent))
                .all(db)
                .await?;
            if tries.len() > 1 {
                violations.push(format!("a delivery was settled {} times", tries.len()));
            }
            deliveries.insert(
                (row.event_id.0, row.recipient_id.0),
                (row.state, row.reason),
            );
        }
        let mut titles: HashMap<String, usize> = HashMap::new();
        let mut assignees = HashMap::new();
        for row in task::Entity::find().all(db).await? {
            if let Some(assignee) = row.assignee_id {
                assignees.insert(row.id.0, assignee.0);
            }
            *titles.entry(row.title).or_default() += 1;
        }
        let twice = titles.into_iter().filter(|(_, count)| *count > 1);
        violations.extend(twice.map(|(title, count)| format!("{title} was made {count} times")));
        let last = last_of_streams(db).await?;
        Ok(Self {
            assigned,
            places,
            deliveries,
            last,
            entries,
            assignees,
            violations,
        })
    }

    /// What a subscriber did not hear, and what it heard of another task.
    fn is_whole(&self, place: &Place) -> Vec<String> {
        let stream = assigned_stream(entity::UserId(place.user));
        let last = self.last.get(&stream).copied().unwrap_or_default();
        let mut wrong = Vec::new();
        for seq in place.first + 1..=last {
            match place.heard.get(&seq) {
                Some((_, Some(task))) => {
                    let entry = self.entries.get(&(stream.clone(), seq));
                    if entry.is_some_and(|entry| entry != task) {
                        wrong.push(format!("{stream} {seq} was heard as another task"));
                    }
                }
                Some((_, None)) => {
                    // It is null only once the task is somebody else's.
                    let entry = self.entries.get(&(stream.clone(), seq));
                    let task = entry.and_then(|task| self.assignees.get(task));
                    if task == Some(&place.user) {
                        wrong.push(format!("{stream} {seq} was heard without its task"));
                    }
                }
                None if place.expired.contains(&seq) => {}
                None => wrong.push(format!("{stream} {seq} was never heard")),
            }
        }
        wrong
    }
}

async fn last_of_streams(db: &DatabaseConnection) -> Result<HashMap<String, i64>, DbErr> {
    let rows = stream::Entity::find().all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.name, row.last_seq))
        .collect())
}

fn seq(cursor: &str) -> i64 {
    Cursor::decode(cursor)
        .unwrap_or_else(|| panic!("`{cursor}` is no cursor"))
        .seq
}
