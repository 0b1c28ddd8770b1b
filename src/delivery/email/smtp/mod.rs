//! SMTP (RFC 5321): hands a mail to a mail server and says what came of it.
//!
//! The library's own pool is not used. It keeps a connection that was given up in the middle of a dialogue, so the next
//! mail would read the late answer to the last one and take it for its own: a refused mail would count as sent. It also
//! does not bound how many connections are open. Here a connection goes back only after its last answer was read, and a
//! mail that is given up takes its connection with it. Speaking the commands one by one also tells at which of them the
//! server refused, and that decides whether the recipient is to blame or we are.
//!
//! `server` knows the settings and connects, `outcome` turns answers into outcomes.

mod outcome;
mod server;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{self, Duration};

use lettre::Message;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::TransportError;
use crate::delivery::Outcome;
use crate::failpoint::{self, Point};
use crate::settings::MailSettings;
use outcome::{Failure, Stage};
use server::Server;

/// A connection that was used so recently is not asked whether it still works: that is a round trip for each mail.
const JUST_USED: Duration = Duration::from_secs(1);
/// How long an unused connection is kept. Mail servers close theirs after a minute or more.
const IDLE: Duration = Duration::from_secs(30);
/// How long an unused connection may take to show that it still works.
const ALIVE: Duration = Duration::from_secs(3);
/// How long saying goodbye may take. Nothing depends on it.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a check may take.
const CHECK: Duration = Duration::from_secs(5);

/// A mail server and the connections to it.
pub(super) struct Smtp {
    server: Server,
    timeout: Duration,
    /// One for each connection that may be open.
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Idle>>>,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// A connection for the next mail.
struct Taken {
    connection: AsyncSmtpConnection,
    /// Whether the server has answered on it just now. Else it may have been closed meanwhile.
    is_sure: bool,
}

impl Smtp {
    /// `sender_host` is the host part of the sender's address.
    pub(super) fn new(settings: &MailSettings, sender_host: &str) -> Result<Self, TransportError> {
        let most = usize::try_from(settings.smtp_pool).unwrap_or(usize::MAX);
        Ok(Self {
            server: Server::new(settings, sender_host)?,
            timeout: Duration::from_secs(settings.timeout_seconds),
            permits: Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))),
            idle: Arc::default(),
        })
    }

    /// Host and port.
    pub(super) fn place(&self) -> String {
        self.server.place()
    }

    /// Sends the mail, once. Whoever waits for a free connection does so while the lease leaves time for the rest,
    /// which ends at the time limit.
    pub(super) async fn send(&self, mail: &Message, until: time::Instant) -> Outcome {
        let mut stage = Stage::Waiting;
        let left = until.saturating_duration_since(time::Instant::now());
        let patience = left.saturating_sub(self.timeout);
        // The semaphore is never closed, so this cannot fail.
        let sent = match timeout(patience, self.permits.clone().acquire_owned()).await {
            Ok(permit) => {
                let attempt = self.attempt(mail, until, &mut stage, permit.ok());
                let limit = Failure::TimedOut(self.timeout);
                timeout(self.timeout, attempt).await.unwrap_or(Err(limit))
            }
            Err(_) => Err(Failure::TimedOut(patience)),
        };
        match sent {
            Ok(answer) => self.server.sent(&answer),
            Err(failure) => self.server.failed(&failure, stage),
        }
    }

    /// Connects and signs in.
    pub(super) async fn check(&self) -> Result<(), String> {
        let limit = CHECK.min(self.timeout);
        let mut stage = Stage::Waiting;
        let connected = timeout(limit, async {
            let _permit = self.permits.acquire().await;
            let taken = self.take(&mut stage).await?;
            self.keep(taken.connection);
            Ok(())
        });
        match connected.await.unwrap_or(Err(Failure::TimedOut(limit))) {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.server.reason(&failure, stage)),
        }
    }

    async fn attempt(
        &self,
        mail: &Message,
        until: time::Instant,
        stage: &mut Stage,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Response, Failure> {
        loop {
            let Taken {
                mut connection,
                is_sure,
            } = self.take(stage).await?;
            let answer = dialogue(&mut connection, mail, until, stage).await;
            match &answer {
                Ok(_) => self.keep(connection),
                // The server had closed it, and has heard nothing of the mail.
                Err(failure) if !is_sure && *stage == Stage::Sender && !failure.is_answer() => {
                    continue;
                }
                // The server has answered, so it is told that we leave. Beside, not before, what it said is passed on:
                // the time limit must not swallow a refusal. On any other failure it would not listen.
                Err(failure) if failure.is_answer() => {
                    tokio::spawn(async move {
                        drop(timeout(GOODBYE, connection.abort()).await);
                        drop(permit);
                    });
                }
                Err(_) => {}
            }
            return answer;
        }
    }

    /// A connection that was just seen to work, or a new one.
    async fn take(&self, stage: &mut Stage) -> Result<Taken, Failure> {
        *stage = Stage::Connect;
        loop {
            let Some(mut idle) = lock(&self.idle).pop() else {
                return Ok(Taken {
                    connection: self.server.connect(stage).await?,
                    is_sure: true,
                });
            };
            let unused = idle.since.elapsed();
            let is_sure = unused >= JUST_USED;
            if is_sure {
                let alive = timeout(ALIVE, idle.connection.test_connected());
                if unused >= IDLE || !matches!(alive.await, Ok(true)) {
                    continue;
                }
            }
            return Ok(Taken {
                connection: idle.connection,
                is_sure,
            });
        }
    }

    /// Puts a connection back whose last answer was read.
    fn keep(&self, connection: AsyncSmtpConnection) {
        let since = Instant::now();
        lock(&self.idle).push(Idle { connection, since });
        tokio::spawn(close_later(Arc::downgrade(&self.idle)));
    }
}

/// Closes what is unused for too long, so that the mail server does not have to.
#[expect(
    clippy::disallowed_methods,
    reason = "being unused is a matter of time"
)]
async fn close_later(idle: Weak<Mutex<Vec<Idle>>>) {
    tokio::time::sleep(IDLE).await;
    let Some(idle) = idle.upgrade() else { return };
    let old: Vec<Idle> = lock(&idle)
        .extract_if(.., |idle| idle.since.elapsed() >= IDLE)
        .collect();
    for mut idle in old {
        drop(timeout(GOODBYE, idle.connection.abort()).await);
    }
}

/// Nobody panics while holding the lock, and a list of connections cannot be half-changed.
fn lock(idle: &Mutex<Vec<Idle>>) -> MutexGuard<'_, Vec<Idle>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The commands of one mail (RFC 5321 section 3.3). `stage` always names the one whose answer is awaited.
///
/// The time limit cannot see to `until`: after a process was stopped for a while, the answer that came meanwhile is
/// looked at before the clock is.
async fn dialogue(
    connection: &mut AsyncSmtpConnection,
    mail: &Message,
    until: time::Instant,
    stage: &mut Stage,
) -> Result<Response, Failure> {
    let in_time = || {
        let is_over = time::Instant::now() >= until;
        if is_over {
            Err(Failure::TooLate)
        } else {
            Ok(())
        }
    };
    let envelope = mail.envelope();
    let bytes = mail.formatted();
    *stage = Stage::Sender;
    let mut parameters = Vec::new();
    // Bodies and names are encoded: only an address can bring other characters in (RFC 6531).
    if !bytes.is_ascii() {
        if !connection
            .server_info()
            .supports_feature(Extension::SmtpUtfEight)
        {
            let recipient = envelope
                .to()
                .iter()
                .any(|to| !AsRef::<str>::as_ref(to).is_ascii());
            return Err(Failure::NoUtf8 { recipient });
        }
        parameters.push(MailParameter::SmtpUtfEight);
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    connection
        .command(Mail::new(envelope.from().cloned(), parameters))
        .await?;
    for to in envelope.to() {
        *stage = Stage::Recipient;
        connection
            .command(Rcpt::new(to.clone(), Vec::new()))
            .await?;
    }
    failpoint::dies(Point::BeforeData, &"");
    *stage = Stage::Data;
    in_time()?;
    let answer = connection.command(Data).await?;
    if !answer.has_code(354) {
        return Err(Failure::Confused(answer.code()));
    }
    // Whoever leaves here has to close the connection: the server waits for the mail.
    in_time()?;
    *stage = Stage::Content;
    let answer = match std::str::from_utf8(&bytes) {
        Ok(text) => connection.command(content(text)).await?,
        // Nothing that we write.
        Err(_) => connection.message(&bytes).await?,
    };
    if !answer.is_positive() || answer.has_code(354) {
        return Err(Failure::Confused(answer.code()));
    }
    failpoint::dies(Point::AfterAnswer, &"");
    Ok(answer)
}

/// A mail as it is transmitted, with its end (RFC 5321 section 4.5.2). The library writes the two apart: then TCP keeps
/// the end back until the other side has confirmed the rest, which it likes to do 40 ms later.
fn content(mail: &str) -> String {
    let first = if mail.starts_with('.') { "." } else { "" };
    let lines = mail.replace("\r\n.", "\r\n..");
    format!("{first}{lines}\r\n.\r\n")
}
