//! Google's sign-in for servers: a service account signs a statement with its key and gets an access token for it (RFC 7523
//! section 2.1, RFC 6749 section 5).

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::Serializer;

use super::PushError;
use super::is_passing;
use crate::delivery::Outcome;
use crate::delivery::vendor::{ask, later, word};
use crate::outbound::Answer;

/// The setting that names the account's file.
pub(super) const SETTING: &str = "push.fcm.service_account_file";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const WHOM: &str = "Google's token service";

/// How long a statement is good for: the longest that Google takes.
const STATEMENT: i64 = 3600;
/// A token is not used any more so long before its end: a send that has begun must not outlast it.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// The lifetime of a token whose answer does not tell it, in seconds.
const USUAL_LIFE: u64 = 3600;

/// A service account, and the access token it has at the moment.
pub(super) struct Account {
    client: reqwest::Client,
    project: String,
    email: String,
    header: Header,
    key: EncodingKey,
    token_uri: Url,
    /// Locked while one is fetched, so that all who need one wait for the same.
    token: Mutex<Option<Token>>,
}

/// An access token.
struct Token {
    value: SecretString,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// What is used of the file that Google gives for a service account.
#[derive(Deserialize)]
struct File {
    project_id: String,
    private_key_id: Option<String>,
    private_key: SecretString,
    client_email: String,
    token_uri: Url,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct TokenError {
    error: Option<String>,
}

impl Account {
    /// Reads the account out of the file's content.
    pub(super) fn new(
        path: &Path,
        json: &[u8],
        client: reqwest::Client,
    ) -> Result<Self, PushError> {
        let wrong = |what| PushError::Key {
            setting: SETTING,
            path: path.to_owned(),
            what,
        };
        let file: File = serde_json::from_slice(json)
            .map_err(|_| wrong("is not the JSON file of a service account"))?;
        let key = EncodingKey::from_rsa_pem(file.private_key.expose_secret().as_bytes())
            .map_err(|_| wrong("holds no RSA key in PEM as private_key"))?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
        if file.project_id.is_empty() || !file.project_id.chars().all(is_part) {
            return Err(wrong("holds no valid project_id"));
        }
        let is_near = matches!(file.token_uri.host_str(), Some("localhost" | "127.0.0.1"));
        if file.token_uri.scheme() != "https" && !is_near {
            return Err(wrong("has a token_uri that is not https"));
        }
        let mut header = Header::new(Algorithm::RS256);
        header.kid = file.private_key_id;
        let account = Self {
            client,
            project: file.project_id,
            email: file.client_email,
            header,
            key,
            token_uri: file.token_uri,
            token: Mutex::new(None),
        };
        // A key that cannot sign is better found at start than with the first message.
        match account.statement(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(account),
            None => Err(wrong("holds a private_key that cannot sign")),
        }
    }

    /// The project.
    pub(super) fn project(&self) -> &str {
        &self.project
    }

    /// An access token: the last one as long as it is good, except `refused`, or else a new one.
    ///
    /// # Errors
    /// The outcome, when there is none.
    pub(super) async fn token(
        &self,
        refused: Option<&SecretString>,
        now: DateTime<Utc>,
    ) -> Result<SecretString, Outcome> {
        let mut token = self.token.lock().await;
        if let Some(token) = &*token
            && (token.from..token.until).contains(&now)
            && refused.is_none_or(|it| it.expose_secret() != token.value.expose_secret())
        {
            return Ok(token.value.clone());
        }
        *token = None;
        let new = self.fetch(now).await?;
        Ok(token.insert(new).value.clone())
    }

    async fn fetch(&self, now: DateTime<Utc>) -> Result<Token, Outcome> {
        let statement = self.statement(now).ok_or_else(|| Outcome::Refused {
            reason: "the key of the service account cannot sign".to_owned(),
        })?;
        let form = Serializer::new(String::new())
            .append_pair("grant_type", GRANT)
            .append_pair("assertion", &statement)
            .finish();
        let request = self
            .client
            .post(self.token_uri.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let answer = ask(WHOM, request.send()).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer, now));
        }
        let Ok(token) = serde_json::from_slice::<TokenAnswer>(&answer.body) else {
            return Err(later(
                &answer,
                now,
                format!("{WHOM} gave an answer without a token"),
            ));
        };
        let life = token.expires_in.unwrap_or(USUAL_LIFE).min(USUAL_LIFE);
        let life = TimeDelta::from_std(Duration::from_secs(life)).unwrap_or(MARGIN);
        Ok(Token {
            value: token.access_token,
            from: now,
            until: now + life - MARGIN.min(life / 2),
        })
    }

    /// Who we are and what we want, signed.
    fn statement(&self, now: DateTime<Utc>) -> Option<String> {
        let iat = now.timestamp();
        let claims = Claims {
            iss: &self.email,
            scope: SCOPE,
            aud: self.token_uri.as_str(),
            iat,
            exp: iat + STATEMENT,
        };
        encode(&self.header, &claims, &self.key).ok()
    }
}

/// Other refusals than the passing ones do not change by themselves: the account is gone, its key is, or our clock is off.
fn refusal(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    let said: Option<TokenError> = serde_json::from_slice(&answer.body).ok();
    let code = said.and_then(|said| said.error);
    let code = word(code.as_deref()).unwrap_or("no reason");
    let reason = format!("{WHOM} answered {}: {code}", answer.status.as_u16());
    if is_passing(answer.status) {
        return later(answer, now, reason);
    }
    Outcome::Refused { reason }
}
