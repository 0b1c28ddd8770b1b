//! Which sites may talk to this server from a browser.

use axum::http::{HeaderMap, HeaderValue, header};
use url::Url;

/// The sites on the list, and this server's own pages.
#[derive(Clone, Debug)]
pub struct Origins {
    allowed: Vec<String>,
    /// In development a front end runs on some other port of this machine.
    any_loopback: bool,
}

impl Origins {
    /// The list; with `any_loopback` also every port of this machine.
    pub fn new(allowed: Vec<String>, any_loopback: bool) -> Self {
        Self {
            allowed,
            any_loopback,
        }
    }

    /// Whether a page of this origin may read answers.
    pub fn allows(&self, origin: &str) -> bool {
        if self.allowed.iter().any(|allowed| allowed == origin) {
            return true;
        }
        self.any_loopback
            && Url::parse(origin).is_ok_and(|url| match url.host() {
                Some(url::Host::Domain(name)) => {
                    name == "localhost" || name.ends_with(".localhost")
                }
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                None => false,
            })
    }

    /// Whether a request comes from a page that may not send it. Programs that are no browsers send
    /// neither header and pass: they hold no one's cookies or network position by accident.
    pub fn refuses(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(origin) = headers.get(header::ORIGIN) {
            let Ok(origin) = origin.to_str() else {
                return true;
            };
            return !is_own(origin, text(header::HOST)) && !self.allows(origin);
        }
        matches!(
            headers.get("sec-fetch-site").map(HeaderValue::as_bytes),
            Some(b"cross-site" | b"same-site")
        )
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
        let origins = Origins::new(vec!["https://app.example.org".to_owned()], false);
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
        let origins = Origins::new(Vec::new(), true);
        for origin in [
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
        ] {
            assert!(origins.allows(origin), "{origin}");
        }
        for origin in [
            "http://localhost.evil.example",
            "http://evil.example",
            "null",
            "",
        ] {
            assert!(!origins.allows(origin), "{origin}");
        }
    }
}
