//! Twilio: `POST /2010-04-01/Accounts/{sid}/Messages.json`.
//!
//! | answer | outcome |
//! |---|---|
//! | 201 with a `sid` | sent; that is its name in callbacks |
//! | an error code | see [`verdict`] |
//! | no code, or one that is not known there | by the status: 401, 403, 404 refused, 400 rejected, 429 and 5xx retried |
//!
//! The same codes come with callbacks about messages that were taken.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{SmsError, SmsMessage};
use crate::db::Clock;
use crate::delivery::Outcome;
use crate::delivery::vendor::{self, Verdict};
use crate::outbound::{Answer, Outbound};
use crate::settings::SmsSettings;

/// Its name in reasons.
const VENDOR: &str = "Twilio";

/// An account of Twilio.
pub(super) struct Twilio {
    client: Client,
    url: Url,
    authorization: HeaderValue,
    /// The name of the parameter, and who sends.
    sender: (&'static str, String),
    callback: Option<Url>,
    clock: Clock,
}

/// What Twilio says when it takes a message.
#[derive(Deserialize)]
struct Taken {
    sid: String,
    /// Set when it was taken and failed at once.
    error_code: Option<u32>,
}

/// What it says when it does not.
#[derive(Deserialize)]
struct Error {
    code: u32,
}

impl Twilio {
    /// Reads `[sms.twilio]`.
    pub(super) fn new(
        settings: &SmsSettings,
        outbound: &Outbound,
        clock: Clock,
        callback: Option<&Url>,
    ) -> Result<Self, SmsError> {
        let wrong = |key, message| SmsError { key, message };
        let twilio = &settings.twilio;
        let sid = twilio.account_sid.as_ref();
        let sid = sid.ok_or(wrong("sms.twilio.account_sid", "is not set"))?;
        let token = twilio.auth_token.as_ref();
        let token = token.ok_or(wrong("sms.twilio.auth_token", "is not set"))?;
        let basic = STANDARD.encode(format!("{sid}:{}", token.expose_secret()));
        let mut authorization = HeaderValue::from_str(&format!("Basic {basic}"))
            .map_err(|_| wrong("sms.twilio.auth_token", "cannot stand in a header"))?;
        authorization.set_sensitive(true);
        let sender = match (&twilio.messaging_service_sid, &settings.from) {
            (Some(service), _) => ("MessagingServiceSid", service.clone()),
            (None, Some(from)) => ("From", from.clone()),
            (None, None) => return Err(wrong("sms.from", "is not set")),
        };
        let path = format!("/2010-04-01/Accounts/{sid}/Messages.json");
        let url = twilio.endpoint.join(&path);
        Ok(Self {
            client: outbound.trusted(),
            url: url.map_err(|_| wrong("sms.twilio.endpoint", "is not a valid address"))?,
            authorization,
            sender,
            callback: callback.cloned(),
            clock,
        })
    }

    /// The host.
    pub(super) fn place(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Sends the message, once.
    pub(super) async fn send(&self, message: &SmsMessage) -> Outcome {
        match vendor::ask(VENDOR, self.client.execute(self.request(message))).await {
            Ok(answer) => self.outcome(&answer),
            Err(outcome) => outcome,
        }
    }

    fn request(&self, message: &SmsMessage) -> Request {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", &message.to)
            .append_pair(self.sender.0, &self.sender.1)
            .append_pair("Body", &message.text);
        if let Some(url) = &self.callback {
            form.append_pair("StatusCallback", url.as_str());
        }
        let mut request = Request::new(Method::POST, self.url.clone());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let json = HeaderValue::from_static("application/json");
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(ACCEPT, json);
        *request.body_mut() = Some(form.finish().into());
        request
    }

    /// See the table above.
    fn outcome(&self, answer: &Answer) -> Outcome {
        let code = if answer.status == StatusCode::CREATED {
            let taken: Option<Taken> = vendor::json(answer);
            let failed = taken.as_ref().and_then(|taken| taken.error_code);
            let Some(code) = failed.filter(|code| *code != 0) else {
                return vendor::taken(VENDOR, answer, taken.map(|taken| taken.sid));
            };
            Some(code)
        } else {
            vendor::json(answer).map(|error: Error| error.code)
        };
        let verdict = code.and_then(verdict);
        let verdict = verdict.unwrap_or_else(|| vendor::by_status(answer.status));
        let code = code.map_or_else(String::new, |code| code.to_string());
        vendor::not_taken(VENDOR, answer, &code, verdict, self.clock.now())
    }
}

/// Whom an error code of Twilio is about; none for the many others. "No recipient" ends all later messages to a number,
/// so it takes a code that can only mean that; a telephone that is off comes back.
fn verdict(code: u32) -> Option<Verdict> {
    Some(match code {
        // Too much at once: 14107, 20429 of requests, 21611 and 30001 of a queue. 20500, 20503: not now.
        14_107 | 20_429 | 20_500 | 20_503 | 21_611 | 30_001 => Verdict::Later,
        // The number is not one (21211, 21217), has opted out (21610), takes no text messages (21614, 21635), is a short
        // code (21265), is not known to its network (30005), is a landline (30006).
        21_211 | 21_217 | 21_265 | 21_610 | 21_614 | 21_635 | 30_005 | 30_006 => Verdict::Recipient,
        // Sign-in and account (20003, 20005, 20008, 30002), the sender (21212, 21603, 21606, 21659, 21660), the messaging
        // service (21701, 21703, 21704, 21705), registration in the USA (30032, 30034), the daily limit (63038).
        20_003 | 20_005 | 20_008 | 21_212 | 21_603 | 21_606 | 21_659 | 21_660 | 21_701 | 21_703
        | 21_704 | 21_705 | 30_002 | 30_032 | 30_034 | 63_038 => Verdict::Us,
        // A country that is switched off (21408), a number that a trial may not call (21608), two that cannot be
        // connected (21612), the text (21602, 21617, 21619), a telephone that is off or blocks (30003, 30004), the
        // network's filter (30007), unknown (30008).
        21_408 | 21_602 | 21_608 | 21_612 | 21_617 | 21_619 | 30_003 | 30_004 | 30_007 | 30_008 => {
            Verdict::Message
        }
        _ => return None,
    })
}
