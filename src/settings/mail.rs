//! `[mail]`: how mail leaves, and under which name.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::database::check_url;
use super::outbound::{AwsSettings, check_endpoint, check_region};
use super::problem::Problem;
use super::{Settings, at_least, print};

/// The way of mail, as set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// SMTP when a server is set, else the mailbox folder.
    Auto,
    /// A mail server.
    Smtp,
    /// Twilio SendGrid, by its HTTP interface.
    Sendgrid,
    /// Amazon SES, by its HTTP interface.
    Ses,
    /// Files in a folder, shown at `/mailbox`.
    Mailbox,
    /// No mail at all.
    None,
}

/// The way of mail, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectiveTransport {
    /// A mail server; `smtp_url` is set.
    Smtp,
    /// SendGrid; `sendgrid.api_key` is set.
    Sendgrid,
    /// SES; its region and keys are set.
    Ses,
    /// Files in a folder.
    Mailbox,
    /// No mail at all.
    None,
}

/// The section `[mail]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The way of mail; [`MailSettings::effective_transport`] decides `auto`.
    pub transport: MailTransport,
    /// The mail server: `smtp://` (STARTTLS is required, unless the host is loopback) or `smtps://` (TLS from the start).
    #[serde(serialize_with = "print::optional_url")]
    pub smtp_url: Option<SecretString>,
    /// One more CA certificate to trust, PEM.
    pub smtp_ca_file: Option<PathBuf>,
    /// The most connections to the mail server.
    pub smtp_pool: u32,
    /// The sender, as `Name <address>` or an address.
    pub from: String,
    /// Whether addresses nobody has confirmed get mail; [`Settings::mails_unverified`] knows the default.
    pub to_unverified: Option<bool>,
    /// Where the mailbox transport writes.
    pub mailbox_folder: PathBuf,
    /// How long one attempt may take, in seconds.
    pub timeout_seconds: u64,
    /// A mail is given up this many hours after its first failure.
    pub give_up_hours: u64,
    /// The most mails a process sends in a minute; any number when it is 0.
    pub max_per_minute: u32,
    /// While the mail server refuses us: the pause before one mail is tried, in seconds.
    pub probe_base_seconds: u64,
    /// The longest such pause, in seconds.
    pub probe_cap_seconds: u64,
    /// SendGrid.
    pub sendgrid: SendgridSettings,
    /// SES.
    pub ses: SesSettings,
}

/// The section `[mail.sendgrid]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SendgridSettings {
    /// What we sign in with.
    #[serde(serialize_with = "print::hidden")]
    pub api_key: Option<SecretString>,
    /// Where SendGrid is.
    pub endpoint: Url,
    /// What SendGrid signs its calls with, as it shows it: the public key in DER (SPKI), in Base64.
    pub callback_public_key: Option<String>,
}

/// The section `[mail.ses]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SesSettings {
    /// The region, such as `eu-west-1`.
    pub region: Option<String>,
    /// The name of the key.
    pub access_key_id: Option<String>,
    /// The key.
    #[serde(serialize_with = "print::hidden")]
    pub secret_access_key: Option<SecretString>,
    /// What goes with a key that ends after some time.
    #[serde(serialize_with = "print::hidden")]
    pub session_token: Option<SecretString>,
    /// Where SES is, when it is not where the region says.
    pub endpoint: Option<Url>,
    /// The configuration set of every mail: it decides which events are told.
    pub configuration_set: Option<String>,
    /// The topic whose calls about what became of mails are believed.
    pub callback_topic_arn: Option<String>,
}

impl SesSettings {
    /// The part that everything of Amazon has; none while something of it is missing.
    pub fn aws(&self) -> Option<AwsSettings> {
        AwsSettings::new(
            self.region.as_ref(),
            self.access_key_id.as_ref(),
            self.secret_access_key.as_ref(),
            self.session_token.as_ref(),
        )
    }
}

impl Settings {
    /// Whether any mail leaves.
    pub fn sends_mail(&self) -> bool {
        self.mail.effective_transport() != EffectiveTransport::None
    }

    /// Whether addresses nobody has confirmed get mail beside the one that asks them to: as set, or
    /// else not in production.
    pub fn mails_unverified(&self) -> bool {
        self.mail.to_unverified.unwrap_or(!self.is_production())
    }
}

impl MailSettings {
    /// The way of mail, with `auto` decided.
    pub fn effective_transport(&self) -> EffectiveTransport {
        match self.transport {
            MailTransport::Auto if self.smtp_url.is_some() => EffectiveTransport::Smtp,
            MailTransport::Auto | MailTransport::Mailbox => EffectiveTransport::Mailbox,
            MailTransport::Smtp => EffectiveTransport::Smtp,
            MailTransport::Sendgrid => EffectiveTransport::Sendgrid,
            MailTransport::Ses => EffectiveTransport::Ses,
            MailTransport::None => EffectiveTransport::None,
        }
    }

    /// The host of the sender's address: what comes after `@` in the ids of our messages.
    pub fn from_domain(&self) -> &str {
        let address = self.from.trim_end_matches('>');
        address.rsplit('@').next().unwrap_or("localhost")
    }

    /// Checks the section by itself. Relative paths start at `folder`.
    pub(super) fn validate(&self, folder: &Path, errors: &mut Vec<Problem>) {
        if self.transport == MailTransport::Smtp && self.smtp_url.is_none() {
            let message = "is \"smtp\", but no mail server is set: set SMTP_URL (mail.smtp_url)";
            errors.push(Problem::of("mail.transport", message));
        }
        self.validate_vendors(errors);
        if let Some(Err(message)) = self.smtp_url.as_ref().map(check_smtp) {
            errors.push(Problem::of("mail.smtp_url", message));
        }
        if let Some(path) = &self.smtp_ca_file
            && !folder.join(path).is_file()
        {
            errors.push(Problem::of(
                "mail.smtp_ca_file",
                format!("{} is no file", path.display()),
            ));
        }
        if !is_sender(&self.from) {
            let message =
                "must be like `Taskflow <taskflow@example.org>` or `taskflow@example.org`";
            errors.push(Problem::of("mail.from", message));
        }
        if self.mailbox_folder.as_os_str().is_empty() {
            errors.push(Problem::of("mail.mailbox_folder", "must name a folder"));
        }
        at_least(errors, "mail.smtp_pool", self.smtp_pool, 1);
        at_least(errors, "mail.timeout_seconds", self.timeout_seconds, 1);
        at_least(errors, "mail.give_up_hours", self.give_up_hours, 1);
        at_least(
            errors,
            "mail.probe_base_seconds",
            self.probe_base_seconds,
            1,
        );
        if self.probe_cap_seconds < self.probe_base_seconds {
            let message = "must not be less than mail.probe_base_seconds";
            errors.push(Problem::of("mail.probe_cap_seconds", message));
        }
    }

    fn validate_vendors(&self, errors: &mut Vec<Problem>) {
        if self.transport == MailTransport::Sendgrid && self.sendgrid.api_key.is_none() {
            let message = "is \"sendgrid\", but there is no key: set mail.sendgrid.api_key";
            errors.push(Problem::of("mail.transport", message));
        }
        if self.transport == MailTransport::Ses && self.ses.aws().is_none() {
            let message = "is \"ses\", but not all of mail.ses.region, mail.ses.access_key_id and \
                           mail.ses.secret_access_key are set";
            errors.push(Problem::of("mail.transport", message));
        }
        check_region(errors, "mail.ses.region", self.ses.region.as_deref());
        check_endpoint(
            errors,
            "mail.sendgrid.endpoint",
            Some(&self.sendgrid.endpoint),
        );
        check_endpoint(errors, "mail.ses.endpoint", self.ses.endpoint.as_ref());
    }
}

fn check_smtp(url: &SecretString) -> Result<(), String> {
    let url = check_url(url, &["smtp", "smtps"], "smtp:// or smtps://")?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host".to_owned());
    }
    // Other programs take options there, such as ?tls=none. Ignoring one quietly would be worse than refusing it.
    if url.query().is_some() || !matches!(url.path(), "" | "/") {
        return Err("must end after the host and the port".to_owned());
    }
    Ok(())
}

/// Roughly: an address, with or without a name. The mail library parses it in full when mail is sent.
fn is_sender(text: &str) -> bool {
    let address = match text.strip_suffix('>') {
        Some(text) => text.rsplit_once('<').map(|(_, address)| address),
        None => Some(text),
    };
    let parts = address.and_then(|address| address.split_once('@'));
    let is_part = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>@,".contains(c))
    };
    !text.contains(char::is_control)
        && parts.is_some_and(|(user, host)| is_part(user) && is_part(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders() {
        for right in [
            "Taskflow <taskflow@localhost>",
            "a@example.org",
            "<a@example.org>",
        ] {
            assert!(is_sender(right), "{right}");
        }
        for wrong in [
            "",
            "a",
            "a@",
            "@b",
            "A <a@b",
            "a b@c",
            "A <a@b>\r\nBcc: c@d",
            "a@b, c@d",
            "a@b@c",
        ] {
            assert!(!is_sender(wrong), "{wrong}");
        }
    }

    #[test]
    fn mail_servers() {
        let check = |text: &str| check_smtp(&SecretString::from(text));
        for right in [
            "smtp://localhost:1025",
            "smtps://u%40x:p@mail.example.org:465",
            "smtp://u:p@[::1]/",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in [
            "smtp://",
            "http://mail",
            "smtp:mail",
            "smtp://m?tls=none",
            "smtp://m/x",
            "smtp://u:p/w@m",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
