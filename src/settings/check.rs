//! What production refuses to start without, and what deserves a warning.

use std::path::Path;

use super::mail::EffectiveTransport;
use super::problem::Problem;
use super::{Bucket, LimitsProfile, PushTransportSetting, Settings, SmsWay};

impl Settings {
    /// In production, adds a problem for everything that real users need and that is missing.
    pub(super) fn refuse_unready_production(&self, folder: &Path, errors: &mut Vec<Problem>) {
        if !self.is_production() {
            return;
        }
        let key_file = &self.auth.jwt_private_key_file;
        if self.auth.jwt_secret.is_none() && !folder.join(key_file).is_file() {
            let message = format!(
                "production needs a signing key, and there is no file {}: put an Ed25519 key (PEM) there or name one with \
                 JWT_PRIVATE_KEY_FILE, or set JWT_SECRET",
                key_file.display()
            );
            errors.push(Problem::of("auth.jwt_private_key_file", message));
        }
        if self.mail.effective_transport() == EffectiveTransport::Mailbox {
            let message = "production must send mail: set SMTP_URL, or mail.transport = \"sendgrid\" or \"ses\" with its keys, or mail.transport = \"none\" to send none";
            errors.push(Problem::of("mail.transport", message));
        }
        if self.sms.transport == SmsWay::Log {
            let message = "production must not write people's messages into files: set sms.transport to \"twilio\", \"sns\" or \"none\"";
            errors.push(Problem::of("sms.transport", message));
        }
        if self.push.transport == PushTransportSetting::Log {
            let message = "production must not write people's messages into files: set push.transport to \"auto\", \"vendors\" or \"none\"";
            errors.push(Problem::of("push.transport", message));
        }
        if self.server.public_url.is_none() {
            let message = "production needs the address people use: set TASKFLOW_SERVER__PUBLIC_URL=https://…";
            errors.push(Problem::of("server.public_url", message));
        }
        if self.server.allowed_origins.is_empty() {
            let message = "production needs the origins that browsers call from: set ALLOWED_ORIGINS=https://…";
            errors.push(Problem::of("server.allowed_origins", message));
        }
    }

    /// What works but may not be meant, one sentence each, for `config check` and the log at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |applies: bool, text: &str| {
            if applies {
                warnings.push(text.to_owned());
            }
        };
        let production = self.is_production();
        let sqlite = self.database.is_sqlite();
        warn(
            self.auth.jwt_secret.is_some(),
            "auth.jwt_secret is set: tokens are signed with HS256, and whoever can verify them can also make them",
        );
        warn(
            production && sqlite,
            "database.url is SQLite: one process on one machine only",
        );
        warn(
            production && !sqlite && self.redis.url.is_none(),
            "redis.url is not set: with several replicas, live updates of another one wait for events.poll_seconds, and each replica counts [limits] for itself",
        );
        warn(
            production && !self.sends_mail(),
            "mail.transport is \"none\": nobody gets mail",
        );
        let unverified = !self.auth.verify_email && !self.mails_unverified();
        warn(
            production && unverified,
            "auth.verify_email is off and mail.to_unverified is, too: nobody who registers ever gets mail",
        );
        let plain_http = self
            .server
            .public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "http");
        warn(
            production && plain_http,
            "server.public_url is http: passwords and tokens travel unencrypted",
        );
        warn(
            production && self.graphiql(),
            "graphql.graphiql is on in production",
        );
        warn(
            production && self.introspection(),
            "graphql.introspection is on in production",
        );
        let profile = self.limits_profile();
        warn(
            production && profile == LimitsProfile::Development,
            "limits.profile is \"development\": its numbers protect nobody",
        );
        let missing: Vec<&str> = self.missing_limits().map(Bucket::name).collect();
        warn(
            production && !missing.is_empty(),
            &format!("limits: off in production: {}", missing.join(", ")),
        );
        warn(
            production && self.server.trusted_proxies == 0,
            "server.trusted_proxies is 0: behind a proxy, all clients have its address and share what [limits] gives to one",
        );
        let password = &self.auth.password;
        // The smallest cost in OWASP's Password Storage Cheat Sheet for Argon2id with two passes.
        let weak = password.argon2_memory_kib < 19_456 || password.argon2_iterations < 2;
        warn(
            production && weak,
            "auth.password.argon2_*: hashes are cheaper than OWASP's least (19456 KiB, 2 passes)",
        );
        warnings
    }
}
