//! The log of what happened, and the streams that put it into an order someone can follow.
//!
//! Three ideas carry "nothing is lost":
//!
//! 1. **The database is the truth.** An event, its place in each stream and the jobs it causes are
//!    written in the transaction of the change. There is no moment in which the change is committed
//!    and the event is not.
//! 2. **A place in a stream comes from a counter row, taken last in the transaction.** The row stays
//!    locked until the commit, so the entry 8 cannot become visible before the entry 7. With an
//!    auto-increment id it can, and a reader that has seen 8 then skips 7 for ever.
//! 3. **The bus carries hints.** A hint says "look at this stream". It may be dropped, repeated or
//!    reordered: a follower reads the database from where it stands, so the worst a lost hint costs
//!    is the time until the next safety poll.

pub mod bus;
mod cursor;
mod feed;
mod log;
mod places;
mod prune;

use std::collections::BTreeMap;

use entity::{EventId, ProjectId, TaskId, UserId, event, server_state};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use serde::Serialize;

pub use self::bus::Bus;
pub use self::cursor::Cursor;
pub use self::feed::{Entry, Feed, FollowError, Start};
pub use self::log::{NoPlace, Place, Range, Tail, count, newest, read, seq_of};
pub use self::prune::{Kept, delete_events, prune_streams};
use crate::crypto;
use crate::db::{DbError, Sql, Tx, new_id, padded};
use crate::failpoint::{self, Point};
use crate::telemetry;
use bus::Hint;

/// A kind of event: a typed payload of ids. Names and addresses stay in their tables, so that
/// erasing a person does not mean searching the log.
pub trait Event: Serialize {
    /// What other services know it by, as `task.assigned`.
    const TOPIC: &'static str;
    /// Raised when the payload changes in a way a reader must know.
    const SCHEMA_VERSION: i32;
}

/// Writes an event into the transaction of the change it tells of. An event that is followed in a
/// stream goes through a [`Log`].
///
/// # Errors
/// The database's failure.
pub async fn append<E: Event>(
    tx: &Tx,
    event: &E,
    actor: Option<UserId>,
) -> Result<EventId, DbError> {
    let id = EventId(new_id(tx.clock()));
    event::Entity::insert(row(tx, id, event, actor)?)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(id)
}

fn row<E: Event>(
    tx: &Tx,
    id: EventId,
    event: &E,
    actor: Option<UserId>,
) -> Result<event::ActiveModel, DbError> {
    let payload = serde_json::to_value(event)
        .map_err(|error| sea_orm::DbErr::Custom(format!("event payload: {error}")))?;
    Ok(event::ActiveModel {
        id: Set(id),
        topic: Set(E::TOPIC.to_owned()),
        schema_version: Set(E::SCHEMA_VERSION),
        payload: Set(payload),
        actor_id: Set(actor),
        occurred_at: Set(tx.clock().now()),
        trace: Set(telemetry::request_id()),
    })
}

/// An event by id.
///
/// # Errors
/// The database's failure.
pub async fn find(db: &impl ConnectionTrait, id: EventId) -> Result<Option<event::Model>, DbError> {
    Ok(event::Entity::find_by_id(id).one(db).await?)
}

/// Events by id, in no order.
///
/// # Errors
/// The database's failure.
pub async fn find_many(
    db: &impl ConnectionTrait,
    ids: Vec<EventId>,
) -> Result<Vec<event::Model>, DbError> {
    let query = event::Entity::find().filter(event::Column::Id.is_in(padded(ids)));
    Ok(query.all(db).await?)
}

/// Makes all cursors worthless that clients have: after a restore the numbers of streams are given a
/// second time. Processes that run keep the epoch of their start.
///
/// # Errors
/// The database's failure.
pub async fn renew_epoch(tx: &Tx) -> Result<(), DbError> {
    let row = server_state::ActiveModel {
        key: Set(server_state::EPOCH.to_owned()),
        value: Set(crypto::random_token()),
    };
    let again = OnConflict::column(server_state::Column::Key)
        .update_column(server_state::Column::Value)
        .to_owned();
    server_state::Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

/// The events of one transaction and their places in streams, gathered while it works and written
/// together at its end, however many they are: by three statements, on PostgreSQL by one.
#[derive(Debug, Default)]
pub struct Log {
    events: Vec<event::ActiveModel>,
    /// In the order of the names, so that two transactions cannot wait for each other.
    entries: BTreeMap<String, Vec<EventId>>,
}

impl Log {
    /// Takes an event, and the streams it is followed in.
    ///
    /// # Errors
    /// When the payload has no JSON form.
    pub fn add<E: Event>(
        &mut self,
        tx: &Tx,
        event: &E,
        actor: Option<UserId>,
        streams: impl IntoIterator<Item = String>,
    ) -> Result<EventId, DbError> {
        let id = EventId(new_id(tx.clock()));
        self.events.push(row(tx, id, event, actor)?);
        for stream in streams {
            self.entries.entry(stream).or_default().push(id);
        }
        Ok(id)
    }

    /// Gives an event that is in the log already a place in one more stream.
    pub fn place(&mut self, event: EventId, stream: String) {
        self.entries.entry(stream).or_default().push(event);
    }

    /// The events so far.
    pub fn ids(&self) -> Vec<EventId> {
        let ids = self.events.iter().map(|event| event.id.try_as_ref());
        ids.flatten().copied().collect()
    }

    /// Writes all of it, and hints at it after the commit. Must be the last that the transaction
    /// does: each counter stays locked from here to the commit.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn write(self, tx: &Tx, bus: &Bus) -> Result<(), DbError> {
        let is_new = !self.events.is_empty();
        if is_new {
            tx.later(Sql::insert(tx.backend(), self.events));
        }
        if self.entries.is_empty() || (is_new && failpoint::fails(Point::LoseEntry, &"")) {
            return tx.flush().await;
        }
        let bus = bus.clone();
        let hint = move |stand: BTreeMap<_, _>| {
            for (name, seq) in stand {
                bus.publish(Hint::Stream { name, seq });
            }
        };
        places::give(tx, self.entries, hint).await
    }
}

/// The name of the stream of what is assigned to a user.
pub fn assigned_stream(user: UserId) -> String {
    format!("assigned:{}", user.0)
}

/// The name of the stream of what happens to a task: its project's, or its own outside projects.
pub fn task_stream(task: TaskId, project: Option<ProjectId>) -> String {
    match project {
        Some(project) => project_stream(project),
        None => format!("task:{}", task.0),
    }
}

/// The name of the stream of what happens in a project.
pub fn project_stream(project: ProjectId) -> String {
    format!("project:{}", project.0)
}
