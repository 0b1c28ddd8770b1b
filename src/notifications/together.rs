//! What jobs that run at the same time read and write: many in one statement, and in one commit, which is what a mail
//! costs most.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use entity::{DeliveryId, EventId, UserId, event, task};

use super::message::{self, Facts, Found};
use super::people::People;
use super::store::together::{self as store, Taken};
use super::written::{self, Written};
use crate::app::App;
use crate::db::{DbError, Together};
use crate::events;
use crate::jobs::{self, Claimed, JobError};

/// Who tells more people than that does so alone: a statement has so many values and no more.
const FEW: usize = 5;

/// An event and what it is about.
type Seen = (event::Model, Facts);

/// People, and the task that they are told of.
type Circle = (BTreeSet<UserId>, Option<task::Model>);

/// A mail to be kept, encrypted, and of which delivery.
type Mail = (DeliveryId, Option<Vec<u8>>);

/// Where jobs meet that read or write the same.
#[derive(Debug, Default)]
pub struct Rounds {
    look: Together<EventId, Option<Seen>>,
    know: Together<Circle, Arc<People>>,
    write: Together<Written, bool>,
    find: Together<DeliveryId, Option<Found>>,
    keep: Together<Mail, bool>,
    sent: Together<(Arc<Claimed>, Taken), bool>,
}

/// An event and what it is about. None when it is gone.
pub async fn look(app: &App, id: EventId) -> Result<Option<Seen>, DbError> {
    let seen = app.rounds.look.ask(app, id, look_at_all).await?;
    Ok(seen.flatten())
}

async fn look_at_all(app: App, ids: Vec<EventId>) -> Result<Vec<Option<Seen>>, DbError> {
    let asked = &ids;
    let read = app.db.read(|db| async move {
        let events = events::find_many(&db, asked.clone()).await?;
        let all: Vec<_> = events.iter().collect();
        let (facts, _) = Facts::read(&db, &all, None).await?;
        Ok::<_, DbError>(events.into_iter().zip(facts))
    });
    let seen: HashMap<_, _> = read.await?.map(|seen| (seen.0.id, seen)).collect();
    Ok(ids.iter().map(|id| seen.get(id).cloned()).collect())
}

/// What is known of these people. Others may be among them, who were asked for at the same time.
pub async fn know(app: &App, circle: Circle) -> Result<Arc<People>, DbError> {
    if circle.0.len() <= FEW
        && let Some(known) = app.rounds.know.ask(app, circle.clone(), know_all).await?
    {
        return Ok(known);
    }
    Ok(Arc::new(read_people(app, &[circle]).await?))
}

async fn know_all(app: App, all: Vec<Circle>) -> Result<Vec<Arc<People>>, DbError> {
    let known = Arc::new(read_people(&app, &all).await?);
    Ok(vec![known; all.len()])
}

async fn read_people(app: &App, all: &[Circle]) -> Result<People, DbError> {
    let people = &all.iter().flat_map(|circle| &circle.0).copied().collect();
    let tasks = all.iter().filter_map(|(_, task)| task.as_ref());
    let tasks: HashMap<_, _> = tasks.map(|task| (task.id, task)).collect();
    let tasks = &tasks.into_values().collect::<Vec<_>>();
    app.db
        .read(|db| async move { People::read(&db, people, tasks).await })
        .await
}

/// Writes what a job has to write of an event, and ends the job, in one transaction.
///
/// # Errors
/// [`JobError::LeaseLost`] when another worker has the job: nothing is written of it then.
pub async fn write(app: &App, one: Written) -> Result<(), JobError> {
    let is_ended = if one.told.people.len() <= FEW {
        app.rounds.write.ask(app, one, write_all).await?
    } else {
        write_all(app.clone(), vec![one]).await?.pop()
    };
    held(is_ended)
}

async fn write_all(app: App, all: Vec<Written>) -> Result<Vec<bool>, DbError> {
    let (app, what) = (&app, &all);
    let ended = app
        .db
        .write(|tx| async move { written::write(app, &tx, what).await })
        .await?;
    let is_ended = |one: &Written| ended.contains(&one.claimed.fence());
    Ok(all.iter().map(is_ended).collect())
}

/// A delivery with all that is to be known to send it. None when it is gone, or its event.
pub async fn find(app: &App, id: DeliveryId) -> Result<Option<Found>, DbError> {
    let found = app.rounds.find.ask(app, id, find_all).await?;
    Ok(found.flatten())
}

async fn find_all(app: App, ids: Vec<DeliveryId>) -> Result<Vec<Option<Found>>, DbError> {
    let ids = &ids;
    app.db
        .read(|db| async move { message::find(&db, ids).await })
        .await
}

/// Keeps a mail before its first try, and notes that it is being sent. False when another worker has done so.
pub async fn keep(app: &App, mail: Mail) -> Result<bool, DbError> {
    let is_kept = app.rounds.keep.ask(app, mail, keep_all).await?;
    Ok(is_kept == Some(true))
}

async fn keep_all(app: App, mails: Vec<Mail>) -> Result<Vec<bool>, DbError> {
    let all = &mails;
    let mut kept = app
        .db
        .write(|tx| async move { store::keep_messages(&tx, all).await })
        .await?;
    // Of two jobs with the same delivery, one has it.
    Ok(mails.iter().map(|(id, _)| kept.remove(id)).collect())
}

/// Ends a delivery that the next system has taken, and its job, in one transaction.
///
/// # Errors
/// [`JobError::LeaseLost`] when another worker has the job: nothing is written of it then.
pub async fn note_sent(app: &App, claimed: &Arc<Claimed>, taken: Taken) -> Result<(), JobError> {
    let one = (claimed.clone(), taken);
    held(app.rounds.sent.ask(app, one, note_all_sent).await?)
}

async fn note_all_sent(app: App, all: Vec<(Arc<Claimed>, Taken)>) -> Result<Vec<bool>, DbError> {
    let sent = &all;
    let ended = app
        .db
        .write(|tx| async move {
            let jobs: Vec<_> = sent.iter().map(|(claimed, _)| claimed.clone()).collect();
            let ended = jobs::finish_all(&tx, &jobs).await?;
            let own = sent
                .iter()
                .filter(|(claimed, _)| ended.contains(&claimed.fence()));
            let taken: Vec<_> = own.map(|(_, taken)| taken).collect();
            store::note_sent(&tx, &taken).await?;
            Ok::<_, DbError>(ended)
        })
        .await?;
    let is_ended = all
        .iter()
        .map(|(claimed, _)| ended.contains(&claimed.fence()));
    Ok(is_ended.collect())
}

/// Whether a job was this worker's to end.
fn held(is_ended: Option<bool>) -> Result<(), JobError> {
    if is_ended == Some(true) {
        Ok(())
    } else {
        Err(JobError::LeaseLost)
    }
}
