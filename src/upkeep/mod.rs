//! Looking after an installation: what administrators see of the jobs and do with them, and what is
//! deleted after how long. The statements are those of the rooms whose tables they are about.

mod api;
mod error;
mod events;
mod mutation;
pub mod prune;
mod service;

pub use self::api::{DeliveryState, Job, JobQuery, Loaders, find_jobs};
pub use self::error::UpkeepError;
pub use self::mutation::JobMutation;
pub use self::service::{
    MOST_RETRIES, discard, pause, renew_epoch, resume, retry, retry_dead, statistics,
};
