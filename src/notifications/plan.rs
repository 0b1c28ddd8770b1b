//! Who is told what of an event.

use std::collections::{BTreeMap, HashSet};

use entity::notified::{Category, Channel, Priority, Type};
use entity::{Timestamp, UserId, event};

use super::address::PhoneCodeIssued;
use super::announcement::{self, Announced};
use super::message::{Facts, Payload};
use crate::app::App;
use crate::auth::events::{EmailChanged, PasswordChanged, SessionReused, TokenIssued};
use crate::db::DbError;
use crate::events::Event;
use crate::tasks::comment::{self, CommentCreated, CommentUpdated};
use crate::tasks::project::MemberAdded;
use crate::tasks::task::{
    TaskAssigned, TaskCompleted, TaskDeleted, TaskRestored, TaskUnassigned, TaskUpdated,
};

/// What one person is told.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What.
    pub kind: Type,
    /// What it is about.
    pub category: Category,
    /// How urgent it is.
    pub priority: Priority,
    /// What makes a second one the same.
    pub dedupe_key: String,
    /// The channels its sender wants.
    pub channels: Option<Vec<Channel>>,
    /// Where more is said.
    pub url: Option<String>,
    /// When it is of no use any more.
    pub expires_at: Option<Timestamp>,
}

/// What is to be done about an event.
#[derive(Debug)]
pub enum Plan {
    /// Nobody is told.
    Nobody,
    /// A mail that is no notification: a link or a code somebody asked for.
    Mail(Vec<UserId>),
    /// The same by SMS.
    Sms(Vec<UserId>),
    /// Later.
    NotBefore(Timestamp),
    /// These people, by id.
    People(BTreeMap<UserId, Notice>),
    /// The next of all people.
    Everyone(Notice),
}

/// Decides who is told what of an event.
///
/// # Errors
/// The database's failure.
pub async fn plan(app: &App, event: &event::Model, facts: &Facts) -> Result<Plan, DbError> {
    let payload = &facts.payload;
    let all = |kind| Plan::People(told(event, payload.recipients.iter().copied(), kind));
    Ok(match event.topic.as_str() {
        TokenIssued::TOPIC => Plan::Mail(payload.recipients.clone()),
        PhoneCodeIssued::TOPIC => Plan::Sms(payload.recipients.clone()),
        PasswordChanged::TOPIC => all(Type::PasswordChanged),
        EmailChanged::TOPIC => all(Type::EmailChanged),
        SessionReused::TOPIC => all(Type::SessionReused),
        TaskAssigned::TOPIC => Plan::People(assigned(event, payload)),
        TaskUnassigned::TOPIC => Plan::People(unassigned(event, payload)),
        // That it is done has an event of its own.
        TaskUpdated::TOPIC if is_only_done(facts) => Plan::Nobody,
        TaskUpdated::TOPIC => all(Type::TaskUpdated),
        TaskCompleted::TOPIC => all(Type::TaskCompleted),
        TaskDeleted::TOPIC => all(Type::TaskDeleted),
        TaskRestored::TOPIC => all(Type::TaskRestored),
        CommentCreated::TOPIC | CommentUpdated::TOPIC => {
            Plan::People(commented(app, event, payload).await?)
        }
        MemberAdded::TOPIC => {
            let member = payload.user_id.filter(|user| event.actor_id != Some(*user));
            Plan::People(told(event, member, Type::ProjectMemberAdded))
        }
        Announced::TOPIC => announced(app, facts),
        // What this room says of itself, as that a webhook was turned off.
        "webhook.disabled" => all(Type::WebhookDisabled),
        _ => Plan::Nobody,
    })
}

fn notice(event: &event::Model, kind: Type) -> Notice {
    Notice {
        kind,
        category: kind.category().unwrap_or(Category::System),
        priority: Priority::Normal,
        dedupe_key: event.id.0.to_string(),
        channels: None,
        url: None,
        expires_at: None,
    }
}

fn told(
    event: &event::Model,
    people: impl IntoIterator<Item = UserId>,
    kind: Type,
) -> BTreeMap<UserId, Notice> {
    let people = people.into_iter();
    people.map(|user| (user, notice(event, kind))).collect()
}

/// Whose it is now is told so; who follows it, that it changed; whose it was, that it is not any more.
fn assigned(event: &event::Model, payload: &Payload) -> BTreeMap<UserId, Notice> {
    let mut told = told(event, payload.recipients.iter().copied(), Type::TaskUpdated);
    if let Some(notice) = payload.assignee_id.and_then(|user| told.get_mut(&user)) {
        notice.kind = Type::TaskAssigned;
    }
    with_loser(event, payload.previous_assignee_id, &mut told);
    told
}

fn unassigned(event: &event::Model, payload: &Payload) -> BTreeMap<UserId, Notice> {
    let mut told = told(event, payload.recipients.iter().copied(), Type::TaskUpdated);
    with_loser(event, payload.assignee_id, &mut told);
    told
}

/// Whose a task was is none of its recipients any more, unless they follow it.
fn with_loser(event: &event::Model, loser: Option<UserId>, told: &mut BTreeMap<UserId, Notice>) {
    if let Some(user) = loser.filter(|user| event.actor_id != Some(*user)) {
        told.insert(user, notice(event, Type::TaskUnassigned));
    }
}

fn is_only_done(facts: &Facts) -> bool {
    let is_done = facts
        .task
        .as_ref()
        .is_some_and(|task| task.completed_at.is_some());
    is_done && facts.payload.fields == ["status"]
}

/// Who is mentioned is told so, once however often the comment is changed; who follows the task, that
/// there is a comment.
async fn commented(
    app: &App,
    event: &event::Model,
    payload: &Payload,
) -> Result<BTreeMap<UserId, Notice>, DbError> {
    let Some(id) = payload.comment_id else {
        return Ok(BTreeMap::new());
    };
    let mentioned = app
        .db
        .read(|db| async move { comment::mentioned(&db, id).await })
        .await?;
    let mentioned: HashSet<_> = mentioned.into_keys().collect();
    let is_new = event.topic == CommentCreated::TOPIC;
    let people = payload.recipients.iter().copied();
    let people = people.filter_map(|user| {
        let kind = if mentioned.contains(&user) {
            Type::Mentioned
        } else {
            Type::CommentAdded
        };
        let mut notice = notice(event, kind);
        // That a comment was changed concerns only those who are mentioned now, and of them those who
        // were not told before.
        if kind == Type::Mentioned {
            notice.dedupe_key = format!("mention:{}", id.0);
        }
        (is_new || kind == Type::Mentioned).then_some((user, notice))
    });
    Ok(people.collect())
}

fn announced(app: &App, facts: &Facts) -> Plan {
    let Some(said) = &facts.announcement else {
        return Plan::Nobody;
    };
    let now = app.db.clock().now();
    if said.send_at > now {
        return Plan::NotBefore(said.send_at);
    }
    if said.expires_at.is_some_and(|at| at <= now) {
        return Plan::Nobody;
    }
    let notice = Notice {
        kind: Type::Announcement,
        category: said.category,
        priority: said.priority,
        dedupe_key: format!("announcement:{}", said.id.0),
        channels: announcement::channels_of(said),
        url: said.url.clone(),
        expires_at: said.expires_at,
    };
    if said.everyone {
        return Plan::Everyone(notice);
    }
    let people = facts.payload.recipients.iter().copied();
    Plan::People(people.map(|user| (user, notice.clone())).collect())
}
