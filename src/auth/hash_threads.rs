//! Threads for work that keeps a core busy for long, such as hashing a password. They stand behind all
//! others: a storm of logins has every core that nobody else wants, and a read does not wait until a
//! hash has had its share.

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinError;

/// The least a thread can ask for is 19. One at 10 has a tenth of a core beside one that wants all of
/// it, so that logins go on, slowly, when a server is busy.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// A few threads, which end when there is nothing to do. Dropping them leaves what they do to itself.
#[derive(Debug)]
pub struct HashThreads {
    handle: Handle,
    /// There until dropped.
    runtime: Option<Runtime>,
}

impl HashThreads {
    /// At most so many.
    ///
    /// # Errors
    /// When the system has nothing left to wait with.
    pub fn new(most: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .thread_name("hash")
            .max_blocking_threads(most)
            .on_thread_start(stand_behind)
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Does work on one of them.
    ///
    /// # Errors
    /// When the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        self.handle.spawn_blocking(work).await
    }
}

impl Drop for HashThreads {
    fn drop(&mut self) {
        // Waiting for them is not allowed on a thread that serves requests.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// On Linux each thread has a priority of its own (setpriority(2), "C library/kernel differences");
/// elsewhere it is that of the whole process, which is left as it is.
fn stand_behind() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a thread for hashing keeps the priority of the others");
    }
}
