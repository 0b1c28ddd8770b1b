//! Reads that several ask for at the same time, and that one of them makes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// What is being read at this moment, by what is asked for. Nothing is kept: who asks when a read
/// has ended makes another, and only who asks while it runs has its answer. That is as old as the
/// read is long, as every answer is to whom it is brought.
#[derive(Debug)]
pub struct SharedReads<K, T>(Mutex<HashMap<K, Arc<OnceCell<T>>>>);

impl<K, T> Default for SharedReads<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, T: Clone> SharedReads<K, T> {
    /// Reads, or waits for who reads the same. When that one fails or goes away, the next of those
    /// who wait reads. What reads is put on the heap by whoever does: the others have no room for it.
    ///
    /// # Errors
    /// What this caller's own read answered.
    pub async fn get<E, F>(&self, key: K, read: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let cell = self.running().entry(key.clone()).or_default().clone();
        let caller = Caller {
            reads: self,
            key,
            cell,
        };
        caller
            .cell
            .get_or_try_init(|| Box::pin(read()))
            .await
            .cloned()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who asks, until answered or gone.
struct Caller<'a, K: Clone + Eq + Hash, T: Clone> {
    reads: &'a SharedReads<K, T>,
    key: K,
    cell: Arc<OnceCell<T>>,
}

impl<K: Clone + Eq + Hash, T: Clone> Drop for Caller<'_, K, T> {
    fn drop(&mut self) {
        let mut running = self.reads.running();
        // The table's and this one's.
        let is_last = Arc::strong_count(&self.cell) <= 2;
        if let Entry::Occupied(found) = running.entry(self.key.clone())
            && Arc::ptr_eq(found.get(), &self.cell)
            && (self.cell.initialized() || is_last)
        {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::SharedReads;

    async fn of_other(_: &str) -> Result<u8, &'static str> {
        Err("asked twice")
    }

    #[tokio::test]
    async fn who_asks_while_it_is_read_has_the_same_answer_and_who_asks_later_another() {
        let reads = SharedReads::default();
        let (answer, answered) = oneshot::channel();
        let mut first = pin!(reads.get(1, || async { answered.await.map_err(|_| "gone") }));
        assert!(poll!(&mut first).is_pending());
        let mut second = pin!(reads.get(1, || of_other("1")));
        assert!(poll!(&mut second).is_pending());
        assert_eq!(reads.get(2, || ready(Ok::<_, &str>(20))).await, Ok(20));
        answer.send(10).unwrap();
        assert_eq!(first.await, Ok(10));
        // It had asked before, though it comes to look only now.
        assert_eq!(reads.get(1, || ready(Ok::<_, &str>(11))).await, Ok(11));
        assert_eq!(second.await, Ok(10));
        assert!(reads.running().is_empty());
    }

    #[tokio::test]
    async fn the_next_reads_when_the_first_fails_or_goes_away() {
        let reads = SharedReads::<u8, u8>::default();
        let (fail, failed) = oneshot::channel::<()>();
        let mut first = pin!(reads.get(1, || async {
            failed.await.map(|()| 1).map_err(|_| "broken")
        }));
        assert!(poll!(&mut first).is_pending());
        let mut second = pin!(reads.get(1, || ready(Ok::<_, &str>(2))));
        assert!(poll!(&mut second).is_pending());
        drop(fail);
        assert_eq!(first.await, Err("broken"));
        assert_eq!(second.await, Ok(2));
        {
            let mut first = Box::pin(reads.get(1, pending::<Result<u8, &str>>));
            assert!(poll!(&mut first).is_pending());
            let mut second = pin!(reads.get(1, || ready(Ok::<_, &str>(3))));
            assert!(poll!(&mut second).is_pending());
            drop(first);
            assert_eq!(second.await, Ok(3));
        }
        assert!(reads.running().is_empty());
    }
}
