//! Places where a debug build can be made to fail on purpose: `make chaos` kills a process at the
//! worst moment with them, and plants the mistakes that its checker has to find.
//!
//! The environment variable `FAILPOINT` says where: `after_commit` each time, `after_commit:3` the
//! third time it is reached, `job_begun:<id>` for that job. A release does not read it, and a call
//! is nothing there.

use std::fmt::Display;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where something can fail on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Dies after a commit that something is to be told of, before the hint.
    AfterCommit,
    /// Dies when a job is claimed and its handler begins; is asked with the job's id.
    JobBegun,
    /// Dies before a mail's content is announced to the mail server.
    BeforeData,
    /// Dies when the mail server has taken a mail and nothing is written down of it.
    AfterAnswer,
    /// A mistake: an event gets no place in its streams.
    LoseEntry,
    /// A mistake: a follower passes over an event.
    LosePlace,
    /// A mistake: a mail counts as sent that was not.
    LoseMail,
    /// The clock of this process is an hour ahead.
    ClockAhead,
}

impl Point {
    fn name(self) -> &'static str {
        match self {
            Self::AfterCommit => "after_commit",
            Self::JobBegun => "job_begun",
            Self::BeforeData => "before_data",
            Self::AfterAnswer => "after_answer",
            Self::LoseEntry => "lose_entry",
            Self::LosePlace => "lose_place",
            Self::LoseMail => "lose_mail",
            Self::ClockAhead => "clock_ahead",
        }
    }
}

/// Whether it is to fail here, and now.
pub fn fails(point: Point, of: &dyn Display) -> bool {
    static ARMED: LazyLock<Option<(String, String)>> = LazyLock::new(|| {
        let text = std::env::var("FAILPOINT").ok()?;
        let (name, when) = text.split_once(':').unwrap_or((&text, ""));
        Some((name.to_owned(), when.to_owned()))
    });
    static REACHED: AtomicU64 = AtomicU64::new(0);
    if !cfg!(debug_assertions) {
        return false;
    }
    let Some((_, when)) = ARMED.as_ref().filter(|(name, _)| name == point.name()) else {
        return false;
    };
    let turn = REACHED.fetch_add(1, Ordering::Relaxed) + 1;
    when.is_empty() || when.parse::<u64>() == Ok(turn) || *when == of.to_string()
}

/// Ends the process as SIGKILL would, if it is to fail here.
pub fn dies(point: Point, of: &dyn Display) {
    if fails(point, of) {
        std::process::abort();
    }
}
