//! Loads many objects by key in one query: what the resolvers of one answer ask for is gathered
//! while they run and fetched together. New for each request; keeps nothing between batches, so a
//! subscription that lives for hours never sees old rows.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// Gathers keys and fetches their values together.
#[derive(Debug)]
pub struct Loader<K, V, E> {
    /// None until something is asked for: most answers use few of the loaders, and a subscription that
    /// waits none.
    open: Mutex<Option<Arc<Batch<K, V, E>>>>,
}

#[derive(Debug)]
struct Batch<K, V, E> {
    keys: Mutex<HashSet<K>>,
    values: OnceCell<Result<HashMap<K, V>, E>>,
}

impl<K, V, E> Default for Batch<K, V, E> {
    fn default() -> Self {
        Self {
            keys: Mutex::default(),
            values: OnceCell::new(),
        }
    }
}

impl<K, V, E> Default for Loader<K, V, E> {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone, E: Clone> Loader<K, V, E> {
    /// The value of a key. `fetch` is called once for all keys that were asked for until the
    /// task came round again: the resolvers of a list are polled one after the other before that.
    ///
    /// # Errors
    /// What `fetch` answered, to everyone in the batch.
    pub async fn load<F, R>(&self, key: K, fetch: F) -> Result<Option<V>, E>
    where
        F: FnOnce(Vec<K>) -> R,
        R: Future<Output = Result<HashMap<K, V>, E>>,
    {
        let batch = {
            let mut open = lock(&self.open);
            let batch = open.get_or_insert_default();
            lock(&batch.keys).insert(key.clone());
            batch.clone()
        };
        tokio::task::yield_now().await;
        let values = batch
            .values
            .get_or_init(|| async {
                let keys = {
                    let mut open = lock(&self.open);
                    open.take_if(|open| Arc::ptr_eq(open, &batch));
                    // Kept: the fetch may be dropped with the resolver that began it, and the next
                    // of the batch begins it anew.
                    lock(&batch.keys).clone()
                };
                fetch(keys.into_iter().collect()).await
            })
            .await;
        match values {
            Ok(values) => Ok(values.get(&key).cloned()),
            Err(error) => Err(error.clone()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::Loader;

    #[tokio::test]
    async fn what_is_asked_for_together_is_fetched_together_and_never_kept() {
        let loader: Loader<u32, u32, ()> = Loader::default();
        let fetches = AtomicUsize::new(0);
        let fetch = |keys: Vec<u32>| {
            fetches.fetch_add(1, Ordering::Relaxed);
            ready(Ok(keys
                .into_iter()
                .filter(|key| *key < 5)
                .map(|key| (key, key * 10))
                .collect::<HashMap<_, _>>()))
        };
        for round in 1..=2 {
            let values = join_all([1, 2, 2, 7].map(|key| loader.load(key, fetch))).await;
            assert_eq!(values, [Ok(Some(10)), Ok(Some(20)), Ok(Some(20)), Ok(None)]);
            assert_eq!(fetches.load(Ordering::Relaxed), round);
        }
    }

    #[tokio::test]
    async fn a_fetch_that_was_dropped_is_done_again_by_the_next_of_its_batch() {
        let loader: Loader<u32, u32, ()> = Loader::default();
        let mut first = Box::pin(loader.load(1, |_| pending()));
        let second = loader.load(2, |keys| {
            ready(Ok(keys.into_iter().map(|key| (key, key * 10)).collect()))
        });
        let mut second = Box::pin(second);
        for _ in 0..2 {
            assert_eq!(first.as_mut().now_or_never(), None);
            assert_eq!(second.as_mut().now_or_never(), None);
        }
        drop(first);
        assert_eq!(second.await, Ok(Some(20)));
    }
}
