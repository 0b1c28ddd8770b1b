//! `[sms]`: how text messages leave.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::outbound::{AwsSettings, check_endpoint, check_region};
use super::problem::Problem;
use super::{Settings, print};

/// The way of text messages, as set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsWay {
    /// The vendor that is set, else the log or nothing.
    Auto,
    /// Twilio.
    Twilio,
    /// Amazon SNS.
    Sns,
    /// The log, for development.
    Log,
    /// No text messages at all.
    None,
}

/// The way of text messages, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectiveSms {
    /// Twilio; its account and token are set.
    Twilio,
    /// Amazon SNS; its region and keys are set.
    Sns,
    /// The log.
    Log,
    /// No text messages at all.
    None,
}

/// The section `[sms]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SmsSettings {
    /// The way of text messages; [`Settings::effective_sms`] decides `auto`.
    pub transport: SmsWay,
    /// The sender: a number in E.164, or a name where the country takes one.
    pub from: Option<String>,
    /// The most text messages a process sends in a minute; any number when it is 0.
    pub max_per_minute: u32,
    /// Twilio.
    pub twilio: TwilioSettings,
    /// SNS.
    pub sns: SnsSettings,
}

/// The section `[sms.twilio]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioSettings {
    /// The account.
    pub account_sid: Option<String>,
    /// What we sign in with, and what Twilio signs its calls with.
    #[serde(serialize_with = "print::hidden")]
    pub auth_token: Option<SecretString>,
    /// Chooses the sender.
    pub messaging_service_sid: Option<String>,
    /// Where Twilio is.
    pub endpoint: Url,
}

/// The section `[sms.sns]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SnsSettings {
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
    /// Where SNS is, when it is not where the region says.
    pub endpoint: Option<Url>,
    /// The name that is shown as the sender.
    pub sender_id: Option<String>,
}

impl SnsSettings {
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
    /// The way of text messages, with `auto` decided.
    pub fn effective_sms(&self) -> EffectiveSms {
        match self.sms.transport {
            SmsWay::Auto if self.sms.twilio.account_sid.is_some() => EffectiveSms::Twilio,
            SmsWay::Auto if self.sms.sns.region.is_some() => EffectiveSms::Sns,
            SmsWay::Auto if !self.is_production() => EffectiveSms::Log,
            SmsWay::Auto | SmsWay::None => EffectiveSms::None,
            SmsWay::Twilio => EffectiveSms::Twilio,
            SmsWay::Sns => EffectiveSms::Sns,
            SmsWay::Log => EffectiveSms::Log,
        }
    }
}

impl SmsSettings {
    /// Checks the section, of which `way` is used.
    pub(super) fn validate(&self, way: EffectiveSms, errors: &mut Vec<Problem>) {
        let mut wrong = |key: &str, message: &str| errors.push(Problem::of(key, message));
        let (twilio, sns) = (&self.twilio, &self.sns);
        if way == EffectiveSms::Twilio {
            if twilio.account_sid.is_none() || twilio.auth_token.is_none() {
                let message = "is Twilio, but not both of sms.twilio.account_sid and sms.twilio.auth_token are set";
                wrong("sms.transport", message);
            }
            if twilio.messaging_service_sid.is_none() && self.from.is_none() {
                let message =
                    "Twilio needs a sender: set sms.from or sms.twilio.messaging_service_sid";
                wrong("sms.from", message);
            }
        }
        if way == EffectiveSms::Sns && sns.aws().is_none() {
            let message = "is SNS, but not all of sms.sns.region, sms.sns.access_key_id and \
                           sms.sns.secret_access_key are set";
            wrong("sms.transport", message);
        }
        if let Some(from) = &self.from
            && !is_number(from)
            && !is_name(from)
        {
            let message = "must be a number like +15005550006, or up to 11 letters and digits";
            wrong("sms.from", message);
        }
        if sns.sender_id.as_deref().is_some_and(|name| !is_name(name)) {
            wrong("sms.sns.sender_id", "must be up to 11 letters and digits");
        }
        for (key, sid) in [
            ("sms.twilio.account_sid", &twilio.account_sid),
            (
                "sms.twilio.messaging_service_sid",
                &twilio.messaging_service_sid,
            ),
        ] {
            let is_sid = |sid: &String| sid.chars().all(|c| c.is_ascii_alphanumeric());
            if !sid.as_ref().is_none_or(is_sid) {
                wrong(key, "must be letters and digits");
            }
        }
        check_region(errors, "sms.sns.region", sns.region.as_deref());
        check_endpoint(errors, "sms.twilio.endpoint", Some(&twilio.endpoint));
        check_endpoint(errors, "sms.sns.endpoint", sns.endpoint.as_ref());
    }
}

/// Whether this is a telephone number as E.164 has it: `+`, and at most 15 digits of which the first is not 0.
pub(crate) fn is_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else {
        return false;
    };
    (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this may be shown as a sender: GSM 03.40 has room for 11 characters, and one must be a letter.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=11).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'))
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        for number in ["+15005550006", "+4915112345678", "+12345678"] {
            assert!(is_number(number) && !is_name(number), "{number}");
        }
        for name in ["Taskflow", "Acme 24", "A"] {
            assert!(is_name(name) && !is_number(name), "{name}");
        }
        for neither in [
            "",
            "+",
            "+0123456789",
            "0049151",
            "+1 500 555",
            "Taskflow-1234",
            "+1234567890123456",
            "Tä",
        ] {
            assert!(!is_name(neither) && !is_number(neither), "{neither}");
        }
    }
}
