//! From what a mail server answered, or did not answer, to an [`Outcome`].
//!
//! Whom a 5xx is about is told by the command it answers, by its code, and by its enhanced code (RFC 3463) if there is one:
//!
//! | answer | to | outcome |
//! |---|---|---|
//! | 534, 535, 538; 530 before RCPT | any | refused: sign-in or encryption |
//! | any 5xx | greeting, EHLO, STARTTLS, AUTH, MAIL | refused |
//! | 5.1.7, 5.1.8, 5.2.252, 5.4.5, 5.7.60: the sender's address, the quota of our account | any | refused |
//! | 5.1.0, 5.2.1: some address, a mailbox that takes nothing at the moment | RCPT, DATA, content | retried |
//! | 5.1.x else: the recipient's address | RCPT, DATA, content | no recipient |
//! | 551, 553, 556 without an enhanced code | RCPT | no recipient |
//! | 530 ("sign in for that one"), 500, 502, 503, 504, 555, 554 ("relay access denied"), 550 without an enhanced code, 5.7.x | RCPT | retried |
//! | 500, 502, 503, 504, 555 | DATA, content | retried |
//! | any other 5xx | RCPT, DATA, content | rejected |
//!
//! Refused stops everybody's mail until it is put right, so it takes an answer that cannot be about one mail. No recipient
//! stops all later mail to somebody, so it takes an answer that says so: a 550 without an enhanced code is "no such user" on
//! most servers, but "you may not send there" on some, and a server that is set up wrongly says it of everybody. What may be
//! about us or about the recipient is tried again until the mail is given up by its age.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::{Code, Response};

use super::server::Server;
use crate::delivery::Outcome;
use crate::text::is_unseen;

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
    /// Somebody else may be sending the mail by now.
    TooLate,
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
            Self::TimedOut(_) | Self::TooLate => false,
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
            id: None,
        }
    }

    /// The outcome of a try that came to nothing.
    pub(super) fn failed(&self, failure: &Failure, stage: Stage) -> Outcome {
        let reason = self.reason(failure, stage);
        match failure {
            Failure::NoUtf8 { recipient: true } => Outcome::Rejected { reason },
            Failure::NoUtf8 { recipient: false } => Outcome::Refused { reason },
            Failure::Confused(_) | Failure::TimedOut(_) | Failure::TooLate => Outcome::Retry {
                after: None,
                reason,
            },
            Failure::Smtp(error) => match error.status().map(u16::from) {
                Some(code @ 500..) => match whose(code, stage, &root(error).to_string()) {
                    Blame::Us => Outcome::Refused { reason },
                    Blame::Address => Outcome::NoRecipient { reason },
                    Blame::Message => Outcome::Rejected { reason },
                    Blame::Unclear => Outcome::Retry {
                        after: None,
                        reason,
                    },
                },
                Some(code) => Outcome::Retry {
                    after: is_greylisting(code, stage, &root(error).to_string())
                        .then_some(GREYLISTED),
                    reason,
                },
                // What the library itself finds wrong: STARTTLS or a way to sign in is not offered.
                None if error.is_client() || error.is_tls() || tls_error(error).is_some() => {
                    Outcome::Refused { reason }
                }
                // The network, or an answer that is no SMTP.
                None => Outcome::Retry {
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
                    // The library quotes what it could not read.
                    None if error.is_response() => "the answer is no SMTP".to_owned(),
                    None => self.clean(&root(error).to_string()),
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
            Failure::TooLate => "the lease ended before the mail was handed over".to_owned(),
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
        let words = text.split(|c: char| c.is_control() || c.is_whitespace() || is_unseen(c));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join(" ").chars().take(MAX_TEXT).collect()
    }
}

/// Whom a 5xx is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    Us,
    Address,
    Message,
    /// Us or the recipient.
    Unclear,
}

/// See the table above.
fn whose(code: u16, stage: Stage, text: &str) -> Blame {
    let enhanced = enhanced(text);
    match (code, stage, enhanced) {
        (530, Stage::Recipient | Stage::Data | Stage::Content, _) => Blame::Unclear,
        (530 | 534 | 535 | 538, ..) | (_, _, Some((1, 7 | 8) | (2, 252) | (4, 5) | (7, 60))) => {
            Blame::Us
        }
        (_, Stage::Recipient | Stage::Data | Stage::Content, Some((1, 0) | (2, 1)))
        | (_, Stage::Recipient, Some((7, _)))
        | (550, Stage::Recipient, None) => Blame::Unclear,
        (_, Stage::Recipient | Stage::Data | Stage::Content, Some((1, _)))
        | (551 | 553 | 556, Stage::Recipient, None) => Blame::Address,
        (500 | 502 | 503 | 504 | 555, Stage::Recipient | Stage::Data | Stage::Content, _) => {
            Blame::Unclear
        }
        // Also about the mailbox (5.2), when it is full or takes no mail so large.
        (554, Stage::Recipient, subject) if !matches!(subject, Some((2, _))) => Blame::Unclear,
        (_, Stage::Recipient | Stage::Data | Stage::Content, _) => Blame::Message,
        _ => Blame::Us,
    }
}

/// Subject and detail of the enhanced code of a 5xx: (1, 7) of `5.1.7 …`.
fn enhanced(text: &str) -> Option<(u16, u16)> {
    let code = text.strip_prefix("5.")?.split([' ', '\n']).next()?;
    let (subject, detail) = code.split_once('.')?;
    Some((subject.parse().ok()?, detail.parse().ok()?))
}

/// Whether a 4xx asks to be left alone for a while: most say 450 or 451, some only by the enhanced code that it is a
/// policy (4.7). At sign-in the same code is a passing failure of theirs.
fn is_greylisting(code: u16, stage: Stage, text: &str) -> bool {
    let is_policy = text.starts_with("4.7.") && !matches!(stage, Stage::StartTls | Stage::SignIn);
    matches!(code, 450 | 451) || is_policy
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
        use Blame::{Address, Message, Unclear, Us};
        use Stage::{Connect, Content, Data, Recipient, Sender, SignIn};
        for (code, stage, text, blame) in [
            (535, SignIn, "5.7.8 No", Us),
            (554, Connect, "No", Us),
            (521, Connect, "No", Us),
            (530, Sender, "5.7.1 No", Us),
            (530, Recipient, "5.7.1 No", Unclear),
            (550, Sender, "5.1.1 No", Us),
            (553, Sender, "No", Us),
            (554, Sender, "No", Us),
            (550, Recipient, "5.1.8 No such domain of a sender", Us),
            (550, Recipient, "5.1.1 No", Address),
            (554, Recipient, "5.1.1 No", Address),
            (556, Recipient, "5.1.10 No", Address),
            (550, Recipient, "5.1.0 Sender rejected", Unclear),
            (550, Recipient, "5.2.1 Disabled", Unclear),
            (550, Recipient, "5.4.5 Quota of a day", Us),
            (550, Content, "5.7.60 Not you", Us),
            (550, Content, "5.1.1\nNo", Address),
            (551, Recipient, "No", Address),
            (553, Recipient, "No", Address),
            (556, Recipient, "No", Address),
            (553, Recipient, "5.7.1 No", Unclear),
            (550, Recipient, "No", Unclear),
            (550, Recipient, "5.7.1 No", Unclear),
            (552, Recipient, "5.2.2 Full", Message),
            (554, Recipient, "5.2.2 Full", Message),
            (501, Recipient, "No", Message),
            (552, Content, "5.3.4 Too large", Message),
            (554, Content, "5.7.1 Spam", Message),
            (554, Data, "No valid recipients", Message),
            (550, Content, "No", Message),
            (554, Recipient, "5.7.1 Relay access denied", Unclear),
            (554, Recipient, "No", Unclear),
            (503, Data, "No", Unclear),
            (500, Content, "No", Unclear),
        ] {
            assert_eq!(whose(code, stage, text), blame, "{code} {text} {stage}");
        }
    }

    #[test]
    fn who_wants_to_be_left_alone() {
        for (code, stage, text, wants) in [
            (450, Stage::Recipient, "No", true),
            (451, Stage::Content, "4.3.0 No", true),
            (452, Stage::Recipient, "4.7.1 No", true),
            (421, Stage::Connect, "4.7.0 Too much", true),
            (452, Stage::Recipient, "4.2.2 Full", false),
            (421, Stage::Connect, "4.3.2 No", false),
            (454, Stage::SignIn, "4.7.0 No", false),
        ] {
            assert_eq!(is_greylisting(code, stage, text), wants, "{code} {text}");
        }
    }
}
