//! Following a stream: first what was missed, then what happens.
//!
//! A follower holds nothing but its place. It reads the entries after it, and when it knows of none
//! waits until its stream is said to have moved. So replay and live are one loop, an entry is
//! delivered once and in order whatever the hints do, and a slow reader costs no memory. All
//! followers of a stream share one watch, and a hint costs one look-up by the stream's name: no
//! follower looks at the events of others. Those of a stream that stand at the same place read
//! together: what one person has open five times is read once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use entity::{event, server_state, stream, stream_entry};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::bus::{Bus, Hint};
use super::cursor::Cursor;
use crate::db::{Db, DbError, SharedReads};
use crate::failpoint::{self, Point};
use crate::graphql::{ApiError, ErrorCode};
use crate::lifecycle::pause;
use crate::settings;

/// How many counters one statement of the safety poll asks for.
const POLL_CHUNK: usize = 1_000;

/// The streams followed in this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    epoch: String,
    /// By the stream's name: the newest number heard of.
    followed: Mutex<HashMap<String, watch::Sender<i64>>>,
    /// The pages that are being read, by the stream and the place before them.
    pages: SharedReads<(String, i64), Page>,
    /// Bounds the reads, so that a storm of reconnecting clients does not flatten the database.
    reads: Semaphore,
    page_size: u64,
    poll: Duration,
    poll_while_down: Duration,
}

/// One event at its place in a stream.
#[derive(Debug)]
pub struct Entry {
    /// Where it stands, for the client to resume after it.
    pub cursor: Cursor,
    /// What happened.
    pub event: event::Model,
}

/// What comes next in a stream.
#[derive(Clone, Debug)]
struct Page {
    entries: Vec<Arc<Entry>>,
    /// Whether something is missing before, between or behind them: it was pruned.
    has_holes: bool,
}

/// Where to begin.
#[derive(Clone, Debug)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// With the entry after this one.
    After(Cursor),
}

impl Start {
    /// After the cursor that a client gave; with what happens from now on when it gave none.
    ///
    /// # Errors
    /// `BadCursor`.
    pub fn read(after: Option<&str>) -> Result<Self, FollowError> {
        let Some(text) = after else {
            return Ok(Self::Now);
        };
        let cursor = Cursor::decode(text).ok_or(FollowError::BadCursor)?;
        Ok(Self::After(cursor))
    }
}

/// Why a stream cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The cursor is none, or of another stream.
    #[error("not a cursor of this stream")]
    BadCursor,
    /// What comes after the cursor is gone, or was never there.
    #[error("the cursor is no longer good")]
    Expired {
        /// The place before the oldest entry that is kept.
        oldest: Cursor,
        /// The place of the newest entry.
        latest: Cursor,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<FollowError> for ApiError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::BadCursor => Self::new(
                ErrorCode::BadUserInput,
                "`after` is not a cursor of an event. Take it from `cursor` or `eventCursor` as it is.",
            ),
            FollowError::Expired { oldest, latest } => Self::new(
                ErrorCode::CursorExpired,
                "What came after this cursor is not kept any more. Read the list anew and subscribe after its `eventCursor`.",
            )
            .with("oldest", oldest.encode())
            .with("latest", latest.encode()),
            FollowError::Db(error) => error.into(),
        }
    }
}

impl Feed {
    /// Reads the epoch and makes an empty feed.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn open(db: Db, settings: &settings::EventsSettings) -> Result<Self, DbError> {
        let epoch = db
            .read(|db| async move {
                server_state::Entity::find_by_id(server_state::EPOCH)
                    .one(&db)
                    .await
                    .map_err(DbError::from)
            })
            .await?
            .map(|row| row.value)
            .unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            db,
            epoch,
            followed: Mutex::default(),
            reads: Semaphore::new(settings.replay_concurrency),
            pages: SharedReads::default(),
            page_size: settings.replay_page,
            poll: Duration::from_secs(settings.poll_seconds),
            poll_while_down: Duration::from_secs(settings.poll_down_seconds),
        })))
    }

    /// The place of the newest entry of a stream: read it before a list, and follow after it, and
    /// there is no hole between the two.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn latest(&self, stream: &str) -> Result<Cursor, DbError> {
        let (_, last_seq) = self.bounds(stream).await?;
        Ok(self.cursor(stream, last_seq))
    }

    /// The same of several streams, by one statement; all of them are among the keys.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn latest_of(
        &self,
        streams: Vec<String>,
    ) -> Result<HashMap<String, Cursor>, DbError> {
        let names = &streams;
        let rows = self
            .0
            .db
            .read(|db| async move {
                stream::Entity::find()
                    .filter(stream::Column::Name.is_in(names.iter().cloned()))
                    .all(&db)
                    .await
                    .map_err(DbError::from)
            })
            .await?;
        let last: HashMap<_, _> = rows
            .into_iter()
            .map(|row| (row.name, row.last_seq))
            .collect();
        Ok(streams
            .into_iter()
            .map(|name| {
                let seq = last.get(&name).copied().unwrap_or_default();
                let cursor = self.cursor(&name, seq);
                (name, cursor)
            })
            .collect())
    }

    /// How many streams are followed in this process.
    pub fn followed_streams(&self) -> usize {
        self.followed().len()
    }

    /// Follows a stream. The iteration never ends by itself; dropping it stops it.
    ///
    /// # Errors
    /// See [`FollowError`]. An error inside the iteration is its last item.
    pub async fn follow(
        &self,
        stream: String,
        start: Start,
    ) -> Result<impl Stream<Item = Result<Arc<Entry>, FollowError>> + Send + use<>, FollowError>
    {
        // Listen first, look second: what is committed in between is then hinted at.
        let news = Registration::new(self.clone(), stream.clone());
        let (min_seq, last_seq) = self.bounds(&stream).await?;
        let from = match start {
            Start::Now => last_seq,
            Start::After(cursor) if !cursor.is_of(&stream) => {
                return Err(FollowError::BadCursor);
            }
            Start::After(cursor) => {
                let good =
                    cursor.epoch == self.0.epoch && (min_seq - 1..=last_seq).contains(&cursor.seq);
                if !good {
                    return Err(self.expired(&stream, min_seq, last_seq));
                }
                cursor.seq
            }
        };
        let follower = Follower {
            news,
            newest: last_seq,
            last: from,
            read: VecDeque::new(),
        };
        Ok(try_unfold(Box::new(follower), Follower::next))
    }

    /// Hears hints and polls for what no hint told, until stopped.
    pub async fn run(self, bus: Bus, stop: CancellationToken) {
        let mut hints = bus.subscribe();
        let mut up = bus.up();
        let mut polled = Instant::now();
        loop {
            let every = if *up.borrow_and_update() {
                self.0.poll
            } else {
                self.0.poll_while_down
            };
            // Counted from the last poll: a busy bus must not put the next one off for ever.
            let wait = (polled + every).saturating_duration_since(Instant::now());
            let look_everywhere = tokio::select! {
                () = stop.cancelled() => return,
                hint = hints.recv() => match hint {
                    Ok(Hint::Stream { name, seq }) => {
                        self.tell(&name, seq);
                        false
                    }
                    Ok(Hint::Wake { .. } | Hint::SessionEnded { .. }) => false,
                    Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => return,
                },
                // The bus came up or went down: something may have been missed meanwhile.
                changed = up.changed() => changed.is_ok(),
                () = pause(wait) => true,
            };
            if !look_everywhere {
                continue;
            }
            polled = Instant::now();
            if let Err(error) = self.poll().await {
                tracing::warn!(error = %crate::telemetry::chain(&error), "the safety poll of streams failed; it will run again");
            }
        }
    }

    /// Compares the counters of all followed streams with what was heard of.
    async fn poll(&self) -> Result<(), DbError> {
        let names: Vec<String> = {
            let mut followed = self.followed();
            // The last two that leave at once may each have taken the other for one who stays.
            followed.retain(|_, news| news.receiver_count() > 0);
            followed.keys().cloned().collect()
        };
        for chunk in names.chunks(POLL_CHUNK) {
            let rows = self
                .0
                .db
                .read(|db| async move {
                    stream::Entity::find()
                        .filter(stream::Column::Name.is_in(chunk.iter().cloned()))
                        .all(&db)
                        .await
                        .map_err(DbError::from)
                })
                .await?;
            let followed = self.followed();
            for row in rows {
                if let Some(news) = followed.get(&row.name) {
                    raise(news, row.last_seq);
                }
            }
        }
        Ok(())
    }

    fn tell(&self, stream: &str, seq: i64) {
        if let Some(news) = self.followed().get(stream) {
            raise(news, seq);
        }
    }

    fn followed(&self) -> std::sync::MutexGuard<'_, HashMap<String, watch::Sender<i64>>> {
        self.0
            .followed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn bounds(&self, stream: &str) -> Result<(i64, i64), DbError> {
        let row = self
            .0
            .db
            .read(|db| async move {
                stream::Entity::find_by_id(stream)
                    .one(&db)
                    .await
                    .map_err(DbError::from)
            })
            .await?;
        Ok(row.map_or((1, 0), |row| (row.min_seq, row.last_seq)))
    }

    /// What comes after a place in a stream of which more is known to be there.
    async fn page(&self, stream: &str, after: i64) -> Result<Page, DbError> {
        let read = || async {
            // The semaphore is never closed, so the permit is always had.
            let _permit = self.0.reads.acquire().await.ok();
            let rows = self
                .0
                .db
                .read(|db| async move {
                    stream_entry::Entity::find()
                        .find_also_related(event::Entity)
                        .filter(stream_entry::Column::Stream.eq(stream))
                        .filter(stream_entry::Column::Seq.gt(after))
                        .order_by_asc(stream_entry::Column::Seq)
                        .limit(self.0.page_size)
                        .all(&db)
                        .await
                        .map_err(DbError::from)
                })
                .await?;
            let count = rows.len();
            let entries = rows.into_iter().zip(after + 1..);
            let entries = entries.map_while(|((place, event), expected)| {
                let event = event.filter(|_| place.seq == expected)?;
                let cursor = self.cursor(stream, place.seq);
                Some(Arc::new(Entry { cursor, event }))
            });
            let entries: Vec<_> = entries.collect();
            let has_holes = entries.len() < count;
            Ok(Page { entries, has_holes })
        };
        self.0.pages.get((stream.to_owned(), after), read).await
    }

    fn cursor(&self, stream: &str, seq: i64) -> Cursor {
        Cursor::new(stream, &self.0.epoch, seq)
    }

    fn expired(&self, stream: &str, min_seq: i64, last_seq: i64) -> FollowError {
        FollowError::Expired {
            oldest: self.cursor(stream, min_seq - 1),
            latest: self.cursor(stream, last_seq),
        }
    }
}

/// One iteration over a stream.
struct Follower {
    news: Registration,
    /// The newest entry it knows of.
    newest: i64,
    last: i64,
    read: VecDeque<Arc<Entry>>,
}

impl Follower {
    /// The next entry. Boxed: it is handed on from one to the next, and a future keeps room for both.
    async fn next(mut self: Box<Self>) -> Result<Option<(Arc<Entry>, Box<Self>)>, FollowError> {
        loop {
            if let Some(entry) = self.read.pop_front() {
                self.last = entry.cursor.seq;
                if failpoint::fails(Point::LosePlace, &"") {
                    continue;
                }
                return Ok(Some((entry, self)));
            }
            // Seen before the read: news that come during it wake the wait below.
            let heard = *self.news.receiver.borrow_and_update();
            self.newest = self.newest.max(heard);
            if self.newest > self.last {
                // On the heap: a follower that waits is not to keep the room that a read needs.
                self.read = Box::pin(self.read_on()).await?;
                if !self.read.is_empty() {
                    continue;
                }
            }
            if self.news.receiver.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// The entries after the last one, of which there is at least one.
    async fn read_on(&self) -> Result<VecDeque<Arc<Entry>>, FollowError> {
        let (feed, stream) = (&self.news.feed, &self.news.stream);
        let page = feed.page(stream, self.last).await?;
        if page.has_holes || page.entries.is_empty() {
            let (min_seq, last_seq) = Box::pin(feed.bounds(stream)).await?;
            // What should come next was pruned: say so, never skip it silently.
            if page.has_holes || min_seq > self.last + 1 {
                return Err(feed.expired(stream, min_seq, last_seq));
            }
        }
        Ok(page.entries.into())
    }
}

/// Says that a stream has come this far. Hints come in any order, and none takes back another.
fn raise(news: &watch::Sender<i64>, seq: i64) {
    news.send_if_modified(|newest| {
        let is_news = seq > *newest;
        *newest = (*newest).max(seq);
        is_news
    });
}

/// Being among the followers of a stream, until dropped.
struct Registration {
    feed: Feed,
    stream: String,
    receiver: watch::Receiver<i64>,
}

impl Registration {
    fn new(feed: Feed, stream: String) -> Self {
        let receiver = feed
            .followed()
            .entry(stream.clone())
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe();
        Self {
            feed,
            stream,
            receiver,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut followed = self.feed.followed();
        // This receiver still counts.
        if followed
            .get(&self.stream)
            .is_some_and(|news| news.receiver_count() <= 1)
        {
            followed.remove(&self.stream);
        }
    }
}
