//! `[server]`: where the server listens, what it is called outside, and how much it takes in at once.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use url::Url;

use super::problem::Problem;
use super::{Settings, at_least};

/// The section `[server]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The address to listen on; [`Settings::bind_host`] knows the default.
    pub host: Option<IpAddr>,
    /// The port of the API and the web application; 0 is any free port.
    pub port: u16,
    /// The port of `/metrics`; 0 is any free port.
    pub metrics_port: u16,
    /// The address people use; [`Settings::public_url`] knows the default.
    pub public_url: Option<Url>,
    /// The web origins browsers may call from, each as a browser sends it: `scheme://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The longest time of one operation over HTTP, in seconds.
    pub operation_timeout_seconds: u64,
    /// How long a new connection has to send the headers of its first request, in seconds.
    pub header_timeout_seconds: u64,
    /// How long a connection is kept for its next request, in seconds.
    pub keep_alive_seconds: u64,
    /// How long a client may leave an answer unread, in seconds.
    pub write_timeout_seconds: u64,
    /// The most connections at once.
    pub max_connections: usize,
    /// The most connections at once from one address.
    pub max_connections_per_address: usize,
    /// How many proxies in front are believed in what they say of the client's address.
    pub trusted_proxies: usize,
    /// The longest time of a graceful stop, in seconds.
    pub shutdown_seconds: u64,
}

impl ServerSettings {
    /// Checks the section by itself.
    pub(super) fn validate(&self, errors: &mut Vec<Problem>) {
        if let Some(url) = &self.public_url {
            let is_web = matches!(url.scheme(), "http" | "https");
            let is_bare = url.query().is_none() && url.fragment().is_none();
            let is_anonymous = url.username().is_empty() && url.password().is_none();
            if !(is_web && is_bare && is_anonymous) {
                let message = "must be like https://tasks.example.org: http or https, without a user, a query and a fragment";
                errors.push(Problem::of("server.public_url", message));
            }
        }
        for origin in &self.allowed_origins {
            if let Err(message) = check_origin(origin) {
                errors.push(Problem::of("server.allowed_origins", message));
            }
        }
        if self.port == self.metrics_port && self.port != 0 {
            let message = format!("must differ from server.port, which is {} too", self.port);
            errors.push(Problem::of("server.metrics_port", message));
        }
        at_least(errors, "server.max_body_bytes", self.max_body_bytes, 1);
        at_least(
            errors,
            "server.operation_timeout_seconds",
            self.operation_timeout_seconds,
            1,
        );
        at_least(
            errors,
            "server.header_timeout_seconds",
            self.header_timeout_seconds,
            1,
        );
        at_least(
            errors,
            "server.write_timeout_seconds",
            self.write_timeout_seconds,
            1,
        );
        at_least(
            errors,
            "server.keep_alive_seconds",
            self.keep_alive_seconds,
            1,
        );
        at_least(errors, "server.max_connections", self.max_connections, 1);
        at_least(
            errors,
            "server.max_connections_per_address",
            self.max_connections_per_address,
            1,
        );
        at_least(errors, "server.shutdown_seconds", self.shutdown_seconds, 1);
    }
}

impl Settings {
    /// The address to listen on: as set, or else this machine only in development and everywhere in production.
    pub fn bind_host(&self) -> IpAddr {
        let usual = if self.is_production() {
            Ipv4Addr::UNSPECIFIED
        } else {
            Ipv4Addr::LOCALHOST
        };
        self.server.host.unwrap_or(IpAddr::V4(usual))
    }

    /// The address people use, without a slash at its end, so that a path can follow. Without the setting it is
    /// `http://localhost:{port}`; production always has the setting.
    pub fn public_url(&self) -> String {
        self.server.public_url.as_ref().map_or_else(
            || format!("http://localhost:{}", self.server.port),
            |url| url.as_str().trim_end_matches('/').to_owned(),
        )
    }
}

/// An origin must be written exactly as browsers send it, because it is compared as text.
/// Rule: RFC 6454 section 6.2; the default port of http and https is left out.
fn check_origin(origin: &str) -> Result<(), String> {
    let wrong = || format!("`{origin}` is not an origin: write scheme://host[:port]");
    let url = Url::parse(origin).map_err(|_| wrong())?;
    let host = url
        .host_str()
        .filter(|host| !host.is_empty() && !host.contains('*'))
        .ok_or_else(wrong)?;
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let expected = format!("{}://{host}{port}", url.scheme());
    if origin == expected {
        Ok(())
    } else {
        Err(format!(
            "`{origin}` is not how a browser writes it: write `{expected}`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for right in [
            "https://a.example",
            "http://localhost:5173",
            "https://[::1]:8443",
            "tauri://localhost",
        ] {
            assert_eq!(check_origin(right), Ok(()));
        }
        for (wrong, hint) in [
            ("https://a.example/", "`https://a.example`"),
            ("https://a.example/app", "`https://a.example`"),
            ("https://A.example:443", "`https://a.example`"),
            ("*", "scheme://host"),
            ("https://*.a.example", "scheme://host"),
            ("null", "scheme://host"),
            ("a.example", "scheme://host"),
            ("localhost:5173", "scheme://host"),
        ] {
            let message = check_origin(wrong).unwrap_err();
            assert!(message.contains(hint), "{wrong}: {message}");
        }
    }
}
