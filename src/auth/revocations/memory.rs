//! What a process remembers of what ended before its time, and what is open here that is to be told.

use std::collections::HashMap;

use entity::revocation::Model;
use entity::{SessionId, Timestamp, UserId, Viewer};
use tokio_util::sync::CancellationToken;

/// The living rows of `revocations`, and the watched sessions. As large as what was ended within the
/// life of an access token, and as what is open.
#[derive(Debug, Default)]
pub struct Memory {
    /// Until when each is needed.
    sessions: HashMap<SessionId, Timestamp>,
    /// The epoch that tokens need, and until when it has to be looked at.
    epochs: HashMap<UserId, (i32, Timestamp)>,
    watched: HashMap<UserId, Vec<Watched>>,
}

/// What is open for the tokens of one session and epoch.
#[derive(Debug)]
struct Watched {
    session: SessionId,
    epoch: i32,
    ended: CancellationToken,
    /// How many watch it.
    watches: usize,
}

impl Watched {
    fn is_of(&self, viewer: &Viewer) -> bool {
        (self.session, self.epoch) == (viewer.session_id, viewer.epoch)
    }
}

impl Memory {
    /// Remembers a row, and ends what is open for the tokens it is about.
    pub fn note(&mut self, row: &Model) {
        if let Some(session) = row.session_id {
            let until = self.sessions.entry(session).or_insert(row.until);
            *until = row.until.max(*until);
        }
        if let Some(epoch) = row.epoch {
            let known = self.epochs.entry(row.user_id).or_insert((epoch, row.until));
            // Whatever the order in which they come.
            *known = (epoch.max(known.0), row.until.max(known.1));
        }
        let Some(of_user) = self.watched.get_mut(&row.user_id) else {
            return;
        };
        of_user.retain(|watched| {
            let over = row.session_id == Some(watched.session)
                || row.epoch.is_some_and(|epoch| watched.epoch < epoch);
            if over {
                watched.ended.cancel();
            }
            !over
        });
        if of_user.is_empty() {
            self.watched.remove(&row.user_id);
        }
    }

    /// Whether a row that says this would be nothing new.
    pub fn knows(&self, user: UserId, session: Option<SessionId>, epoch: Option<i32>) -> bool {
        let needed = self.epochs.get(&user).map(|(epoch, _)| *epoch);
        session.is_none_or(|session| self.sessions.contains_key(&session))
            && epoch.is_none_or(|epoch| needed >= Some(epoch))
            && (session.is_some() || epoch.is_some())
    }

    /// Whether the token that somebody came with ended before its time.
    pub fn has_ended(&self, viewer: &Viewer) -> bool {
        let needed = self.epochs.get(&viewer.user_id);
        self.sessions.contains_key(&viewer.session_id)
            || needed.is_some_and(|(epoch, _)| viewer.epoch < *epoch)
    }

    /// Forgets what no token is left for.
    pub fn forget(&mut self, now: Timestamp) {
        self.sessions.retain(|_, until| *until > now);
        self.epochs.retain(|_, (_, until)| *until > now);
    }

    /// One more that is told of the end: at once, if that is over already.
    pub fn watch(&mut self, viewer: &Viewer) -> CancellationToken {
        let ended = CancellationToken::new();
        if self.has_ended(viewer) {
            ended.cancel();
            return ended;
        }
        let of_user = self.watched.entry(viewer.user_id).or_default();
        if let Some(found) = of_user.iter_mut().find(|found| found.is_of(viewer)) {
            found.watches += 1;
            return found.ended.clone();
        }
        of_user.push(Watched {
            session: viewer.session_id,
            epoch: viewer.epoch,
            ended: ended.clone(),
            watches: 1,
        });
        ended
    }

    /// One less, of those that were not told.
    pub fn unwatch(&mut self, viewer: &Viewer) {
        let Some(of_user) = self.watched.get_mut(&viewer.user_id) else {
            return;
        };
        if let Some(watched) = of_user.iter_mut().find(|found| found.is_of(viewer)) {
            watched.watches -= 1;
        }
        of_user.retain(|watched| watched.watches > 0);
        if of_user.is_empty() {
            self.watched.remove(&viewer.user_id);
        }
    }

    /// How much is remembered: rows, and what is watched.
    pub fn size(&self) -> (usize, usize) {
        let watched = self.watched.values().map(Vec::len).sum();
        (self.sessions.len() + self.epochs.len(), watched)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use entity::RevocationId;
    use uuid::Uuid;

    use super::*;

    fn viewer(user: u128, session: u128, epoch: i32) -> Viewer {
        Viewer {
            user_id: UserId(Uuid::from_u128(user)),
            session_id: SessionId(Uuid::from_u128(session)),
            epoch,
            roles: Vec::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn row(user: u128, session: Option<u128>, epoch: Option<i32>, until: i64) -> Model {
        Model {
            id: RevocationId(Uuid::nil()),
            user_id: UserId(Uuid::from_u128(user)),
            session_id: session.map(|id| SessionId(Uuid::from_u128(id))),
            epoch,
            until: at(until),
        }
    }

    #[test]
    fn the_end_of_a_session_reaches_all_that_is_open_for_it_and_nothing_else() {
        let mut memory = Memory::default();
        let mine = [viewer(1, 1, 0), viewer(1, 1, 1)].map(|it| memory.watch(&it));
        let again = memory.watch(&viewer(1, 1, 0));
        let others = [viewer(1, 2, 0), viewer(2, 3, 0)].map(|it| memory.watch(&it));
        memory.note(&row(1, Some(1), None, 10));
        assert!(mine.iter().all(CancellationToken::is_cancelled));
        assert!(again.is_cancelled());
        assert!(!others.iter().any(CancellationToken::is_cancelled));
        assert!(memory.has_ended(&viewer(1, 1, 7)));
        assert!(!memory.has_ended(&viewer(1, 2, 0)));
        // What comes after the end is told at once, and is not kept.
        assert!(memory.watch(&viewer(1, 1, 0)).is_cancelled());
        assert_eq!(memory.size(), (1, 2));
    }

    #[test]
    fn a_raised_epoch_ends_the_tokens_below_it_of_that_person() {
        let mut memory = Memory::default();
        let (old, new) = (
            memory.watch(&viewer(1, 1, 0)),
            memory.watch(&viewer(1, 1, 2)),
        );
        let other = memory.watch(&viewer(2, 2, 0));
        memory.note(&row(1, None, Some(2), 10));
        // A row from before it changes nothing.
        memory.note(&row(1, None, Some(1), 5));
        assert!(old.is_cancelled());
        assert!(!new.is_cancelled() && !other.is_cancelled());
        assert!(memory.has_ended(&viewer(1, 9, 1)));
        assert!(!memory.has_ended(&viewer(1, 1, 2)) && !memory.has_ended(&viewer(2, 2, 0)));
    }

    #[test]
    fn a_hint_is_news_once() {
        let mut memory = Memory::default();
        let (user, session) = (viewer(1, 1, 0).user_id, viewer(1, 1, 0).session_id);
        assert!(!memory.knows(user, Some(session), None));
        assert!(!memory.knows(user, None, Some(1)));
        memory.note(&row(1, Some(1), None, 10));
        memory.note(&row(1, None, Some(2), 10));
        assert!(memory.knows(user, Some(session), None));
        assert!(memory.knows(user, None, Some(1)) && memory.knows(user, None, Some(2)));
        assert!(!memory.knows(user, None, Some(3)));
        // Of all sessions, as an older version says it: nobody knows which.
        assert!(!memory.knows(user, None, None));
    }

    #[test]
    fn what_no_token_is_left_for_is_forgotten() {
        let mut memory = Memory::default();
        memory.note(&row(1, Some(1), None, 10));
        memory.note(&row(1, None, Some(1), 20));
        // The later end counts.
        memory.note(&row(1, Some(1), None, 5));
        memory.forget(at(9));
        assert_eq!(memory.size(), (2, 0));
        memory.forget(at(10));
        assert_eq!(memory.size(), (1, 0));
        assert!(!memory.has_ended(&viewer(1, 1, 1)));
        memory.forget(at(20));
        assert_eq!(memory.size(), (0, 0));
    }

    #[test]
    fn what_is_dropped_is_forgotten() {
        let mut memory = Memory::default();
        let ada = viewer(1, 1, 0);
        for _ in 0..2 {
            memory.watch(&ada);
        }
        memory.unwatch(&ada);
        assert_eq!(memory.size(), (0, 1));
        memory.unwatch(&ada);
        assert_eq!(memory.size(), (0, 0));
    }
}
