//! The job that decides who is told of an event: it writes what each person is told, and a delivery for
//! each channel and address of theirs. All of it in one transaction with the end of the job, under
//! unique keys: a dispatch that runs twice tells nobody twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use entity::delivery;
use entity::notified::{Category, Channel, Type};
use entity::{DeliveryId, EventId, UserId, event, user};
use sea_orm::ActiveEnum;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::inbox::NewNotification;
use super::message::{Facts, Skip};
use super::people::People;
use super::plan::{Notice, Plan, plan};
use super::settings::{self, Answer, Reason, Wishes, decide, is_on_by_default};
use super::store::NewDelivery;
use super::templates::{Reader, Short};
use super::written::{Told, Written};
use super::{announcement, together, webhook};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::jobs::{self, Claimed, DEFAULT_QUEUE, JobError, NewJob, Outcome};

/// The job that makes the deliveries of an event.
pub const DISPATCH: &str = "dispatch";
/// The job that sends one delivery.
pub const DELIVER: &str = "deliver";

/// A mail is tried until it is given up by its age, so the number of attempts is only a safety net.
pub const MAX_MAIL_ATTEMPTS: i32 = 1_000;
/// How often an SMS or a push message is tried; the room `deliver` has the times between.
pub const MAX_DEVICE_ATTEMPTS: i32 = 5;
/// How many people one job tells: what a transaction writes stays small, however many there are.
const MOST_PEOPLE: usize = 200;

#[derive(Debug, Serialize, Deserialize)]
struct DispatchPayload {
    event_id: EventId,
    /// The last one who was told by the job before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<UserId>,
}

/// What the job [`DELIVER`] is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeliverPayload {
    /// Which delivery.
    pub delivery_id: DeliveryId,
}

/// Writes the jobs that tell people of events, in the transaction of the change.
pub fn enqueue_dispatch(app: &App, tx: &Tx, events: impl IntoIterator<Item = EventId>) {
    let job = |event_id: EventId| dispatch_job(app, event_id, None);
    jobs::enqueue(tx, &app.bus, events.into_iter().map(job));
}

pub(super) fn dispatch_job(app: &App, event_id: EventId, after: Option<UserId>) -> NewJob {
    let part = after.map_or_else(String::new, |after| format!(":{}", after.0));
    NewJob {
        queue: DEFAULT_QUEUE,
        kind: DISPATCH,
        payload: serde_json::json!(DispatchPayload { event_id, after }),
        dedupe_key: format!("dispatch:{}{part}", event_id.0),
        max_attempts: i32::try_from(app.settings.jobs.max_attempts).unwrap_or(i32::MAX),
    }
}

/// The key of the job that sends a delivery.
pub fn delivery_job_key(id: DeliveryId) -> String {
    format!("deliver:{}", id.0)
}

/// Decides who is told of an event, and writes it.
///
/// # Errors
/// When the database failed or the lease was lost: nothing is written then.
pub async fn dispatch(app: &App, claimed: &Arc<Claimed>) -> Result<Outcome, JobError> {
    let Some(DispatchPayload { event_id, after }) = payload(claimed) else {
        return bury(app, claimed, "the payload cannot be read").await;
    };
    let Some((event, facts)) = together::look(app, event_id).await? else {
        return bury(app, claimed, "the event is gone").await;
    };
    let plan = plan(app, &event, &facts).await?;
    let mut concerned = facts.payload.recipients.clone();
    if let Plan::People(people) = &plan {
        concerned.extend(people.keys());
        concerned.sort_unstable();
        concerned.dedup();
    }
    let mut told = match plan {
        Plan::Nobody => Told::default(),
        Plan::NotBefore(at) => {
            let wait = at - app.db.clock().now();
            return Ok(Outcome::Postponed {
                after: wait.to_std().unwrap_or_default(),
                reason: "it is to be said later".to_owned(),
            });
        }
        Plan::Mail(people) => messages(&event, people, delivery::Channel::Email),
        Plan::Sms(people) => messages(&event, people, delivery::Channel::Sms),
        Plan::People(all) => {
            let mut rest = all.into_iter().filter(|(user, _)| Some(*user) > after);
            let people: BTreeMap<_, _> = rest.by_ref().take(MOST_PEOPLE).collect();
            let is_last = rest.next().is_none();
            tell(app, &event, &facts, people, is_last).await?
        }
        Plan::Everyone(notice) => {
            let most = MOST_PEOPLE as u64 + 1;
            let mut next = app
                .db
                .read(|db| async move { announcement::everyone_after(&db, after, most).await })
                .await?;
            let is_last = next.len() <= MOST_PEOPLE;
            next.truncate(MOST_PEOPLE);
            let people = next.into_iter().map(|user| (user, notice.clone()));
            tell(app, &event, &facts, people.collect(), is_last).await?
        }
    };
    if after.is_none() {
        told.webhooks = webhook::prepare(app, &event, &concerned).await?;
    }
    if told.is_nothing() {
        return Ok(Outcome::Done);
    }
    let one = Written {
        claimed: claimed.clone(),
        event_id,
        told: Arc::new(told),
    };
    together::write(app, one).await?;
    Ok(Outcome::Finished)
}

fn messages(event: &event::Model, people: Vec<UserId>, channel: delivery::Channel) -> Told {
    let message = |recipient_id| NewDelivery::new(event.id, recipient_id, channel);
    Told {
        messages: people.into_iter().map(message).collect(),
        ..Told::default()
    }
}

async fn tell(
    app: &App,
    event: &event::Model,
    facts: &Facts,
    people: BTreeMap<UserId, Notice>,
    is_last: bool,
) -> Result<Told, DbError> {
    let next = people.keys().next_back().copied().filter(|_| !is_last);
    let known = together::know(app, (people.keys().copied().collect(), facts.task.clone())).await?;
    // Most people share a few languages and time zones.
    let mut texts: HashMap<(Type, Reader), Option<Short>> = HashMap::new();
    let (mut told, mut messages) = (Vec::new(), Vec::new());
    for (id, notice) in people {
        let Some(user) = known.users.get(&id) else {
            continue;
        };
        let stale = match user.status {
            user::Status::Active => known.standing.stale(facts, notice.kind, id),
            user::Status::Disabled => Some(Skip::AccountInactive),
        };
        if let Some(skip) = stale {
            messages.extend(unsent_mail(event, id, &notice, skip));
            continue;
        }
        let reader = Reader::of(user, app.settings.notifications.default_locale);
        let short = texts
            .entry((notice.kind, reader))
            .or_insert_with(|| short(app, facts, notice.kind, reader));
        told.push(told_to(
            app,
            event,
            facts,
            &known,
            user,
            notice,
            short.as_ref(),
        ));
    }
    Ok(Told {
        people: told,
        messages,
        next,
        webhooks: None,
    })
}

/// What came too late is told to nobody. Where it would have been a mail, why there is none stays to be
/// seen.
fn unsent_mail(
    event: &event::Model,
    user: UserId,
    notice: &Notice,
    skip: Skip,
) -> Option<NewDelivery> {
    let (kind, category, priority) = (notice.kind, notice.category, notice.priority);
    is_on_by_default(kind, category, priority, Channel::Email).then(|| NewDelivery {
        suppressed: Some(skip.word()),
        ..NewDelivery::new(event.id, user, delivery::Channel::Email)
    })
}

/// The title and the sentence of a notification. A template that fails is told by the mail that fails
/// with it; the list shows what it is about at least.
fn short(app: &App, facts: &Facts, kind: Type, reader: Reader) -> Option<Short> {
    let blanks = facts.blanks(app, "", None);
    let rendered = app.templates.short(&kind.to_value(), &reader, &blanks);
    if let Err(error) = &rendered {
        tracing::error!(%error, kind = kind.name(), "a notification has no text");
    }
    rendered.ok()
}

fn told_to(
    app: &App,
    event: &event::Model,
    facts: &Facts,
    known: &People,
    user: &user::Model,
    notice: Notice,
    short: Option<&Short>,
) -> (NewNotification, Vec<NewDelivery>) {
    let unset = Wishes::default();
    let wishes = known.wishes.get(&user.id).unwrap_or(&unset);
    let answers = decide(
        settings::Notice {
            kind: notice.kind,
            category: notice.category,
            priority: notice.priority,
            channels: notice.channels.as_deref(),
        },
        settings::Recipient {
            preferences: &wishes.preferences,
            paused_until: wishes.paused_until,
            reachable: &known.reach(app, user),
        },
        app.db.clock().now(),
    );
    let mut in_app = false;
    let mut deliveries = Vec::new();
    for (channel, answer) in answers {
        let refused = match answer {
            Answer::Yes => None,
            // It would have been told there: that it was not is shown.
            Answer::No(reason @ Reason::Paused) => Some(reason.word()),
            // It goes to the owner's address, an old one too, which no setting of whoever has the account
            // now may silence.
            Answer::No(_) if channel == Channel::Email && notice.category == Category::Security => {
                None
            }
            // Why no mail reaches somebody has more words than this one, when its time comes.
            Answer::No(Reason::Unreachable) if channel == Channel::Email => None,
            Answer::No(_) => continue,
        };
        let new = |channel, target: String| NewDelivery {
            target,
            suppressed: refused,
            ..NewDelivery::new(event.id, user.id, channel)
        };
        match channel {
            Channel::InApp => in_app = true,
            Channel::Email => deliveries.push(new(delivery::Channel::Email, String::new())),
            Channel::Sms => deliveries.push(new(delivery::Channel::Sms, String::new())),
            Channel::Push => {
                let devices = known.devices.get(&user.id).into_iter().flatten();
                let push = |id: &entity::DeviceId| new(delivery::Channel::Push, id.0.to_string());
                deliveries.extend(devices.map(push));
            }
        }
    }
    let row = NewNotification {
        user_id: user.id,
        event_id: event.id,
        dedupe_key: notice.dedupe_key,
        kind: notice.kind,
        category: notice.category,
        priority: notice.priority,
        title: short.map_or_else(
            || notice.kind.name().to_owned(),
            |short| short.subject.clone(),
        ),
        body: short.map(|short| short.body.clone()).unwrap_or_default(),
        url: notice.url,
        actor_id: event.actor_id,
        task_id: facts.payload.task_id,
        comment_id: facts.payload.comment_id,
        project_id: facts.payload.project_id,
        in_app,
        expires_at: notice.expires_at,
    };
    (row, deliveries)
}

/// Gives up a job that makes no sense.
pub(super) async fn bury(app: &App, claimed: &Claimed, error: &str) -> Result<Outcome, JobError> {
    app.db
        .write(|tx| async move { jobs::bury(&tx, claimed, error).await })
        .await?;
    Ok(Outcome::Buried)
}

/// What a job was told.
pub(super) fn payload<T: DeserializeOwned>(claimed: &Claimed) -> Option<T> {
    serde_json::from_value(claimed.job.payload.clone()).ok()
}
