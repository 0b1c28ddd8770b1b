//! Amazon SES, which tells through a topic of Amazon SNS. Source: "Verifying the signatures of Amazon SNS messages",
//! "Parsing Amazon SNS message formats" and, for what is in them, "Contents of event data that Amazon SES publishes" and
//! "Amazon SNS notification contents".
//!
//! A call is read in two steps, because its certificate has to be fetched in between: [`Call::read`] checks all that can
//! be checked without, so that nobody else can make us fetch anything, and [`Call::verify`] the signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use webpki::EndEntityCert;

use super::{CallbackError, MOST_REPORTS, Report, What, code, is_recent, message_id};

/// The name in [`Report::driver`].
const DRIVER: &str = "ses";
/// SNS tries to deliver a message for an hour.
const OLDEST: TimeDelta = TimeDelta::hours(1);

/// What a call was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// What became of messages. None: it was about something else, such as a link that was followed.
    Reports(Vec<Report>),
    /// The topic asks whether it may call. To say yes, this address is fetched.
    Subscription(Url),
    /// The topic will not call again.
    Unsubscribed,
}

/// A call that is signed by nobody as yet.
#[derive(Debug)]
pub struct Call {
    message: SnsMessage,
    kind: Kind,
    certificate: Url,
}

#[derive(Debug)]
enum Kind {
    Notification,
    Subscription(Url),
    Unsubscribed,
}

/// The body of a call.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SnsMessage {
    r#type: String,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: String,
    token: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

/// Shows which message only: the rest has addresses in it.
impl std::fmt::Debug for SnsMessage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SnsMessage")
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// Reads a call, and checks that it claims to be of the topic `topic_arn` and recent.
    ///
    /// # Errors
    /// [`CallbackError`] says why the call is not believed.
    pub fn read(body: &[u8], topic_arn: &str, now: DateTime<Utc>) -> Result<Self, CallbackError> {
        let message: SnsMessage =
            serde_json::from_slice(body).map_err(|_| CallbackError::Unreadable)?;
        if message.topic_arn != topic_arn {
            return Err(CallbackError::Topic);
        }
        if message.signature_version != "2" {
            return Err(CallbackError::Version);
        }
        let at = DateTime::parse_from_rfc3339(&message.timestamp)
            .map_err(|_| CallbackError::Unreadable)?;
        if !is_recent(at.to_utc(), now, OLDEST) {
            return Err(CallbackError::Stale);
        }
        let certificate = certificate_url(&message.signing_cert_url)?;
        let kind = match message.r#type.as_str() {
            "Notification" => Kind::Notification,
            "SubscriptionConfirmation" => {
                let url = message.subscribe_url.as_deref().unwrap_or_default();
                Kind::Subscription(subscribe_url(url)?)
            }
            "UnsubscribeConfirmation" => Kind::Unsubscribed,
            _ => return Err(CallbackError::Unreadable),
        };
        Ok(Self {
            message,
            kind,
            certificate,
        })
    }

    /// Where the certificate is that the call is signed with: at Amazon SNS, by HTTPS. What is there never changes, so it
    /// can be kept.
    pub fn certificate_url(&self) -> &Url {
        &self.certificate
    }

    /// Checks the signature with the certificate that was fetched, and reads what is said.
    ///
    /// The certificate is trusted because of where it is from, as Amazon's own libraries do.
    ///
    /// # Errors
    /// [`CallbackError`] says why the call is not believed.
    pub fn verify(self, certificate_pem: &[u8]) -> Result<Heard, CallbackError> {
        let der = CertificateDer::from_pem_slice(certificate_pem)
            .map_err(|_| CallbackError::Certificate)?;
        let certificate = EndEntityCert::try_from(&der).map_err(|_| CallbackError::Certificate)?;
        let signature = STANDARD
            .decode(&self.message.signature)
            .map_err(|_| CallbackError::Forged)?;
        let signed = signed(&self.message, &self.kind)?;
        certificate
            .verify_signature(
                webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
                signed.as_bytes(),
                &signature,
            )
            .map_err(|_| CallbackError::Forged)?;
        Ok(match self.kind {
            Kind::Notification => Heard::Reports(reports(&self.message.message)),
            Kind::Subscription(url) => Heard::Subscription(url),
            Kind::Unsubscribed => Heard::Unsubscribed,
        })
    }
}

/// What is signed: names and values, each on its own line. A line break in a value other than the message could make one
/// signed text out of another.
fn signed(message: &SnsMessage, kind: &Kind) -> Result<String, CallbackError> {
    let message_text = ("Message", Some(&message.message));
    let id = ("MessageId", Some(&message.message_id));
    let timestamp = ("Timestamp", Some(&message.timestamp));
    let topic = ("TopicArn", Some(&message.topic_arn));
    let kind_text = ("Type", Some(&message.r#type));
    let lines = match kind {
        Kind::Notification => {
            let subject = ("Subject", message.subject.as_ref());
            vec![message_text, id, subject, timestamp, topic, kind_text]
        }
        Kind::Subscription(_) | Kind::Unsubscribed => {
            let url = ("SubscribeURL", message.subscribe_url.as_ref());
            let token = ("Token", message.token.as_ref());
            vec![message_text, id, url, timestamp, token, topic, kind_text]
        }
    };
    let mut text = String::new();
    for (name, value) in lines {
        let Some(value) = value else { continue };
        if name != "Message" && value.contains('\n') {
            return Err(CallbackError::Unreadable);
        }
        for line in [name, value] {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// The address of a certificate, if it is one of Amazon SNS.
///
/// # Errors
/// When it is not.
pub fn certificate_url(text: &str) -> Result<Url, CallbackError> {
    let url = sns_url(text)?;
    let name = url
        .path()
        .strip_prefix('/')
        .and_then(|path| path.strip_suffix(".pem"));
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let is_name = name.is_some_and(|name| !name.is_empty() && name.bytes().all(is_sign));
    if is_name && url.query().is_none() {
        Ok(url)
    } else {
        Err(CallbackError::Address)
    }
}

/// The address that confirms a subscription, if it is one of Amazon SNS and does nothing else.
fn subscribe_url(text: &str) -> Result<Url, CallbackError> {
    let url = sns_url(text)?;
    let mut actions = url.query_pairs().filter(|(name, _)| name == "Action");
    let is_confirmation = actions
        .next()
        .is_some_and(|(_, value)| value == "ConfirmSubscription")
        && actions.next().is_none();
    if url.path() == "/" && is_confirmation {
        Ok(url)
    } else {
        Err(CallbackError::Address)
    }
}

/// `https://sns.<region>.amazonaws.com/…`, or the same in China. Spelled as the library spells it: what has to be read
/// twice is not of Amazon.
fn sns_url(text: &str) -> Result<Url, CallbackError> {
    let url = Url::parse(text).ok().filter(|url| url.as_str() == text);
    let url = url.ok_or(CallbackError::Address)?;
    let is_plain = url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none()
        && url.fragment().is_none();
    let region = url.host_str().and_then(|host| {
        let host = host.strip_prefix("sns.")?;
        host.strip_suffix(".amazonaws.com")
            .or(host.strip_suffix(".amazonaws.com.cn"))
    });
    let is_sign = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_region = region.is_some_and(|region| region.len() >= 3 && region.bytes().all(is_sign));
    if is_plain && is_region {
        Ok(url)
    } else {
        Err(CallbackError::Address)
    }
}

/// What SES says in a notification. Text that is not SES's, such as the one that a new topic is tried with, says nothing.
fn reports(message: &str) -> Vec<Report> {
    let Ok(event) = serde_json::from_str::<Value>(message) else {
        return Vec::new();
    };
    // Event publishing calls it `eventType`, feedback notifications `notificationType`.
    let kind = event.get("eventType").or(event.get("notificationType"));
    let Some(kind) = kind.and_then(Value::as_str) else {
        return Vec::new();
    };
    let id = text(event.get("mail"), "messageId").and_then(message_id);
    let Some(id) = id else { return Vec::new() };
    let event = Event {
        id,
        mail: event.get("mail").unwrap_or(&Value::Null),
        all: &event,
    };
    match kind {
        "Send" => event.single("send", What::Sent, None),
        "Delivery" => event.of_each("delivery", "recipients", What::Delivered, None),
        "Bounce" => event.bounce(),
        "Complaint" => event.complaint(),
        "Reject" => event.single("reject", What::Failed, Some("reject")),
        "Rendering Failure" => event.single("failure", What::Failed, Some("rendering_failure")),
        "Subscription" => event.subscription(),
        _ => Vec::new(),
    }
}

/// An event of SES.
struct Event<'a> {
    id: String,
    mail: &'a Value,
    all: &'a Value,
}

impl Event<'_> {
    /// One report, with the recipient if there is only one.
    fn single(&self, part: &str, what: What, code: Option<&str>) -> Vec<Report> {
        let to = self.mail.get("destination").and_then(Value::as_array);
        let to = to.filter(|to| to.len() == 1).and_then(|to| to[0].as_str());
        vec![self.report(part, what, code, to)]
    }

    /// A report for each recipient in a list, at least one.
    fn of_each(&self, part: &str, list: &str, what: What, code: Option<&str>) -> Vec<Report> {
        let list = self.all.get(part).and_then(|part| part.get(list));
        let list = list
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        if list.is_empty() {
            return self.single(part, what, code);
        }
        let reports = list.iter().take(MOST_REPORTS).map(|recipient| {
            let address = recipient.as_str().or(text(Some(recipient), "emailAddress"));
            // A bounce has a status (RFC 3463) for each recipient.
            let status = text(Some(recipient), "status").filter(|it| self::code(it).is_some());
            self.report(part, what, status.or(code), address)
        });
        reports.collect()
    }

    fn bounce(&self) -> Vec<Report> {
        let bounce = self.all.get("bounce");
        let permanent = text(bounce, "bounceType") == Some("Permanent");
        let what = What::Bounced { permanent };
        self.of_each(
            "bounce",
            "bouncedRecipients",
            what,
            text(bounce, "bounceSubType"),
        )
    }

    fn complaint(&self) -> Vec<Report> {
        let kind = text(self.all.get("complaint"), "complaintFeedbackType");
        // The recipient took it out of the folder for spam.
        if kind == Some("not-spam") {
            return Vec::new();
        }
        self.of_each("complaint", "complainedRecipients", What::Complained, kind)
    }

    fn subscription(&self) -> Vec<Report> {
        let new = self.all.get("subscription");
        let new = new.and_then(|it| it.get("newTopicPreferences"));
        let all = new.and_then(|it| it.get("unsubscribeAll"));
        if all.and_then(Value::as_bool) != Some(true) {
            return Vec::new();
        }
        self.single("subscription", What::Unsubscribed, None)
    }

    fn report(&self, part: &str, what: What, code: Option<&str>, to: Option<&str>) -> Report {
        let at = text(self.all.get(part), "timestamp").or(text(Some(self.mail), "timestamp"));
        let at = at.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        Report {
            driver: DRIVER,
            message_id: self.id.clone(),
            what,
            code: code.and_then(self::code),
            recipient: to.map(str::to_owned),
            at: at.map(|at| at.to_utc()),
        }
    }
}

fn text<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a str> {
    value?.get(name)?.as_str()
}
