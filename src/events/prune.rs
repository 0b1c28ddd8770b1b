//! Deletes entries of streams and events that nobody follows any more.

use entity::delivery::State;
use entity::{EventId, Timestamp, delivery, event, stream, stream_entry};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, Statement,
};

use crate::db::{Db, DbError, Tx, in_steps, least_id_at};

/// How many streams are looked at by one statement.
const STREAMS: u64 = 1_000;

/// What of a stream is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// What happened since then.
    pub since: Timestamp,
    /// At most so many entries, the newest.
    pub most: i64,
}

impl Kept {
    /// Ids sort by time: the first that is young enough.
    fn first(self) -> EventId {
        EventId(least_id_at(self.since))
    }

    fn is_kept(self, seq: i64, event: EventId, last_seq: i64) -> bool {
        event >= self.first() && seq > last_seq - self.most
    }
}

/// Deletes the oldest entries of every stream, those that are not to be kept, at most `step` in a
/// transaction. Answers how many that were.
///
/// # Errors
/// The database's failure; what was deleted before stays deleted.
pub async fn prune_streams(db: &Db, kept: Kept, step: u64) -> Result<u64, DbError> {
    let mut deleted = 0;
    let mut after = String::new();
    loop {
        let streams = oldest_entries(db, &after).await?;
        let Some(last) = streams.last() else {
            return Ok(deleted);
        };
        after.clone_from(&last.stream);
        for oldest in &streams {
            let Some(event) = oldest.event else { continue };
            if !kept.is_kept(oldest.seq, event, oldest.last_seq) {
                let name = &oldest.stream;
                deleted += in_steps(step, || prune_stream(db, name, kept, step)).await?;
            }
        }
    }
}

/// A stream and the oldest entry it has.
struct Oldest {
    stream: String,
    last_seq: i64,
    seq: i64,
    /// None where there is no entry any more.
    event: Option<EventId>,
}

/// A page of all streams by name.
async fn oldest_entries(db: &Db, after: &str) -> Result<Vec<Oldest>, DbError> {
    db.read(|conn| async move {
        // Not a join: PostgreSQL merges the two tables and reads all entries that stand before the page.
        let query = format!(
            "SELECT name, last_seq, min_seq, (SELECT event_id FROM stream_entries
               WHERE stream = streams.name AND seq = streams.min_seq)
             FROM streams WHERE name > $1 ORDER BY name LIMIT {STREAMS}"
        );
        let backend = conn.get_database_backend();
        let query = Statement::from_sql_and_values(backend, query, [after.into()]);
        let read = |row: &QueryResult| {
            Ok::<_, DbErr>(Oldest {
                stream: row.try_get_by_index(0)?,
                last_seq: row.try_get_by_index(1)?,
                seq: row.try_get_by_index(2)?,
                event: row.try_get_by_index(3)?,
            })
        };
        let rows = conn.query_all_raw(query).await?;
        let oldest: Result<Vec<_>, DbErr> = rows.iter().map(read).collect();
        Ok(oldest?)
    })
    .await
}

/// Deletes the first entries of a stream and says so in its row, which stays locked: whoever asks for
/// less than what is left is told, and never given a hole.
async fn prune_stream(db: &Db, name: &str, kept: Kept, step: u64) -> Result<u64, DbError> {
    db.write(|tx| async move {
        let conn = tx.conn();
        let row = stream::Entity::find_by_id(name)
            // One that somebody writes to at this moment is pruned another time.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .one(conn)
            .await?;
        let Some(row) = row else { return Ok(0) };
        let first = stream_entry::Entity::find()
            .filter(stream_entry::Column::Stream.eq(name))
            .order_by_asc(stream_entry::Column::Seq)
            .limit(step)
            .all(conn)
            .await?;
        // Only from the beginning: an old one behind a young one stays with it.
        let over = first
            .iter()
            .take_while(|entry| !kept.is_kept(entry.seq, entry.event_id, row.last_seq));
        let Some(last) = over.last() else {
            return Ok(0);
        };
        let deleted = stream_entry::Entity::delete_many()
            .filter(stream_entry::Column::Stream.eq(name))
            .filter(stream_entry::Column::Seq.lte(last.seq))
            .exec(conn)
            .await?;
        stream::Entity::update_many()
            .col_expr(stream::Column::MinSeq, Expr::value(last.seq + 1))
            .filter(stream::Column::Name.eq(name))
            .exec(conn)
            .await?;
        Ok(deleted.rows_affected)
    })
    .await
}

/// Deletes events of before this time that stand in no stream and that nobody is to be told of any
/// more, with the deliveries that told of them and their attempts; at most so many. Answers how many
/// events that were.
///
/// # Errors
/// The database's failure.
pub async fn delete_events(tx: &Tx, before: Timestamp, most: u64) -> Result<u64, DbError> {
    let conn = tx.conn();
    let own = (event::Entity, event::Column::Id);
    let entry = Query::select()
        .expr(Expr::value(1))
        .from(stream_entry::Entity)
        .and_where(Expr::col((stream_entry::Entity, stream_entry::Column::EventId)).equals(own))
        .take();
    let waits = Query::select()
        .expr(Expr::value(1))
        .from(delivery::Entity)
        .and_where(Expr::col((delivery::Entity, delivery::Column::EventId)).equals(own))
        .and_where(delivery::Column::State.is_in(State::OPEN))
        .take();
    let ids: Vec<EventId> = event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .filter(event::Column::Id.lt(EventId(least_id_at(before))))
        .filter(Expr::not_exists(entry))
        .filter(Expr::not_exists(waits))
        .order_by_asc(event::Column::Id)
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_tuple()
        .all(conn)
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    // Their attempts go with them.
    delivery::Entity::delete_many()
        .filter(delivery::Column::EventId.is_in(ids.iter().copied()))
        .exec(conn)
        .await?;
    let deleted = event::Entity::delete_many()
        .filter(event::Column::Id.is_in(ids))
        .exec(conn)
        .await?;
    Ok(deleted.rows_affected)
}
