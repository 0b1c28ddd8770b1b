//! Giving events their places in streams.

use std::collections::BTreeMap;

use entity::{EventId, stream, stream_entry};
use sea_orm::sea_query::{
    Expr, ExprTrait, InsertStatement, JoinType, OnConflict, Query, ValueTuple,
};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, QueryResult, QueryTrait, Set, Value,
};

use crate::db::{DbError, Tx};

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
    if tx.conn().get_database_backend() == DatabaseBackend::Postgres {
        return give_at_once(tx, entries, then).await;
    }
    // The entries refer to the events.
    tx.flush().await?;
    let rows = tx.conn().query_all(&raise(&entries)).await?;
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
    let raise = raise(&entries);
    let places = places(entries).map(|(stream, behind, event_id)| {
        let values: [Value; 3] = [stream.into(), behind.into(), event_id.into()];
        ValueTuple::Many(values.into())
    });
    let rows = Query::select()
        .column((PLACES, "column1"))
        .expr(Expr::col((RAISED, stream::Column::LastSeq)).sub(Expr::col((PLACES, "column2"))))
        .column((PLACES, "column3"))
        .from_values(places, PLACES)
        .join(
            JoinType::InnerJoin,
            RAISED,
            Expr::col((RAISED, stream::Column::Name)).equals((PLACES, "column1")),
        )
        .take();
    let mut write = Query::insert();
    write
        .into_table(stream_entry::Entity)
        .columns([
            stream_entry::Column::Stream,
            stream_entry::Column::Seq,
            stream_entry::Column::EventId,
        ])
        .select_from(rows)
        .map_err(|error| DbErr::Custom(format!("the entries of streams: {error}")))?;
    let counters = Query::select()
        .columns([stream::Column::Name, stream::Column::LastSeq])
        .from(RAISED)
        .take();
    tx.end_with(
        [(RAISED, raise), ("written", write)],
        counters,
        move |rows| {
            let stand = stand(&rows, streams)?;
            Ok(Box::new(move || then(stand)))
        },
    )
    .await
}

/// The names of what the statement above reads.
const RAISED: &str = "raised";
const PLACES: &str = "places";

/// Raises counters, in the order of their names.
fn raise(entries: &Entries) -> InsertStatement {
    let rows = entries.iter().map(|(name, events)| stream::ActiveModel {
        name: Set(name.clone()),
        last_seq: Set(i64::try_from(events.len()).unwrap_or(i64::MAX)),
        min_seq: Set(1),
    });
    let more = Expr::col((stream::Entity, stream::Column::LastSeq))
        .add(Expr::col(("excluded", stream::Column::LastSeq)));
    let again = OnConflict::column(stream::Column::Name)
        .value(stream::Column::LastSeq, more)
        .to_owned();
    let mut insert = stream::Entity::insert_many(rows)
        .on_conflict(again)
        .into_query();
    insert.returning(Query::returning().columns([stream::Column::Name, stream::Column::LastSeq]));
    insert
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
