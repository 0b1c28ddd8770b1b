//! Changing how one wants to be told, in GraphQL.

use async_graphql::{Context, InputObject, InputType, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::api::{NotificationChannel, NotificationSettings, QuietHours};
use super::service::{self, Changes};
use super::{QuietRules, Subject};
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, UserError, UserErrorCode};
use crate::notifications::error::told;
use crate::notifications::inbox::{NotificationCategory, NotificationType};

/// The most that is said at once.
const MOST_PREFERENCES: usize = 100;

/// Whether to be told of something on a channel: of a category, or of a type.
#[derive(InputObject)]
pub struct NotificationPreferenceInput {
    /// Of everything of this category. Give this or `type`.
    category: Option<NotificationCategory>,
    /// Of this type, which counts more than its category.
    #[graphql(name = "type")]
    kind: Option<NotificationType>,
    /// On which channel.
    channel: NotificationChannel,
    /// Whether to be told; null takes back what was said before.
    enabled: Option<bool>,
}

/// What is to change of how one is told. A field that is absent keeps its value.
#[derive(InputObject)]
pub struct UpdateNotificationSettingsInput {
    /// All quiet hours anew, at most 20; none when empty.
    quiet_hours: Option<Vec<QuietHours>>,
    /// Until when nothing is sent; null ends a pause.
    paused_until: MaybeUndefined<DateTime<Utc>>,
    /// What to be told of where, at most 100; the rest stays.
    preferences: Option<Vec<NotificationPreferenceInput>>,
}

/// How the person wants to be told now.
#[derive(SimpleObject)]
pub struct UpdateNotificationSettingsPayload {
    /// The settings; null when there are user errors.
    notification_settings: Option<NotificationSettings>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Changing how one wants to be told.
#[derive(Debug, Default)]
pub struct NotificationSettingsMutation;

#[Object]
impl NotificationSettingsMutation {
    /// Changes how the signed-in person wants to be told. What waits for the end of quiet hours is
    /// looked at again at once.
    async fn update_notification_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateNotificationSettingsInput,
    ) -> Result<UpdateNotificationSettingsPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let changes = match read(input) {
            Ok(changes) => changes,
            Err(user_errors) => {
                return Ok(UpdateNotificationSettingsPayload {
                    notification_settings: None,
                    user_errors,
                });
            }
        };
        let (wishes, user_errors) = told(service::update(ctx.app(), viewer, changes).await)?;
        let settings = match wishes {
            Some(wishes) => Some(NotificationSettings::of(ctx, wishes).await?),
            None => None,
        };
        Ok(UpdateNotificationSettingsPayload {
            notification_settings: settings,
            user_errors,
        })
    }
}

fn read(input: UpdateNotificationSettingsInput) -> Result<Changes, Vec<UserError>> {
    let mut problems = Vec::new();
    let quiet = input
        .quiet_hours
        .map(|rules| QuietRules::try_from(rules_of(&rules)));
    let quiet = quiet.transpose().unwrap_or_else(|error| {
        // As `rules.2.start`.
        let place = error.path.split('.').skip(1).map(str::to_owned);
        let mut path = vec!["input".to_owned(), "quietHours".to_owned()];
        path.extend(place);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let message = format!("This {}.", error.wrong);
        problems.push(UserError::new(UserErrorCode::Invalid, message, &path));
        None
    });
    let mut preferences = Vec::new();
    let all = input.preferences.unwrap_or_default();
    if all.len() > MOST_PREFERENCES {
        let message = format!("At most {MOST_PREFERENCES} at once.");
        let path = ["input", "preferences"];
        problems.push(UserError::new(UserErrorCode::Invalid, message, &path));
    }
    for (place, preference) in all.into_iter().enumerate() {
        let subject = match (preference.category, preference.kind) {
            (Some(category), None) => Subject::Category(category.into()),
            (None, Some(kind)) => Subject::Type(kind.into()),
            _ => {
                let message = "Give a category or a type: one of the two.";
                let path = ["input", "preferences", &place.to_string()];
                problems.push(UserError::new(UserErrorCode::Invalid, message, &path));
                continue;
            }
        };
        preferences.push((subject, preference.channel.into(), preference.enabled));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Changes {
        quiet,
        paused_until: input.paused_until,
        preferences,
    })
}

/// The rules as they are kept.
fn rules_of(rules: &[QuietHours]) -> Value {
    let rules = rules.iter().map(|rule| rule.to_value().into_json());
    // Names and texts always have a JSON form.
    rules.map(Result::unwrap_or_default).collect()
}
