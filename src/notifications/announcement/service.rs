//! Saying something to people.

use std::collections::BTreeSet;

use entity::announcement::Model;
use entity::notified::{Category, Channel, Priority};
use entity::{AnnouncementId, Timestamp, UserId, Viewer};
use sea_orm::ActiveEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::store;
use crate::accounts::{self, Actor};
use crate::app::App;
use crate::db::{Tx, new_id};
use crate::events::{self, Event};
use crate::graphql::{UserError, UserErrorCode};
use crate::notifications::{NotificationError, enqueue_dispatch};

/// The most people that are named; for more there is `everyone`.
const MOST_PEOPLE: usize = 100;
/// The longest title, in characters.
const TITLE_CHARS: usize = 200;
/// The longest text, in characters.
const BODY_CHARS: usize = 5_000;
/// The longest address of a page, in characters.
const URL_CHARS: usize = 2_048;
/// The longest key, in bytes.
const KEY_BYTES: usize = 255;
/// How far ahead something may be said: events are kept for as long.
const MOST_DAYS: i64 = 30;

/// An administrator says something to people.
#[derive(Debug, Serialize, Deserialize)]
pub struct Announced {
    /// What.
    pub announcement_id: AnnouncementId,
    /// To whom; nobody when it is for everyone.
    pub recipients: Vec<UserId>,
}

impl Event for Announced {
    const TOPIC: &'static str = "notification.announced";
    const SCHEMA_VERSION: i32 = 1;
}

/// What is to be said.
#[derive(Clone, Debug)]
pub struct New {
    /// To whom.
    pub users: Vec<UserId>,
    /// To all active people instead.
    pub everyone: bool,
    /// One line.
    pub title: String,
    /// The text.
    pub body: String,
    /// Where more is said.
    pub url: Option<String>,
    /// What it is about.
    pub category: Category,
    /// How urgent it is.
    pub priority: Priority,
    /// Only on these channels.
    pub channels: Option<Vec<Channel>>,
    /// What makes a second one the same as the first.
    pub dedupe_key: Option<String>,
    /// When; now when not given.
    pub send_at: Option<Timestamp>,
    /// When it is of no use any more.
    pub expires_at: Option<Timestamp>,
}

/// Says something to people. A second one with the same key says nothing more, and answers the first.
///
/// # Errors
/// `Forbidden` for all but administrators, what the person can put right, the database's failure.
pub async fn announce(app: &App, viewer: &Viewer, new: New) -> Result<Model, NotificationError> {
    let actor = Actor::Viewer(viewer);
    accounts::says_admin(actor)?;
    let now = app.db.clock().now();
    let problems = problems(&new, now);
    if !problems.is_empty() {
        return Err(NotificationError::Refused(problems));
    }
    let new = &new;
    app.db
        .write(|tx| async move {
            accounts::enter(&tx, actor, None).await?;
            let people: BTreeSet<_> = new.users.iter().copied().collect();
            let active = accounts::active_among(tx.conn(), new.users.clone()).await?;
            if active.len() < people.len() {
                let message = "One of these is no active account. Take ids from `users`.";
                let code = UserErrorCode::Invalid;
                return Err(NotificationError::refused(code, message, &["userIds"]));
            }
            let row = row(&tx, viewer, new);
            if !store::insert(&tx, row.clone()).await? {
                let key = new.dedupe_key.as_deref().unwrap_or_default();
                let first = store::find_by_key(tx.conn(), key).await?;
                return first.ok_or_else(|| {
                    let gone = sea_orm::DbErr::RecordNotFound("an announcement".to_owned());
                    crate::db::DbError::from(gone).into()
                });
            }
            let event = Announced {
                announcement_id: row.id,
                recipients: people.into_iter().collect(),
            };
            let id = events::append(&tx, &event, Some(viewer.user_id)).await?;
            enqueue_dispatch(app, &tx, [id]);
            Ok(row)
        })
        .await
}

fn row(tx: &Tx, viewer: &Viewer, new: &New) -> Model {
    let now = tx.clock().now();
    let channels = new.channels.as_ref().map(|channels| {
        let names = channels.iter().map(ActiveEnum::to_value);
        Value::from(names.collect::<Vec<_>>())
    });
    Model {
        id: AnnouncementId(new_id(tx.clock())),
        sender_id: viewer.user_id,
        dedupe_key: new.dedupe_key.clone(),
        category: new.category,
        priority: new.priority,
        title: new.title.trim().to_owned(),
        body: new.body.trim().to_owned(),
        url: new.url.clone(),
        channels,
        everyone: new.everyone,
        created_at: now,
        send_at: new.send_at.map_or(now, |at| at.max(now)),
        expires_at: new.expires_at,
    }
}

/// The channels its sender wants, if they said so.
pub fn channels_of(row: &Model) -> Option<Vec<Channel>> {
    let names = row.channels.as_ref()?.as_array()?;
    let names = names.iter().filter_map(Value::as_str);
    let channels = names.filter_map(|name| Channel::try_from_value(&name.to_owned()).ok());
    Some(channels.collect())
}

fn problems(new: &New, now: Timestamp) -> Vec<UserError> {
    let mut problems = Vec::new();
    let mut refuse = |field: &str, message: String| {
        let path = ["input", field];
        problems.push(UserError::new(UserErrorCode::Invalid, message, &path));
    };
    if new.everyone != new.users.is_empty() {
        let message = "Name people (`userIds`), or say it to `everyone`: one of the two.";
        refuse("userIds", message.to_owned());
    }
    if new.users.len() > MOST_PEOPLE {
        let message = format!("At most {MOST_PEOPLE} people; for all there is `everyone`.");
        refuse("userIds", message);
    }
    for (field, text, most) in [
        ("title", &new.title, TITLE_CHARS),
        ("body", &new.body, BODY_CHARS),
    ] {
        let length = text.trim().chars().count();
        if !(1..=most).contains(&length) || text.contains('\0') {
            refuse(field, format!("This has 1 to {most} characters."));
        }
    }
    if new.title.trim().chars().any(char::is_control) {
        refuse("title", "A title is one line.".to_owned());
    }
    if let Some(url) = &new.url {
        let read = url::Url::parse(url).ok();
        let is_web = read.is_some_and(|url| matches!(url.scheme(), "https" | "http"));
        if !is_web || url.chars().count() > URL_CHARS {
            refuse(
                "url",
                "This is no address of the web, as https://example.org/.".to_owned(),
            );
        }
    }
    if new.channels.as_ref().is_some_and(Vec::is_empty) {
        refuse(
            "channels",
            "Name at least one channel, or leave this out.".to_owned(),
        );
    }
    if let Some(key) = &new.dedupe_key
        && (!(1..=KEY_BYTES).contains(&key.len()) || key.contains('\0'))
    {
        refuse("dedupeKey", format!("A key has 1 to {KEY_BYTES} bytes."));
    }
    let far = now + chrono::TimeDelta::days(MOST_DAYS);
    if new.send_at.is_some_and(|at| at > far) {
        refuse("sendAt", format!("At most {MOST_DAYS} days ahead."));
    }
    let begins = new.send_at.map_or(now, |at| at.max(now));
    if new.expires_at.is_some_and(|at| at <= begins) {
        refuse(
            "expiresAt",
            "It would be of no use before it is sent.".to_owned(),
        );
    }
    problems
}
