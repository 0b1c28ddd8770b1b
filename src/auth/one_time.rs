//! Tokens that are sent by mail and are good once: to confirm an address, to set a password, to lift
//! a lockout.
//!
//! The mail is written by a job, perhaps in another process and perhaps more than once, and the
//! database must not know the token: whoever reads a copy of it could take over accounts. So the
//! token is derived from the id of its row and a key that only the servers have. The row has a hash,
//! by which it is found, and by which the job sees that it derived the same token.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use entity::one_time_token::{Model, Purpose};
use entity::{OneTimeTokenId, Timestamp, UserId};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::store::tokens;
pub use super::store::tokens::find;
use crate::accounts;
use crate::crypto::{SealError, derive_key, mac, open, seal, sha256};
use crate::db::{DbError, Tx, new_id};

/// Letters and digits that are not taken for each other (Crockford's base 32), for what people type.
const CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// What the key is derived for that mails are encrypted with.
const OF_MAILS: &str = "taskflow mails that wait";
/// 50 bits: nobody guesses that while a code is good, from however many networks.
const CODE_CHARS: usize = 10;

/// How many bytes a [`Mark`] has.
pub const MARK_BYTES: usize = 16;

/// What shows that this server made a link.
pub type Mark = [u8; MARK_BYTES];

/// The keys that tokens are derived with: the one of the signing key first.
#[derive(Clone)]
pub struct MailKeys(Vec<[u8; 32]>);

impl MailKeys {
    /// The key that belongs to a signing key.
    pub fn new(signing_key: &[u8]) -> Self {
        Self(vec![Self::derive(signing_key)])
    }

    /// One more key, for tokens that were made while it was the first.
    pub fn add(&mut self, signing_key: &[u8]) {
        self.0.push(Self::derive(signing_key));
    }

    fn derive(signing_key: &[u8]) -> [u8; 32] {
        derive_key(signing_key, "taskflow one-time tokens")
    }

    /// The token of a row, as it stands in the mail. None when it was made with a key that is gone.
    pub fn text(&self, row: &Model) -> Option<String> {
        self.0.iter().find_map(|key| {
            let text = token_text(key, row.id, row.purpose);
            (hash(&text, row.purpose, row.user_id)[..] == row.hash).then_some(text)
        })
    }
}

impl MailKeys {
    /// Encrypts a mail that may have to be sent again: it holds what nobody else is to read, tokens too.
    ///
    /// # Errors
    /// When the library refuses, which for texts of this size it does not.
    pub fn seal(&self, place: &str, mail: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal_as(OF_MAILS, place, mail)
    }

    /// Decrypts what [`MailKeys::seal`] made. None when the key is gone.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.open_as(OF_MAILS, place, sealed)
    }

    /// The code of six digits that shows that somebody reads the SMS of a number.
    pub fn phone_code(&self, id: Uuid) -> String {
        // There is always a first key.
        let key = self.0.first().copied().unwrap_or_default();
        phone_code_with(&key, id)
    }

    /// Whether it is this code, by whatever key it was made with.
    pub fn is_phone_code(&self, id: Uuid, code: &str) -> bool {
        self.0.iter().any(|key| phone_code_with(key, id) == code)
    }

    /// Marks what a link in a mail says, so that nobody else can make such a link.
    pub fn mark(&self, link: &[u8]) -> Mark {
        // There is always a first key.
        let key = self.0.first().copied().unwrap_or_default();
        Self::mark_with(&key, link)
    }

    /// Whether [`MailKeys::mark`] made this for the same link. Not when its key is gone.
    pub fn is_mark(&self, link: &[u8], mark: &[u8]) -> bool {
        // Of all keys, in a time that says nothing of the mark.
        self.0.iter().fold(false, |known, key| {
            known | verify_slices_are_equal(&Self::mark_with(key, link), mark).is_ok()
        })
    }

    /// Half of an HMAC, which is enough (RFC 2104, section 5) and keeps links short.
    fn mark_with(key: &[u8; 32], link: &[u8]) -> Mark {
        let tag = mac(&derive_key(key, "taskflow links without end"), link);
        let mut mark = Mark::default();
        mark.copy_from_slice(&tag[..MARK_BYTES]);
        mark
    }

    /// Encrypts something else that the database must not know, with a key of its own: those of
    /// different labels open nothing of each other.
    ///
    /// # Errors
    /// As [`MailKeys::seal`].
    pub fn seal_as(&self, label: &str, place: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.0.first().ok_or(SealError)?;
        seal(&derive_key(key, label), place, secret)
    }

    /// Decrypts what [`MailKeys::seal_as`] made. None when the key is gone.
    pub fn open_as(&self, label: &str, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut keys = self.0.iter().map(|key| derive_key(key, label));
        keys.find_map(|key| open(&key, place, sealed).ok())
    }
}

fn phone_code_with(key: &[u8; 32], id: Uuid) -> String {
    let tag = mac(&derive_key(key, "taskflow phone codes"), id.as_bytes());
    let mut number = [0; 8];
    number.copy_from_slice(&tag[..8]);
    format!("{:06}", u64::from_be_bytes(number) % 1_000_000)
}

impl fmt::Debug for MailKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MailKeys({})", self.0.len())
    }
}

/// How long a token is good.
pub fn lifetime(purpose: Purpose) -> TimeDelta {
    match purpose {
        Purpose::VerifyEmail | Purpose::ChangeEmail => TimeDelta::hours(24),
        Purpose::ResetPassword | Purpose::Unlock => TimeDelta::hours(1),
        Purpose::LoginCode => TimeDelta::minutes(15),
        Purpose::Invitation => TimeDelta::days(7),
    }
}

fn token_text(key: &[u8; 32], id: OneTimeTokenId, purpose: Purpose) -> String {
    let tag = mac(key, id.0.as_bytes());
    if purpose == Purpose::LoginCode {
        return tag[..CODE_CHARS]
            .iter()
            .map(|byte| char::from(CODE_ALPHABET[usize::from(byte & 31)]))
            .collect();
    }
    URL_SAFE_NO_PAD.encode(tag)
}

/// What is stored of a token. A code is short, so its hash is of one person only.
fn hash(text: &str, purpose: Purpose, user: Option<UserId>) -> [u8; 32] {
    if purpose == Purpose::LoginCode {
        let user = user.map(|user| user.0).unwrap_or_default();
        return sha256(format!("{user}:{text}"));
    }
    sha256(text)
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose account; none to do the same work for nobody.
    pub user_id: Option<UserId>,
    /// What for.
    pub purpose: Purpose,
    /// Where it is sent, if not to the address of the account.
    pub address: Option<String>,
    /// Which network a lockout keeps out.
    pub network: Option<String>,
}

/// Makes a token. Those that the same person was sent before for the same purpose are good no more,
/// but invitations: one person invites many.
///
/// # Errors
/// The database's failure.
pub async fn issue(keys: &MailKeys, tx: &Tx, new: NewToken) -> Result<Model, DbError> {
    let now = tx.clock().now();
    // One at a time for a person, or two at once would not see each other's. For nobody the same
    // statement locks nothing.
    let person = new.user_id.unwrap_or(UserId(Uuid::nil()));
    accounts::lock(tx, person).await?;
    if new.purpose != Purpose::Invitation {
        tokens::end(tx, new.user_id, &[new.purpose]).await?;
    }
    let id = OneTimeTokenId(new_id(tx.clock()));
    // There is always a first key.
    let key = keys.0.first().copied().unwrap_or_default();
    let text = token_text(&key, id, new.purpose);
    let row = Model {
        id,
        hash: hash(&text, new.purpose, new.user_id).to_vec(),
        user_id: new.user_id,
        purpose: new.purpose,
        address: new.address,
        previous_address: None,
        network: new.network,
        created_at: now,
        expires_at: now + lifetime(new.purpose),
        used_at: None,
    };
    tokens::insert(tx, row.clone()).await?;
    Ok(row)
}

/// Uses a token up. None when it is not one for this purpose, is over, or was used. `user` is whose
/// code it is; of other tokens nobody knows before.
///
/// # Errors
/// The database's failure.
pub async fn redeem(
    tx: &Tx,
    text: &str,
    purpose: Purpose,
    user: Option<UserId>,
) -> Result<Option<Model>, DbError> {
    let hash = hash(&tidy(text, purpose), purpose, user);
    tokens::take(tx, &hash, purpose, tx.clock().now()).await
}

/// The token as it stands, if it is good at this moment; it is not used up.
///
/// # Errors
/// The database's failure.
pub async fn peek(
    db: &impl ConnectionTrait,
    text: &str,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Model>, DbError> {
    let hash = hash(&tidy(text, purpose), purpose, None);
    tokens::find_good(db, &hash, purpose, now).await
}

/// People type codes in lower case, with blanks and hyphens.
fn tidy(text: &str, purpose: Purpose) -> String {
    if purpose == Purpose::LoginCode {
        let signs = text.chars().filter(char::is_ascii_alphanumeric);
        return signs.map(|c| c.to_ascii_uppercase()).collect();
    }
    text.trim().to_owned()
}
