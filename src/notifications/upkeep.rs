//! What becomes of a delivery when somebody else than its handler ends its job, or has it begin anew.
//! Always in the transaction that does so: a delivery waits for its job, and for nothing else.

use entity::delivery::State;
use entity::{DeliveryId, job};

use super::service::{DELIVER, DeliverPayload};
use super::store::upkeep as store;
use crate::db::{DbError, Tx};

/// The delivery that a job sends, if that is what it does.
pub fn delivery_of(job: &job::Model) -> Option<DeliveryId> {
    let payload = (job.kind == DELIVER).then(|| job.payload.clone())?;
    let payload: DeliverPayload = serde_json::from_value(payload).ok()?;
    Some(payload.delivery_id)
}

/// Jobs were given up without their handler: it crashed, or could not write.
///
/// # Errors
/// The database's failure.
pub async fn give_up(tx: &Tx, jobs: &[job::Model]) -> Result<(), DbError> {
    for job in jobs {
        if let Some(id) = delivery_of(job) {
            let reason = job.last_error.as_deref();
            store::settle_queued(tx, id, State::Failed, reason).await?;
        }
    }
    Ok(())
}

/// A job was discarded.
///
/// # Errors
/// The database's failure.
pub async fn drop_queued(tx: &Tx, job: &job::Model) -> Result<(), DbError> {
    match delivery_of(job) {
        Some(id) => {
            let reason = job.discard_reason.as_deref();
            store::settle_queued(tx, id, State::Suppressed, reason).await
        }
        None => Ok(()),
    }
}

/// Jobs begin anew.
///
/// # Errors
/// The database's failure.
pub async fn queue_again(tx: &Tx, jobs: &[job::Model]) -> Result<(), DbError> {
    let ids = jobs.iter().filter_map(delivery_of).collect();
    store::queue_failed(tx, ids).await
}
