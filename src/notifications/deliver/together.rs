//! What deliveries that are sent at the same time read and write: many in one statement, and in one commit, which is
//! what a mail costs most.

use std::sync::Arc;

use entity::DeliveryId;

use crate::app::App;
use crate::db::{DbError, Together};
use crate::jobs::{self, Claimed, JobError};
use crate::notifications::message::{self, Found};
use crate::notifications::store::together::{self as store, Taken};

/// A mail to be kept, encrypted, and of which delivery.
type Mail = (DeliveryId, Option<Vec<u8>>);

/// Where deliveries meet that read or write the same.
#[derive(Debug, Default)]
pub struct Rounds {
    find: Together<DeliveryId, Option<Found>>,
    keep: Together<Mail, bool>,
    sent: Together<(Arc<Claimed>, Taken), bool>,
}

/// A delivery with all that is to be known to send it. None when it is gone, or its event.
pub async fn find(app: &App, id: DeliveryId) -> Result<Option<Found>, DbError> {
    let round = {
        let app = app.clone();
        move |ids: Vec<DeliveryId>| {
            let app = app.clone();
            async move {
                let ids = &ids;
                app.db
                    .read(|db| async move { message::find(&db, ids).await })
                    .await
            }
        }
    };
    Ok(app.rounds.find.ask(id, round).await?.flatten())
}

/// Keeps a mail before its first try, and notes that it is being sent. False when another worker has done so.
pub async fn keep(app: &App, mail: Mail) -> Result<bool, DbError> {
    let round = {
        let app = app.clone();
        move |mails: Vec<Mail>| {
            let app = app.clone();
            async move {
                let mails = &mails;
                let mut kept = app
                    .db
                    .write(|tx| async move { store::keep_messages(&tx, mails).await })
                    .await?;
                // Of two jobs with the same delivery, one has it.
                let is_kept = |(id, _): &Mail| kept.remove(id);
                Ok::<Vec<bool>, DbError>(mails.iter().map(is_kept).collect())
            }
        }
    };
    Ok(app.rounds.keep.ask(mail, round).await? == Some(true))
}

/// Ends a delivery that the next system has taken, and its job, in one transaction.
///
/// # Errors
/// [`JobError::LeaseLost`] when another worker has the job: nothing is written of it then.
pub async fn note_sent(app: &App, claimed: &Arc<Claimed>, taken: Taken) -> Result<(), JobError> {
    let round = {
        let app = app.clone();
        move |all: Vec<(Arc<Claimed>, Taken)>| {
            let app = app.clone();
            async move {
                let all = &all;
                let ended = app
                    .db
                    .write(|tx| async move {
                        let jobs: Vec<_> = all.iter().map(|(claimed, _)| claimed.clone()).collect();
                        let ended = jobs::finish_all(&tx, &jobs).await?;
                        let own = all
                            .iter()
                            .filter(|(claimed, _)| ended.contains(&claimed.fence()));
                        let taken: Vec<_> = own.map(|(_, taken)| taken).collect();
                        store::note_sent(&tx, &taken).await?;
                        Ok::<_, DbError>(ended)
                    })
                    .await?;
                let is_ended = |(claimed, _): &(Arc<Claimed>, _)| ended.contains(&claimed.fence());
                Ok::<Vec<bool>, DbError>(all.iter().map(is_ended).collect())
            }
        }
    };
    let ended = app.rounds.sent.ask((claimed.clone(), taken), round).await?;
    if ended == Some(true) {
        Ok(())
    } else {
        Err(JobError::LeaseLost)
    }
}
