//! A small real ESMTP server, one for each test that wants it. It behaves well until a test asks
//! it not to, and it is strict: only CRLF ends a line, and only CRLF.CRLF ends a mail.

mod session;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use self::session::Session;
use super::process::PATIENCE;

/// How connections are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all.
    #[default]
    None,
    /// After the command STARTTLS; before it, no password is taken.
    StartTls,
    /// From the first byte on.
    Implicit,
}

/// What the server offers and demands.
#[derive(Clone, Debug, Default)]
pub struct SmtpOptions {
    /// How connections are encrypted.
    pub tls: SmtpTls,
    /// The only user and password that may send; none means that anybody may.
    pub auth: Option<(String, String)>,
}

/// A moment of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The greeting.
    Greeting,
    /// The answer to EHLO.
    Ehlo,
    /// The answer to AUTH.
    Auth,
    /// The answer to MAIL FROM.
    Mail,
    /// The answer to RCPT TO.
    Rcpt,
    /// The answer to DATA.
    Data,
    /// The answer to the complete mail, which is not kept.
    Dot,
}

/// What the server does instead of its usual answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers so.
    Say(u16, &'static str),
    /// Closes the connection.
    Drop,
    /// Says nothing.
    Hang,
    /// Says an endless line, a byte a second.
    Drip,
}

/// What the server does with one attempt to send a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Fails at this moment.
    At(Step, Fault),
    /// Takes the mail.
    Accept,
    /// Greets with 421 and closes the connection.
    Unavailable,
    /// Answers every RCPT TO so.
    RejectRcpt(u16, &'static str),
    /// Answers the complete mail so.
    RejectData(u16, &'static str),
    /// Answers RCPT TO with 451 in this many attempts; as the default, in each of them.
    Greylist(usize),
    /// Refuses a right password too; a client that does not log in is refused at MAIL FROM.
    Fail535,
    /// Closes the connection instead of answering DATA.
    DropBeforeData,
    /// Loses the complete mail and closes the connection.
    DropAfterDot,
    /// Keeps the complete mail but closes the connection instead of saying so.
    AcceptThenDrop,
    /// Keeps the complete mail, says so, and closes the connection.
    AcceptThenLeave,
    /// Does not greet until [`SmtpServer::release`].
    StallGreeting,
    /// Keeps the complete mail, but does not say so until [`SmtpServer::release`].
    StallAfterDot,
}

/// A mail the server kept.
#[derive(Clone, Debug)]
pub struct Received {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The mail, with the dots the protocol doubles single again.
    pub data: Vec<u8>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who had logged in.
    pub user: Option<String>,
}

/// An attempt that the server let fail, or has stalled.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The answer that ended it, or `dropped`, `stalled` (and then `released`) or `client left`.
    pub reason: String,
}

struct Shared {
    options: SmtpOptions,
    acceptor: Option<TlsAcceptor>,
    /// The next behaviours, and the one for when there are none.
    script: Mutex<(VecDeque<Behaviour>, Behaviour)>,
    mails: Mutex<Vec<Received>>,
    failures: AtomicUsize,
    new_mail: mpsc::UnboundedSender<Received>,
    new_attempt: mpsc::UnboundedSender<Attempt>,
    releases: watch::Sender<u64>,
}

/// The server; dropping it closes it and its connections.
pub struct SmtpServer {
    address: SocketAddr,
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
    received: AsyncMutex<mpsc::UnboundedReceiver<Received>>,
    attempts: AsyncMutex<mpsc::UnboundedReceiver<Attempt>>,
    task: JoinHandle<()>,
}

impl SmtpServer {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start(options: SmtpOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (config, ca) = tls_config();
        std::fs::write(folder.path().join("ca.pem"), ca).expect("the certificate can be written");
        let acceptor = (options.tls != SmtpTls::None).then(|| TlsAcceptor::from(Arc::new(config)));
        let (new_mail, received) = mpsc::unbounded_channel();
        let (new_attempt, attempts) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            options,
            acceptor,
            script: Mutex::new((VecDeque::new(), Behaviour::Accept)),
            mails: Mutex::default(),
            failures: AtomicUsize::new(0),
            new_mail,
            new_attempt,
            releases: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                // Aborting this task drops the set and with it every connection.
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move { Session::run(shared, Box::new(stream)).await });
                }
            }
        });
        let (received, attempts) = (AsyncMutex::new(received), AsyncMutex::new(attempts));
        Self {
            address,
            folder,
            shared,
            received,
            attempts,
            task,
        }
    }

    /// Where it listens. Its certificate names `localhost` and `127.0.0.1`.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The PEM file of the authority that clients have to trust.
    pub fn ca_pem_path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Appends to the script: one attempt (for [`Behaviour::Greylist`], several) goes like this.
    pub fn behave(&self, behaviour: Behaviour) {
        let mut script = lock(&self.shared.script);
        match behaviour {
            Behaviour::Greylist(times) => {
                script
                    .0
                    .extend(std::iter::repeat_n(Behaviour::Greylist(1), times));
            }
            other => script.0.push_back(other),
        }
    }

    /// Sets how attempts go for which the script has nothing.
    pub fn behave_by_default(&self, behaviour: Behaviour) {
        lock(&self.shared.script).1 = behaviour;
    }

    /// Lets every connection go on that is stalled now.
    pub fn release(&self) {
        self.shared.releases.send_modify(|count| *count += 1);
    }

    /// How many attempts failed or were stalled so far.
    pub fn failures(&self) -> usize {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// All mails kept so far.
    pub fn mails(&self) -> Vec<Received> {
        lock(&self.shared.mails).clone()
    }

    /// The next mail this function has not returned yet; fails the test when none comes.
    pub async fn next_mail(&self) -> Received {
        let mut mails = self.received.lock().await;
        let mail = tokio::time::timeout(PATIENCE, mails.recv()).await;
        mail.expect("waited too long for a mail")
            .expect("the server keeps the sender")
    }

    /// The next failed or stalled attempt this function has not returned yet; fails the test
    /// when none comes.
    pub async fn next_attempt(&self) -> Attempt {
        let mut attempts = self.attempts.lock().await;
        let attempt = tokio::time::timeout(PATIENCE, attempts.recv()).await;
        attempt
            .expect("waited too long for a failed attempt")
            .expect("the server keeps it")
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A certificate for this machine, and in PEM the authority that signed it.
fn tls_config() -> (ServerConfig, String) {
    let ca_key = KeyPair::generate().expect("a key can be made");
    let mut ca = CertificateParams::default();
    // By the common default name of both, OpenSSL would take the other one for self-signed.
    ca.distinguished_name
        .push(DnType::CommonName, "Taskflow test authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca_pem = ca
        .self_signed(&ca_key)
        .expect("a certificate can be made")
        .pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().expect("a key can be made");
    let mut leaf = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .expect("the names are valid");
    leaf.use_authority_key_identifier_extension = true;
    let certificate = leaf
        .signed_by(&key, &issuer)
        .expect("a certificate can be made");

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .expect("the key belongs to the certificate");
    (config, ca_pem)
}
