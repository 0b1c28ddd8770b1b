//! `[events]`, `[sink]`, `[jobs]` and `[log]`: what happens behind the requests, and what is told about it.

use serde::{Deserialize, Serialize};

use super::at_least;
use super::database::RedisSettings;
use super::problem::Problem;

/// The section `[events]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EventsSettings {
    /// How often the log is read without a hint, in seconds.
    pub poll_seconds: u64,
    /// The same while no hints can arrive, in seconds.
    pub poll_down_seconds: u64,
    /// How many events one step of a replay reads.
    pub replay_page: u64,
    /// How many replays may run at the same time.
    pub replay_concurrency: usize,
    /// How long the entries of streams are kept, in days.
    pub keep_entries_days: u32,
    /// How many entries of a stream are kept at most.
    pub keep_entries: u32,
    /// How long events are kept that stand in no stream any more, in days.
    pub keep_days: u32,
}

impl EventsSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        at_least(errors, "events.poll_seconds", self.poll_seconds, 1);
        at_least(
            errors,
            "events.poll_down_seconds",
            self.poll_down_seconds,
            1,
        );
        at_least(errors, "events.replay_page", self.replay_page, 1);
        at_least(
            errors,
            "events.replay_concurrency",
            self.replay_concurrency,
            1,
        );
        at_least(
            errors,
            "events.keep_entries_days",
            self.keep_entries_days,
            1,
        );
        at_least(errors, "events.keep_entries", self.keep_entries, 1);
        at_least(errors, "events.keep_days", self.keep_days, 1);
    }
}

/// The section `[sink]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SinkSettings {
    /// Whether events go to a stream in Redis, for other services.
    pub redis_stream: bool,
    /// How many entries the stream keeps, about.
    pub max_entries: u64,
}

impl SinkSettings {
    /// Checks the section, and that there is the Redis it needs.
    pub(super) fn validate(&self, redis: &RedisSettings, errors: &mut Vec<Problem>) {
        at_least(errors, "sink.max_entries", self.max_entries, 1);
        if self.redis_stream && redis.url.is_none() {
            let message = "needs a Redis: set REDIS_URL, or set it to false";
            errors.push(Problem::of("sink.redis_stream", message));
        }
    }
}

/// The section `[jobs]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JobsSettings {
    /// How many jobs one worker runs at the same time.
    pub concurrency: usize,
    /// How many jobs one claim takes.
    pub batch: u64,
    /// A job is given to another worker after this many seconds without a sign of life.
    pub lease_seconds: u64,
    /// The shortest pause between two looks at an empty queue, in milliseconds.
    pub poll_min_ms: u64,
    /// The longest pause between two looks at an empty queue, in milliseconds.
    pub poll_max_ms: u64,
    /// The pause after the first failure, in seconds.
    pub backoff_base_seconds: u64,
    /// The longest pause between two attempts, in seconds.
    pub backoff_cap_seconds: u64,
    /// A job is given up after this many attempts.
    pub max_attempts: u32,
    /// A job is given up after it took its worker down this many times.
    pub max_crashes: u32,
    /// How long jobs are kept that are done, in days.
    pub keep_done_days: u32,
}

impl JobsSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        at_least(errors, "jobs.concurrency", self.concurrency, 1);
        at_least(errors, "jobs.batch", self.batch, 1);
        at_least(errors, "jobs.lease_seconds", self.lease_seconds, 1);
        at_least(errors, "jobs.poll_min_ms", self.poll_min_ms, 1);
        if self.poll_max_ms < self.poll_min_ms {
            errors.push(Problem::of(
                "jobs.poll_max_ms",
                "must not be less than jobs.poll_min_ms",
            ));
        }
        at_least(
            errors,
            "jobs.backoff_base_seconds",
            self.backoff_base_seconds,
            1,
        );
        if self.backoff_cap_seconds < self.backoff_base_seconds {
            let message = "must not be less than jobs.backoff_base_seconds";
            errors.push(Problem::of("jobs.backoff_cap_seconds", message));
        }
        at_least(errors, "jobs.max_attempts", self.max_attempts, 1);
        at_least(errors, "jobs.max_crashes", self.max_crashes, 1);
        at_least(errors, "jobs.keep_done_days", self.keep_done_days, 1);
    }
}

/// The look of log lines, as set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// JSON in production, else text.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The section `[log]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// A level, or a filter as `tracing-subscriber` reads it.
    pub level: String,
    /// The look of the lines; [`super::Settings::logs_as_json`] decides `auto`.
    pub format: LogFormat,
}

impl LogSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        // A misspelt level would be read as the name of a module, and the log would quietly be empty.
        if !self
            .level
            .split(',')
            .all(|directive| is_level(directive.rsplit('=').next().unwrap_or_default()))
        {
            let message = "must be error, warn, info, debug, trace or off, or a filter such as info,taskflow=debug";
            errors.push(Problem::of("log.level", message));
        }
    }
}

fn is_level(text: &str) -> bool {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    levels
        .iter()
        .any(|level| level.eq_ignore_ascii_case(text.trim()))
}
