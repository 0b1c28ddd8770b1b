//! `[auth]`: keys and tokens, registration, passwords.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::{Settings, at_least, between, print};

/// The shortest HS256 secret, in bytes. Rule: RFC 7518 section 3.2, a key at least as long as the hash.
const SHORTEST_SECRET: usize = 32;

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Whoever an administrator invited.
    Invite,
    /// Nobody: an administrator creates users.
    Closed,
}

/// What makes a password good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PasswordPolicy {
    /// Upper case, lower case, a digit and a symbol.
    Composition,
    /// Length only. Rule: NIST SP 800-63B section 3.1.1.2.
    Nist,
}

/// The section `[auth]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// The Ed25519 private key, PEM.
    pub jwt_private_key_file: PathBuf,
    /// More keys whose tokens are taken, PEM, private or public: the next one and the last one.
    pub jwt_other_key_files: Vec<PathBuf>,
    /// The HS256 secret; when set, the key file is not used.
    #[serde(serialize_with = "print::hidden")]
    pub jwt_secret: Option<SecretString>,
    /// The `iss` of tokens; [`Settings::issuer`] knows the default.
    pub issuer: Option<String>,
    /// The `aud` of tokens.
    pub audience: String,
    /// How long an access token is valid, in seconds.
    pub access_token_seconds: u64,
    /// How long a refresh token is valid, in seconds.
    pub refresh_token_seconds: u64,
    /// How long a refresh token that was just replaced still leads to its successor, in seconds.
    pub refresh_grace_seconds: u64,
    /// How often what ended before its time is read from the database, in seconds.
    pub revocation_poll_seconds: u64,
    /// Without such a read for so many seconds nobody counts as signed in.
    pub revocation_stale_seconds: u64,
    /// How far another clock may be off, in seconds.
    pub clock_leeway_seconds: u64,
    /// How many verified access tokens are remembered.
    pub token_cache_entries: usize,
    /// Who may register.
    pub registration: Registration,
    /// Whether new addresses are asked to be confirmed.
    pub verify_email: bool,
    /// Wrong passwords.
    pub lockout: LockoutSettings,
    /// What a password must be, and how it is hashed.
    pub password: PasswordSettings,
    /// A signing key in Vault; refused when set.
    pub vault: VaultSettings,
}

impl AuthSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        if let Some(secret) = &self.jwt_secret
            && secret.expose_secret().len() < SHORTEST_SECRET
        {
            let message = format!(
                "must have at least {SHORTEST_SECRET} bytes; `openssl rand -base64 48` makes a good one"
            );
            errors.push(Problem::of("auth.jwt_secret", message));
        }
        if self
            .issuer
            .as_deref()
            .is_some_and(|issuer| issuer.trim().is_empty())
        {
            errors.push(Problem::of("auth.issuer", "must not be blank"));
        }
        if self.audience.trim().is_empty() {
            errors.push(Problem::of("auth.audience", "must not be blank"));
        }
        if self.jwt_private_key_file.as_os_str().is_empty() {
            errors.push(Problem::of("auth.jwt_private_key_file", "must name a file"));
        }
        at_least(
            errors,
            "auth.access_token_seconds",
            self.access_token_seconds,
            1,
        );
        if self.refresh_token_seconds <= self.access_token_seconds {
            let message = "must be more than auth.access_token_seconds";
            errors.push(Problem::of("auth.refresh_token_seconds", message));
        }
        between(
            errors,
            "auth.clock_leeway_seconds",
            self.clock_leeway_seconds,
            0,
            30,
        );
        at_least(
            errors,
            "auth.token_cache_entries",
            self.token_cache_entries,
            1,
        );
        between(
            errors,
            "auth.refresh_grace_seconds",
            self.refresh_grace_seconds,
            0,
            300,
        );
        at_least(
            errors,
            "auth.revocation_poll_seconds",
            self.revocation_poll_seconds,
            1,
        );
        if self.revocation_stale_seconds <= self.revocation_poll_seconds {
            let message = "must be more than auth.revocation_poll_seconds";
            errors.push(Problem::of("auth.revocation_stale_seconds", message));
        }
        self.lockout.validate(errors);
        self.password.validate(errors);
        self.vault.validate(errors);
    }
}

impl Settings {
    /// The `iss` of tokens: as set, or else the public URL as set. Without either a fixed word, not
    /// an address with a port: replicas on one machine must take each other's tokens.
    pub fn issuer(&self) -> String {
        let public_url = || self.server.public_url.is_some().then(|| self.public_url());
        let issuer = self.auth.issuer.clone().or_else(public_url);
        issuer.unwrap_or_else(|| "taskflow".to_owned())
    }
}

/// The section `[auth.lockout]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LockoutSettings {
    /// So many wrong passwords for one account from one network lock the two out of each other.
    pub failures: i32,
    /// In so many minutes.
    pub window_minutes: u32,
    /// For so many minutes.
    pub lock_minutes: u32,
    /// So many in an hour from wherever, and the account asks for a code that is sent by mail.
    pub code_after: i32,
}

impl LockoutSettings {
    fn validate(&self, errors: &mut Vec<Problem>) {
        between(errors, "auth.lockout.failures", self.failures, 1, 1_000);
        let window = self.window_minutes;
        between(errors, "auth.lockout.window_minutes", window, 1, 10_080);
        between(
            errors,
            "auth.lockout.lock_minutes",
            self.lock_minutes,
            1,
            10_080,
        );
        let least = self.failures.saturating_add(1);
        at_least(errors, "auth.lockout.code_after", self.code_after, least);
    }
}

/// The section `[auth.password]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSettings {
    /// The rule a new password is measured by.
    pub policy: PasswordPolicy,
    /// The fewest characters; [`PasswordSettings::min_length`] knows the default.
    pub min_length: Option<u32>,
    /// The memory of one hash, in KiB.
    pub argon2_memory_kib: u32,
    /// The passes of one hash.
    pub argon2_iterations: u32,
    /// The lanes of one hash.
    pub argon2_parallelism: u32,
    /// The memory of all running hashes, in MiB.
    pub hash_memory_budget_mib: u32,
    /// How many sign-ins may wait for their hash.
    pub hash_queue: usize,
    /// How long a sign-in waits for its hash, in milliseconds.
    pub hash_wait_ms: u64,
}

impl PasswordSettings {
    /// The fewest characters of a new password: as set, or else 12 by composition and 15 by NIST's rule.
    pub fn min_length(&self) -> u32 {
        self.min_length.unwrap_or(match self.policy {
            PasswordPolicy::Composition => 12,
            PasswordPolicy::Nist => 15,
        })
    }

    fn validate(&self, errors: &mut Vec<Problem>) {
        // NIST SP 800-63B: never fewer than 8, and 64 must be allowed, so a minimum above that would contradict it.
        between(errors, "auth.password.min_length", self.min_length(), 8, 64);
        at_least(
            errors,
            "auth.password.argon2_iterations",
            self.argon2_iterations,
            1,
        );
        between(
            errors,
            "auth.password.argon2_parallelism",
            self.argon2_parallelism,
            1,
            255,
        );
        // RFC 9106 section 3.1: eight KiB for each lane.
        let least = self.argon2_parallelism.saturating_mul(8).max(8);
        at_least(
            errors,
            "auth.password.argon2_memory_kib",
            self.argon2_memory_kib,
            least,
        );
        if u64::from(self.hash_memory_budget_mib) * 1024 < u64::from(self.argon2_memory_kib) {
            let message = "is less than one hash needs (auth.password.argon2_memory_kib)";
            errors.push(Problem::of("auth.password.hash_memory_budget_mib", message));
        }
        at_least(errors, "auth.password.hash_queue", self.hash_queue, 1);
        at_least(errors, "auth.password.hash_wait_ms", self.hash_wait_ms, 1);
    }
}

/// The section `[auth.vault]`. It exists so that settings of other systems are refused with a reason.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSettings {
    /// Vault's address.
    pub address: Option<String>,
    /// The `AppRole`'s role id.
    pub role_id: Option<String>,
    /// The `AppRole`'s secret id.
    #[serde(serialize_with = "print::hidden")]
    pub secret_id: Option<SecretString>,
    /// The path of the key.
    pub key_path: Option<String>,
    /// The name of the key under its path.
    pub key_name: Option<String>,
}

impl VaultSettings {
    fn validate(&self, errors: &mut Vec<Problem>) {
        let keys = [
            ("auth.vault.role_id", self.role_id.is_some()),
            ("auth.vault.secret_id", self.secret_id.is_some()),
            ("auth.vault.key_path", self.key_path.is_some()),
            ("auth.vault.key_name", self.key_name.is_some()),
            ("auth.vault.address", self.address.is_some()),
        ];
        // Once is enough: the same sentence five times would hide the others.
        if let Some((key, _)) = keys.iter().find(|(_, is_set)| *is_set) {
            let message = "keys in Vault are not read by this version; use auth.jwt_private_key_file or JWT_SECRET";
            errors.push(Problem::of(key, message));
        }
    }
}
