//! What of a webhook the database must not know: what messages are signed with, and the values of
//! headers. Encrypted with a key that only the servers have, each value bound to its place.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use entity::webhook_endpoint::Model;
use entity::{Timestamp, WebhookId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::crypto::SealError;

/// What the key is derived for.
const LABEL: &str = "taskflow secrets of webhooks";
/// How long an old secret still signs.
const OVERLAP: TimeDelta = TimeDelta::hours(24);
/// How many old secrets sign at most, beside the new one.
const MOST_OLD: usize = 10;

/// An old secret as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldSecret {
    /// Encrypted, in base 64.
    secret: String,
    expires_at: Timestamp,
}

/// What a message is sent with.
pub struct Opened {
    /// The secrets to sign with: the current one first.
    pub secrets: Vec<SecretString>,
    /// More headers.
    pub headers: Vec<(String, String)>,
}

/// Encrypts the secret of a webhook.
///
/// # Errors
/// See [`crate::crypto::seal`].
pub fn seal_secret(app: &App, id: WebhookId, secret: &SecretString) -> Result<Vec<u8>, SealError> {
    seal(app, &secret_place(id), secret)
}

/// Encrypts the values of headers.
///
/// # Errors
/// See [`crate::crypto::seal`].
pub fn seal_headers(
    app: &App,
    id: WebhookId,
    headers: &[(String, SecretString)],
) -> Result<Value, SealError> {
    let mut sealed = BTreeMap::new();
    for (name, value) in headers {
        let value = seal(app, &header_place(id, name), value)?;
        sealed.insert(name, STANDARD.encode(value));
    }
    Ok(serde_json::json!(sealed))
}

/// The names of the headers.
pub fn header_names(webhook: &Model) -> impl Iterator<Item = &String> {
    webhook
        .headers
        .as_object()
        .into_iter()
        .flat_map(|headers| headers.keys())
}

/// The old secrets of a webhook that is to get a new one: the current one is the first of them. One
/// that cannot be read any more signs nothing.
///
/// # Errors
/// See [`crate::crypto::seal`].
pub fn outdated(app: &App, webhook: &Model, now: Timestamp) -> Result<Value, SealError> {
    let mut old = old_secrets(webhook);
    old.retain(|old| old.expires_at > now);
    if let Some(current) = open(app, &secret_place(webhook.id), &webhook.secret) {
        let sealed = seal(app, &old_place(webhook.id), &current)?;
        let current = OldSecret {
            secret: STANDARD.encode(sealed),
            expires_at: now + OVERLAP,
        };
        old.insert(0, current);
    }
    old.truncate(MOST_OLD);
    Ok(serde_json::json!(old))
}

/// Decrypts what a message is sent with. None when the key is gone it was encrypted with.
pub fn open_all(app: &App, webhook: &Model, now: Timestamp) -> Option<Opened> {
    let id = webhook.id;
    let mut secrets = vec![open(app, &secret_place(id), &webhook.secret)?];
    let old = old_secrets(webhook);
    let live = old.into_iter().filter(|old| old.expires_at > now);
    secrets.extend(live.filter_map(|old| open_text(app, &old_place(id), &old.secret)));
    let mut headers = Vec::new();
    for (name, value) in webhook.headers.as_object().into_iter().flatten() {
        let value = open_text(app, &header_place(id, name), value.as_str()?)?;
        headers.push((name.clone(), value.expose_secret().to_owned()));
    }
    Some(Opened { secrets, headers })
}

fn old_secrets(webhook: &Model) -> Vec<OldSecret> {
    serde_json::from_value(webhook.old_secrets.clone()).unwrap_or_default()
}

fn seal(app: &App, place: &str, secret: &SecretString) -> Result<Vec<u8>, SealError> {
    let secret = secret.expose_secret().as_bytes();
    app.tokens.mail_keys().seal_as(LABEL, place, secret)
}

fn open(app: &App, place: &str, sealed: &[u8]) -> Option<SecretString> {
    let opened = app.tokens.mail_keys().open_as(LABEL, place, sealed)?;
    String::from_utf8(opened).ok().map(SecretString::from)
}

fn open_text(app: &App, place: &str, sealed: &str) -> Option<SecretString> {
    open(app, place, &STANDARD.decode(sealed).ok()?)
}

fn secret_place(id: WebhookId) -> String {
    format!("webhook_endpoints.secret:{}", id.0)
}

fn old_place(id: WebhookId) -> String {
    format!("webhook_endpoints.old_secrets:{}", id.0)
}

fn header_place(id: WebhookId, name: &str) -> String {
    format!("webhook_endpoints.headers:{}:{name}", id.0)
}
