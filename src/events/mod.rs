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

use entity::{EventId, UserId, event, stream_entry};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, Set, Statement};
use serde::Serialize;

pub use self::bus::Bus;
pub use self::cursor::Cursor;
pub use self::feed::{Entry, Feed, FollowError, Start};
use crate::db::{DbError, Tx, new_id};
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

/// Writes an event into the transaction of the change it tells of.
///
/// # Errors
/// The database's failure.
pub async fn append<E: Event>(
    tx: &Tx,
    event: &E,
    actor: Option<UserId>,
) -> Result<EventId, DbError> {
    let id = EventId(new_id(tx.clock()));
    let payload = serde_json::to_value(event)
        .map_err(|error| sea_orm::DbErr::Custom(format!("event payload: {error}")))?;
    let row = event::ActiveModel {
        id: Set(id),
        topic: Set(E::TOPIC.to_owned()),
        schema_version: Set(E::SCHEMA_VERSION),
        payload: Set(payload),
        actor_id: Set(actor),
        occurred_at: Set(tx.clock().now()),
        trace: Set(telemetry::request_id()),
    };
    event::Entity::insert(row)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(id)
}

/// An event by id.
///
/// # Errors
/// The database's failure.
pub async fn find(db: &impl ConnectionTrait, id: EventId) -> Result<Option<event::Model>, DbError> {
    Ok(event::Entity::find_by_id(id).one(db).await?)
}

/// Gives an event its place in streams, and hints at it after the commit. Must be the last
/// statement of the transaction: each counter stays locked from here to the commit. Streams are
/// taken in the order of their names, so that two transactions cannot wait for each other.
///
/// # Errors
/// The database's failure.
pub async fn enter_streams(
    tx: &Tx,
    bus: &Bus,
    event_id: EventId,
    mut streams: Vec<String>,
) -> Result<(), DbError> {
    streams.sort_unstable();
    streams.dedup();
    for stream in streams {
        let seq = next_seq(tx, &stream).await?;
        stream_entry::ActiveModel {
            stream: Set(stream.clone()),
            seq: Set(seq),
            event_id: Set(event_id),
        }
        .insert(tx.conn())
        .await?;
        let bus = bus.clone();
        tx.after_commit(move || bus.publish(Hint::Stream { name: stream, seq }));
    }
    Ok(())
}

async fn next_seq(tx: &Tx, stream: &str) -> Result<i64, DbError> {
    let conn = tx.conn();
    let upsert = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "INSERT INTO streams (name, last_seq, min_seq) VALUES ($1, 1, 1)
         ON CONFLICT (name) DO UPDATE SET last_seq = streams.last_seq + 1
         RETURNING last_seq",
        [stream.into()],
    );
    let row = conn
        .query_one_raw(upsert)
        .await?
        .ok_or_else(|| sea_orm::DbErr::RecordNotFound("a stream's counter".to_owned()))?;
    Ok(row.try_get_by_index(0)?)
}

/// The name of the stream of what is assigned to a user.
pub fn assigned_stream(user: UserId) -> String {
    format!("assigned:{}", user.0)
}
