//! Stops a channel while the other side refuses us, whoever the message is for: a wrong password, a
//! certificate that is not trusted, a sender that may not send. Trying every message would change
//! nothing, and may have the account locked. So one message is tried from time to time, with growing
//! pauses, until it is taken.
//!
//! Each process has its own: it knows what it was told itself, and what it asks of the other replicas
//! is nothing. Of N processes N probe.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How long others wait for a probe that is under way.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// The breaker of a channel.
#[derive(Debug)]
pub struct Breaker {
    channel: &'static str,
    first: Duration,
    longest: Duration,
    /// None while all is well.
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    /// How often we were refused.
    refusals: u32,
    /// The next try is not before.
    probe_at: DateTime<Utc>,
    /// How long that is from the last refusal.
    pause: Duration,
    /// Whether one is under way.
    probing: bool,
    /// What was said last.
    reason: String,
}

/// A message has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// For how long.
    pub wait: Duration,
    /// What was said when one was tried last.
    pub reason: String,
}

/// Leave to try one message. Dropped without a verdict, it changes nothing.
#[derive(Debug)]
#[must_use]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Breaker {
    /// A closed one. The first probe is `first` after a refusal, and each further one after twice the
    /// pause, at most `longest`.
    pub fn new(channel: &'static str, first: Duration, longest: Duration) -> Self {
        Self {
            channel,
            first,
            longest,
            open: Mutex::new(None),
        }
    }

    /// Asks whether a message may be tried now.
    ///
    /// # Errors
    /// How long to wait and why, when not.
    pub fn admit(&self, now: DateTime<Utc>) -> Result<Pass<'_>, Held> {
        let mut open = self.lock();
        let is_probe = match &mut *open {
            None => false,
            Some(open) => {
                let wait = open.left(now);
                if !wait.is_zero() {
                    let reason = open.reason.clone();
                    return Err(Held { wait, reason });
                }
                open.probing = true;
                true
            }
        };
        Ok(Pass {
            breaker: self,
            is_probe,
        })
    }

    /// Nobody panics while holding the lock.
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self, refusals: u32) -> Duration {
        let doublings = refusals.saturating_sub(1).min(30);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    fn show(&self, is_open: bool) {
        let value = if is_open { 1.0 } else { 0.0 };
        metrics::gauge!("delivery_breaker_open", "channel" => self.channel).set(value);
    }
}

impl Open {
    /// How long until a message may be tried; nothing when one may be.
    fn left(&self, now: DateTime<Utc>) -> Duration {
        if self.probing {
            return UNDER_WAY;
        }
        let left = (self.probe_at - now).to_std().unwrap_or_default();
        // The clock was set back.
        if left > self.pause {
            return Duration::ZERO;
        }
        left
    }
}

impl Pass<'_> {
    /// The other side deals with us.
    pub fn works(self) {
        if self.is_probe && self.breaker.lock().take().is_some() {
            self.breaker.show(false);
            tracing::info!(
                channel = self.breaker.channel,
                "messages are taken again; those that waited leave now"
            );
        }
    }

    /// The other side refuses us. Answers how long the message has to wait.
    pub fn refused(self, now: DateTime<Utc>, reason: &str) -> Duration {
        let breaker = self.breaker;
        let mut state = breaker.lock();
        let refusals = match &*state {
            // Sent before it was opened: nothing new.
            Some(open) if !self.is_probe => return open.left(now).max(UNDER_WAY),
            Some(open) => open.refusals.saturating_add(1),
            None => 1,
        };
        let pause = breaker.pause(refusals);
        let span = TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        *state = Some(Open {
            refusals,
            probe_at: now.checked_add_signed(span).unwrap_or(now),
            pause,
            probing: false,
            reason: reason.to_owned(),
        });
        drop(state);
        breaker.show(true);
        let (channel, seconds) = (breaker.channel, pause.as_secs());
        if refusals == 1 {
            tracing::error!(
                channel,
                reason,
                "messages are refused for a reason of ours: check the settings of that channel; all wait, and one is tried in {seconds} s"
            );
        } else {
            tracing::info!(
                channel,
                reason,
                refusals,
                "messages are refused still; one is tried in {seconds} s"
            );
        }
        pause
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(open) = &mut *self.breaker.lock()
        {
            open.probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn breaker() -> Breaker {
        Breaker::new("email", FIRST, Duration::from_secs(100))
    }

    #[test]
    fn one_at_a_time_is_tried_with_growing_pauses() {
        let breaker = breaker();
        let (one, other) = (breaker.admit(at(0)).unwrap(), breaker.admit(at(0)).unwrap());
        assert_eq!(one.refused(at(0), "535"), FIRST);
        assert_eq!(other.refused(at(10), "535"), Duration::from_secs(20));
        let mut now = 0;
        for pause in [30, 60, 100, 100] {
            assert!(breaker.admit(at(now + pause - 1)).is_err());
            now += pause;
            let probe = breaker.admit(at(now)).unwrap();
            assert_eq!(breaker.admit(at(now)).unwrap_err().wait, UNDER_WAY);
            probe.refused(at(now), "535");
        }
        now += 100;
        breaker.admit(at(now)).unwrap().works();
        let (one, other) = (breaker.admit(at(now)), breaker.admit(at(now)));
        assert!(one.is_ok() && other.is_ok());
    }

    #[test]
    fn a_probe_that_came_to_nothing_leaves_the_next_one_free() {
        let breaker = breaker();
        breaker.admit(at(0)).unwrap().refused(at(0), "535");
        drop(breaker.admit(at(30)).unwrap());
        assert!(breaker.admit(at(30)).unwrap().is_probe);
    }

    #[test]
    fn what_was_sent_before_the_refusal_closes_nothing() {
        let breaker = breaker();
        let early = breaker.admit(at(0)).unwrap();
        breaker.admit(at(0)).unwrap().refused(at(0), "535");
        early.works();
        let (wait, reason) = (FIRST, "535".to_owned());
        assert_eq!(breaker.admit(at(0)).unwrap_err(), Held { wait, reason });
    }
}
