//! What a message says, and whether it is still to be said.

mod account;
mod task;

use chrono::NaiveDate;
use entity::{Timestamp, delivery, event, user};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::suppressions::is_suppressed;
use super::templates::Rendered;
use crate::accounts;
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

/// Looks once more whether a delivery is wanted, and finds its words.
pub async fn compose(
    app: &App,
    delivery: &delivery::Model,
    event: &event::Model,
) -> Result<Decision, ComposeError> {
    let recipient = app
        .db
        .read(|db| async move { accounts::find(&db, delivery.recipient_id).await })
        .await?;
    let Some(recipient) = recipient.filter(|user| user.status == user::Status::Active) else {
        return Ok(Decision::Skip(Skip::AccountInactive));
    };
    let decision = match event.topic.as_str() {
        TaskAssigned::TOPIC => task::assigned(app, event, recipient).await,
        TokenIssued::TOPIC => account::token_issued(app, event, recipient).await,
        EmailChanged::TOPIC => account::email_changed(app, event, recipient).await,
        PasswordChanged::TOPIC => account::password_changed(app, event, recipient),
        SessionReused::TOPIC => account::session_reused(app, recipient),
        other => Err(ComposeError::Broken(format!(
            "no message for the topic {other}"
        ))),
    }?;
    if let Decision::Send {
        to_address,
        proves_address: false,
        ..
    } = &decision
    {
        let takes_none = app
            .db
            .read(|db| async move { is_suppressed(&db, to_address).await })
            .await?;
        if takes_none {
            return Ok(Decision::Skip(Skip::Suppressed));
        }
    }
    Ok(decision)
}

/// The address of an account, if mail may go there. Whoever registers can type any address, so those
/// that nobody has confirmed get only the mail that asks to, unless the settings say otherwise.
fn own_address(app: &App, user: &user::Model) -> Result<String, Skip> {
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

fn rendered(
    app: &App,
    message: &str,
    words: &(impl Serialize + Sync),
) -> Result<Rendered, ComposeError> {
    app.templates
        .render(message, words)
        .map_err(|error| ComposeError::Broken(format!("a template: {error}")))
}

/// The longest name in a text, in characters.
const MAX_NAME: usize = 100;

/// A name as it stands in a text: nobody's name may look like a line of ours.
fn one_line(name: &str) -> String {
    text::one_line(name, MAX_NAME)
}

/// A day as people read it.
fn day(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

fn point_in_time(at: Timestamp) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}
