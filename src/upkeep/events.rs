//! What administrators did to the jobs.

use entity::JobId;
use serde::Serialize;

use crate::events::Event;

/// Jobs began anew.
#[derive(Debug, Serialize)]
pub struct JobsRetried {
    /// Which.
    pub job_ids: Vec<JobId>,
}

impl Event for JobsRetried {
    const TOPIC: &'static str = "jobs.retried";
    const SCHEMA_VERSION: i32 = 1;
}

/// A job was discarded. Why stands in its row.
#[derive(Debug, Serialize)]
pub struct JobDiscarded {
    /// Which.
    pub job_id: JobId,
}

impl Event for JobDiscarded {
    const TOPIC: &'static str = "jobs.discarded";
    const SCHEMA_VERSION: i32 = 1;
}

/// Nobody takes the jobs of a queue any more.
#[derive(Debug, Serialize)]
pub struct QueuePaused<'a> {
    /// Which.
    pub queue: &'a str,
}

impl Event for QueuePaused<'_> {
    const TOPIC: &'static str = "jobs.queue_paused";
    const SCHEMA_VERSION: i32 = 1;
}

/// The jobs of a queue are taken again.
#[derive(Debug, Serialize)]
pub struct QueueResumed<'a> {
    /// Which.
    pub queue: &'a str,
}

impl Event for QueueResumed<'_> {
    const TOPIC: &'static str = "jobs.queue_resumed";
    const SCHEMA_VERSION: i32 = 1;
}

/// The cursors of all clients are worthless from now on.
#[derive(Debug, Serialize)]
pub struct EpochRenewed {}

impl Event for EpochRenewed {
    const TOPIC: &'static str = "streams.epoch_renewed";
    const SCHEMA_VERSION: i32 = 1;
}
