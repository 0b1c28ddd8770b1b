//! Registering devices and phone numbers.

use chrono::TimeDelta;
use entity::device::{self, Platform};
use entity::{DeviceId, UserId, Viewer, phone_number};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store;
use crate::app::App;
use crate::db::{DbError, new_id};
use crate::events::{self, Event};
use crate::graphql::{Kind, UserErrorCode};
use crate::notifications::{NotificationError, enqueue_dispatch, suppressions};

/// The most devices of one person that push messages go to.
const MOST_DEVICES: u64 = 20;
/// The longest token of a device, in bytes. Those of FCM are below 300 today, of APNS at most 200.
const TOKEN_BYTES: usize = 2_048;
/// The longest name of a device, in characters.
const NAME_CHARS: usize = 100;
/// How long a code is good, in minutes.
pub const PHONE_CODE_MINUTES: i64 = 10;
/// How often a code may be guessed: of a million codes that is as good as never.
const MOST_TRIES: i32 = 5;

/// A code is to be sent to a phone number.
#[derive(Debug, Serialize, Deserialize)]
pub struct PhoneCodeIssued {
    /// Whose number it is to be.
    pub user_id: UserId,
    /// What the code is made of.
    pub code_id: Uuid,
    /// Who gets the message.
    pub recipients: Vec<UserId>,
}

impl Event for PhoneCodeIssued {
    const TOPIC: &'static str = "security.phone_code_issued";
    const SCHEMA_VERSION: i32 = 1;
}

/// Notes that push messages for the viewer go to this device. One that somebody else had is the
/// viewer's from then on.
///
/// # Errors
/// What the person can put right, and the database's failure.
pub async fn register_device(
    app: &App,
    viewer: &Viewer,
    platform: Platform,
    token: &str,
    name: Option<&str>,
) -> Result<device::Model, NotificationError> {
    let token = token.trim();
    let is_token = (1..=TOKEN_BYTES).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    // APNS tokens stand in the path of a request (Apple: hexadecimal).
    let fits = platform != Platform::Apns || token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_token || !fits {
        let message =
            "This is no token of a device. Give what the SDK of the platform gave, as it is.";
        return Err(NotificationError::refused(
            UserErrorCode::Invalid,
            message,
            &["token"],
        ));
    }
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.chars().count() > NAME_CHARS || name.contains('\0')) {
        let message = format!("The name of a device has at most {NAME_CHARS} characters.");
        return Err(NotificationError::refused(
            UserErrorCode::Invalid,
            message,
            &["name"],
        ));
    }
    app.db
        .write(|tx| async move {
            let (token, name) = (token.to_owned(), name.map(str::to_owned));
            let device = store::upsert_device(&tx, viewer.user_id, platform, token, name).await?;
            if store::count_devices(tx.conn(), viewer.user_id).await? > MOST_DEVICES {
                let message = format!(
                    "Push messages go to at most {MOST_DEVICES} devices. Remove one first (`removeDevice`)."
                );
                return Err(NotificationError::refused(UserErrorCode::Invalid, message, &[]));
            }
            Ok(device)
        })
        .await
}

/// Forgets a device of the viewer.
///
/// # Errors
/// `NotFound`, and the database's failure.
pub async fn remove_device(
    app: &App,
    viewer: &Viewer,
    id: DeviceId,
) -> Result<(), NotificationError> {
    let is_gone = app
        .db
        .write(|tx| async move { store::delete_device(&tx, viewer.user_id, id).await })
        .await?;
    is_gone
        .then_some(())
        .ok_or(NotificationError::NotFound(Kind::Device))
}

/// Sends a code to a number that the viewer says is theirs.
///
/// # Errors
/// What the person can put right, and the database's failure.
pub async fn request_phone(
    app: &App,
    viewer: &Viewer,
    number: &str,
) -> Result<(), NotificationError> {
    let refused = |message: &str| {
        Err(NotificationError::refused(
            UserErrorCode::Invalid,
            message,
            &["number"],
        ))
    };
    let Some(number) = normal_number(number) else {
        return refused(
            "A phone number begins with + and the code of its country, as +49 151 23456789.",
        );
    };
    if !app.sms.sends() {
        return refused("This server sends no SMS.");
    }
    let number = &number;
    app.db
        .write(|tx| async move {
            let code_id = new_id(tx.clock());
            let until = tx.clock().now() + TimeDelta::minutes(PHONE_CODE_MINUTES);
            store::ask_to_confirm(&tx, viewer.user_id, number.clone(), code_id, until).await?;
            let event = PhoneCodeIssued {
                user_id: viewer.user_id,
                code_id,
                recipients: vec![viewer.user_id],
            };
            let id = events::append(&tx, &event, Some(viewer.user_id)).await?;
            enqueue_dispatch(app, &tx, [id]);
            Ok(())
        })
        .await
}

/// Makes a number the viewer's with the code that was sent there.
///
/// # Errors
/// `InvalidToken` among what the person can put right, and the database's failure.
pub async fn confirm_phone(
    app: &App,
    viewer: &Viewer,
    code: &str,
) -> Result<phone_number::Model, NotificationError> {
    let code: &String = &code.chars().filter(|c| !c.is_whitespace()).collect();
    // A wrong code is remembered, so it is no error of the transaction.
    let confirmed = app
        .db
        .write(|tx| async move {
            let user = viewer.user_id;
            let Some(row) = store::take_try(&tx, user, MOST_TRIES).await? else {
                return Ok(None);
            };
            let (Some(id), Some(number)) = (row.code_id, &row.pending_number) else {
                return Ok(None);
            };
            if !app.tokens.mail_keys().is_phone_code(id, code) {
                return Ok(None);
            }
            store::confirm(&tx, user, number).await?;
            // Who shows that the number is theirs wants messages there.
            suppressions::allow_number(&tx, number).await?;
            store::find_phone(tx.conn(), user).await
        })
        .await?;
    confirmed.ok_or_else(|| {
        NotificationError::refused(
            UserErrorCode::InvalidToken,
            "The code is wrong, or it is over. After five wrong ones ask for a new one (`setPhoneNumber`).",
            &["code"],
        )
    })
}

/// Forgets the viewer's number.
///
/// # Errors
/// The database's failure.
pub async fn remove_phone(app: &App, viewer: &Viewer) -> Result<(), DbError> {
    app.db
        .write(|tx| async move { store::delete_phone(&tx, viewer.user_id).await })
        .await
}

/// A phone number as E.164 has it: `+` and 7 to 15 digits. What people put between digits goes.
pub fn normal_number(text: &str) -> Option<String> {
    let text = text.trim();
    let mut number = String::from("+");
    for c in text.strip_prefix('+')?.chars() {
        match c {
            '0'..='9' => number.push(c),
            ' ' | '-' | '(' | ')' | '/' | '.' | '\u{a0}' => {}
            _ => return None,
        }
    }
    let digits = &number[1..];
    ((7..=15).contains(&digits.len()) && !digits.starts_with('0')).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::normal_number;

    #[test]
    fn a_number_has_one_form() {
        for (text, number) in [
            ("+4915123456789", Some("+4915123456789")),
            (" +49 (151) 234-567.89 ", Some("+4915123456789")),
            ("+1 202 555 0100", Some("+12025550100")),
            ("004915123456789", None),
            ("+0151", None),
            ("+49", None),
            ("+491512345678901234", None),
            ("+49 151 CALL ME", None),
            ("", None),
        ] {
            assert_eq!(normal_number(text).as_deref(), number, "{text}");
        }
    }
}
