//! How many messages a minute leave, at most. What comes too early is given a place in the line and
//! comes again when it is its turn, so that nothing that waits is looked at twice for nothing.
//!
//! Each process counts for itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Who comes later than this after their turn has lost it: else all who had to wait for something else
/// would go at once.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// After so many places those that were lost are forgotten.
const TIDY: usize = 1_024;

/// The pace of a channel.
#[derive(Debug)]
pub struct Pace {
    /// From one message to the next; none when there is no limit.
    interval: Option<TimeDelta>,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// When the next place is.
    next: DateTime<Utc>,
    /// Whose turn is when.
    places: HashMap<Uuid, DateTime<Utc>>,
}

impl Pace {
    /// So many a minute; any number when it is 0.
    pub fn new(per_minute: u32) -> Self {
        let interval =
            TimeDelta::minutes(1).checked_div(i32::try_from(per_minute).unwrap_or(i32::MAX));
        Self {
            interval,
            line: Mutex::default(),
        }
    }

    /// Asks whether it is somebody's turn.
    ///
    /// # Errors
    /// How long until it is, when not.
    pub fn turn(&self, who: Uuid, now: DateTime<Utc>) -> Result<(), Duration> {
        let Some(interval) = self.interval else {
            return Ok(());
        };
        // Nobody panics while holding the lock.
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lost = |at: DateTime<Utc>| at + LATE < now;
        let kept = line.places.remove(&who).filter(|at| !is_lost(*at));
        let turn = kept.unwrap_or_else(|| {
            let turn = line.next.max(now);
            line.next = turn + interval;
            turn
        });
        if turn <= now {
            return Ok(());
        }
        line.places.insert(who, turn);
        if line.places.len().is_multiple_of(TIDY) {
            line.places.retain(|_, at| !is_lost(*at));
        }
        Err((turn - now).to_std().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn who(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn each_has_a_turn_and_keeps_it() {
        let pace = Pace::new(2);
        let after = |seconds| Err(Duration::from_secs(seconds));
        assert_eq!(pace.turn(who(1), at(0)), Ok(()));
        assert_eq!(pace.turn(who(2), at(0)), after(30));
        assert_eq!(pace.turn(who(3), at(0)), after(60));
        // Too early once more: the same place.
        assert_eq!(pace.turn(who(3), at(20)), after(40));
        assert_eq!(pace.turn(who(3), at(60)), Ok(()));
        assert_eq!(pace.turn(who(2), at(61)), Ok(()), "a little late");
        assert_eq!(pace.turn(who(4), at(61)), after(29));
    }

    #[test]
    fn who_comes_much_too_late_stands_in_line_again() {
        let pace = Pace::new(1);
        assert_eq!(pace.turn(who(1), at(0)), Ok(()));
        assert!(pace.turn(who(2), at(0)).is_err());
        assert!(pace.turn(who(3), at(0)).is_err());
        assert_eq!(pace.turn(who(4), at(600)), Ok(()));
        assert!(pace.turn(who(2), at(600)).is_err());
        assert!(pace.turn(who(3), at(600)).is_err());
    }

    #[test]
    fn without_a_limit_it_is_always_everybodys_turn() {
        let pace = Pace::new(0);
        assert!((0..100).all(|number| pace.turn(who(number), at(0)).is_ok()));
    }
}
