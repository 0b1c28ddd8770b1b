//! Reading the log itself, which no stream orders: for who looks after the server, and for what is
//! sent again to other services.
//!
//! Ids begin with the time they were made at, so the log is read in their order. But a transaction
//! that takes long commits an old id late: who follows the log looks back a while and drops what it
//! has seen.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta};
use entity::event::{Column, Entity, Model};
use entity::{EventId, Timestamp, stream_entry};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use uuid::Uuid;

use crate::db::{Db, DbError};

/// How long a transaction may take until its events are missed by who follows the log.
const LOOK_BACK_MS: u64 = 30_000;
/// How many events one look of a [`Tail`] reads.
const PAGE: u64 = 500;

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an event.
    Event(EventId),
    /// At a time.
    Time(Timestamp),
}

/// A text that names no place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither the id of an event nor a time such as 2026-12-24T18:00:00Z")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Event(EventId(id)));
        }
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| NoPlace)?;
        Ok(Self::Time(time.into()))
    }
}

/// A part of the log.
#[derive(Clone, Debug, Default)]
pub struct Range {
    /// Where it begins, inclusive; at the oldest event if not given.
    pub from: Option<Place>,
    /// Where it ends, inclusive; at the newest event if not given.
    pub to: Option<Place>,
    /// Only these topics; all if empty.
    pub topics: Vec<String>,
}

impl Range {
    fn select(&self) -> Select<Entity> {
        let mut all = Condition::all();
        match self.from {
            Some(Place::Event(id)) => all = all.add(Column::Id.gte(id)),
            // An id is made just before its event is dated; the index is of ids.
            Some(Place::Time(time)) => {
                let least = least_id(millis(time - TimeDelta::seconds(1)));
                all = all.add(Column::Id.gte(least));
                all = all.add(Column::OccurredAt.gte(time));
            }
            None => {}
        }
        match self.to {
            Some(Place::Event(id)) => all = all.add(Column::Id.lte(id)),
            Some(Place::Time(time)) => {
                all = all.add(Column::Id.lt(least_id(millis(time) + 1)));
                all = all.add(Column::OccurredAt.lte(time));
            }
            None => {}
        }
        if !self.topics.is_empty() {
            all = all.add(Column::Topic.is_in(self.topics.clone()));
        }
        Entity::find().filter(all)
    }
}

/// The next events of a part of the log, oldest first.
///
/// # Errors
/// The database's failure.
pub async fn read(
    db: &impl ConnectionTrait,
    range: &Range,
    after: Option<EventId>,
    limit: u64,
) -> Result<Vec<Model>, DbError> {
    let mut query = range.select();
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    let query = query.order_by_asc(Column::Id).limit(limit);
    Ok(query.all(db).await?)
}

/// The last events of a part of the log, oldest first.
///
/// # Errors
/// The database's failure.
pub async fn newest(
    db: &impl ConnectionTrait,
    range: &Range,
    limit: u64,
) -> Result<Vec<Model>, DbError> {
    // Some more: which of one millisecond are the last, their ids do not say.
    let some = limit.saturating_add(PAGE);
    let query = range.select().order_by_desc(Column::Id).limit(some);
    let mut events = query.all(db).await?;
    events.sort_by_key(as_told);
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    events.drain(..events.len().saturating_sub(most));
    Ok(events)
}

/// Ids of the same millisecond are in no order.
fn as_told(event: &Model) -> (Timestamp, EventId) {
    (event.occurred_at, event.id)
}

/// How many events a part of the log has.
///
/// # Errors
/// The database's failure.
pub async fn count(db: &impl ConnectionTrait, range: &Range) -> Result<u64, DbError> {
    Ok(range.select().count(db).await?)
}

/// The place of an event in a stream; none if it has none there, or none any more.
///
/// # Errors
/// The database's failure.
pub async fn seq_of(
    db: &impl ConnectionTrait,
    stream: &str,
    id: EventId,
) -> Result<Option<i64>, DbError> {
    // It is mostly among the newest: the stream is read from its end until it is found.
    let entry = stream_entry::Entity::find()
        .filter(stream_entry::Column::Stream.eq(stream))
        .filter(stream_entry::Column::EventId.eq(id))
        .order_by_desc(stream_entry::Column::Seq)
        .one(db)
        .await?;
    Ok(entry.map(|entry| entry.seq))
}

/// Follows the log.
#[derive(Debug)]
pub struct Tail {
    range: Range,
    /// What is read next comes after this.
    after: Option<EventId>,
    newest: Option<EventId>,
    /// Those of the time that is looked back at.
    seen: BTreeSet<EventId>,
}

impl Tail {
    /// Begins with a part of the log, without what was `shown` of it.
    pub fn new(range: Range, shown: &[Model]) -> Self {
        let newest = shown.iter().map(|event| event.id).max();
        Self {
            range,
            after: newest.map(|id| look_back(id, u64::MAX)),
            newest,
            seen: shown.iter().map(|event| event.id).collect(),
        }
    }

    /// What is new, at most a page. None: nothing for now, as far as was looked.
    ///
    /// # Errors
    /// The database's failure: look again.
    pub async fn next(&mut self, db: &Db) -> Result<Option<Vec<Model>>, DbError> {
        let (range, after) = (&self.range, self.after);
        let mut events = db
            .read(|db| async move { read(&db, range, after, PAGE).await })
            .await?;
        let is_all = (events.len() as u64) < PAGE;
        let last = events.last().map(|event| event.id);
        self.newest = self.newest.max(last);
        // By the times in the ids, but never from later than now: a machine whose clock is ahead must not
        // hide what the others write.
        let now = millis(db.clock().now());
        let again = self.newest.map(|newest| look_back(newest, now));
        events.retain(|event| !self.seen.contains(&event.id));
        if let Some(again) = again {
            let ids = events.iter().map(|event| event.id);
            self.seen.extend(ids.filter(|id| *id >= again));
            self.seen = self.seen.split_off(&again);
        }
        self.after = if is_all { again } else { last };
        events.sort_by_key(as_told);
        Ok((!is_all || !events.is_empty()).then_some(events))
    }
}

/// From where on it is looked once more after this event, at this time.
fn look_back(EventId(id): EventId, now: u64) -> EventId {
    let made = u64::try_from(id.as_u128() >> 80).unwrap_or(u64::MAX);
    least_id(made.min(now).saturating_sub(LOOK_BACK_MS))
}

/// No id of this millisecond or a later one is less.
fn least_id(millis: u64) -> EventId {
    EventId(Uuid::from_u128(u128::from(millis) << 80))
}

fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{NoPlace, Place, least_id, millis};
    use crate::db::{Clock, id_at};

    #[test]
    fn the_least_id_of_a_time_stands_before_all_ids_of_that_time_and_after_those_before() {
        let now = Clock::default().now();
        let least = least_id(millis(now)).0;
        assert!(least <= id_at(now));
        assert!(least > id_at(now - TimeDelta::milliseconds(1)));
        assert!(least_id(millis(now) + 1).0 > id_at(now));
    }

    #[test]
    fn a_place_is_an_id_or_a_time() {
        let id = "01a2012c-628a-73d0-8acd-6e8ad276e219";
        assert!(matches!(id.parse(), Ok(Place::Event(read)) if read.0.to_string() == id));
        let time = "2026-11-22T02:53:35.790302+01:00";
        assert!(matches!(time.parse(), Ok(Place::Time(_))));
        for nonsense in ["", "now", "2026-11-22"] {
            assert_eq!(nonsense.parse::<Place>(), Err(NoPlace), "{nonsense}");
        }
    }
}
