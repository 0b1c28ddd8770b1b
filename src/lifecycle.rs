//! How the process waits and how it ends.

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Waits in a background loop. Requests and tests never do: they wait for what should happen.
#[expect(
    clippy::disallowed_methods,
    reason = "the one sleep of the background loops"
)]
pub async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

/// The part of a stop (one in so many) that is left for what did not finish in time to put down what it holds.
pub const LAST_WORDS: u32 = 6;

/// The order of a graceful stop. Each step is a token its room watches.
///
/// 1. `draining`: readiness goes off, workers claim no more, no connection is accepted, sockets
///    are told to come back later (1012).
/// 2. What is under way finishes.
/// 3. `ended`: background loops stop; workers give back what they have not finished.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    /// Nothing new begins.
    pub draining: CancellationToken,
    /// Everything stops.
    pub ended: CancellationToken,
    /// What has to be waited for between the two.
    pub tasks: TaskTracker,
}

impl Lifecycle {
    /// Begins to drain at the first SIGTERM or SIGINT, and ends the process at the second: that is
    /// safe, since what matters is in the database.
    pub fn listen_for_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let draining = self.draining.clone();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            draining.cancel();
            tracing::info!("stopping: finishing what is under way; a second signal ends at once");
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            // Not a word: who reads the log may be what hangs.
            std::process::exit(130);
        });
        Ok(())
    }

    /// Waits for what is under way; then ends everything. All of it takes at most `at_most` from when
    /// `began` says that the stop began.
    pub async fn finish(&self, began: Instant, at_most: Duration) {
        self.draining.cancel();
        self.tasks.close();
        let last_words = at_most / LAST_WORDS;
        let enough = began + at_most.saturating_sub(last_words);
        if tokio::time::timeout_at(enough.into(), self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "some work did not finish in time; it is in the database and will be taken up again"
            );
        }
        self.ended.cancel();
        // What is left has little to say: a worker gives its jobs back.
        tokio::time::timeout(last_words, self.tasks.wait())
            .await
            .ok();
    }
}
