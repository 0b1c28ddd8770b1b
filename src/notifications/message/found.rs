//! All that is to be known to send deliveries, read for many of them at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use entity::delivery::{Channel, State};
use entity::notified::Type;
use entity::{DeliveryId, delivery, event, notification, user};
use sea_orm::ConnectionTrait;

use super::facts::found;
use super::{Facts, Skip, Standing};
use crate::accounts;
use crate::db::DbError;
use crate::events;
use crate::notifications::settings::{self, Wishes};
use crate::notifications::{inbox, store, suppressions};

/// A delivery and all that is to be known of it, as it is at this moment. Of webhooks, and of what is over, nothing
/// more than the event is read.
#[derive(Debug)]
pub struct Found {
    /// The delivery.
    pub delivery: delivery::Model,
    /// What it tells of.
    pub event: event::Model,
    /// What its recipient is told, if that is a notification and is there.
    pub notification: Option<notification::Model>,
    /// Whose it is, also when they may not sign in any more.
    pub user: Option<user::Model>,
    /// How they want to be told; none if they never said anything.
    pub wishes: Option<Wishes>,
    /// What the event is about.
    pub facts: Facts,
    /// Whether their address takes no mail.
    pub takes_no_mail: bool,
    standing: Arc<Standing>,
}

impl Found {
    /// Who gets it, if they may still sign in.
    pub fn recipient(&self) -> Option<&user::Model> {
        let is_active = |user: &&user::Model| user.status == user::Status::Active;
        self.user.as_ref().filter(is_active)
    }

    /// Why what a notification says is of no use to its recipient any more; none when it is. `is_new` when it is to
    /// be said in new words, of the task as it is now.
    pub fn unwanted(&self, kind: Type, is_new: bool) -> Option<Skip> {
        let user = self.delivery.recipient_id;
        let stale = self.standing.stale(&self.facts, kind, user);
        // What was written then may be said; what is there now may not.
        let hidden = is_new && !self.standing.sees(&self.facts, user);
        stale.or(hidden.then_some(Skip::Hidden))
    }
}

/// Finds deliveries, in the order of their ids here: some ten statements, however many they are. None where one is
/// gone, or its event.
///
/// # Errors
/// The database's failure.
pub async fn find(
    db: &impl ConnectionTrait,
    ids: &[DeliveryId],
) -> Result<Vec<Option<Found>>, DbError> {
    let deliveries = store::find_deliveries(db, ids.to_vec()).await?;
    let events = deliveries.iter().map(|delivery| delivery.event_id);
    let events = found(events, |ids| events::find_many(db, ids)).await?;
    let events: HashMap<_, _> = events.into_iter().map(|it| (it.id, it)).collect();
    let open: Vec<_> = deliveries.iter().filter(|it| is_open(it)).collect();

    let told = open.iter().filter_map(|delivery| delivery.notification_id);
    let told = found(told, |ids| inbox::find_many(db, ids)).await?;
    let told: HashMap<_, _> = told.into_iter().map(|it| (it.id, it)).collect();
    let about: BTreeSet<_> = open.iter().map(|delivery| delivery.event_id).collect();
    let about: Vec<_> = about.iter().filter_map(|id| events.get(id)).collect();
    let people: BTreeSet<_> = open.iter().map(|delivery| delivery.recipient_id).collect();
    let (facts, users) = Facts::read(db, &about, people.iter().copied()).await?;
    let wishes = if told.is_empty() {
        HashMap::new()
    } else {
        settings::wishes(db, people.iter().copied().collect()).await?
    };
    let tasks: HashMap<_, _> = facts
        .iter()
        .filter_map(|facts| facts.task.as_ref())
        .map(|task| (task.id, task))
        .collect();
    let tasks: Vec<_> = tasks.into_values().collect();
    let standing = Arc::new(Standing::read(db, &tasks, &people).await?);
    let own = |delivery: &delivery::Model| users.get(&delivery.recipient_id)?.email.as_deref();
    let addresses = open.iter().filter_map(|delivery| own(delivery));
    let closed = suppressions::suppressed_among(db, addresses).await?;

    let facts: HashMap<_, _> = about.iter().map(|event| event.id).zip(facts).collect();
    let all: HashMap<_, _> = deliveries.iter().map(|it| (it.id, it)).collect();
    let found = ids.iter().map(|id| {
        // Not taken away: two jobs may have the same one, when a lease is over.
        let delivery = (*all.get(id)?).clone();
        let event = events.get(&delivery.event_id)?.clone();
        let user = users.get(&delivery.recipient_id).cloned();
        let address = user.as_ref().and_then(|user| user.email.as_deref());
        Some(Found {
            takes_no_mail: address.is_some_and(|it| closed.contains(&accounts::folded(it))),
            notification: delivery
                .notification_id
                .and_then(|id| told.get(&id).cloned()),
            wishes: wishes.get(&delivery.recipient_id).cloned(),
            facts: facts.get(&event.id).cloned().unwrap_or_default(),
            standing: standing.clone(),
            delivery,
            event,
            user,
        })
    });
    Ok(found.collect())
}

/// Whether it is still to be sent, and what it says is known here.
fn is_open(delivery: &delivery::Model) -> bool {
    delivery.channel != Channel::Webhook && State::OPEN.contains(&delivery.state)
}
