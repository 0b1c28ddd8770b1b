//! E-mail: one message built once, and five ways for it to leave.
//!
//! `message` builds the bytes, `smtp` hands them to a mail server, `ses` to Amazon; `sendgrid` builds its own of the same
//! parts. `mailbox` names the file of a mail that is written into a folder for the page `/mailbox`. Which way is taken is a
//! setting, decided at start.

mod mailbox;
mod message;
mod sendgrid;
mod ses;
mod smtp;
mod unsubscribe;

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use lettre::message::Mailbox;

use super::folder::Folder;
use super::{EmailMessage, Outcome};
use crate::db::Clock;
use crate::outbound::Outbound;
use crate::settings::{EffectiveTransport, MailSettings};
use sendgrid::Sendgrid;
use ses::Ses;
use smtp::Smtp;

/// The way mail leaves this process.
pub struct EmailTransport {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(Box<Smtp>),
    Sendgrid(Sendgrid),
    Ses(Box<Ses>),
    Mailbox(Folder),
    None,
}

/// Why mail cannot be set up. Each text begins with the setting it is about; none holds a password or an address.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The sender is no address.
    #[error("mail.from: the address is not valid")]
    Sender,
    /// Mail is to leave by SMTP, but to nowhere.
    #[error("mail.smtp_url: no mail server is set")]
    NoServer,
    /// The URL of the mail server cannot be used.
    #[error("mail.smtp_url: {0}")]
    Url(&'static str),
    /// Mail is to leave by a vendor, but something it needs is missing or cannot be used.
    #[error("{key}: {message}")]
    Vendor {
        /// The setting.
        key: &'static str,
        /// What is wrong.
        message: &'static str,
    },
    /// The file with the extra CA cannot be read.
    #[error("mail.smtp_ca_file: {} cannot be read", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file with the extra CA holds none.
    #[error("mail.smtp_ca_file: {} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// TLS cannot be set up, most likely because of the extra CA.
    #[error("mail.smtp_ca_file: TLS cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
}

impl EmailTransport {
    /// Sets the way up, without connecting anywhere. Reads the CA file; relative paths start at the current folder.
    ///
    /// # Errors
    /// [`TransportError`] names the setting that cannot be used.
    pub fn new(
        settings: &MailSettings,
        outbound: &Outbound,
        clock: Clock,
    ) -> Result<Self, TransportError> {
        let from = message::sender(&settings.from).ok_or(TransportError::Sender)?;
        let way = match settings.effective_transport() {
            EffectiveTransport::Smtp => {
                Way::Smtp(Box::new(Smtp::new(settings, from.email.domain())?))
            }
            EffectiveTransport::Sendgrid => {
                Way::Sendgrid(Sendgrid::new(settings, outbound, clock)?)
            }
            EffectiveTransport::Ses => {
                let sender = from.email.to_string();
                Way::Ses(Box::new(Ses::new(settings, sender, outbound, clock)?))
            }
            EffectiveTransport::Mailbox => {
                Way::Mailbox(Folder::new(settings.mailbox_folder.clone()))
            }
            EffectiveTransport::None => Way::None,
        };
        Ok(Self { from, way })
    }

    /// Tries once to send the message. Ends after `mail.timeout_seconds` at the latest, unless it is written to a file or
    /// waits for others to be sent. After `until`, somebody else may be sending it: who has not been given it by then is not.
    ///
    /// When it is dropped before it ends, the mail may or may not have been sent.
    pub async fn send(&self, message: &EmailMessage, until: Instant) -> Outcome {
        let invalid = || Outcome::Skipped {
            reason: "the recipient's address is not valid".to_owned(),
        };
        match &self.way {
            Way::Smtp(smtp) => match message::build(&self.from, message) {
                Some(mail) => smtp.send(&mail, until).await,
                None => invalid(),
            },
            Way::Sendgrid(_) | Way::Ses(_) if Instant::now() >= until => Outcome::Retry {
                after: None,
                reason: "the lease ended before the mail was handed over".to_owned(),
            },
            Way::Sendgrid(sendgrid) => match message::recipient(message) {
                Some(to) => sendgrid.send(&self.from, &to, message).await,
                None => invalid(),
            },
            Way::Ses(ses) => match message::build(&self.from, message) {
                Some(mail) => ses.send(&mail).await,
                None => invalid(),
            },
            Way::Mailbox(folder) => match message::build(&self.from, message) {
                Some(mail) => {
                    let name = mailbox::file_name(message);
                    folder.write(name, mail.formatted()).await
                }
                None => invalid(),
            },
            Way::None => Outcome::Skipped {
                reason: "mail_off".to_owned(),
            },
        }
    }

    /// What takes the mail: `smtp`, `sendgrid`, `ses`, `mailbox`.
    pub fn driver(&self) -> &'static str {
        match &self.way {
            Way::Smtp(_) => "smtp",
            Way::Sendgrid(_) => "sendgrid",
            Way::Ses(_) => "ses",
            Way::Mailbox(_) => "mailbox",
            Way::None => "none",
        }
    }

    /// The way in words, for the lines at start: `SMTP at mail.example.org:587`, `files in data/mailbox`, `none`.
    pub fn describe(&self) -> String {
        match &self.way {
            Way::Smtp(smtp) => format!("SMTP at {}", smtp.place()),
            Way::Sendgrid(sendgrid) => format!("SendGrid at {}", sendgrid.place()),
            Way::Ses(ses) => format!("SES at {}", ses.place()),
            Way::Mailbox(folder) => format!("files in {}", folder.path().display()),
            Way::None => "none".to_owned(),
        }
    }

    /// Tries whether mail could leave now, within 5 seconds: connects and signs in to the mail server, or makes the
    /// folder. For a warning at start; a mail server may be late, so nothing should depend on it. A vendor is not tried:
    /// a key that may send mail need not be allowed anything else.
    ///
    /// # Errors
    /// What is wrong, in words fit for a log line.
    pub async fn check(&self) -> Result<(), String> {
        match &self.way {
            Way::Smtp(smtp) => smtp.check().await,
            Way::Mailbox(folder) => folder.check().await,
            Way::Sendgrid(_) | Way::Ses(_) | Way::None => Ok(()),
        }
    }
}

/// Shows what [`EmailTransport::describe`] says, so that no password can get into a log.
impl fmt::Debug for EmailTransport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("EmailTransport")
            .field(&self.describe())
            .finish()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use chrono::DateTime;

    use super::*;
    use crate::settings::{MailTransport, Settings};

    /// The settings of mail as they are when nothing is set.
    pub(in crate::delivery) fn defaults() -> MailSettings {
        let nowhere = Path::new("no-such-folder");
        let settings = Settings::load(None, &BTreeMap::new(), nowhere).unwrap();
        settings.mail
    }

    /// Calls by HTTP as they are when nothing is set, with little patience.
    pub(in crate::delivery) fn outbound() -> Outbound {
        let nowhere = Path::new("no-such-folder");
        let mut settings = Settings::load(None, &BTreeMap::new(), nowhere).unwrap();
        settings.outbound.timeout_seconds = 1;
        Outbound::untrusting(&settings.outbound)
    }

    fn settings(transport: MailTransport) -> MailSettings {
        let mut settings = defaults();
        settings.transport = transport;
        settings
    }

    fn new(settings: &MailSettings) -> Result<EmailTransport, TransportError> {
        EmailTransport::new(settings, &outbound(), Clock::default())
    }

    fn message(to: &str) -> EmailMessage {
        EmailMessage {
            message_id: "a@b".to_owned(),
            date: DateTime::UNIX_EPOCH,
            to_name: String::new(),
            to_address: to.to_owned(),
            subject: String::new(),
            text: String::new(),
            html: String::new(),
            unsubscribe: None,
        }
    }

    #[tokio::test]
    async fn without_a_way_mail_is_skipped() {
        let transport = new(&settings(MailTransport::None)).unwrap();
        assert_eq!(transport.describe(), "none");
        assert_eq!(transport.check().await, Ok(()));
        let reason = "mail_off".to_owned();
        assert_eq!(
            transport.send(&message("a@b"), Instant::now()).await,
            Outcome::Skipped { reason }
        );
    }

    #[tokio::test]
    async fn a_recipient_without_a_valid_address_is_skipped_before_anything_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(MailTransport::Auto);
        settings.mailbox_folder = folder.path().join("mailbox");
        let transport = new(&settings).unwrap();
        let reason = "the recipient's address is not valid".to_owned();
        let hostile = message("a@b>\r\nRCPT TO:<c@d");
        let outcome = transport.send(&hostile, Instant::now()).await;
        assert_eq!(outcome, Outcome::Skipped { reason });
        assert!(!settings.mailbox_folder.exists());
    }

    #[test]
    fn what_cannot_be_set_up() {
        assert!(matches!(
            new(&settings(MailTransport::Smtp)),
            Err(TransportError::NoServer)
        ));
        for vendor in [MailTransport::Sendgrid, MailTransport::Ses] {
            let vendor = new(&settings(vendor));
            assert!(matches!(vendor, Err(TransportError::Vendor { .. })));
        }
        let mut settings = settings(MailTransport::None);
        settings.from = "nobody".to_owned();
        assert!(matches!(new(&settings), Err(TransportError::Sender)));
    }

    #[test]
    fn the_mailbox_in_words() {
        let transport = new(&settings(MailTransport::Auto)).unwrap();
        assert_eq!(transport.describe(), "files in data/mailbox");
    }
}
