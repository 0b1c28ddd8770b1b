//! How messages leave: one folder a channel, each a pure driver; `log` writes files instead. A message goes in, an [`Outcome`]
//! comes out. `stream` is for other services: an entry goes in, and is taken or not. So is `webhook`, where what comes out
//! is the answer itself. `vendor` and `aws` are what the drivers have in common that call a vendor by HTTP; `callbacks` reads
//! what vendors say later of what they took.
//!
//! Nothing here knows the database, the queue or who wanted the message. Who is told, when, and what a failure means for
//! the next try is decided by the caller; a driver only says what happened.

mod aws;
pub mod breaker;
pub mod callbacks;
pub mod email;
mod folder;
pub mod log;
pub mod pace;
pub mod push;
pub mod sms;
pub mod stream;
mod vendor;
pub mod webhook;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One mail to one person. The same message makes the same mail, byte for byte, so that a retry is seen as one with the first try.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailMessage {
    /// What makes the mail itself (RFC 5322 section 3.6.4), without `<` and `>`: `<event>.<recipient>.email@host`. A
    /// retry carries the same, so that a mail system that got it twice can tell.
    pub message_id: String,
    /// When the event happened, not when the mail is sent.
    pub date: DateTime<Utc>,
    /// The recipient's name; may be empty.
    pub to_name: String,
    /// The recipient's address.
    pub to_address: String,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The page that turns such mails off, by http or https; none where nobody can (RFC 2369, RFC 8058). A key of the
    /// recipient's, too.
    #[serde(default)]
    pub unsubscribe: Option<String>,
}

/// Shows the id only: the rest is somebody's address and, in the links, somebody's key.
impl fmt::Debug for EmailMessage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EmailMessage")
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// What came of one try to send. No text in it holds an e-mail address or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next system has taken the message over.
    Sent {
        /// Its answer, to find the message there.
        detail: Option<String>,
        /// The vendor's name of the message, by which it tells later what became of it.
        id: Option<String>,
    },
    /// It may work later.
    Retry {
        /// Not before this time has passed; none: as the caller likes.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// Trying again is pointless, and so is any other message: there is no such recipient.
    NoRecipient {
        /// What happened.
        reason: String,
    },
    /// Trying again is pointless: this message is refused.
    Rejected {
        /// What happened.
        reason: String,
    },
    /// Trying again is pointless until somebody changes something on our side: credentials, certificate, sender,
    /// reputation. It is not the message's fault.
    Refused {
        /// What happened.
        reason: String,
    },
    /// Nothing was tried, on purpose.
    Skipped {
        /// Why.
        reason: String,
    },
}
