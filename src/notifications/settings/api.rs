//! How one wants to be told, in GraphQL.

use async_graphql::{ComplexObject, Context, Enum, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc, Weekday as Day};
use entity::notified::{Category, Priority, Type};

use super::{
    Answer, CHANNELS, Notice, Preference, QuietRule, Recipient, Subject, Wishes, decide,
    quiet_until, service,
};
use crate::accounts;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt};
use crate::notifications::address::{Device, PhoneNumber, devices_of, phone_of};
use crate::notifications::inbox::{NotificationCategory, NotificationType};

/// The way a notification takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::notified::Channel")]
pub enum NotificationChannel {
    /// The list in the application.
    InApp,
    /// E-mail.
    Email,
    /// A text to the confirmed phone number.
    Sms,
    /// A message to the registered devices.
    Push,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Mon => Self::Monday,
            Day::Tue => Self::Tuesday,
            Day::Wed => Self::Wednesday,
            Day::Thu => Self::Thursday,
            Day::Fri => Self::Friday,
            Day::Sat => Self::Saturday,
            Day::Sun => Self::Sunday,
        }
    }
}

/// When nothing is to make a noise, in the person's time zone. A window belongs to the day on which it
/// starts.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "QuietHoursInput")]
pub struct QuietHours {
    /// On which days it starts.
    pub(super) days: Vec<Weekday>,
    /// From when, as `22:00`.
    pub(super) start: String,
    /// Until when, as `07:00`. Before the start it is on the next day; at the start it is a whole day.
    pub(super) end: String,
}

impl From<&QuietRule> for QuietHours {
    fn from(rule: &QuietRule) -> Self {
        Self {
            days: rule.days().map(Into::into).collect(),
            start: rule.start(),
            end: rule.end(),
        }
    }
}

/// What the person said of something on a channel.
#[derive(Clone, Debug, SimpleObject)]
pub struct NotificationPreference {
    /// Of everything of this category; null when it is of a type alone.
    category: Option<NotificationCategory>,
    /// Of this type, which counts more than its category; null when it is of a category.
    #[graphql(name = "type")]
    kind: Option<NotificationType>,
    /// On which channel.
    channel: NotificationChannel,
    /// Whether they want to be told.
    enabled: bool,
}

impl From<&Preference> for NotificationPreference {
    fn from(preference: &Preference) -> Self {
        let (category, kind) = match preference.subject {
            Subject::Category(category) => (Some(category.into()), None),
            Subject::Type(kind) => (None, Some(kind.into())),
        };
        Self {
            category,
            kind,
            channel: preference.channel.into(),
            enabled: preference.enabled,
        }
    }
}

/// Where the person is told of something, by what they said and by the defaults.
#[derive(Clone, Debug, SimpleObject)]
pub struct NotificationTypeChannels {
    /// Of what.
    #[graphql(name = "type")]
    kind: NotificationType,
    /// What it is about. An announcement is about what its sender says: here, the server.
    category: NotificationCategory,
    /// Where. That there is an address on each is another question.
    channels: Vec<NotificationChannel>,
}

/// How the signed-in person wants to be told. Security, and what is critical, is told in the list and
/// on at least one more channel whatever they say.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct NotificationSettings {
    #[graphql(skip)]
    wishes: Wishes,
    /// The time zone of the quiet hours, from the profile (`updateProfile`); UTC when it has none.
    timezone: String,
    /// When nothing is to make a noise: mails, SMS and push messages wait for the end. The list does
    /// not.
    quiet_hours: Vec<QuietHours>,
    /// When the quiet hours end that are now; null when there are none.
    quiet_until: Option<DateTime<Utc>>,
    /// Until when nothing is sent but security and what is critical; it stands in the list all the
    /// same, and is not sent later.
    paused_until: Option<DateTime<Utc>>,
    /// What the person said; of the rest the defaults count.
    preferences: Vec<NotificationPreference>,
    /// When they were changed last; null when they never were.
    updated_at: Option<DateTime<Utc>>,
}

#[ComplexObject]
impl NotificationSettings {
    /// Where the person is told of what.
    async fn types(&self) -> Vec<NotificationTypeChannels> {
        Type::ALL
            .into_iter()
            .map(|kind| self.channels_of(kind))
            .collect()
    }

    /// The devices that take push messages.
    async fn devices(&self, ctx: &Context<'_>) -> Result<Vec<Device>, ApiError> {
        Ok(devices_of(ctx.app(), ctx.viewer()?.user_id).await?)
    }

    /// The phone number; null when there is none.
    async fn phone_number(&self, ctx: &Context<'_>) -> Result<Option<PhoneNumber>, ApiError> {
        Ok(phone_of(ctx.app(), ctx.viewer()?.user_id).await?)
    }
}

impl NotificationSettings {
    /// Of these wishes, for the viewer.
    ///
    /// # Errors
    /// The database's failure.
    pub(super) async fn of(ctx: &Context<'_>, wishes: Wishes) -> Result<Self, ApiError> {
        let (app, user) = (ctx.app(), ctx.viewer()?.user_id);
        let now = app.db.clock().now();
        let user = app
            .db
            .read(|db| async move { accounts::find(&db, user).await })
            .await?;
        let zone = user.as_ref().map(service::zone_of).unwrap_or_default();
        Ok(Self {
            timezone: zone.name().to_owned(),
            quiet_hours: wishes.quiet.rules().iter().map(Into::into).collect(),
            quiet_until: quiet_until(&wishes.quiet, zone, now),
            paused_until: wishes.paused_until.filter(|until| *until > now),
            preferences: wishes.preferences.iter().map(Into::into).collect(),
            updated_at: wishes.updated_at,
            wishes,
        })
    }

    fn channels_of(&self, kind: Type) -> NotificationTypeChannels {
        let category = kind.category().unwrap_or(Category::System);
        let notice = Notice {
            kind,
            category,
            priority: Priority::Normal,
            channels: None,
        };
        let recipient = Recipient {
            preferences: &self.wishes.preferences,
            paused_until: None,
            reachable: &CHANNELS,
        };
        let answers = decide(notice, recipient, DateTime::UNIX_EPOCH);
        let yes = answers
            .into_iter()
            .filter(|(_, answer)| *answer == Answer::Yes);
        NotificationTypeChannels {
            kind: kind.into(),
            category: category.into(),
            channels: yes.map(|(channel, _)| channel.into()).collect(),
        }
    }
}

/// How one wants to be told.
#[derive(Debug, Default)]
pub struct NotificationSettingsQuery;

#[Object]
impl NotificationSettingsQuery {
    /// How the signed-in person wants to be told.
    async fn notification_settings(
        &self,
        ctx: &Context<'_>,
    ) -> Result<NotificationSettings, ApiError> {
        let wishes = service::find(ctx.app(), ctx.viewer()?.user_id).await?;
        NotificationSettings::of(ctx, wishes).await
    }
}
