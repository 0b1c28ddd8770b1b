//! The mailbox: every mail becomes a file in a folder, for the page `/mailbox`. For development, demonstrations and tests.

use sha2::{Digest, Sha256};

use crate::crypto::hex;
use crate::delivery::EmailMessage;

/// The name of a mail's file: the time first, so that names sort by it; then what tells mails of the same moment apart.
/// A repeated mail has the same, so it overwrites its file instead of making a second one.
pub(super) fn file_name(message: &EmailMessage) -> String {
    let time = message.date.format("%Y%m%dT%H%M%S%.6fZ");
    format!(
        "{time}-{}.eml",
        hex(&Sha256::digest(&message.message_id)[..8])
    )
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_name_is_of_the_time_and_the_mail() {
        let mut message = EmailMessage {
            message_id: "event.recipient.email@host.example".to_owned(),
            date: DateTime::from_timestamp_micros(1_795_311_901_123_456).unwrap(),
            to_name: String::new(),
            to_address: "ann@example.org".to_owned(),
            subject: String::new(),
            text: String::new(),
            html: String::new(),
            unsubscribe: None,
        };
        let name = "20261122T014501.123456Z-a8f9f1ca37276e33.eml";
        assert_eq!(file_name(&message), name);
        message.to_name.push('x');
        assert_eq!(file_name(&message), name);
        message.message_id.push('x');
        assert_ne!(file_name(&message), name);
    }
}
