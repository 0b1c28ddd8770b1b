//! Calls to other servers by HTTP: to vendors whose address an operator set, and to addresses that users give.
//!
//! What a user may make us call is the danger (server-side request forgery): this process stands inside a network, and
//! what is not public there must not be reached through it. So such a call is guarded. Its URL is judged first
//! (`rules`), as written: literal addresses never meet a resolver. A host name is resolved once for each connection, by
//! a resolver that hands out addresses only when all of them are public (`guard`), and the connection goes to one of
//! those and nowhere else: no redirect, no proxy, no second look-up between the check and the connection.
//!
//! Guarded calls keep no connection for the next one. A kept connection would lead to an address that was checked, but
//! under rules and a DNS answer that are old by then; and calls to one host are rare enough that it would save little.
//!
//! The answer of either is read up to a limit, and not at all once that is reached.

mod addresses;
mod answer;
mod guard;
mod rules;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::redirect::Policy;
use reqwest::{Client, Request};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::settings::OutboundSettings;
pub use answer::{Answer, BodyEnd, Failure, retry_after};
pub use rules::Refused;

use guard::{Guard, SystemResolver};
use rules::Rules;

/// Who we are, in the header `User-Agent`.
const USER_AGENT: &str = concat!("Taskflow/", env!("CARGO_PKG_VERSION"));

/// The HTTP clients of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbound {
    trusted: Client,
    guarded: Client,
    rules: Arc<Rules>,
}

/// The clients cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// TLS does not take our choice of versions.
    #[error("outbound: TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refuses.
    #[error("outbound: the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl Outbound {
    /// Makes the clients. Reads the certificates that the system trusts; connects nowhere.
    ///
    /// # Errors
    /// [`OutboundError`], when a library refuses what it is given.
    pub fn new(settings: &OutboundSettings) -> Result<Self, OutboundError> {
        let mut roots = RootCertStore::empty();
        // Without any, everything else works, and each call says that a certificate is not trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::with(settings, roots, Arc::new(SystemResolver))
    }

    fn with(
        settings: &OutboundSettings,
        roots: RootCertStore,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, OutboundError> {
        let rules = Arc::new(Rules::new(settings));
        let tls = tls(roots)?;
        let builder = || {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(USER_AGENT)
                .connect_timeout(Duration::from_secs(settings.connect_timeout_seconds))
                .timeout(Duration::from_secs(settings.timeout_seconds))
                .redirect(Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
        };
        let guarded = builder()
            .dns_resolver(Guard::new(rules.clone(), resolver))
            .pool_max_idle_per_host(0);
        Ok(Self {
            trusted: builder().build().map_err(OutboundError::Client)?,
            guarded: guarded.build().map_err(OutboundError::Client)?,
            rules,
        })
    }

    /// For vendors whose address an operator set: any address, connections are kept. Never for an address that a user
    /// may choose.
    pub fn trusted(&self) -> Client {
        self.trusted.clone()
    }

    /// Calls an address that a user gave, once.
    ///
    /// # Errors
    /// [`Failure`], when there is no answer. An answer of any status is no error.
    pub async fn send_guarded(&self, request: Request) -> Result<Answer, Failure> {
        // Again, whenever it was registered: the rules may have changed since.
        self.rules.check(request.url())?;
        Answer::of(self.guarded.execute(request).await).await
    }

    /// Checks an address when a user gives it, as far as that can be done without calling it: `https` (or `http`, when
    /// that is allowed), at most 2,048 bytes, no user and password, a host that is no address of ours. Where its name
    /// leads is checked with each call.
    ///
    /// # Errors
    /// [`Refused`], why it is not taken.
    pub fn check_url(&self, text: &str) -> Result<Url, Refused> {
        self.rules.read(text)
    }
}

/// TLS 1.2 and 1.3 with the certificates of `roots`; the other side chooses between HTTP/2 and HTTP/1.1.
fn tls(roots: RootCertStore) -> Result<ClientConfig, OutboundError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OutboundError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
