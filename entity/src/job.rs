//! Work to be done at least once, and not for ever.

use sea_orm::entity::prelude::*;

use crate::{JobId, Timestamp};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Waits for `run_at`.
    #[sea_orm(string_value = "ready")]
    Ready,
    /// A worker holds its lease.
    #[sea_orm(string_value = "running")]
    Running,
    /// Finished.
    #[sea_orm(string_value = "done")]
    Done,
    /// Given up; somebody has to look at it.
    #[sea_orm(string_value = "dead")]
    Dead,
}

/// A row of `jobs`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    /// Which queue; queues are claimed apart.
    pub queue: String,
    /// Which handler.
    pub kind: String,
    /// A second job with the same key is not made.
    pub dedupe_key: Option<String>,
    /// What the handler is told: ids.
    pub payload: Json,
    /// Where it stands.
    pub state: State,
    /// How often it was claimed; counted at the claim, so that a crash counts too.
    pub attempt: i32,
    /// How often a worker vanished while it held the lease.
    pub crash_count: i32,
    /// After this many attempts it is dead.
    pub max_attempts: i32,
    /// Not before this time. The only timer of the system.
    pub run_at: Timestamp,
    /// The worker that holds the lease.
    pub lease_owner: Option<String>,
    /// Raised at every claim: a late worker cannot finish a job that was given to another.
    pub lease_token: i64,
    /// When the lease ends.
    pub lease_until: Option<Timestamp>,
    /// What the last attempt said.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it became done or dead.
    pub done_at: Option<Timestamp>,
    /// The request that caused it.
    pub trace: Option<String>,
    /// When somebody had it begin anew; attempts and crashes count from there.
    pub retried_at: Option<Timestamp>,
    /// Why somebody discarded it; it is `done` then, and was not done.
    pub discard_reason: Option<String>,
}

/// Jobs refer to nothing: their payload does.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
