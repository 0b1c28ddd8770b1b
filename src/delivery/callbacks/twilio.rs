//! Twilio's StatusCallback. Source: "Webhooks Security" and "Outbound Message Status in Status Callbacks" in its
//! documentation.

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key};
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

use super::{CallbackError, Report, What, code, single};

/// The name in [`Report::driver`].
const DRIVER: &str = "twilio";
const SIGNATURE: &str = "x-twilio-signature";
/// The most parameters of a call. Twilio sends some twenty.
const MOST_PARAMETERS: usize = 200;

/// Checks a call and reads what it says: at most one report, none while the message is still on its way.
///
/// `url` is the address that Twilio was given, with its query, as Twilio sees it: not as a proxy passes it on. `body` is
/// the form. There is no time in the signature, so a copy of a call is as good as the first one; it says the same.
///
/// # Errors
/// [`CallbackError`] says why the call is not believed.
pub fn read(
    url: &Url,
    body: &[u8],
    headers: &HeaderMap,
    auth_token: &SecretString,
) -> Result<Vec<Report>, CallbackError> {
    let signature = single(headers, SIGNATURE)?;
    let signature = STANDARD
        .decode(signature)
        .map_err(|_| CallbackError::Forged)?;
    let mut parameters: Vec<(String, String)> = form_urlencoded::parse(body)
        .take(MOST_PARAMETERS + 1)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    if parameters.len() > MOST_PARAMETERS {
        return Err(CallbackError::Unreadable);
    }
    parameters.sort();
    let key = Key::new(
        HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        auth_token.expose_secret().as_bytes(),
    );
    let signed_for = |url: String| {
        let signed = parameters
            .iter()
            .fold(url, |text, (name, value)| text + name + value);
        // Compares in constant time.
        hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
    };
    if !spellings(url).into_iter().any(signed_for) {
        return Err(CallbackError::Forged);
    }
    report(&parameters).map(|report| report.into_iter().collect())
}

/// The address as it is, and with its port left out or written out: Twilio signs it sometimes so and sometimes so.
fn spellings(url: &Url) -> Vec<String> {
    let mut spellings = vec![url.as_str().to_owned()];
    let mut bare = url.clone();
    if url.port().is_some() && bare.set_port(None).is_ok() {
        spellings.push(bare.into());
    } else if let (Some(port), Some(host)) = (url.port_or_known_default(), url.host_str()) {
        // The library never writes the port that goes without saying.
        let host = format!("://{host}");
        spellings.push(url.as_str().replacen(&host, &format!("{host}:{port}"), 1));
    }
    spellings
}

/// What the parameters say. Their names and values are signed in one row without anything between them, so each that is
/// used must look exactly as it should: cut elsewhere, the same row would mean something else.
fn report(parameters: &[(String, String)]) -> Result<Option<Report>, CallbackError> {
    let value = |name: &str| {
        let mut found = parameters.iter().filter(|(it, _)| it == name);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => Ok(Some(value.as_str())),
            _ => Err(CallbackError::Unreadable),
        }
    };
    let id = value("MessageSid")?.filter(|id| is_sid(id));
    let id = id.ok_or(CallbackError::Unreadable)?;
    let error = value("ErrorCode")?.filter(|text| !text.is_empty());
    if error.is_some_and(|text| !text.bytes().all(|b| b.is_ascii_digit())) {
        return Err(CallbackError::Unreadable);
    }
    let what = match value("MessageStatus")?.ok_or(CallbackError::Unreadable)? {
        "sent" => What::Sent,
        "delivered" | "read" => What::Delivered,
        "undelivered" => not_taken(error).unwrap_or(What::Bounced { permanent: false }),
        "failed" | "canceled" => not_taken(error).unwrap_or(What::Failed),
        "accepted" | "scheduled" | "queued" | "sending" => return Ok(None),
        _ => return Err(CallbackError::Unreadable),
    };
    Ok(Some(Report {
        driver: DRIVER,
        message_id: id.to_owned(),
        what,
        code: error.and_then(code),
        recipient: value("To")?.map(str::to_owned),
        at: None,
    }))
}

/// What an error says of the recipient for good. Source: Twilio's "Error and Warning Dictionary".
fn not_taken(error: Option<&str>) -> Option<What> {
    match error? {
        // Not a number, unknown, a landline, not a mobile phone.
        "21211" | "30005" | "30006" | "21614" => Some(What::Bounced { permanent: true }),
        // The recipient has answered STOP.
        "21610" => Some(What::Unsubscribed),
        _ => None,
    }
}

/// Whether it is the id of a message: `SM` or `MM` and 32 hexadecimal digits.
fn is_sid(text: &str) -> bool {
    let digits = text.strip_prefix("SM").or(text.strip_prefix("MM"));
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}
