//! Tells whatever is open for a session that the session has ended: in this process at once, in the
//! other replicas by a hint.
//!
//! A hint may be lost, and then a socket of another replica stays open until its token ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::{SessionId, UserId, Viewer};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::events::Bus;
use crate::events::bus::Hint;

/// The sessions for which something is open in this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Revocations(Arc<Mutex<HashMap<UserId, Vec<Watched>>>>);

#[derive(Debug)]
struct Watched {
    session: SessionId,
    ended: CancellationToken,
    /// How many watch it.
    watches: usize,
}

impl Revocations {
    /// Waits until the session ends; for ever, if it just runs out.
    pub fn watch(&self, viewer: &Viewer) -> impl Future<Output = ()> + Send + use<> {
        let (user, session) = (viewer.user_id, viewer.session_id);
        let mut all = self.all();
        let of_user = all.entry(user).or_default();
        let found = of_user.iter_mut().find(|found| found.session == session);
        let ended = if let Some(found) = found {
            found.watches += 1;
            found.ended.clone()
        } else {
            let ended = CancellationToken::new();
            of_user.push(Watched {
                session,
                ended: ended.clone(),
                watches: 1,
            });
            ended
        };
        drop(all);
        let watch = Watch {
            all: self.clone(),
            user,
            session,
            ended,
        };
        watch.over()
    }

    /// Ends what is open here for a session, or for all sessions of a person.
    pub fn end(&self, user: UserId, session: Option<SessionId>) {
        let mut all = self.all();
        let Some(of_user) = all.get_mut(&user) else {
            return;
        };
        of_user.retain(|watched| {
            let goes_on = session.is_some_and(|session| session != watched.session);
            if !goes_on {
                watched.ended.cancel();
            }
            goes_on
        });
        if of_user.is_empty() {
            all.remove(&user);
        }
    }

    /// Hears of sessions that ended at other replicas, until stopped.
    pub async fn run(self, bus: Bus, stop: CancellationToken) {
        let mut hints = bus.subscribe();
        loop {
            let hint = tokio::select! {
                () = stop.cancelled() => return,
                hint = hints.recv() => hint,
            };
            match hint {
                Ok(Hint::SessionEnded { user, session }) => self.end(user, session),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<UserId, Vec<Watched>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Being told of a session's end, until dropped.
struct Watch {
    all: Revocations,
    user: UserId,
    session: SessionId,
    ended: CancellationToken,
}

impl Watch {
    async fn over(self) {
        self.ended.cancelled().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // An ended session is gone from the list, and may be on it anew.
        if self.ended.is_cancelled() {
            return;
        }
        let mut all = self.all.all();
        if let Some(of_user) = all.get_mut(&self.user) {
            if let Some(watched) = of_user
                .iter_mut()
                .find(|found| found.session == self.session)
            {
                watched.watches -= 1;
            }
            of_user.retain(|watched| watched.watches > 0);
            if of_user.is_empty() {
                all.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn viewer(user: u128, session: u128) -> Viewer {
        Viewer {
            user_id: UserId(Uuid::from_u128(user)),
            session_id: SessionId(Uuid::from_u128(session)),
            roles: Vec::new(),
        }
    }

    #[test]
    fn the_end_of_a_session_reaches_all_that_is_open_for_it_and_nothing_else() {
        let revocations = Revocations::default();
        let mut ended = [viewer(1, 1), viewer(1, 1)].map(|it| revocations.watch(&it).boxed());
        let mut others = [viewer(1, 2), viewer(2, 3)].map(|it| revocations.watch(&it).boxed());
        let ada = viewer(1, 1);
        revocations.end(ada.user_id, Some(ada.session_id));
        for watch in &mut ended {
            assert!(watch.now_or_never().is_some());
        }
        for watch in &mut others {
            assert!(watch.now_or_never().is_none());
        }
        // It may be watched anew before the old ones are gone.
        let mut anew = revocations.watch(&ada).boxed();
        drop(ended);
        assert!((&mut anew).now_or_never().is_none());
        revocations.end(ada.user_id, None);
        assert!(anew.now_or_never().is_some());
        let [same_person, other] = others;
        assert!(same_person.now_or_never().is_some());
        drop(other);
        assert!(revocations.all().is_empty());
    }

    #[test]
    fn what_is_dropped_is_forgotten() {
        let revocations = Revocations::default();
        let (first, second) = (
            revocations.watch(&viewer(1, 1)),
            revocations.watch(&viewer(1, 1)),
        );
        drop(first);
        assert_eq!(revocations.all().len(), 1);
        drop(second);
        assert!(revocations.all().is_empty());
    }
}
