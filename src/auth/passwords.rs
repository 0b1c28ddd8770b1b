//! Hashing passwords: Argon2id (RFC 9106), off the async threads and bounded.
//!
//! One hash takes 19 MiB and tens of milliseconds by design. Without a bound, a few hundred logins
//! at once would take all memory and starve every other request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::AuthError;
use super::hash_threads::HashThreads;
use super::hashes::Stored;
use crate::crypto::random_bytes;
use crate::settings;

/// What a password is, compared with a stored hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Another one.
    Wrong,
    /// The one that was hashed.
    Right,
    /// The one that was hashed, and its hash is weaker than those made today: this is a new one.
    Weak(String),
}

/// Why no password can be hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordsError {
    /// The parameters.
    #[error("auth.password: Argon2 does not take these parameters: {0}")]
    Argon2(#[from] argon2::Error),
    /// The threads.
    #[error("the threads that hash passwords: {0}")]
    Threads(#[from] std::io::Error),
}

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    argon2: Argon2<'static>,
    threads: HashThreads,
    permits: Arc<Semaphore>,
    /// One password is judged at a time, beside the hashes: whoever asks how good one is must not keep
    /// others from logging in.
    judge: Arc<Semaphore>,
    /// How many may run at once.
    allowed: usize,
    running: AtomicUsize,
    most_at_once: AtomicUsize,
    waiting: AtomicUsize,
    /// How many passwords were looked at: compared with the hash of somebody.
    looked_at: AtomicU64,
    /// How many were hashed only so that an answer takes as long.
    dummies: AtomicU64,
    queue: usize,
    wait: Duration,
    /// Checked when there is no such user, so that the answer takes as long.
    dummy: String,
}

impl Passwords {
    /// Prepares the hasher.
    ///
    /// # Errors
    /// When the parameters are outside what Argon2 allows, or there can be no threads.
    pub fn new(settings: &settings::PasswordSettings) -> Result<Self, PasswordsError> {
        let params = Params::new(
            settings.argon2_memory_kib,
            settings.argon2_iterations,
            settings.argon2_parallelism,
            None,
        )?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let by_memory = settings.hash_memory_budget_mib.saturating_mul(1_024)
            / settings.argon2_memory_kib.max(1);
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        let permits = cores.min(usize::try_from(by_memory).unwrap_or(1)).max(1);
        let dummy = dummy(argon2.params());
        Ok(Self(Arc::new(Inner {
            argon2,
            // The hashes, and the judge.
            threads: HashThreads::new(permits + 1)?,
            permits: Arc::new(Semaphore::new(permits)),
            judge: Arc::new(Semaphore::new(1)),
            allowed: permits,
            running: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            looked_at: AtomicU64::new(0),
            dummies: AtomicU64::new(0),
            queue: settings.hash_queue,
            wait: Duration::from_millis(settings.hash_wait_ms),
            dummy,
        })))
    }

    /// Hashes a new password into a PHC string with a random salt.
    ///
    /// # Errors
    /// [`AuthError::Busy`] when too many are waiting.
    pub async fn hash(&self, password: String) -> Result<String, AuthError> {
        let argon2 = self.0.argon2.clone();
        self.run(move || {
            argon2
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|error| AuthError::Internal(format!("hashing a password: {error}")))
        })
        .await?
    }

    /// Whether a password fits a stored hash. Without a hash, or with one that cannot be read, the
    /// same work is done and the answer is no.
    ///
    /// # Errors
    /// [`AuthError::Busy`] when too many are waiting.
    pub async fn check(&self, password: String, stored: Option<String>) -> Result<Fit, AuthError> {
        let inner = self.0.clone();
        self.run(move || {
            let Some(hash) = stored.as_deref().and_then(Stored::parse) else {
                inner.dummies.fetch_add(1, Ordering::Relaxed);
                if let Some(dummy) = Stored::parse(&inner.dummy) {
                    dummy.fits(&password);
                }
                return Fit::Wrong;
            };
            inner.looked_at.fetch_add(1, Ordering::Relaxed);
            if !hash.fits(&password) {
                return Fit::Wrong;
            }
            if hash.is_as_strong_as(inner.argon2.params()) {
                return Fit::Right;
            }
            // A better hash can wait for the next login.
            let better = inner.argon2.hash_password(password.as_bytes());
            better.map_or(Fit::Right, |hash| Fit::Weak(hash.to_string()))
        })
        .await
    }

    /// How many passwords were compared with the hash of somebody, and how many were hashed only so
    /// that an answer takes as long.
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.0.looked_at), count(&self.0.dummies))
    }

    /// How many have been hashed at once at most, and how many are allowed.
    pub fn most_at_once(&self) -> (usize, usize) {
        let most = self.0.most_at_once.load(Ordering::Relaxed);
        (most, self.0.allowed)
    }

    /// How many wait for their turn.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Does work that takes long, off the async threads and within the bounds of hashing.
    ///
    /// # Errors
    /// [`AuthError::Busy`] when too many are waiting.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let permit = self.permit().await?;
        let inner = self.0.clone();
        let work = move || {
            let _permit = permit;
            let running = inner.running.fetch_add(1, Ordering::Relaxed) + 1;
            inner.most_at_once.fetch_max(running, Ordering::Relaxed);
            let done = work();
            inner.running.fetch_sub(1, Ordering::Relaxed);
            done
        };
        let done = self.0.threads.run(work).await;
        done.map_err(|error| AuthError::Internal(format!("the hashing thread: {error}")))
    }

    /// Does the work of judging a password, off the async threads and one at a time.
    ///
    /// # Errors
    /// [`AuthError::Busy`] when it does not come to its turn in time.
    pub async fn judge<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let turn = timeout(self.0.wait, self.0.judge.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(AuthError::Busy {
                retry_after: self.0.wait,
            });
        };
        let work = move || {
            let _turn = turn;
            work()
        };
        let done = self.0.threads.run(work).await;
        done.map_err(|error| AuthError::Internal(format!("the judging thread: {error}")))
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, AuthError> {
        let busy = || AuthError::Busy {
            retry_after: self.0.wait,
        };
        if let Ok(permit) = self.0.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(&self.0.waiting, self.0.queue).ok_or_else(busy)?;
        match timeout(self.0.wait, self.0.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(busy()),
        }
    }
}

/// A hash of no password, as strong as those made today. Not computed, so that a server that starts does not take
/// the memory of a hash: an answer takes as long by the work of comparing, and what comes out of it fits nothing.
fn dummy(params: &Params) -> String {
    let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    let salt = STANDARD_NO_PAD.encode(random_bytes::<16>());
    let hash = STANDARD_NO_PAD.encode(random_bytes::<{ Params::DEFAULT_OUTPUT_LEN }>());
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
}

/// A place in the queue, given back when dropped: also when the caller goes away while waiting.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordHasher;
    use argon2::{Algorithm, Argon2, Params, Version};

    use super::{Stored, dummy};

    #[test]
    fn the_dummy_is_a_hash_of_the_same_strength_that_nothing_fits() {
        let params = Params::new(64, 2, 1, None).unwrap();
        let made = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let made = made.hash_password(b"a password").unwrap().to_string();
        let dummy = dummy(&params);
        // All but salt and hash, which are as long.
        let end = made.match_indices('$').nth(3).unwrap().0;
        assert_eq!(dummy[..end], made[..end]);
        assert_eq!(dummy.len(), made.len());
        let stored = Stored::parse(&dummy).unwrap();
        assert!(stored.is_as_strong_as(&params));
        assert!(!stored.fits("a password") && !stored.fits(""));
    }
}
