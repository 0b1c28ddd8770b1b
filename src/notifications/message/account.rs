//! The mails about accounts: tokens that are sent, and notices of what happened.

use entity::one_time_token::{self, Purpose};
use entity::{event, user};
use serde::Serialize;
use serde_json::json;

use super::{ComposeError, Decision, Skip, one_line, own_address, payload, rendered};
use crate::app::App;
use crate::auth::events::{EmailChanged, PasswordChanged, TokenIssued};
use crate::auth::one_time;

/// The mail with a token, if it is still good.
pub(super) async fn token_issued(
    app: &App,
    event: &event::Model,
    recipient: user::Model,
) -> Result<Decision, ComposeError> {
    let issued: TokenIssued = payload(event)?;
    let row = app
        .db
        .read(|db| async move { one_time::find(&db, issued.token_id).await })
        .await?;
    let Some(row) = row else {
        return Ok(Decision::Skip(Skip::TokenGone));
    };
    if row.used_at.is_some() {
        return Ok(Decision::Skip(Skip::TokenUsed));
    }
    if row.expires_at <= app.db.clock().now() {
        return Ok(Decision::Skip(Skip::TokenOver));
    }
    let Some(token) = app.tokens.mail_keys().text(&row) else {
        return Ok(Decision::Skip(Skip::TokenKeyGone));
    };
    match to_address(app, &row, &recipient) {
        Ok(address) => words_of_token(app, &row, recipient, address, &token),
        Err(reason) => Ok(Decision::Skip(reason)),
    }
}

/// Where a token goes. One that is there to confirm an address has to go to one that is not
/// confirmed. So does a new password: who may ask for one is decided when the token is made, and an
/// account that an administrator made has no other way to its first one.
fn to_address(
    app: &App,
    row: &one_time_token::Model,
    recipient: &user::Model,
) -> Result<String, Skip> {
    let confirms = matches!(
        row.purpose,
        Purpose::VerifyEmail | Purpose::ChangeEmail | Purpose::Invitation | Purpose::ResetPassword
    );
    if confirms {
        let address = row.address.clone().or_else(|| recipient.email.clone());
        return address.ok_or(Skip::NoAddress);
    }
    let own = own_address(app, recipient)?;
    Ok(row.address.clone().unwrap_or(own))
}

fn words_of_token(
    app: &App,
    row: &one_time_token::Model,
    recipient: user::Model,
    to_address: String,
    token: &str,
) -> Result<Decision, ComposeError> {
    // Whoever registers types the name and the address, and perhaps not their own: a stranger must not
    // be sent somebody's words.
    let unknown = matches!(row.purpose, Purpose::VerifyEmail | Purpose::ChangeEmail);
    let name = (!unknown).then(|| one_line(&recipient.name));
    let public_url = app.settings.public_url();
    // In the fragment, which a browser sends to nobody: no log and no `Referer` has the token.
    let link = |what: &str| format!("{public_url}/account#{what}={token}");
    let until = row.expires_at;
    let (message, words) = match row.purpose {
        Purpose::VerifyEmail => (
            "verify_email",
            json!({"recipient": name, "address": to_address, "link": link("verify-email"),
                "until": until, "public_url": public_url}),
        ),
        Purpose::ChangeEmail => (
            "change_email",
            json!({"recipient": name, "address": to_address, "link": link("change-email"),
                "until": until, "public_url": public_url}),
        ),
        Purpose::ResetPassword => (
            if recipient.password_hash.is_some() {
                "reset_password"
            } else {
                "first_password"
            },
            json!({"recipient": name, "link": link("reset-password"),
                "until": until, "public_url": public_url}),
        ),
        Purpose::Unlock => (
            "unlock",
            json!({"recipient": name, "link": link("unlock"), "network": row.network.as_deref(),
                "until": until, "public_url": public_url}),
        ),
        Purpose::LoginCode => (
            "login_code",
            json!({"recipient": name, "code": in_groups(token),
                "until": until, "public_url": public_url}),
        ),
        Purpose::Invitation => (
            "invitation",
            json!({"inviter": name, "address": to_address, "link": link("invitation"),
                "until": until, "public_url": public_url}),
        ),
    };
    Ok(Decision::Send {
        // An invitation goes to somebody unknown, so in the language of who invites.
        words: rendered(app, message, &recipient, &words)?,
        unsubscribe: None,
        to_name: match row.purpose {
            Purpose::Invitation | Purpose::VerifyEmail | Purpose::ChangeEmail => String::new(),
            _ => recipient.name,
        },
        to_address,
        // Asked for, and few at a time: who gets one and uses it shows that the address takes mail. Without
        // them nobody comes back in whose address was listed once.
        proves_address: true,
    })
}

/// A code as people read it: `ABCDE-FGHJK`.
fn in_groups(code: &str) -> String {
    let half = code.len() / 2;
    match code.split_at_checked(half) {
        Some((first, second)) => format!("{first}-{second}"),
        None => code.to_owned(),
    }
}

/// Tells the old address that there is another one now.
pub(super) async fn email_changed(
    app: &App,
    event: &event::Model,
    recipient: user::Model,
) -> Result<Decision, ComposeError> {
    let changed: EmailChanged = payload(event)?;
    let row = app
        .db
        .read(|db| async move { one_time::find(&db, changed.token_id).await })
        .await?;
    let Some(old) = row.and_then(|row| row.previous_address) else {
        return Ok(Decision::Skip(Skip::OldAddressGone));
    };
    let words = json!({"recipient": one_line(&recipient.name), "address": old,
        "public_url": app.settings.public_url()});
    Ok(Decision::Send {
        words: rendered(app, "email_changed", &recipient, &words)?,
        unsubscribe: None,
        to_name: recipient.name,
        to_address: old,
        proves_address: false,
    })
}

/// Tells the owner of an account that it has another password.
pub(super) fn password_changed(
    app: &App,
    event: &event::Model,
    recipient: user::Model,
) -> Result<Decision, ComposeError> {
    let changed: PasswordChanged = payload(event)?;
    let words = json!({"recipient": one_line(&recipient.name), "reset": changed.reset,
        "public_url": app.settings.public_url()});
    notice(app, "password_changed", &words, recipient)
}

/// Tells the owner of a session that somebody may have had a copy of it.
pub(super) fn session_reused(app: &App, recipient: user::Model) -> Result<Decision, ComposeError> {
    let words = json!({"recipient": one_line(&recipient.name),
        "public_url": app.settings.public_url()});
    notice(app, "session_reused", &words, recipient)
}

fn notice(
    app: &App,
    message: &str,
    words: &(impl Serialize + Sync),
    recipient: user::Model,
) -> Result<Decision, ComposeError> {
    match own_address(app, &recipient) {
        Ok(to_address) => Ok(Decision::Send {
            words: rendered(app, message, &recipient, words)?,
            unsubscribe: None,
            to_name: recipient.name,
            to_address,
            proves_address: false,
        }),
        Err(reason) => Ok(Decision::Skip(reason)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_code_is_shown_in_two_groups() {
        assert_eq!(super::in_groups("ABCDEFGHJK"), "ABCDE-FGHJK");
    }
}
