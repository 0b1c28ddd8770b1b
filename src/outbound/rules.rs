//! What a user may have us call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

use super::addresses;
use crate::settings::OutboundSettings;

/// The longest URL that is taken, in bytes.
const MAX_URL: usize = 2_048;

/// Why an address is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is longer than 2,048 bytes.
    #[error("the address is longer than 2,048 bytes")]
    TooLong,
    /// It is no URL with a host.
    #[error("the address is not a valid URL")]
    Invalid,
    /// It is not `https`.
    #[error("the address must begin with https://")]
    Scheme,
    /// It has a user or a password in it.
    #[error("the address must not hold a user name or a password")]
    Credentials,
    /// Its host is a name for this machine, or ends in a dot.
    #[error("the name of the host is not allowed")]
    HostName,
    /// Its host is, or leads to, an address that is not public.
    #[error("the host is not at a public address")]
    NotPublic,
}

/// What is allowed beyond what is public.
#[derive(Debug)]
pub(super) struct Rules {
    allow_http: bool,
    allow_networks: Vec<IpNet>,
}

impl Rules {
    pub(super) fn new(settings: &OutboundSettings) -> Self {
        Self {
            allow_http: settings.allow_http,
            allow_networks: settings.allow_networks.clone(),
        }
    }

    /// Reads and checks a URL.
    pub(super) fn read(&self, text: &str) -> Result<Url, Refused> {
        if text.len() > MAX_URL {
            return Err(Refused::TooLong);
        }
        // The parser drops line ends and tabs, so that what is stored would not be what was shown.
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(Refused::Invalid);
        }
        let url = Url::parse(text).map_err(|_| Refused::Invalid)?;
        self.check(&url)?;
        Ok(url)
    }

    /// Checks a URL by itself. The parser has brought its host into one form: `0x7f.1`, `017700000001` and `2130706433`
    /// are 127.0.0.1 by then.
    pub(super) fn check(&self, url: &Url) -> Result<(), Refused> {
        if url.as_str().len() > MAX_URL {
            return Err(Refused::TooLong);
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err(Refused::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        match url.host() {
            None => Err(Refused::Invalid),
            Some(Host::Ipv4(ip)) => self.judge(ip.into()),
            Some(Host::Ipv6(ip)) => self.judge(ip.into()),
            Some(Host::Domain(name)) => self.check_name(name),
        }
    }

    /// Checks a host's name without looking it up.
    fn check_name(&self, name: &str) -> Result<(), Refused> {
        // Nobody needs one, and no certificate holds it.
        if name.ends_with('.') {
            return Err(Refused::HostName);
        }
        // These are always this machine (RFC 6761 section 6.3).
        let is_here = name == "localhost" || name.ends_with(".localhost");
        let here = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        if is_here && !here.into_iter().any(|ip| self.judge(ip).is_ok()) {
            return Err(Refused::HostName);
        }
        Ok(())
    }

    /// Whether this address may be called.
    pub(super) fn judge(&self, ip: IpAddr) -> Result<(), Refused> {
        let reached = addresses::reached(ip);
        let is_allowed = |net: &IpNet| net.contains(&reached) || net.contains(&ip);
        if addresses::is_public(ip) || self.allow_networks.iter().any(is_allowed) {
            Ok(())
        } else {
            Err(Refused::NotPublic)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow_http: bool, allow_networks: &[&str]) -> Rules {
        let allow_networks = allow_networks
            .iter()
            .map(|net| net.parse().unwrap())
            .collect();
        Rules {
            allow_http,
            allow_networks,
        }
    }

    #[test]
    fn literals_in_any_spelling_are_known() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0X7F.0.0.1",
            "0x7f000001",
            "017700000001",
            "0177.0.0.01",
            "2130706433",
            "127.0.0.1.",
            "0",
            "0.0.0.0",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "①②⑦.0.0.1",
            "127。0。0。1",
            "10.1",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "192.168.257",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[fe80::1]",
            "[fd00:ec2::254]",
        ] {
            let url = format!("https://{host}/hook");
            assert_eq!(
                rules(false, &[]).read(&url),
                Err(Refused::NotPublic),
                "{url}"
            );
        }
    }

    #[test]
    fn names_of_this_machine_are_known() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "ｌocalhost",
            "hook.example.",
        ] {
            let url = format!("https://{host}/");
            assert_eq!(
                rules(false, &[]).read(&url),
                Err(Refused::HostName),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_no_address_for_us() {
        let long = format!("https://hook.example/{}", "x".repeat(MAX_URL));
        // Each becomes six bytes.
        let grows = format!("https://hook.example/{}", "é".repeat(800));
        for (text, reason) in [
            ("", Refused::Invalid),
            ("hook.example", Refused::Invalid),
            ("https://", Refused::Invalid),
            ("https://a b/", Refused::Invalid),
            ("https://hook.example/\n", Refused::Invalid),
            ("https://[::1%25eth0]/", Refused::Invalid),
            ("https://1.2.3.4.5/", Refused::Invalid),
            ("http://hook.example/", Refused::Scheme),
            ("ftp://hook.example/", Refused::Scheme),
            ("file:///etc/passwd", Refused::Scheme),
            ("gopher://hook.example/", Refused::Scheme),
            ("https://user@hook.example/", Refused::Credentials),
            ("https://:pw@hook.example/", Refused::Credentials),
            ("https://hook.example@127.0.0.1/", Refused::Credentials),
            (&long, Refused::TooLong),
            (&grows, Refused::TooLong),
        ] {
            assert_eq!(rules(false, &[]).read(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn ordinary_addresses_are_taken() {
        for text in [
            "https://hook.example/",
            "https://hook.example:8443/a?b=c",
            "https://xn--bcher-kva.example/",
            "https://8.8.8.8/",
            "https://[2606:4700:4700::1111]:444/",
        ] {
            assert_eq!(rules(false, &[]).read(text).unwrap().as_str(), text);
        }
        assert!(rules(true, &[]).read("http://hook.example/").is_ok());
    }

    #[test]
    fn networks_that_are_set_are_let_through_and_no_others() {
        let some = rules(false, &["10.1.0.0/16", "fd00::/8"]);
        for (url, is_taken) in [
            ("https://10.1.2.3/", true),
            ("https://[::ffff:10.1.2.3]/", true),
            ("https://[64:ff9b::10.1.2.3]/", true),
            ("https://[fd00::1]/", true),
            ("https://10.2.0.1/", false),
            ("https://127.0.0.1/", false),
            ("https://localhost/", false),
        ] {
            assert_eq!(some.read(url).is_ok(), is_taken, "{url}");
        }
        assert!(
            rules(false, &["127.0.0.0/8"])
                .read("https://localhost/")
                .is_ok()
        );
    }
}
