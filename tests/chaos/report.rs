//! The figures of a run.

use std::fmt;
use std::time::Duration;

/// What came of what was promised.
#[derive(Default)]
pub struct Report {
    /// Assignments that were answered.
    pub acknowledged: usize,
    /// Operations that were answered, but not at the first try.
    pub repeated: usize,
    /// Acknowledged assignments that reached a socket, each socket counted.
    pub delivered: usize,
    /// Mails the mail server took, copies not counted.
    pub mailed: usize,
    /// Further copies of mails.
    pub duplicated: usize,
    /// Mails that were not sent for a reason.
    pub skipped: usize,
    /// What was acknowledged and is missing.
    pub lost: Vec<String>,
    /// What may never happen, and did.
    pub violations: Vec<String>,
    /// From the answer to the socket.
    pub heard_after: Vec<Duration>,
    /// From the answer to the mail server.
    pub mailed_after: Vec<Duration>,
}

impl Report {
    /// Whether everything held.
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.violations.is_empty()
    }

    /// Adds another run.
    pub fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.repeated += other.repeated;
        self.delivered += other.delivered;
        self.mailed += other.mailed;
        self.duplicated += other.duplicated;
        self.skipped += other.skipped;
        self.lost.extend(other.lost);
        self.violations.extend(other.violations);
        self.heard_after.extend(other.heard_after);
        self.mailed_after.extend(other.mailed_after);
    }

    /// What is wrong, one a line; not all of very much.
    pub fn wrongs(&self) -> String {
        let lost = self.lost.iter().map(|text| format!("    lost: {text}\n"));
        let violations = self
            .violations
            .iter()
            .map(|text| format!("    wrong: {text}\n"));
        lost.take(10).chain(violations.take(10)).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "acknowledged {}, delivered {}, mailed {}, duplicated {}, skipped {}, lost {}, wrong {}; repeated {}; \
             heard after {}; mailed after {}",
            self.acknowledged,
            self.delivered,
            self.mailed,
            self.duplicated,
            self.skipped,
            self.lost.len(),
            self.violations.len(),
            self.repeated,
            Percentiles(&self.heard_after),
            Percentiles(&self.mailed_after),
        )
    }
}

/// The median, 95 and 99 of a hundred, and the longest.
struct Percentiles<'a>(&'a [Duration]);

impl fmt::Display for Percentiles<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.to_vec();
        sorted.sort();
        let at = |percent: usize| {
            let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
            sorted.get(place).map_or(0, Duration::as_millis)
        };
        write!(out, "{}/{}/{}/{} ms", at(50), at(95), at(99), at(100))
    }
}
