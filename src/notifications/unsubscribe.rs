//! Turning mails off from a mail, without signing in (RFC 2369, RFC 8058).
//!
//! The link says whose mails and which, and has a mark that only this server can make; nothing is
//! stored for it. It has no end: whoever finds an old mail wants no more of them still. All it can do
//! is turn that mail off.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::UserId;
use entity::notified::Channel;
use uuid::Uuid;

use super::settings::{Preference, Subject, Type, forget_enabled, prefer};
use crate::accounts;
use crate::app::App;
use crate::auth::one_time::{MARK_BYTES, MailKeys};
use crate::db::DbError;

/// What the content of a token begins with; another content has another number.
const VERSION: u8 = 1;

/// Longer ones are none of ours.
const MOST_CHARS: usize = 128;

/// What a link turns off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscription {
    /// Whose mails.
    pub user_id: UserId,
    /// Which.
    pub subject: Subject,
}

impl Unsubscription {
    /// The address of the page that does it.
    pub fn link(self, app: &App) -> String {
        let token = make(app.tokens.mail_keys(), self);
        format!("{}/unsubscribe/{token}", app.settings.public_url())
    }
}

/// Makes a token: version, user and subject, and the mark of these, as base64url.
pub fn make(keys: &MailKeys, what: Unsubscription) -> String {
    let mut token = vec![VERSION];
    token.extend_from_slice(what.user_id.0.as_bytes());
    token.extend_from_slice(what.subject.to_string().as_bytes());
    let mark = keys.mark(&token);
    token.extend_from_slice(&mark);
    URL_SAFE_NO_PAD.encode(token)
}

/// What a token says. None when it was not made here, or with a key that is gone.
pub fn check(keys: &MailKeys, token: &str) -> Option<Unsubscription> {
    if token.len() > MOST_CHARS {
        return None;
    }
    let token = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (content, mark) = token.split_last_chunk::<MARK_BYTES>()?;
    if !keys.is_mark(content, mark) {
        return None;
    }
    let (id, subject) = content.strip_prefix(&[VERSION])?.split_first_chunk()?;
    Some(Unsubscription {
        user_id: UserId(Uuid::from_bytes(*id)),
        subject: std::str::from_utf8(subject).ok()?.parse().ok()?,
    })
}

/// What a token would turn off, for who wants to know before. None when it is not good.
pub fn unsubscribes(app: &App, token: &str) -> Option<Subject> {
    check(app.tokens.mail_keys(), token).map(|what| what.subject)
}

/// Turns off what a token says, and answers it; doing so again changes nothing. None when the token is
/// not good, or the account is gone.
///
/// # Errors
/// The database's failure.
pub async fn unsubscribe(app: &App, token: &str) -> Result<Option<Subject>, DbError> {
    let Some(what) = check(app.tokens.mail_keys(), token) else {
        return Ok(None);
    };
    let Unsubscription { user_id, subject } = what;
    app.db
        .write(|tx| async move {
            if accounts::find(tx.conn(), user_id).await?.is_none() {
                return Ok(None);
            }
            let off = Preference {
                subject,
                channel: Channel::Email,
                enabled: false,
            };
            prefer(&tx, user_id, &[off]).await?;
            forget_enabled(&tx, user_id, outdone(subject), Channel::Email).await?;
            Ok(Some(subject))
        })
        .await
}

/// What would count more than a category that is turned off, where it is on: who turns everything of a
/// category off means its types, too.
fn outdone(subject: Subject) -> Vec<Subject> {
    let Subject::Category(category) = subject else {
        return Vec::new();
    };
    let of_it = |kind: &Type| kind.category().is_none_or(|own| own == category);
    let types = Type::ALL.into_iter().filter(of_it);
    types.map(Subject::Type).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserId {
        UserId(Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0002))
    }

    fn token(keys: &MailKeys, subject: Subject) -> String {
        let user_id = user();
        make(keys, Unsubscription { user_id, subject })
    }

    #[test]
    fn a_token_says_what_it_was_made_of() {
        let keys = MailKeys::new(b"secret");
        for subject in Subject::all() {
            let token = token(&keys, subject);
            let user_id = user();
            let what = Unsubscription { user_id, subject };
            assert_eq!(check(&keys, &token), Some(what));
            assert!(token.len() <= MOST_CHARS, "{token}");
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            assert!(token.chars().all(is_plain), "{token}");
        }
    }

    /// Mails are kept for years, so what stands in them must be read as long.
    #[test]
    fn tokens_that_were_sent_stay_good() {
        let keys = MailKeys::new(b"secret");
        let subject = "type:TASK_ASSIGNED".parse().unwrap();
        assert_eq!(
            token(&keys, subject),
            "AQGYwN4AAHAAgAAAAAAAAAJ0eXBlOlRBU0tfQVNTSUdORURyUvTW85WKHttuZvBn2Z5s"
        );
    }

    #[test]
    fn a_changed_token_is_not_good() {
        let keys = MailKeys::new(b"secret");
        let good = token(&keys, "type:TASK_ASSIGNED".parse().unwrap());
        let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(check(&keys, &URL_SAFE_NO_PAD.encode(changed)), None);
            assert_eq!(check(&keys, &URL_SAFE_NO_PAD.encode(&bytes[..place])), None);
        }
        let padded = format!("{good}=");
        let doubled = good.repeat(2);
        for wrong in ["", "x", "ä", "%00", &padded, &doubled, &"A".repeat(100_000)] {
            assert_eq!(check(&keys, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_marked_and_is_not_ours_to_read_is_not_good() {
        let keys = MailKeys::new(b"secret");
        let id = user().0.into_bytes();
        let good = [&[VERSION][..], &id, b"type:MENTIONED"].concat();
        let other_version = [&[VERSION + 1][..], &id, b"type:MENTIONED"].concat();
        let unknown = [&[VERSION][..], &id, b"type:UNHEARD_OF"].concat();
        let no_text = [&[VERSION][..], &id, b"\xff"].concat();
        let short = [&[VERSION][..], &id[..15]].concat();
        for (content, is_good) in [
            (good, true),
            (other_version, false),
            (unknown, false),
            (no_text, false),
            (short, false),
            (Vec::new(), false),
        ] {
            let marked = [&content[..], &keys.mark(&content)].concat();
            let found = check(&keys, &URL_SAFE_NO_PAD.encode(marked));
            assert_eq!(found.is_some(), is_good, "{content:?}");
        }
    }

    #[test]
    fn a_category_takes_its_types_with_it_and_a_type_nothing() {
        let workflow = outdone("category:WORKFLOW".parse().unwrap());
        assert!(workflow.contains(&Subject::Type(Type::TaskAssigned)));
        assert!(workflow.contains(&Subject::Type(Type::Announcement)));
        assert!(!workflow.contains(&Subject::Type(Type::WebhookDisabled)));
        assert_eq!(outdone(Subject::Type(Type::TaskAssigned)), []);
    }

    #[test]
    fn a_token_is_good_as_long_as_its_key_is_there() {
        let (old, mut new) = (MailKeys::new(b"old"), MailKeys::new(b"new"));
        let token = token(&old, "category:WORKFLOW".parse().unwrap());
        assert_eq!(check(&new, &token), None);
        new.add(b"old");
        assert!(check(&new, &token).is_some());
    }
}
