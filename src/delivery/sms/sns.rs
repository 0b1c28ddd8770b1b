//! Amazon SNS: `Publish` to a telephone number, by its Query interface (2010-03-31), which answers in XML.
//!
//! | answer | outcome |
//! |---|---|
//! | 200 with a `MessageId` | sent; that is its name in the delivery log. A number that has opted out is taken, too |
//! | `Throttled`, `InternalError`, 5xx and the like | retried |
//! | `OptedOut` | no recipient |
//! | keys and signatures ([`aws::verdict`]), `AuthorizationError`, other 401, 403, 404 | refused |
//! | `InvalidParameter`, also when it names the number: a region that sends no text messages says the same of all | rejected |
//! | any other 400 | rejected |

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, StatusCode};
use url::{Url, form_urlencoded};

use super::{SmsError, SmsMessage};
use crate::db::Clock;
use crate::delivery::Outcome;
use crate::delivery::aws::{self, Signer};
use crate::delivery::vendor::{self, Verdict};
use crate::outbound::{Answer, Outbound};
use crate::settings::{SmsSettings, is_name, is_number};

/// Its name in reasons.
const VENDOR: &str = "SNS";

/// An account of Amazon, in one region.
pub(super) struct Sns {
    client: Client,
    url: Url,
    signer: Signer,
    /// Names and values of what goes with each message.
    attributes: Vec<(&'static str, String)>,
    clock: Clock,
}

impl Sns {
    /// Reads `[sms.sns]`.
    pub(super) fn new(
        settings: &SmsSettings,
        outbound: &Outbound,
        clock: Clock,
    ) -> Result<Self, SmsError> {
        let wrong = |key, message| SmsError { key, message };
        let aws = settings.sns.aws();
        let aws = aws.ok_or(wrong("sms.sns", "the region and the keys are not all set"))?;
        let signer = Signer::new(aws, "sns");
        let url = match &settings.sns.endpoint {
            Some(url) => Ok(url.clone()),
            None => signer.endpoint("sns"),
        };
        let mut attributes = vec![("AWS.SNS.SMS.SMSType", "Transactional".to_owned())];
        let from = settings.from.as_ref();
        let name = settings.sns.sender_id.as_ref();
        if let Some(name) = name.or(from.filter(|from| is_name(from))) {
            attributes.push(("AWS.SNS.SMS.SenderID", name.clone()));
        }
        if let Some(number) = from.filter(|from| is_number(from)) {
            attributes.push(("AWS.MM.SMS.OriginationNumber", number.clone()));
        }
        Ok(Self {
            client: outbound.trusted(),
            url: url.map_err(|_| wrong("sms.sns.endpoint", "is not a valid address"))?,
            signer,
            attributes,
            clock,
        })
    }

    /// The host.
    pub(super) fn place(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Sends the message, once.
    pub(super) async fn send(&self, message: &SmsMessage) -> Outcome {
        let mut request = self.request(message);
        if self.signer.sign(&mut request, self.clock.now()).is_err() {
            let reason = "sms.sns: the keys cannot stand in a header".to_owned();
            return Outcome::Refused { reason };
        }
        match vendor::ask(VENDOR, self.client.execute(request)).await {
            Ok(answer) => self.outcome(&answer),
            Err(outcome) => outcome,
        }
    }

    fn request(&self, message: &SmsMessage) -> Request {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "Publish")
            .append_pair("Version", "2010-03-31")
            .append_pair("PhoneNumber", &message.to)
            .append_pair("Message", &message.text);
        for (number, (name, value)) in (1..).zip(&self.attributes) {
            let entry = format!("MessageAttributes.entry.{number}");
            form.append_pair(&format!("{entry}.Name"), name)
                .append_pair(&format!("{entry}.Value.DataType"), "String")
                .append_pair(&format!("{entry}.Value.StringValue"), value);
        }
        let mut request = Request::new(Method::POST, self.url.clone());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        *request.body_mut() = Some(form.finish().into());
        request
    }

    /// See the table above.
    fn outcome(&self, answer: &Answer) -> Outcome {
        let text = String::from_utf8_lossy(&answer.body);
        if answer.status == StatusCode::OK {
            let id = element(&text, "MessageId").map(str::to_owned);
            return vendor::taken(VENDOR, answer, id);
        }
        let code = element(&text, "Code").unwrap_or_default();
        let verdict = match code {
            "OptedOut" | "OptedOutException" => Verdict::Recipient,
            _ => aws::verdict(answer, code),
        };
        vendor::not_taken(VENDOR, answer, code, verdict, self.clock.now())
    }
}

/// The text of the first element of this name. What is looked for are names that SNS gives: no markup is in them.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}
