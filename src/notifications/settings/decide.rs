//! Whether somebody is told of something on a channel.
//!
//! 1. What is **urgent**, security and what has the priority critical, goes in the app and on at
//!    least one more channel that reaches the person, whatever they set: where they turned all of
//!    them off, by e-mail, else by push, else by SMS. Marketing is never urgent.
//! 2. What they set for the type and the channel, else what they set for the category and the
//!    channel, else the default: [`is_on_by_default`].
//! 3. While they pause everything, only what is urgent leaves the app.
//! 4. Marketing comes on a channel only where they turned the category on. A type that is on is no
//!    consent, and one that is off is heeded.
//!
//! A sender may name channels: others are left out then, as far as the first rule lets them be.
//! Nothing turns a channel on that the person has off. Quiet hours are another question: [`holds`].

use chrono::{DateTime, Utc};
use entity::notified::{Category, Channel, Priority};

use super::kinds::{CHANNELS, Subject, Type};

/// What is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// What it tells.
    pub kind: Type,
    /// Its category. Only of types without a category of their own it is looked at.
    pub category: Category,
    /// How much it matters.
    pub priority: Priority,
    /// The channels the sender wants; none for all.
    pub channels: Option<&'a [Channel]>,
}

/// What a person set for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference {
    /// What it is about.
    pub subject: Subject,
    /// The channel.
    pub channel: Channel,
    /// Whether they want it there.
    pub enabled: bool,
}

/// Who is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// What they set: at most one for a subject and a channel.
    pub preferences: &'a [Preference],
    /// Until when they want to hear nothing outside the app.
    pub paused_until: Option<DateTime<Utc>>,
    /// On which channels they can be reached. The app always reaches them.
    pub reachable: &'a [Channel],
}

/// Whether somebody is told on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// They are.
    Yes,
    /// They are not.
    No(Reason),
}

/// Why somebody is not told. Where there are several reasons, the first of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The sender wants other channels.
    NotAskedFor,
    /// They turned it off, or did not turn it on.
    TurnedOff,
    /// It is marketing, and they said nothing about it.
    NoConsent,
    /// They want to hear nothing now.
    Paused,
    /// There is no address of theirs.
    Unreachable,
}

impl Reason {
    /// The reason in a word, for the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAskedFor => "not_asked_for",
            Self::TurnedOff => "turned_off",
            Self::NoConsent => "no_consent",
            Self::Paused => "paused",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Decides for every channel, in the order of [`CHANNELS`].
pub fn decide(
    notice: Notice<'_>,
    recipient: Recipient<'_>,
    now: DateTime<Utc>,
) -> [(Channel, Answer); 4] {
    let mut answers = CHANNELS.map(|channel| (channel, answer(notice, recipient, channel, now)));
    if !is_urgent(category_of(notice), notice.priority) {
        return answers;
    }
    let mut is_told_outside = false;
    for (channel, answer) in &mut answers {
        if *channel == Channel::InApp {
            *answer = Answer::Yes;
        } else {
            is_told_outside |= *answer == Answer::Yes;
        }
    }
    let outside = answers
        .iter_mut()
        .find(|(channel, _)| *channel != Channel::InApp && reaches(recipient, *channel));
    if let Some((_, answer)) = outside.filter(|_| !is_told_outside) {
        *answer = Answer::Yes;
    }
    answers
}

/// Whether a message on a channel waits for the end of quiet hours. What is urgent does not, and what
/// is told in the app disturbs nobody.
pub fn holds(category: Category, priority: Priority, channel: Channel) -> bool {
    channel != Channel::InApp && !is_urgent(category, priority)
}

/// The table of the defaults, where a person set nothing:
///
/// | | app | e-mail | push | SMS |
/// |---|---|---|---|---|
/// | urgent: security, or of critical priority | yes | yes | yes | yes |
/// | `TASK_ASSIGNED`, `MENTIONED`, `COMMENT_ADDED`, `PROJECT_MEMBER_ADDED` | yes | yes | yes | no |
/// | `TASK_UNASSIGNED` | yes | no | yes | no |
/// | `TASK_UPDATED`, `TASK_COMPLETED`, `TASK_DELETED`, `TASK_RESTORED` | yes | no | no | no |
/// | `WEBHOOK_DISABLED` | yes | yes | yes | no |
/// | `ANNOUNCEMENT` | yes | yes | yes | no |
/// | marketing, of whatever priority | no | no | no | no |
pub fn is_on_by_default(
    kind: Type,
    category: Category,
    priority: Priority,
    channel: Channel,
) -> bool {
    let category = kind.category().unwrap_or(category);
    if category == Category::Marketing {
        return false;
    }
    if is_urgent(category, priority) {
        return true;
    }
    let (by_email, by_push) = match kind {
        Type::TaskAssigned
        | Type::Mentioned
        | Type::CommentAdded
        | Type::ProjectMemberAdded
        | Type::PasswordChanged
        | Type::EmailChanged
        | Type::SessionReused
        | Type::WebhookDisabled
        | Type::Announcement => (true, true),
        Type::TaskUnassigned => (false, true),
        Type::TaskUpdated | Type::TaskCompleted | Type::TaskDeleted | Type::TaskRestored => {
            (false, false)
        }
    };
    match channel {
        Channel::InApp => true,
        Channel::Email => by_email,
        Channel::Push => by_push,
        Channel::Sms => false,
    }
}

fn category_of(notice: Notice<'_>) -> Category {
    notice.kind.category().unwrap_or(notice.category)
}

/// No priority makes marketing urgent: then nobody could refuse it.
fn is_urgent(category: Category, priority: Priority) -> bool {
    match category {
        Category::Security => true,
        Category::Marketing => false,
        _ => priority == Priority::Critical,
    }
}

fn reaches(recipient: Recipient<'_>, channel: Channel) -> bool {
    channel == Channel::InApp || recipient.reachable.contains(&channel)
}

/// What holds without the first rule.
fn answer(
    notice: Notice<'_>,
    recipient: Recipient<'_>,
    channel: Channel,
    now: DateTime<Utc>,
) -> Answer {
    let is_asked_for = notice.channels.is_none_or(|named| named.contains(&channel));
    if !is_asked_for {
        return Answer::No(Reason::NotAskedFor);
    }
    if let Err(reason) = is_wanted(notice, recipient, channel) {
        return Answer::No(reason);
    }
    let is_paused = recipient.paused_until.is_some_and(|until| now < until);
    if is_paused && holds(category_of(notice), notice.priority, channel) {
        return Answer::No(Reason::Paused);
    }
    if !reaches(recipient, channel) {
        return Answer::No(Reason::Unreachable);
    }
    Answer::Yes
}

fn is_wanted(notice: Notice<'_>, recipient: Recipient<'_>, channel: Channel) -> Result<(), Reason> {
    let set = |subject| {
        let mut all = recipient.preferences.iter();
        all.find(|it| it.subject == subject && it.channel == channel)
            .map(|it| it.enabled)
    };
    let (kind, category) = (notice.kind, category_of(notice));
    let (of_type, of_category) = (set(Subject::Type(kind)), set(Subject::Category(category)));
    let is_on = if category == Category::Marketing {
        let consent = of_category.ok_or(Reason::NoConsent)?;
        consent && of_type != Some(false)
    } else {
        of_type
            .or(of_category)
            .unwrap_or_else(|| is_on_by_default(kind, category, notice.priority, channel))
    };
    is_on.then_some(()).ok_or(Reason::TurnedOff)
}

#[cfg(test)]
mod tests;
