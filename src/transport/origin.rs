//! Which sites may talk to this server from a browser.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::{Host, Url};

/// The sites on the list, and this server's own pages.
#[derive(Clone, Debug)]
pub struct Origins {
    allowed: Vec<String>,
    /// The names this server has: in `public_url`, and in the list.
    hosts: Vec<String>,
    /// In development a front end runs on some other port of this machine.
    any_loopback: bool,
}

impl Origins {
    /// The list and the address people use; with `any_loopback` also every port of this machine.
    pub fn new(allowed: Vec<String>, public_url: &str, any_loopback: bool) -> Self {
        let hosts = allowed
            .iter()
            .map(String::as_str)
            .chain([public_url])
            .filter_map(|url| Some(Url::parse(url).ok()?.host_str()?.to_owned()))
            .collect();
        Self {
            allowed,
            hosts,
            any_loopback,
        }
    }

    /// Whether a page of this origin may read answers.
    pub fn allows(&self, origin: &str) -> bool {
        if self.allowed.iter().any(|allowed| allowed == origin) {
            return true;
        }
        self.any_loopback
            && Url::parse(origin).is_ok_and(|url| {
                // Written as a browser does, and nothing else.
                let is_plain = url.origin().ascii_serialization() == origin;
                is_plain && url.host().is_some_and(|host| is_loopback(&host))
            })
    }

    /// Whether a name is one of this server's, and not one that somebody else let point here: a page
    /// of theirs would count as ours (DNS rebinding). Addresses and names without a dot cannot be
    /// theirs.
    fn knows(&self, host: &str) -> bool {
        // Most requests, without reading a URL.
        if host.parse::<SocketAddr>().is_ok() {
            return true;
        }
        let Ok(url) = Url::parse(&format!("http://{host}/")) else {
            return false;
        };
        match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                is_loopback(&Host::Domain(name))
                    || !name.contains('.')
                    || self.hosts.iter().any(|known| known == name)
            }
            Some(_) => true,
            None => false,
        }
    }

    /// Whether a request comes from a page that may not send it. Programs that are no browsers send
    /// neither header and pass: they hold no one's cookies or network position by accident.
    pub fn refuses(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(origin) = headers.get(header::ORIGIN) {
            let Ok(origin) = origin.to_str() else {
                return true;
            };
            let host = text(header::HOST).filter(|host| self.knows(host));
            return !is_own(origin, host) && !self.allows(origin);
        }
        matches!(
            headers.get("sec-fetch-site").map(HeaderValue::as_bytes),
            Some(b"cross-site" | b"same-site")
        )
    }
}

/// Refuses requests under a name that is not this server's. Used in development, where pages show
/// what nobody else may see; in production a proxy decides which names lead here.
pub async fn check_host(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let is_known = host.is_none_or(|host| host.to_str().is_ok_and(|host| origins.knows(host)));
    if is_known {
        return next.run(request).await;
    }
    let text = "This server does not know the name it was called by. Call it localhost, or set \
        TASKFLOW_SERVER__PUBLIC_URL to the address people use.\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

/// A page this server gave out itself.
fn is_own(origin: &str, host: Option<&str>) -> bool {
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::Origins;

    fn refuses(origins: &Origins, headers: &[(&'static str, &'static str)]) -> bool {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        origins.refuses(&headers)
    }

    #[test]
    fn own_pages_and_listed_sites_pass_and_others_do_not() {
        let origins = Origins::new(
            vec!["https://app.example.org".to_owned()],
            "https://me.example",
            false,
        );
        assert!(!refuses(&origins, &[]));
        assert!(!refuses(&origins, &[("origin", "https://app.example.org")]));
        assert!(!refuses(
            &origins,
            &[("origin", "https://me.example"), ("host", "me.example")]
        ));
        assert!(refuses(
            &origins,
            &[("origin", "https://evil.example"), ("host", "me.example")]
        ));
        assert!(refuses(
            &origins,
            &[("origin", "null"), ("host", "me.example")]
        ));
        assert!(refuses(
            &origins,
            &[("origin", "http://localhost:5173"), ("host", "me.example")]
        ));
        assert!(refuses(&origins, &[("sec-fetch-site", "cross-site")]));
        assert!(!refuses(&origins, &[("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn in_development_any_port_of_this_machine_passes() {
        let origins = Origins::new(Vec::new(), "http://localhost:8080", true);
        for origin in [
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
        ] {
            assert!(origins.allows(origin), "{origin}");
        }
        for origin in [
            "ftp://user@localhost",
            "http://localhost:5173/",
            "http://localhost.evil.example",
            "http://evil.example",
            "null",
            "",
        ] {
            assert!(!origins.allows(origin), "{origin}");
        }
    }

    #[test]
    fn a_name_that_somebody_else_let_point_here_is_not_ours() {
        let allowed = vec!["https://app.example.org".to_owned()];
        let origins = Origins::new(allowed, "https://me.example", true);
        for host in [
            "me.example",
            "ME.example:8080",
            "app.example.org",
            "localhost:8080",
            "x.localhost",
            "127.0.0.1:8080",
            "[::1]:8080",
            "192.168.1.5",
            "taskflow:8080",
        ] {
            assert!(origins.knows(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "me.example.evil",
            "a b",
            "",
        ] {
            assert!(!origins.knows(host), "{host}");
        }
        let rebound = [("origin", "http://evil.example"), ("host", "evil.example")];
        assert!(refuses(&origins, &rebound));
    }
}
