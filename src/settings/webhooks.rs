//! `[webhooks]`: calling addresses of other systems.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::{at_least, between};

/// The longest schedule: the ten pauses that Standard Webhooks recommends.
const MOST_PAUSES: usize = 10;
/// The longest pause, in seconds: a day.
const LONGEST_PAUSE: u64 = 86_400;

/// The section `[webhooks]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksSettings {
    /// The pauses before the second and each further attempt, in seconds.
    pub retry_schedule_seconds: Vec<u64>,
    /// How long one attempt may take, in seconds.
    pub timeout_seconds: u64,
    /// A webhook is turned off when every attempt has failed for this many hours.
    pub disable_after_hours: u64,
    /// The most webhooks of one person, and of one project.
    pub max_per_owner: u64,
}

impl WebhooksSettings {
    /// Checks the section by itself. That an attempt ends before the lease of its job does is seen to
    /// by `outbound.timeout_seconds`, which holds for all calls.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        let schedule = &self.retry_schedule_seconds;
        if schedule.len() > MOST_PAUSES || schedule.iter().any(|pause| !is_pause(*pause)) {
            let message =
                format!("must be at most {MOST_PAUSES} pauses of 1 to {LONGEST_PAUSE} seconds");
            errors.push(Problem::of("webhooks.retry_schedule_seconds", message));
        }
        at_least(errors, "webhooks.timeout_seconds", self.timeout_seconds, 1);
        let (key, hours) = ("webhooks.disable_after_hours", self.disable_after_hours);
        between(errors, key, hours, 1, 24 * 365);
        at_least(errors, "webhooks.max_per_owner", self.max_per_owner, 1);
    }

    /// How often a message is tried at most.
    pub fn attempts(&self) -> i32 {
        i32::try_from(self.retry_schedule_seconds.len() + 1).unwrap_or(i32::MAX)
    }
}

fn is_pause(seconds: u64) -> bool {
    (1..=LONGEST_PAUSE).contains(&seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        let problems = |schedule: &[u64], timeout_seconds| {
            let settings = WebhooksSettings {
                retry_schedule_seconds: schedule.to_vec(),
                timeout_seconds,
                disable_after_hours: 120,
                max_per_owner: 20,
            };
            let mut errors = Vec::new();
            settings.validate(&mut errors);
            errors.len()
        };
        assert_eq!(problems(&[], 15), 0);
        assert_eq!(problems(&[5; 10], 60), 0);
        assert_eq!(problems(&[5; 11], 15), 1);
        assert_eq!(problems(&[0], 15), 1);
        assert_eq!(problems(&[86_401], 15), 1);
        assert_eq!(problems(&[5], 0), 1);
    }
}
