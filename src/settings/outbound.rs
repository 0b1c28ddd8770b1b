//! `[outbound]`: how this process calls others by HTTP, and what the vendors it calls have in common.

use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::at_least;
use super::problem::Problem;

/// The section `[outbound]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundSettings {
    /// Networks that addresses of users may lead to although they are not public.
    pub allow_networks: Vec<IpNet>,
    /// Whether the addresses of users may be `http`.
    pub allow_http: bool,
    /// How long connecting may take, in seconds.
    pub connect_timeout_seconds: u64,
    /// How long one call may take in all, in seconds.
    pub timeout_seconds: u64,
}

impl OutboundSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        at_least(
            errors,
            "outbound.connect_timeout_seconds",
            self.connect_timeout_seconds,
            1,
        );
        if self.timeout_seconds < self.connect_timeout_seconds {
            let message = "must not be less than outbound.connect_timeout_seconds";
            errors.push(Problem::of("outbound.timeout_seconds", message));
        }
        // A network of everything would turn the protection off without saying so.
        if self.allow_networks.iter().any(|net| net.prefix_len() == 0) {
            let message = "must not hold all addresses: name the networks that are meant";
            errors.push(Problem::of("outbound.allow_networks", message));
        }
    }
}

/// What a call to Amazon needs.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// The name of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: SecretString,
    /// What goes with a key that ends after some time.
    pub session_token: Option<SecretString>,
}

impl AwsSettings {
    /// None while something is missing.
    pub(super) fn new(
        region: Option<&String>,
        access_key_id: Option<&String>,
        secret_access_key: Option<&SecretString>,
        session_token: Option<&SecretString>,
    ) -> Option<Self> {
        Some(Self {
            region: region?.clone(),
            access_key_id: access_key_id?.clone(),
            secret_access_key: secret_access_key?.clone(),
            session_token: session_token.cloned(),
        })
    }
}

/// Checks the address of a vendor: keys travel there, so it is `https`, or `http` on this machine.
pub(super) fn check_endpoint(errors: &mut Vec<Problem>, key: &str, url: Option<&Url>) {
    let Some(url) = url else { return };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let message = match url.scheme() {
        "https" => None,
        "http" if is_here => None,
        _ => Some("must begin with https://"),
    };
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    let message = message.or((!is_bare).then_some("must end after the host and the port"));
    if let Some(message) = message {
        errors.push(Problem::of(key, message));
    }
}

/// Checks the name of a region: it becomes part of a host's name.
pub(super) fn check_region(errors: &mut Vec<Problem>, key: &str, region: Option<&str>) {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_some_and(|region| !region.chars().all(is_plain)) {
        errors.push(Problem::of(key, "must be like eu-west-1"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let problems = |text: &str| {
            let mut errors = Vec::new();
            check_endpoint(&mut errors, "key", Some(&Url::parse(text).unwrap()));
            errors.len()
        };
        for right in [
            "https://api.twilio.com",
            "https://10.0.0.1:8443/",
            "http://localhost:4566",
            "http://127.0.0.1:4566",
            "http://[::1]:4566",
        ] {
            assert_eq!(problems(right), 0, "{right}");
        }
        for wrong in [
            "http://api.twilio.com",
            "ftp://localhost",
            "https://user:pw@api.twilio.com",
            "https://api.twilio.com/2010",
            "https://api.twilio.com/?a=b",
        ] {
            assert_eq!(problems(wrong), 1, "{wrong}");
        }
    }

    #[test]
    fn regions() {
        for (region, count) in [("eu-west-1", 0), ("evil.example/", 1), ("EU", 1)] {
            let mut errors = Vec::new();
            check_region(&mut errors, "key", Some(region));
            assert_eq!(errors.len(), count, "{region}");
        }
    }
}
