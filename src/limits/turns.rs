//! How much one person may have running at the same time.
//!
//! Fields of a query run side by side, and a client may send many queries at once. What looks at many
//! rows of tasks takes a turn first, so that one person waits for himself, and the connections to the
//! database are left to the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use entity::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many turns a person has, in this process.
const AT_ONCE: usize = 2;

/// The turns of everybody.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<UserId, Weak<Semaphore>>>);

/// A turn of a person, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for a turn. Who has one must not wait for another.
    pub async fn take(&self, user: UserId) -> Turn {
        let turns = self.of(user);
        // It is never closed, so this does not fail.
        Turn {
            _permit: turns.acquire_owned().await.ok(),
        }
    }

    /// Those of a person; kept as long as somebody has one or waits for one.
    fn of(&self, user: UserId) -> Arc<Semaphore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = all.get(&user).and_then(Weak::upgrade) {
            return turns;
        }
        all.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        all.insert(user, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use entity::UserId;
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::Turns;

    #[test]
    fn a_person_has_two_turns_at_once_and_takes_none_of_another() {
        let turns = Turns::default();
        let (ada, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let take = |user| turns.take(user).now_or_never();
        let (first, second) = (take(ada).unwrap(), take(ada).unwrap());
        assert!(take(ada).is_none(), "a third waits");
        assert!(take(bob).is_some(), "somebody else does not");
        drop(first);
        let third = take(ada).unwrap();
        assert!(take(ada).is_none());
        drop((second, third));
        drop(take(bob));
        let known = turns.0.lock().unwrap().len();
        assert_eq!(known, 1, "who has none is forgotten");
    }
}
