//! The jobs that tell other services.

use entity::EventId;
use serde::{Deserialize, Serialize};

use super::cloud_event::cloud_event;
use crate::app::App;
use crate::db::{DbError, Tx, new_id};
use crate::delivery::stream::StreamEntry;
use crate::events::{self, Place, Range};
use crate::jobs::{self, Claimed, JobError, NewJob, Outcome, SINK_QUEUE};

/// The job that sends one event.
pub const SEND: &str = "sink";

/// What other services are told of.
pub const TOPICS: [&str; 9] = [
    "user.created",
    "artist.created",
    "task.created",
    "task.updated",
    "task.assigned",
    "task.unassigned",
    "task.completed",
    "task.deleted",
    "task.restored",
];

/// A Redis that is away is waited for: the number only ends what nobody will ever repair.
const MAX_ATTEMPTS: i32 = 1_000_000;
/// How many jobs one transaction of a replay writes.
const STEP: u64 = 500;

#[derive(Debug, Serialize, Deserialize)]
struct SendPayload {
    event_id: EventId,
}

/// Whether other services are told of events of this topic.
pub fn tells(topic: &str) -> bool {
    TOPICS.contains(&topic)
}

/// Writes the jobs that tell other services of events, in the transaction of the change. All are of
/// topics that [`tells`] knows. Does nothing where nobody listens.
pub fn enqueue(app: &App, tx: &Tx, events: impl IntoIterator<Item = EventId>) {
    if !app.settings.sink.redis_stream {
        return;
    }
    let jobs = events
        .into_iter()
        .map(|id| job(id, format!("sink:{}", id.0)));
    jobs::enqueue(tx, &app.bus, jobs);
}

fn job(event_id: EventId, dedupe_key: String) -> NewJob {
    NewJob {
        queue: SINK_QUEUE,
        kind: SEND,
        payload: serde_json::json!(SendPayload { event_id }),
        dedupe_key,
        max_attempts: MAX_ATTEMPTS,
    }
}

/// Puts one event into the stream.
///
/// # Errors
/// When the database failed or the lease was lost. The event may be in the stream then, and comes
/// there again.
pub async fn send(app: &App, claimed: &Claimed) -> Result<Outcome, JobError> {
    let payload = serde_json::from_value(claimed.job.payload.clone());
    let Ok(SendPayload { event_id }) = payload else {
        return bury(app, claimed, "the payload cannot be read").await;
    };
    if !app.settings.sink.redis_stream {
        return bury(app, claimed, "sink.redis_stream is off").await;
    }
    let event = app
        .db
        .read(|db| async move { events::find(&db, event_id).await })
        .await?;
    let Some(event) = event else {
        return bury(app, claimed, "the event is gone").await;
    };
    let told = cloud_event(&app.db, &app.settings.issuer(), &event).await?;
    let entry = StreamEntry {
        id: event_id.0.to_string(),
        event: told.to_string(),
    };
    let is_first = match app.stream.add(&entry).await {
        Ok(taken) => taken.is_first,
        Err(error) => {
            return Ok(Outcome::Retry {
                after: None,
                error: error.to_string(),
            });
        }
    };
    if !is_first {
        return Ok(Outcome::Done);
    }
    // The first to get through again calls the others, which may wait for an hour.
    let called = app
        .db
        .write(|tx| async move { jobs::hurry(&tx, &app.bus, SINK_QUEUE).await })
        .await;
    if called.is_err() {
        app.stream.call_again();
    }
    called?;
    Ok(Outcome::Done)
}

/// Has a part of the log sent again, as far as other services are told of it. Answers how many
/// events that are. When it is broken off, what it has written is sent.
///
/// # Errors
/// The database's failure.
pub async fn replay(app: &App, range: &Range) -> Result<u64, DbError> {
    // So that it comes to an end while events happen.
    let to = range.to.unwrap_or(Place::Time(app.db.clock().now()));
    let mut range = Range {
        to: Some(to),
        ..range.clone()
    };
    range.topics.retain(|topic| tells(topic));
    if range.topics.is_empty() {
        range.topics = TOPICS.map(str::to_owned).to_vec();
    }
    let range = &range;
    let replay = new_id(app.db.clock());
    let (mut after, mut sent) = (None, 0);
    loop {
        let events = app
            .db
            .read(|db| async move { events::read(&db, range, after, STEP).await })
            .await?;
        let Some(last) = events.last() else {
            return Ok(sent);
        };
        after = Some(last.id);
        sent += events.len() as u64;
        let events = &events;
        app.db
            .write(|tx| async move {
                let again = |id: EventId| job(id, format!("sink:{}:{replay}", id.0));
                let jobs = events.iter().map(|event| again(event.id));
                jobs::enqueue(&tx, &app.bus, jobs);
                Ok::<_, DbError>(())
            })
            .await?;
    }
}

async fn bury(app: &App, claimed: &Claimed, error: &str) -> Result<Outcome, JobError> {
    app.db
        .write(|tx| async move { jobs::bury(&tx, claimed, error).await })
        .await?;
    Ok(Outcome::Buried)
}
