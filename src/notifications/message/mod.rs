//! What a message says, and whether it is still to be said.

mod account;
mod facts;
mod found;
mod notice;

use entity::notified::{Channel, Type};
use entity::{event, notification, user};
use sea_orm::ActiveEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

pub use self::facts::{Facts, Payload};
pub use self::found::{Found, find};
pub use self::notice::Standing;
use super::address::PHONE_CODE_MINUTES;
use super::settings::{Subject, holds};
use super::suppressions::is_suppressed;
use super::templates::{Reader, Rendered};
use super::unsubscribe::Unsubscription;
use crate::app::App;
use crate::auth::events::{EmailChanged, PasswordChanged, SessionReused, TokenIssued};
use crate::db::DbError;
use crate::events::Event;
use crate::tasks::task::TaskAssigned;
use crate::text;

/// What to do with a delivery whose time has come.
pub enum Decision {
    /// Say it to this address.
    Send {
        /// The display name.
        to_name: String,
        /// The address.
        to_address: String,
        /// The words.
        words: Rendered,
        /// Where mails such as this one are turned off.
        unsubscribe: Option<String>,
        /// Whether it asks the owner of an address to show that it takes mail: then it goes there
        /// even if no other mail does.
        proves_address: bool,
    },
    /// It is not wanted any more.
    Skip(Skip),
}

/// Why a delivery is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The account is gone or disabled.
    AccountInactive,
    /// The account has no address.
    NoAddress,
    /// Nobody has confirmed the address.
    Unconfirmed,
    /// The address takes no mail.
    Suppressed,
    /// The task is gone.
    TaskGone,
    /// The task is disabled.
    TaskDisabled,
    /// The task is somebody else's by now.
    Reassigned,
    /// The recipient muted the task.
    Muted,
    /// The token is gone.
    TokenGone,
    /// The token was used or replaced.
    TokenUsed,
    /// The time of the token is over.
    TokenOver,
    /// The token was made with a signing key that is gone.
    TokenKeyGone,
    /// The old address is not known any more.
    OldAddressGone,
    /// The comment is gone.
    CommentGone,
    /// What was to be announced is gone.
    AnnouncementGone,
    /// The recipient may not see the task any more.
    Hidden,
    /// It is of no use any more.
    Expired,
    /// The device is gone.
    DeviceGone,
    /// The person has no confirmed phone number any more.
    NoPhoneNumber,
    /// The code was replaced or used, or is over.
    CodeGone,
}

impl Skip {
    /// The word in the column `reason`.
    pub fn word(self) -> &'static str {
        match self {
            Self::AccountInactive => "account_inactive",
            Self::NoAddress => "no_address",
            Self::Unconfirmed => "unconfirmed",
            Self::Suppressed => "suppressed",
            Self::TaskGone => "task_gone",
            Self::TaskDisabled => "task_disabled",
            Self::Reassigned => "reassigned",
            Self::Muted => "muted",
            Self::TokenGone => "token_gone",
            Self::TokenUsed => "token_used",
            Self::TokenOver => "token_over",
            Self::TokenKeyGone => "token_key_gone",
            Self::OldAddressGone => "old_address_gone",
            Self::CommentGone => "comment_gone",
            Self::AnnouncementGone => "announcement_gone",
            Self::Hidden => "hidden",
            Self::Expired => "expired",
            Self::DeviceGone => "device_gone",
            Self::NoPhoneNumber => "no_phone_number",
            Self::CodeGone => "code_gone",
        }
    }
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The database failed; trying again may help.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The event or a template is broken; trying again does not help.
    #[error("{0}")]
    Broken(String),
}

/// Looks whether a mail is still wanted, and finds its words.
pub async fn compose(app: &App, found: &Found) -> Result<Decision, ComposeError> {
    let Some(recipient) = found.recipient() else {
        return Ok(Decision::Skip(Skip::AccountInactive));
    };
    let event = &found.event;
    let decision = match event.topic.as_str() {
        TokenIssued::TOPIC => account::token_issued(app, event, recipient.clone()).await,
        EmailChanged::TOPIC => account::email_changed(app, event, recipient.clone()).await,
        PasswordChanged::TOPIC => account::password_changed(app, event, recipient.clone()),
        SessionReused::TOPIC => account::session_reused(app, recipient.clone()),
        _ => noticed(app, found, recipient),
    }?;
    if let Decision::Send {
        to_address,
        proves_address: false,
        ..
    } = &decision
    {
        // Some go to another address than the one of now.
        let takes_none = if recipient.email.as_ref() == Some(to_address) {
            found.takes_no_mail
        } else {
            app.db
                .read(|db| async move { is_suppressed(&db, to_address).await })
                .await?
        };
        if takes_none {
            return Ok(Decision::Skip(Skip::Suppressed));
        }
    }
    Ok(decision)
}

/// The mail of a notification.
fn noticed(app: &App, found: &Found, recipient: &user::Model) -> Result<Decision, ComposeError> {
    let (event, notification) = (&found.event, found.notification.as_ref());
    let kind = match notification {
        Some(notification) => notification.kind,
        // Written by a version that had no notifications.
        None if event.topic == TaskAssigned::TOPIC => Type::TaskAssigned,
        None => {
            let topic = &event.topic;
            return Err(ComposeError::Broken(format!(
                "no message for the topic {topic}"
            )));
        }
    };
    let to_address = match own_address(app, recipient) {
        Ok(address) => address,
        Err(reason) => return Ok(Decision::Skip(reason)),
    };
    if let Some(reason) = found.unwanted(kind, true) {
        return Ok(Decision::Skip(reason));
    }
    let unsubscribe = notification.and_then(|it| unsubscribe_link(app, it));
    let blanks = found
        .facts
        .blanks(app, &recipient.name, unsubscribe.as_deref());
    Ok(Decision::Send {
        words: rendered(app, &kind.to_value(), recipient, &blanks)?,
        to_name: recipient.name.clone(),
        to_address,
        unsubscribe,
        proves_address: false,
    })
}

/// Where mails such as this one are turned off; none for what is always told.
fn unsubscribe_link(app: &App, notification: &notification::Model) -> Option<String> {
    let (category, priority) = (notification.category, notification.priority);
    if !holds(category, priority, Channel::Email) {
        return None;
    }
    // Of an announcement nobody wants less but of what it is about.
    let subject = match notification.kind {
        Type::Announcement => Subject::Category(category),
        kind => Subject::Type(kind),
    };
    let user_id = notification.user_id;
    Some(Unsubscription { user_id, subject }.link(app))
}

/// The address of an account, if mail may go there. Whoever registers can type any address, so those
/// that nobody has confirmed get only the mail that asks to, unless the settings say otherwise.
pub fn own_address(app: &App, user: &user::Model) -> Result<String, Skip> {
    let Some(address) = &user.email else {
        return Err(Skip::NoAddress);
    };
    if user.email_verified_at.is_none() && !app.settings.mails_unverified() {
        return Err(Skip::Unconfirmed);
    }
    Ok(address.clone())
}

fn payload<T: DeserializeOwned>(event: &event::Model) -> Result<T, ComposeError> {
    serde_json::from_value(event.payload.clone())
        .map_err(|error| ComposeError::Broken(format!("the payload of the event: {error}")))
}

/// Fills the blanks of a message, in the language and the time zone of who gets it.
fn rendered(
    app: &App,
    message: &str,
    recipient: &user::Model,
    words: &(impl Serialize + Sync),
) -> Result<Rendered, ComposeError> {
    let reader = Reader::of(recipient, app.settings.notifications.default_locale);
    app.templates
        .render(message, &reader, words)
        .map_err(|error| ComposeError::Broken(format!("a template: {error}")))
}

/// The SMS with a code that shows that a number is somebody's.
///
/// # Errors
/// `Broken`.
pub fn phone_code(app: &App, recipient: &user::Model, code: &str) -> Result<String, ComposeError> {
    let words = json!({"code": code, "minutes": PHONE_CODE_MINUTES, "recipient": one_line(&recipient.name),
        "public_url": app.settings.public_url()});
    Ok(rendered(app, "phone_code", recipient, &words)?.short)
}

/// The longest name in a text, in characters.
const MAX_NAME: usize = 100;

/// A name as it stands in a text: nobody's name may look like a line of ours.
fn one_line(name: &str) -> String {
    text::one_line(name, MAX_NAME)
}
