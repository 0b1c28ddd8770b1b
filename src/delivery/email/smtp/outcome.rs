//! From what a mail server answered, or did not answer, to an [`Outcome`].
//!
//! Who is to blame for a 5xx is told by the command it answers, and where that is not enough by its code:
//!
//! | answer | to | outcome |
//! |---|---|---|
//! | 530, 534, 535, 538 | any | refused: sign-in or encryption |
//! | any 5xx | greeting, EHLO, STARTTLS, AUTH, MAIL | refused |
//! | 500, 502, 503, 504, 555 | RCPT, DATA, content | refused: the server does not understand us |
//! | 554 | RCPT | refused ("relay access denied"), unless its enhanced code (RFC 3463) is about the mailbox: 5.1, 5.2 |
//! | any other 5xx | RCPT, DATA, content | rejected |
//!
//! What cannot be told apart: a 550 to RCPT is "no such user" on most servers, but "you may not send there" on some; a
//! 550 or 554 to the content is this mail's text or our reputation. Both count as rejected, since a wrong guess the other
//! way would stop everybody's mail.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::{Code, Response};

use super::server::Server;
use crate::delivery::Outcome;

/// How long a server that greylists wants to be left alone, at least (RFC 6647 section 2.1 finds minutes to be usual).
const GREYLISTED: Duration = Duration::from_mins(5);

/// The longest text kept of an answer, in characters.
const MAX_TEXT: usize = 300;

/// How far a try has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// All connections are in use.
    Waiting,
    /// From the look-up of the name to the answer to EHLO.
    Connect,
    /// STARTTLS and the second EHLO.
    StartTls,
    /// AUTH.
    SignIn,
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// The mail itself. When the answer to it is missing, the mail may have been sent.
    Content,
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Waiting => "waiting for a free connection",
            Self::Connect => "connecting",
            Self::StartTls => "at STARTTLS",
            Self::SignIn => "at AUTH",
            Self::Sender => "at MAIL",
            Self::Recipient => "at RCPT",
            Self::Data => "at DATA",
            Self::Content => "after the content",
        })
    }
}

/// Why a try came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The library's error: a negative answer, the network, TLS.
    Smtp(Error),
    /// A positive answer that does not fit the command.
    Confused(Code),
    /// An address needs SMTPUTF8 (RFC 6531), which the server does not offer.
    NoUtf8 {
        /// Whether it is the recipient's.
        recipient: bool,
    },
    /// The time is over.
    TimedOut(Duration),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

impl Failure {
    /// Whether the server has just answered, so that it listens.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Smtp(error) => error.status().is_some_and(|code| u16::from(code) != 421),
            Self::Confused(_) | Self::NoUtf8 { .. } => true,
            Self::TimedOut(_) => false,
        }
    }
}

impl Server {
    /// The outcome of a mail the server took.
    pub(super) fn sent(&self, answer: &Response) -> Outcome {
        let lines: Vec<&str> = answer.message().collect();
        let detail = format!("{} {}", answer.code(), lines.join(" "));
        Outcome::Sent {
            detail: Some(self.clean(&detail)),
        }
    }

    /// The outcome of a try that came to nothing.
    pub(super) fn failed(&self, failure: &Failure, stage: Stage) -> Outcome {
        let reason = self.reason(failure, stage);
        match failure {
            Failure::NoUtf8 { recipient: true } => Outcome::Rejected { reason },
            Failure::NoUtf8 { recipient: false } => Outcome::Refused { reason },
            Failure::Confused(_) | Failure::TimedOut(_) => Outcome::Retry {
                after: None,
                reason,
            },
            Failure::Smtp(error) => match error.status().map(u16::from) {
                Some(450 | 451) => Outcome::Retry {
                    after: Some(GREYLISTED),
                    reason,
                },
                Some(code @ 500..) if is_ours(code, stage, &root(error).to_string()) => {
                    Outcome::Refused { reason }
                }
                Some(500..) => Outcome::Rejected { reason },
                // What the library itself finds wrong: STARTTLS or a way to sign in is not offered.
                None if error.is_client() || error.is_tls() || tls_error(error).is_some() => {
                    Outcome::Refused { reason }
                }
                // 4xx, the network, or an answer that is no SMTP.
                _ => Outcome::Retry {
                    after: None,
                    reason,
                },
            },
        }
    }

    /// What happened, for people. Holds no address and no secret.
    pub(super) fn reason(&self, failure: &Failure, stage: Stage) -> String {
        let what = match failure {
            Failure::Smtp(error) => match error.status() {
                Some(code) => self.clean(&format!("{code} {}", root(error))),
                None => match tls_error(error) {
                    Some(rustls::Error::InvalidCertificate(_)) => {
                        format!(
                            "{}; for a CA of your own set mail.smtp_ca_file",
                            root(error)
                        )
                    }
                    Some(error) => format!("TLS: {error}"),
                    None => root(error).to_string(),
                },
            },
            Failure::Confused(code) => format!("the answer {code} does not fit"),
            Failure::NoUtf8 { .. } => {
                "an address is not ASCII, and the server does not offer SMTPUTF8".to_owned()
            }
            Failure::TimedOut(limit) if stage == Stage::Waiting => {
                format!("no connection became free within {} s", limit.as_secs())
            }
            Failure::TimedOut(limit) => format!("not done within {} s", limit.as_secs()),
        };
        format!("{what} ({stage})")
    }

    /// Takes out of a server's text what must not be kept: secrets, addresses, control characters, and too much of it.
    /// Our own texts do not go through here: a password that is a part of a usual word would show by its absence.
    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret, "***");
        }
        let text = hide_addresses(&text);
        let words = text.split(|c: char| c.is_control() || c == ' ');
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join(" ").chars().take(MAX_TEXT).collect()
    }
}

/// Whether a 5xx is about us and not about this recipient or mail. See the table above.
fn is_ours(code: u16, stage: Stage, text: &str) -> bool {
    match (code, stage) {
        (530 | 534 | 535 | 538 | 500 | 502 | 503 | 504 | 555, _) => true,
        (554, Stage::Recipient) => !text.starts_with("5.1.") && !text.starts_with("5.2."),
        (_, Stage::Recipient | Stage::Data | Stage::Content) => false,
        _ => true,
    }
}

/// The innermost error: the text of a negative answer, or what the system said.
fn root(error: &Error) -> &dyn StdError {
    let mut root: &dyn StdError = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

/// The TLS error inside, if that is what it is. The library reports a failed handshake as a failed connection.
fn tls_error(error: &Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        // An I/O error does not count what it carries as its source.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Replaces everything around an `@` by `<address>`.
fn hide_addresses(text: &str) -> String {
    // Some servers show the address as it stands in a link.
    let text = text.replace("%40", "@");
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>()[]{},;:\"'".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('@') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let local = match before
            .strip_suffix('"')
            .and_then(|quoted| quoted.rfind('"'))
        {
            Some(start) => start,
            None => (before.char_indices().rev())
                .find(|(_, c)| ends(*c))
                .map_or(0, |(last, c)| last + c.len_utf8()),
        };
        let domain = match after
            .strip_prefix('[')
            .and_then(|literal| literal.find(']'))
        {
            Some(end) => end + 2,
            None => after.find(ends).unwrap_or(after.len()),
        };
        let kept = before[..local].strip_suffix('<');
        out.push_str(kept.unwrap_or(&before[..local]));
        out.push_str("<address>");
        rest = &after[domain..];
        if kept.is_some() {
            rest = rest.strip_prefix('>').unwrap_or(rest);
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hidden() {
        for (text, shown) in [
            (
                "5.1.1 <a.b+c@example.org>: no such user",
                "5.1.1 <address>: no such user",
            ),
            ("user a@b unknown", "user <address> unknown"),
            ("rfc822;a@b.example, c@d", "rfc822;<address>, <address>"),
            (
                "\"john doe\"@example.org is unknown",
                "<address> is unknown",
            ),
            ("to=a@[192.0.2.1] no", "<address> no"),
            ("https://x.example/?a=u%40h.example&b", "https:<address>"),
            ("ünï@exämple.org–no", "<address>"),
            ("–a@b", "<address>"),
            ("<a@b", "<address>"),
            ("@", "<address>"),
            ("a@b@c", "<address>"),
            ("nobody here", "nobody here"),
        ] {
            let hidden = hide_addresses(text);
            assert_eq!(hidden, shown, "{text}");
        }
    }

    #[test]
    fn whom_a_refusal_is_about() {
        let about_us = [
            (535, Stage::SignIn),
            (554, Stage::Connect),
            (521, Stage::Connect),
            (530, Stage::Sender),
            (530, Stage::Recipient),
            (550, Stage::Sender),
            (553, Stage::Sender),
            (554, Stage::Sender),
            (554, Stage::Recipient),
            (503, Stage::Data),
            (500, Stage::Content),
        ];
        for (code, stage) in about_us {
            assert!(is_ours(code, stage, "5.7.1 No"), "{code} {stage}");
        }
        for code in [501, 521, 550, 551, 552, 553, 556] {
            assert!(!is_ours(code, Stage::Recipient, "No"), "{code}");
        }
        for code in [550, 552, 554] {
            assert!(!is_ours(code, Stage::Content, "5.7.1 No"), "{code}");
        }
        assert!(!is_ours(554, Stage::Recipient, "5.1.1 No such user"));
    }
}
