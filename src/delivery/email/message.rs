//! Builds the mail itself (RFC 5322), through typed builders only: no header is ever put together as text.
//!
//! The same [`EmailMessage`] always gives the same bytes: date, Message-ID and boundary come from it and nothing is random.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue,
};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use sha2::{Digest, Sha256};

use super::unsubscribe::{ListUnsubscribe, ONE_CLICK, OneClick};
use crate::crypto::hex;
use crate::delivery::EmailMessage;
use crate::text::{is_unseen, one_line};

/// The longest name and subject, in characters. A header line must stay under 998 bytes (RFC 5322 section 2.1.1), and a
/// word without spaces cannot be folded.
const MAX_NAME: usize = 100;
const MAX_SUBJECT: usize = 250;

/// The last second a `Date` header can hold: the end of the year 9999. The library panics beyond it.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reads `Name <address>` or an address. None when the address is not valid.
pub(super) fn sender(text: &str) -> Option<Mailbox> {
    let (name, address) = match text.trim().strip_suffix('>') {
        Some(text) => text.rsplit_once('<')?,
        None => ("", text.trim()),
    };
    mailbox(name.trim().trim_matches('"'), address)
}

/// The recipient. None when the address is not valid.
pub(super) fn recipient(message: &EmailMessage) -> Option<Mailbox> {
    mailbox(&message.to_name, &message.to_address)
}

/// The subject, as one harmless line.
pub(super) fn subject(message: &EmailMessage) -> String {
    one_line(&message.subject, MAX_SUBJECT)
}

/// The id, of characters that a header can hold.
pub(super) fn id(message: &EmailMessage) -> String {
    (message.message_id.chars())
        .filter(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>'))
        .collect()
}

/// Builds the mail. None when the recipient's address is not valid.
pub(super) fn build(from: &Mailbox, message: &EmailMessage) -> Option<Message> {
    let to = recipient(message)?;
    // Given, not derived from the headers: whatever they say, there is one recipient.
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()]).ok()?;
    let id = id(message);
    let seconds = u64::try_from(message.date.timestamp()).unwrap_or(0);
    let date = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND));
    let parts = MultiPart::alternative()
        .boundary(boundary(&id))
        .singlepart(part(ContentType::TEXT_PLAIN, &message.text))
        .singlepart(part(ContentType::TEXT_HTML, &message.html));
    let mut headers = Message::builder()
        .date(date)
        .from(from.clone())
        .to(to)
        .subject(subject(message))
        .message_id(Some(format!("<{id}>")))
        .header(AutoSubmitted);
    if let Some(page) = message
        .unsubscribe
        .as_deref()
        .and_then(ListUnsubscribe::new)
    {
        headers = headers.header(page).header(OneClick);
    }
    headers.envelope(envelope).multipart(parts).ok()
}

const AUTO_GENERATED: &str = "auto-generated";

/// No program should answer this mail, least of all with "I am on holiday" (RFC 3834 section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), AUTO_GENERATED.to_owned())
    }
}

/// The headers beside the usual ones, for a vendor that builds the mail itself.
pub(super) fn extra_headers(message: &EmailMessage) -> Vec<(HeaderName, String)> {
    let mut headers = vec![(AutoSubmitted::name(), AUTO_GENERATED.to_owned())];
    let page = message.unsubscribe.as_deref();
    if let Some(page) = page.and_then(ListUnsubscribe::new) {
        headers.push((ListUnsubscribe::name(), page.value()));
        headers.push((OneClick::name(), ONE_CLICK.to_owned()));
    }
    headers
}

/// Always quoted-printable: no line is too long, a stray CR or LF cannot end a line for one mail server and not for
/// another, and [`boundary`] relies on it.
fn part(kind: ContentType, text: &str) -> SinglePart {
    SinglePart::builder()
        .header(kind)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(text.to_owned())
}

/// A boundary that no text can contain: `=_` never appears in quoted-printable (RFC 2045 section 6.7).
fn boundary(id: &str) -> String {
    format!("=_{}", hex(&Sha256::digest(id)[..16]))
}

fn mailbox(name: &str, text: &str) -> Option<Mailbox> {
    let name = one_line(name, MAX_NAME);
    Some(Mailbox::new(
        (!name.is_empty()).then_some(name),
        address(text)?,
    ))
}

/// Reads an address. A domain of other letters becomes its ASCII form, which every mail server takes.
fn address(text: &str) -> Option<Address> {
    // The parser lets some of these into quoted local parts. They have no place in a command to a mail server.
    let odd =
        |c: char| c.is_control() || c.is_whitespace() || is_unseen(c) || matches!(c, '<' | '>');
    if text.chars().any(odd) {
        return None;
    }
    let (user, domain) = text.rsplit_once('@')?;
    if domain.is_ascii() {
        return Address::new(user, domain).ok();
    }
    let domain = url::Host::parse(domain).ok()?;
    Address::new(user, domain.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use mail_parser::MessageParser;

    use super::super::unsubscribe::MAX_URL;
    use super::*;

    fn message() -> EmailMessage {
        EmailMessage {
            message_id: "0198c0de-0000-7000-8000-000000000001.0198c0de-0000-7000-8000-000000000002.email@tasks.example".to_owned(),
            date: DateTime::from_timestamp(1_795_311_901, 123_456_000).unwrap(),
            to_name: "Ann Example".to_owned(),
            to_address: "ann@example.org".to_owned(),
            subject: "A task is yours".to_owned(),
            text: "Hello Ann,\nthis is for you.\n".to_owned(),
            html: "<p>Hello Ann</p>\n".to_owned(),
            unsubscribe: None,
        }
    }

    fn bytes(message: &EmailMessage) -> Vec<u8> {
        let from = sender("Taskflow <taskflow@example.org>").unwrap();
        build(&from, message).unwrap().formatted()
    }

    /// The names of the mail's headers, in order.
    fn headers(mail: &[u8]) -> Vec<String> {
        let mail = MessageParser::default().parse(mail).unwrap();
        mail.headers()
            .iter()
            .map(|header| header.name().to_owned())
            .collect()
    }

    #[test]
    fn the_whole_mail() {
        let expected = "Date: Sun, 22 Nov 2026 01:45:01 +0000\r\n\
            From: Taskflow <taskflow@example.org>\r\n\
            To: \"Ann Example\" <ann@example.org>\r\n\
            Subject: A task is yours\r\n\
            Message-ID: \
            <0198c0de-0000-7000-8000-000000000001.0198c0de-0000-7000-8000-000000000002.email@tasks.example>\r\n\
            Auto-Submitted: auto-generated\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: multipart/alternative;\r\n \
            boundary=\"BOUNDARY\"\r\n\r\n\
            --BOUNDARY\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n\
            Hello Ann,\r\nthis is for you.\r\n\r\n\
            --BOUNDARY\r\n\
            Content-Type: text/html; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n\
            <p>Hello Ann</p>\r\n\r\n\
            --BOUNDARY--\r\n";
        let expected = expected.replace("BOUNDARY", &boundary(&message().message_id));
        assert_eq!(String::from_utf8(bytes(&message())).unwrap(), expected);
    }

    /// The line of the mail's header with this beginning.
    fn line(message: &EmailMessage, beginning: &str) -> Option<String> {
        let mail = String::from_utf8(bytes(message)).unwrap();
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let found = head.split("\r\n").find(|line| line.starts_with(beginning));
        found.map(ToOwned::to_owned)
    }

    #[test]
    fn a_mail_says_where_such_mails_are_turned_off() {
        let ordinary = headers(&bytes(&message()));
        for page in [
            "https://tasks.example.org/unsubscribe/AYfQ-_09".to_owned(),
            "http://localhost:8080/a/path/unsubscribe/x".to_owned(),
            // As long as may be: on one line, not folded.
            format!("https://tasks.example.org/{}", "x".repeat(MAX_URL - 26)),
        ] {
            let message = EmailMessage {
                unsubscribe: Some(page.clone()),
                ..message()
            };
            let wanted = format!("List-Unsubscribe: <{page}>");
            assert_eq!(line(&message, "List-Unsubscribe:"), Some(wanted));
            let wanted = "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned();
            assert_eq!(line(&message, "List-Unsubscribe-Post:"), Some(wanted));
            let mail = bytes(&message);
            let read = MessageParser::default().parse(&mail).unwrap();
            assert_eq!(
                read.list_unsubscribe()
                    .as_address()
                    .unwrap()
                    .first()
                    .unwrap()
                    .address(),
                Some(page.as_str())
            );
            assert_eq!(
                read.header_raw("List-Unsubscribe-Post").map(str::trim),
                Some("List-Unsubscribe=One-Click")
            );
            assert_eq!(read.header_values("List-Unsubscribe").count(), 1);
            assert_eq!(read.headers().len(), ordinary.len() + 2);
        }
    }

    #[test]
    fn a_page_that_no_header_may_hold_is_left_out_and_the_mail_goes() {
        let ordinary = headers(&bytes(&message()));
        for wrong in [
            String::new(),
            "/unsubscribe/x".to_owned(),
            "mailto:a@example.org".to_owned(),
            "javascript:alert(1)".to_owned(),
            format!("https://tasks.example.org/{}", "x".repeat(MAX_URL)),
        ] {
            let message = EmailMessage {
                unsubscribe: Some(wrong.clone()),
                ..message()
            };
            assert_eq!(headers(&bytes(&message)), ordinary, "{wrong}");
        }
        // What the standard knows how to write is written so, and adds nothing.
        for (odd, written) in [
            (
                "https://a.example/x>\r\nBcc: evil@example.com",
                "https://a.example/x%3EBcc:%20evil@example.com",
            ),
            (
                "https://a.example/ä, <b>?<\"c",
                "https://a.example/%C3%A4,%20%3Cb%3E?%3C%22c",
            ),
            (
                "https://bücher.example/x",
                "https://xn--bcher-kva.example/x",
            ),
        ] {
            let message = EmailMessage {
                unsubscribe: Some(odd.to_owned()),
                ..message()
            };
            let wanted = format!("List-Unsubscribe: <{written}>");
            assert_eq!(line(&message, "List-Unsubscribe:"), Some(wanted));
            assert_eq!(headers(&bytes(&message)).len(), ordinary.len() + 2);
        }
    }

    #[test]
    fn a_mail_that_was_kept_before_there_were_such_pages_is_read() {
        let mut json = serde_json::to_value(message()).unwrap();
        json.as_object_mut().unwrap().remove("unsubscribe");
        assert_eq!(
            serde_json::from_value::<EmailMessage>(json).unwrap(),
            message()
        );
    }

    #[test]
    fn what_people_can_end_says_where() {
        let mut message = message();
        message.unsubscribe = Some("https://tasks.example/end?token=abc".parse().unwrap());
        let mail = String::from_utf8(bytes(&message)).unwrap();
        let header = "\r\nList-Unsubscribe: <https://tasks.example/end?token=abc>\r\n\
            List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
        assert!(mail.contains(header), "{mail}");
    }

    #[test]
    fn a_retry_is_the_same_mail() {
        assert_eq!(bytes(&message()), bytes(&message()));
        let mut other = message();
        other.message_id.push('x');
        assert_ne!(boundary(&other.message_id), boundary(&message().message_id));
    }

    #[test]
    fn hostile_names_and_subjects_add_nothing() {
        let ordinary = headers(&bytes(&message()));
        for hostile in [
            "x\r\nBcc: evil@example.com",
            "x\nBcc: evil@example.com",
            "x\rBcc: evil@example.com",
            "x\r\n\r\nAnother body",
            "x\u{85}Bcc: evil@example.com",
            "x\u{2028}Bcc: evil@example.com\0",
            "Ann\" <evil@example.com>, \"x",
            "evil@example.com, Ann",
            "Ann <evil@example.com>",
            "=?utf-8?q?x=0D=0ABcc:_evil@example.com?=",
            "\u{202e}nnA\u{2066}\u{200f}",
            "\\\" <evil@example.com>,",
        ] {
            let mut message = message();
            message.to_name = hostile.to_owned();
            message.subject = hostile.to_owned();
            let from = sender("Taskflow <taskflow@example.org>").unwrap();
            let mail = build(&from, &message).unwrap();
            assert_eq!(mail.envelope().to().len(), 1, "{hostile:?}");
            let bytes = mail.formatted();
            assert_eq!(headers(&bytes), ordinary, "{hostile:?}");
            let read = MessageParser::default().parse(&bytes).unwrap();
            let to: Vec<_> = read
                .to()
                .unwrap()
                .iter()
                .filter_map(|to| to.address())
                .collect();
            assert_eq!(to, ["ann@example.org"], "{hostile:?}");
            let shown = format!(
                "{}{}",
                read.subject().unwrap(),
                read.to().unwrap().first().unwrap().name().unwrap()
            );
            assert!(
                !shown.chars().any(|c| c.is_control() || is_unseen(c)),
                "{shown:?}"
            );
        }
    }

    #[test]
    fn other_letters_arrive() {
        let mut message = message();
        message.to_name = "Žofie Müller, the 3rd (QA) – 李雷".to_owned();
        message.subject = format!("Übergabe: {} 🎉", "проверка ".repeat(20).trim_end());
        message.text = "日本語\n\"=\" at the end =\n.\n".to_owned();
        let mail = bytes(&message);
        assert!(mail.is_ascii());
        assert!(
            mail.split(|byte| *byte == b'\n')
                .all(|line| line.len() < 120)
        );
        let read = MessageParser::default().parse(&mail).unwrap();
        assert_eq!(
            read.to().unwrap().first().unwrap().name(),
            Some(message.to_name.as_str())
        );
        assert_eq!(read.subject(), Some(message.subject.as_str()));
        assert_eq!(
            read.body_text(0).unwrap().replace("\r\n", "\n").trim_end(),
            message.text.trim_end()
        );
    }

    #[test]
    fn long_and_empty_headers_are_bearable() {
        let mut message = message();
        message.subject = "x".repeat(5000);
        message.to_name = "y".repeat(5000);
        let mail = bytes(&message);
        assert!(
            mail.split(|byte| *byte == b'\n')
                .all(|line| line.len() < 998)
        );
        message.subject = String::new();
        message.to_name = " \r\n ".to_owned();
        let mail = String::from_utf8(bytes(&message)).unwrap();
        assert!(mail.contains("\r\nTo: ann@example.org\r\n"), "{mail}");
    }

    #[test]
    fn a_stray_line_end_in_a_text_ends_no_line() {
        let mut message = message();
        message.text = "a\r.\rb\n.\n\r\n.\r\nc".to_owned();
        let mail = bytes(&message);
        for (place, byte) in mail.iter().enumerate() {
            match byte {
                b'\r' => assert_eq!(mail.get(place + 1), Some(&b'\n')),
                b'\n' => assert_eq!(mail[place - 1], b'\r'),
                _ => {}
            }
        }
    }

    #[test]
    fn dates_beyond_the_header_do_not_panic() {
        let mut message = message();
        for date in [
            DateTime::<chrono::Utc>::MIN_UTC,
            DateTime::<chrono::Utc>::MAX_UTC,
        ] {
            message.date = date;
            assert!(
                String::from_utf8(bytes(&message))
                    .unwrap()
                    .starts_with("Date: ")
            );
        }
    }

    #[test]
    fn addresses_that_no_command_may_hold_are_refused() {
        for wrong in [
            "",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a b@c",
            "a@b\r\nRCPT TO:<x@y>",
            "\"a\r\nb\"@c",
            "\"a> <x\"@c",
            "<a@b>",
            "a@b, c@d",
            "\u{202e}a@b",
        ] {
            assert!(address(wrong).is_none(), "{wrong:?}");
        }
        for right in [
            "a@b",
            "a+b.c@example.org",
            "o'neil@example.org",
            "a@[192.0.2.1]",
            "änn@example.org",
        ] {
            assert!(address(right).is_some(), "{right:?}");
        }
    }

    #[test]
    fn senders_as_the_settings_allow_them() {
        for (text, name, address) in [
            (
                "Taskflow <taskflow@localhost>",
                Some("Taskflow"),
                "taskflow@localhost",
            ),
            (
                "\"Acme, Inc.\" <a@example.org>",
                Some("Acme, Inc."),
                "a@example.org",
            ),
            (
                "Acme, Inc.: Work <a@example.org>",
                Some("Acme, Inc.: Work"),
                "a@example.org",
            ),
            ("<a@example.org>", None, "a@example.org"),
            ("a@bücher.example", None, "a@xn--bcher-kva.example"),
        ] {
            let sender = sender(text).unwrap();
            assert_eq!(sender.name.as_deref(), name, "{text}");
            assert_eq!(sender.email.to_string(), address, "{text}");
        }
    }
}
