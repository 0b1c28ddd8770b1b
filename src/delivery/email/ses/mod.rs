//! Amazon SES, version 2 of its interface: `POST /v2/email/outbound-emails`.
//!
//! The mail itself is sent, byte for byte the one that a mail server would get, and beside it the one recipient.
//!
//! | answer | outcome |
//! |---|---|
//! | 200 with a `MessageId` | sent; that is its name in notifications |
//! | `TooManyRequestsException`, 5xx and the like | retried |
//! | `AccountSuspendedException`, `SendingPausedException`, `LimitExceededException`, `MailFromDomainNotVerifiedException`, `NotFoundException` (configuration set) | refused |
//! | keys and signatures ([`aws::verdict`]), other 401, 403, 404 | refused |
//! | `MessageRejected` because our sender is not verified | refused |
//! | `MessageRejected` because another address is not verified: the account may send to few only ("sandbox") | retried |
//! | other `MessageRejected` (a virus), `BadRequestException`, other 400 | rejected |
//!
//! No answer says that there is no such recipient: that comes as a bounce.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::Message;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::TransportError;
use crate::db::Clock;
use crate::delivery::Outcome;
use crate::delivery::aws::{self, Signer};
use crate::delivery::vendor::{self, Verdict};
use crate::outbound::{Answer, Outbound};
use crate::settings::MailSettings;

/// Its name in reasons.
const VENDOR: &str = "SES";

/// An account of Amazon, in one region.
pub(super) struct Ses {
    client: Client,
    url: Url,
    signer: Signer,
    /// The sender's address.
    sender: String,
    configuration_set: Option<String>,
    timeout: Duration,
    clock: Clock,
}

/// What SES says when it takes a mail.
#[derive(Deserialize)]
struct Taken {
    #[serde(rename = "MessageId")]
    id: String,
}

/// What it says when it does not, where it is not in the header.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Error {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(alias = "Message")]
    message: String,
}

impl Ses {
    /// Reads `[mail.ses]`. `sender` is the address of the sender.
    pub(super) fn new(
        settings: &MailSettings,
        sender: String,
        outbound: &Outbound,
        clock: Clock,
    ) -> Result<Self, TransportError> {
        let wrong = |key, message| TransportError::Vendor { key, message };
        let aws = settings.ses.aws();
        let aws = aws.ok_or(wrong("mail.ses", "the region and the keys are not all set"))?;
        let signer = Signer::new(aws, "ses");
        let endpoint = match &settings.ses.endpoint {
            Some(url) => Ok(url.clone()),
            None => signer.endpoint("email"),
        };
        let url = endpoint.and_then(|url| url.join("/v2/email/outbound-emails"));
        Ok(Self {
            client: outbound.trusted(),
            url: url.map_err(|_| wrong("mail.ses.endpoint", "is not a valid address"))?,
            signer,
            sender,
            configuration_set: settings.ses.configuration_set.clone(),
            timeout: Duration::from_secs(settings.timeout_seconds),
            clock,
        })
    }

    /// The host.
    pub(super) fn place(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Sends the mail, once.
    pub(super) async fn send(&self, mail: &Message) -> Outcome {
        let now = self.clock.now();
        let mut request = Request::new(Method::POST, self.url.clone());
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json.clone());
        request.headers_mut().insert(ACCEPT, json);
        *request.timeout_mut() = Some(self.timeout);
        *request.body_mut() = Some(self.body(mail).into());
        if self.signer.sign(&mut request, now).is_err() {
            let reason = "mail.ses: the keys cannot stand in a header".to_owned();
            return Outcome::Refused { reason };
        }
        match vendor::ask(VENDOR, self.client.execute(request)).await {
            Ok(answer) => self.outcome(&answer),
            Err(outcome) => outcome,
        }
    }

    fn body(&self, mail: &Message) -> String {
        let to: Vec<String> = mail
            .envelope()
            .to()
            .iter()
            .map(ToString::to_string)
            .collect();
        let data = STANDARD.encode(mail.formatted());
        let mut body = json!({
            "Content": {"Raw": {"Data": data}},
            "Destination": {"ToAddresses": to},
        });
        if let Some(name) = &self.configuration_set {
            body["ConfigurationSetName"] = name.as_str().into();
        }
        body.to_string()
    }

    /// See the table above.
    fn outcome(&self, answer: &Answer) -> Outcome {
        if answer.status == StatusCode::OK {
            let taken: Option<Taken> = vendor::json(answer);
            return vendor::taken(VENDOR, answer, taken.map(|taken| taken.id));
        }
        let error: Error = vendor::json(answer).unwrap_or_default();
        let header = answer.headers.get("x-amzn-errortype");
        // As `MessageRejected:http://…` there, as `com.amazonaws.ses#MessageRejected` here.
        let code = match header.and_then(|kind| kind.to_str().ok()) {
            Some(kind) => kind.split(':').next().unwrap_or_default(),
            None => error.kind.rsplit('#').next().unwrap_or_default(),
        };
        let verdict = match code {
            "AccountSuspendedException"
            | "SendingPausedException"
            | "LimitExceededException"
            | "MailFromDomainNotVerifiedException"
            | "NotFoundException" => Verdict::Us,
            "MessageRejected" => self.rejected(&error.message),
            _ => aws::verdict(answer, code),
        };
        vendor::not_taken(VENDOR, answer, code, verdict, self.clock.now())
    }

    /// Whom a `MessageRejected` is about: its text lists the addresses that are not verified.
    fn rejected(&self, text: &str) -> Verdict {
        let (text, sender) = (text.to_lowercase(), self.sender.to_lowercase());
        match text.split_once("not verified") {
            Some((_, list)) if list.contains(&sender) => Verdict::Us,
            Some(_) => Verdict::Later,
            None => Verdict::Message,
        }
    }
}

#[cfg(test)]
mod tests;
