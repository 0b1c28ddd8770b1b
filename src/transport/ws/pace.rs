//! How fast a client may talk.

use std::time::Duration;

use tokio::time::Instant;

/// How many seconds' worth may come at once: a client that comes back begins all its operations in
/// one go.
const BURST_SECONDS: u32 = 2;

/// A bucket of messages that fills up again steadily. Who is too fast is not turned away but read
/// more slowly: what was not read yet waits with the client.
#[derive(Debug)]
pub struct Pace {
    /// What a message costs.
    each: Duration,
    /// When the bucket will be full again, if nothing more comes.
    full_at: Instant,
}

impl Pace {
    pub fn new(per_second: u32, now: Instant) -> Self {
        Self {
            each: Duration::from_secs(1) / per_second,
            full_at: now,
        }
    }

    /// Counts a message.
    pub fn count(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.each;
    }

    /// When the next message may be read, if not at once.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        let burst = Duration::from_secs(BURST_SECONDS.into());
        let due = self.full_at + self.each;
        (due > now + burst).then(|| due - burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_seconds_worth_come_at_once_and_then_one_at_a_time() {
        let begun = Instant::now();
        let mut pace = Pace::new(4, begun);
        for _ in 0..8 {
            assert_eq!(pace.wait(begun), None);
            pace.count(begun);
        }
        let next = begun + Duration::from_millis(250);
        assert_eq!(pace.wait(begun), Some(next));
        assert_eq!(pace.wait(next), None);
        pace.count(next);
        assert_eq!(pace.wait(next), Some(next + Duration::from_millis(250)));
        // A pause fills it again, and no more than that.
        let later = begun + Duration::from_mins(10);
        for _ in 0..8 {
            assert_eq!(pace.wait(later), None);
            pace.count(later);
        }
        assert!(pace.wait(later).is_some());
    }
}
