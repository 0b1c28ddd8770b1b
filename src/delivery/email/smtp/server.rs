//! A mail server as the settings name it, and connecting to it.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use secrecy::ExposeSecret;
use url::{Host, Url};

use super::outcome::{Failure, Stage};
use crate::delivery::email::TransportError;
use crate::settings::MailSettings;

/// The port for mail from users and programs, with STARTTLS (RFC 6409). Port 25 is for mail servers among themselves.
const SUBMISSION: u16 = 587;
/// The same with TLS from the start (RFC 8314).
const SUBMISSIONS: u16 = 465;

/// Anything shorter would be found in ordinary words, and masking those would give it away.
const SHORTEST_SECRET: usize = 6;

/// Where mail is handed in, and how.
pub(super) struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    /// One host name may have several addresses: each gets a part of the time, or a dead one would use it up.
    connect_timeout: Duration,
    /// What the credentials look like on the wire. A server may repeat a command it does not understand.
    pub(super) secrets: Vec<String>,
}

/// When a connection becomes encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// From the start.
    Wrapped,
    /// With STARTTLS, or nothing is sent.
    Required,
    /// With STARTTLS when the server offers it. On this machine only.
    IfOffered,
}

impl Server {
    /// Reads `mail.smtp_url` and the CA file.
    pub(super) fn new(settings: &MailSettings, sender_host: &str) -> Result<Self, TransportError> {
        let url = settings.smtp_url.as_ref().ok_or(TransportError::NoServer)?;
        let invalid = |_| TransportError::Url("is not a valid URL");
        let url = Url::parse(url.expose_secret()).map_err(invalid)?;
        let (host, is_loopback) = host(&url)?;
        let (encryption, port) = match url.scheme() {
            "smtps" => (Encryption::Wrapped, SUBMISSIONS),
            "smtp" if is_loopback => (Encryption::IfOffered, SUBMISSION),
            "smtp" => (Encryption::Required, SUBMISSION),
            _ => return Err(TransportError::Url("must begin with smtp:// or smtps://")),
        };
        let (credentials, secrets) = credentials(&url)?;
        Ok(Self {
            tls: tls(&host, encryption, settings.smtp_ca_file.as_deref())?,
            port: url.port().unwrap_or(port),
            host,
            encryption,
            credentials,
            hello: ClientId::Domain(hello(sender_host)),
            connect_timeout: Duration::from_secs(settings.timeout_seconds) / 3,
            secrets,
        })
    }

    /// Host and port.
    pub(super) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Connects, encrypts and signs in. `stage` is left at what failed.
    pub(super) async fn connect(&self, stage: &mut Stage) -> Result<AsyncSmtpConnection, Failure> {
        *stage = Stage::Connect;
        let is_wrapped = self.encryption == Encryption::Wrapped;
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (self.host.as_str(), self.port),
            Some(self.connect_timeout),
            &self.hello,
            is_wrapped.then(|| self.tls.clone()),
            None,
        )
        .await?;
        let upgrade = match self.encryption {
            Encryption::Wrapped => false,
            Encryption::Required => true,
            Encryption::IfOffered => connection.can_starttls(),
        };
        if upgrade {
            *stage = Stage::StartTls;
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            *stage = Stage::SignIn;
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// The host in the form the resolver takes, and whether it is this machine.
fn host(url: &Url) -> Result<(String, bool), TransportError> {
    let invalid = || TransportError::Url("names no valid host");
    // For a scheme it does not know, the URL parser leaves the host as it was written.
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or_else(invalid)?;
    let (host, is_loopback) = match Host::parse(host).map_err(|_| invalid())? {
        Host::Domain(name) => {
            let is_loopback = name.trim_end_matches('.') == "localhost";
            (name, is_loopback)
        }
        Host::Ipv4(ip) => (ip.to_string(), ip.is_loopback()),
        Host::Ipv6(ip) => (ip.to_string(), IpAddr::V6(ip).to_canonical().is_loopback()),
    };
    // TLS needs it as the name in the certificate. Better told at start than with each mail.
    if ServerName::try_from(host.as_str()).is_err() {
        return Err(invalid());
    }
    Ok((host, is_loopback))
}

/// User and password, and their forms on the wire.
fn credentials(url: &Url) -> Result<(Option<Credentials>, Vec<String>), TransportError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok((None, Vec::new()));
    }
    let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(TransportError::Url(
            "the user name or the password is not UTF-8",
        )),
    };
    let user = decode(url.username())?;
    let password = decode(url.password().unwrap_or_default())?;
    let mut secrets = vec![
        STANDARD.encode(format!("\0{user}\0{password}")),
        STANDARD.encode(&password),
        password.clone(),
    ];
    secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
    Ok((Some(Credentials::new(user, password)), secrets))
}

/// The name in EHLO: the sender's domain, in ASCII.
fn hello(sender_host: &str) -> String {
    match Host::parse(sender_host) {
        Ok(Host::Domain(name)) => name,
        // An address literal is written in brackets (RFC 5321 section 4.1.3).
        _ if sender_host.starts_with('[') => sender_host.to_owned(),
        _ => "localhost".to_owned(),
    }
}

/// The certificates to trust: the system's and the extra one.
///
/// A system without any is no reason to refuse the start: it matters only when a certificate has to be checked, and the
/// outcome of that says so.
fn tls(
    host: &str,
    encryption: Encryption,
    ca: Option<&Path>,
) -> Result<TlsParameters, TransportError> {
    let mut tls = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca {
        let pem = fs::read(path).map_err(|source| TransportError::CaFile {
            path: path.to_owned(),
            source,
        })?;
        // The library takes a file without a certificate in silence.
        if CertificateDer::pem_slice_iter(&pem).next().is_none() {
            return Err(TransportError::NoCertificate(path.to_owned()));
        }
        tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(TransportError::Tls)?);
    } else if encryption == Encryption::IfOffered {
        // Mail servers on the same machine come with a certificate nobody signed. Where no encryption at all would do,
        // refusing theirs would only stop the mail.
        tls = tls
            .certificate_store(CertificateStore::None)
            .dangerous_accept_invalid_certs(true);
    }
    tls.build().map_err(TransportError::Tls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::email::tests::defaults;

    fn parsed(text: &str) -> Result<(String, bool), TransportError> {
        host(&Url::parse(text).unwrap())
    }

    #[test]
    fn this_machine_is_recognised_in_every_spelling() {
        for (url, name, is_loopback) in [
            ("smtp://localhost", "localhost", true),
            ("smtp://LOCALHOST:25", "localhost", true),
            ("smtp://127.0.0.1:1025", "127.0.0.1", true),
            ("smtp://127.8.9.1", "127.8.9.1", true),
            ("smtp://u:p@[::1]:25", "::1", true),
            ("smtp://[::ffff:127.0.0.1]", "::ffff:127.0.0.1", true),
            ("smtp://[2001:db8::1]", "2001:db8::1", false),
            ("smtp://10.0.0.1", "10.0.0.1", false),
            (
                "smtp://localhost.example.org",
                "localhost.example.org",
                false,
            ),
            ("smtp://Mail.Example.org", "mail.example.org", false),
            ("smtp://mail_server:25", "mail_server", false),
            ("smtp://bücher.example", "xn--bcher-kva.example", false),
        ] {
            assert_eq!(
                parsed(url).unwrap(),
                (name.to_owned(), is_loopback),
                "{url}"
            );
        }
        for wrong in ["smtp:///x", "smtp://a%20b", "smtp:mail"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_may_do_without_encryption() {
        for (url, encryption, place) in [
            (
                "smtp://mail.example.org",
                Encryption::Required,
                "mail.example.org:587",
            ),
            ("smtp://10.0.0.1:25", Encryption::Required, "10.0.0.1:25"),
            ("smtp://localhost", Encryption::IfOffered, "localhost:587"),
            ("smtp://[::1]:1025", Encryption::IfOffered, "[::1]:1025"),
            ("smtps://localhost", Encryption::Wrapped, "localhost:465"),
            (
                "smtps://mail.example.org:2465",
                Encryption::Wrapped,
                "mail.example.org:2465",
            ),
        ] {
            let mut settings = defaults();
            settings.smtp_url = Some(url.to_owned().into());
            let server = Server::new(&settings, "example.org").unwrap();
            assert_eq!(server.encryption, encryption, "{url}");
            assert_eq!(server.place(), place, "{url}");
        }
    }

    #[test]
    fn user_and_password_are_decoded() {
        let of = |text: &str| credentials(&Url::parse(text).unwrap()).unwrap();
        let (found, secrets) = of("smtp://a%40b.example:p%2Fw%3A+%C3%A4!@h");
        let right = Credentials::new("a@b.example".to_owned(), "p/w:+ä!".to_owned());
        assert_eq!(found, Some(right));
        assert!(secrets.contains(&"p/w:+ä!".to_owned()));
        assert_eq!(of("smtp://h").0, None);
        assert!(of("smtp://user@h").0.is_some());
        assert!(credentials(&Url::parse("smtp://u:%FF@h").unwrap()).is_err());
    }

    #[test]
    fn the_greeting_names_the_senders_host() {
        assert_eq!(hello("example.org"), "example.org");
        assert_eq!(hello("bücher.example"), "xn--bcher-kva.example");
        assert_eq!(hello("[192.0.2.1]"), "[192.0.2.1]");
        assert_eq!(hello("192.0.2.1"), "localhost");
        assert_eq!(hello(""), "localhost");
    }
}
