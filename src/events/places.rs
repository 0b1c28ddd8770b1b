//! Giving events their places in streams.

use std::collections::BTreeMap;

use entity::{EventId, stream, stream_entry};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, QueryResult, Set};
use serde_json::{Value as Json, json};

use crate::db::{DbError, Sql, Tx};

/// Events, by the stream in which each gets the next place.
type Entries = BTreeMap<String, Vec<EventId>>;

/// The number of the last entry of each stream.
type Stand = BTreeMap<String, i64>;

/// Writes what the transaction put off, raises the counter of each stream by the number of its new
/// entries, and writes these: on PostgreSQL at the end of the transaction. When it is committed, `then` is told where
/// each stream stands.
pub async fn give(
    tx: &Tx,
    entries: Entries,
    then: impl FnOnce(Stand) + Send + 'static,
) -> Result<(), DbError> {
    let backend = tx.backend();
    if backend == DatabaseBackend::Postgres {
        return give_at_once(tx, entries, then).await;
    }
    // The entries refer to the events.
    tx.flush().await?;
    let raise = raise(backend, &entries).statement(backend);
    let rows = tx.conn().query_all_raw(raise).await?;
    let stand = stand(&rows, entries.len())?;
    let rows = places(entries).map(|(stream, behind, event_id)| {
        let last = stand.get(&stream).copied().unwrap_or_default();
        stream_entry::ActiveModel {
            stream: Set(stream),
            seq: Set(last - behind),
            event_id: Set(event_id),
        }
    });
    stream_entry::Entity::insert_many(rows)
        .exec_without_returning(tx.conn())
        .await?;
    tx.after_commit(move || then(stand));
    Ok(())
}

/// The same by one statement: the entries are written from what raising the counters returns.
async fn give_at_once(
    tx: &Tx,
    entries: Entries,
    then: impl FnOnce(Stand) + Send + 'static,
) -> Result<(), DbError> {
    let streams = entries.len();
    let raise = raise(DatabaseBackend::Postgres, &entries);
    let places = places(entries).map(|(stream, behind, event_id)| {
        json!({"stream": stream, "behind": behind, "event_id": event_id.0})
    });
    let write = Sql::new(
        "INSERT INTO stream_entries (stream, seq, event_id)
         SELECT raised.name, raised.last_seq - place.behind, place.event_id
         FROM raised JOIN jsonb_to_recordset($) AS place (stream text, behind bigint, event_id uuid)
           ON place.stream = raised.name",
        [places.collect::<Json>().into()],
    );
    let counters = Sql::new("SELECT name, last_seq FROM raised", []);
    tx.end_with(
        [("raised", raise), ("written", write)],
        counters,
        move |rows| {
            let stand = stand(&rows, streams)?;
            Ok(Box::new(move || then(stand)))
        },
    )
    .await
}

/// Raises counters, in the order of their names.
fn raise(backend: DatabaseBackend, entries: &Entries) -> Sql {
    let rows = entries.iter().map(|(name, events)| stream::ActiveModel {
        name: Set(name.clone()),
        last_seq: Set(i64::try_from(events.len()).unwrap_or(i64::MAX)),
        min_seq: Set(1),
    });
    let more = " ON CONFLICT (name) DO UPDATE SET last_seq = streams.last_seq + excluded.last_seq
        RETURNING name, last_seq";
    Sql::insert(backend, rows).and(more, [])
}

/// Each new entry: its stream, how many are behind it there, and the event.
fn places(entries: Entries) -> impl Iterator<Item = (String, i64, EventId)> {
    entries.into_iter().flat_map(|(stream, events)| {
        let events = events.into_iter().rev().zip(0..);
        events.map(move |(event, behind)| (stream.clone(), behind, event))
    })
}

fn stand(rows: &[QueryResult], streams: usize) -> Result<Stand, DbError> {
    let row = |row: &QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    let stand: Stand = rows.iter().map(row).collect::<Result<_, DbErr>>()?;
    if stand.len() != streams {
        return Err(DbErr::RecordNotFound("a stream's counter".to_owned()).into());
    }
    Ok(stand)
}
