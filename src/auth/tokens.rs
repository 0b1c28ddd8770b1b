//! Access tokens: JWTs after RFC 9068, of 15 minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use entity::user_role::Role;
use entity::{SessionId, UserId, Viewer};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::Keys;
use super::one_time::MailKeys;
use crate::crypto::sha256;
use crate::db::{Clock, new_id};

/// The media type of the header: an ID token or anything else signed by the same key is refused.
const TYP: &str = "at+jwt";

/// What a token says. Times are whole seconds since 1970; as typed numbers, so that a text in
/// their place is refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    jti: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
    roles: Vec<Role>,
    /// The user's epoch when the token was made.
    epoch: i32,
}

/// A token that was found good.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Whose it is.
    pub viewer: Viewer,
    /// When it was made.
    pub issued_at: DateTime<Utc>,
    /// When it ends, as it says itself.
    pub expires_at: DateTime<Utc>,
    /// From when on it is refused: after its end and the leeway.
    pub refused_from: DateTime<Utc>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once.
    #[error("The access token has expired. Use refreshToken, or log in again.")]
    Expired,
    /// It never was.
    #[error("The access token is not valid. Use refreshToken, or log in again.")]
    Invalid,
    /// It would be, but its session was ended, or all tokens of its time.
    #[error(
        "This access token is good no more: its session was ended, or what its owner may do was changed. Use refreshToken, or log in again."
    )]
    Ended,
}

/// Makes and checks access tokens.
#[derive(Debug)]
pub struct Tokens {
    keys: Keys,
    validation: Validation,
    issuer: String,
    audience: String,
    lifetime: TimeDelta,
    leeway: TimeDelta,
    clock: Clock,
    cache: Mutex<Cache>,
}

impl Tokens {
    /// Signs with the given keys.
    pub fn new(
        keys: Keys,
        settings: &crate::settings::AuthSettings,
        issuer: String,
        clock: Clock,
    ) -> Self {
        let mut validation = Validation::new(keys.algorithm);
        validation.set_issuer(&[&issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Time is checked here, by the application's clock, so that tests can turn it.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            keys,
            validation,
            issuer,
            audience: settings.audience.clone(),
            lifetime: seconds(settings.access_token_seconds),
            leeway: seconds(settings.clock_leeway_seconds),
            clock,
            cache: Mutex::new(Cache::new(settings.token_cache_entries)),
        }
    }

    /// Makes a token, and says when it ends.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn issue(
        &self,
        user: UserId,
        session: SessionId,
        roles: Vec<Role>,
        epoch: i32,
    ) -> Result<(String, DateTime<Utc>), jsonwebtoken::errors::Error> {
        let now = self.clock.now().timestamp();
        let exp = now + self.lifetime.num_seconds();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user.0,
            sid: session.0,
            jti: new_id(&self.clock),
            iat: now,
            nbf: now,
            exp,
            roles,
            epoch,
        };
        let mut header = Header::new(self.keys.algorithm);
        header.typ = Some(TYP.to_owned());
        header.kid = Some(self.keys.kid.clone());
        let token = encode(&header, &claims, &self.keys.encoding)?;
        Ok((token, DateTime::from_timestamp(exp, 0).unwrap_or_default()))
    }

    /// Checks a token's signature, claims and times. Whether its session goes on is for
    /// [`authenticate`](super::authenticate) to say.
    ///
    /// # Errors
    /// [`TokenError`], which tells no more than a client needs.
    pub fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        // The signature costs some 60 µs; that it was good once stays true.
        let key = sha256(token);
        let known = self.cache().get(&key);
        let claims = if let Some(claims) = known {
            claims
        } else {
            let claims = self.check(token).ok_or(TokenError::Invalid)?;
            self.cache().put(key, claims.clone());
            claims
        };
        let now = self.clock.now().timestamp();
        // Whole seconds: the last one counts in full.
        let refused_from = claims.exp + self.leeway.num_seconds() + 1;
        if now >= refused_from {
            return Err(TokenError::Expired);
        }
        if now < claims.nbf - self.leeway.num_seconds() {
            return Err(TokenError::Invalid);
        }
        let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        Ok(Verified {
            viewer: Viewer {
                user_id: UserId(claims.sub),
                session_id: SessionId(claims.sid),
                epoch: claims.epoch,
                roles: claims.roles,
            },
            issued_at: moment(claims.iat),
            expires_at: moment(claims.exp),
            refused_from: moment(refused_from),
        })
    }

    /// The public keys, for `/.well-known/jwks.json`.
    pub fn public_keys(&self) -> &JwkSet {
        &self.keys.public
    }

    /// What the tokens are derived with that are sent by mail.
    pub fn mail_keys(&self) -> &MailKeys {
        &self.keys.mail
    }

    fn check(&self, token: &str) -> Option<Claims> {
        let header = decode_header(token).ok()?;
        // `kid` is looked up among our own keys; `jku`, `x5u` and the like are not read at all.
        let (algorithm, key) = self.keys.checking.get(header.kid.as_deref()?)?;
        if header.typ.as_deref() != Some(TYP) {
            return None;
        }
        // Which algorithm is the key's to say, not the token's: RFC 8725, section 3.1.
        let mut validation = self.validation.clone();
        validation.algorithms = vec![*algorithm];
        let data = decode(token, key, &validation).ok()?;
        Some(data.claims)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(count: u64) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(count).unwrap_or(i64::MAX / 1_000))
}

/// Claims of tokens whose signature was good. Bounded: when the young half is full it becomes the
/// old half, and the old one is forgotten.
#[derive(Debug)]
struct Cache {
    young: HashMap<[u8; 32], Claims>,
    old: HashMap<[u8; 32], Claims>,
    half: usize,
}

impl Cache {
    fn new(entries: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: entries.div_ceil(2),
        }
    }

    fn get(&mut self, key: &[u8; 32]) -> Option<Claims> {
        if let Some(claims) = self.young.get(key) {
            return Some(claims.clone());
        }
        let claims = self.old.remove(key)?;
        self.put(*key, claims.clone());
        Some(claims)
    }

    fn put(&mut self, key: [u8; 32], claims: Claims) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, claims);
    }
}
