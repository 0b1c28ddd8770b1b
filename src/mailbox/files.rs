//! The files of the mailbox: which there are, and what is in them.

use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};
use mail_parser::{Message, MessageParser};

use crate::delivery::log::{LoggedPush, LoggedSms, PUSH, SMS};

/// The most messages a list shows.
const MOST_LISTED: usize = 200;

/// How much of a mail is read for the list, in bytes. Headers come first and are short.
const HEADERS: u64 = 16 * 1024;

/// How much of an SMS or a push message is read, in bytes. Both are far shorter.
const MOST_JSON: u64 = 64 * 1024;

/// How much of a mail is read at all, in bytes. The transport writes nothing near it.
const MOST_READ: u64 = 16 * 1024 * 1024;

/// The ways a message leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A mail (RFC 5322).
    Mail,
    /// An SMS, as JSON.
    Sms,
    /// A push message, as JSON.
    Push,
}

/// What is in a file.
pub(super) enum Content {
    /// A mail, or its headers alone.
    Mail(Box<Message<'static>>),
    /// An SMS.
    Sms(LoggedSms),
    /// A push message.
    Push(LoggedPush),
    /// Nothing that can be read as what its name says.
    Broken,
}

/// The newest messages.
pub(super) struct Listing {
    /// The newest first, at most 200.
    pub(super) rows: Vec<Row>,
    /// How many there are.
    pub(super) total: usize,
}

/// One message of the list.
pub(super) struct Row {
    /// The file.
    pub(super) name: String,
    /// What it says it is.
    pub(super) kind: Kind,
    /// What is in it.
    pub(super) content: Content,
    /// When it was sent.
    pub(super) at: DateTime<Utc>,
}

impl Kind {
    /// The kind of a message whose file has this name. None when no message has: what could lead out of the folder, or to
    /// a file that is not finished.
    pub(super) fn of(name: &str) -> Option<Self> {
        let ends = [(".eml", Self::Mail), (SMS, Self::Sms), (PUSH, Self::Push)];
        let (stem, kind) = ends
            .into_iter()
            .find_map(|(end, kind)| Some((name.strip_suffix(end)?, kind)))?;
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_name = !stem.is_empty()
            && !stem.starts_with('.')
            && name.len() <= 255
            && name.bytes().all(is_plain);
        is_name.then_some(kind)
    }

    /// Reads a file of this kind.
    pub(super) fn read(self, bytes: &[u8]) -> Content {
        let read = match self {
            Self::Mail => mail(MessageParser::default().parse(bytes)),
            Self::Sms => serde_json::from_slice(bytes).ok().map(Content::Sms),
            Self::Push => serde_json::from_slice(bytes).ok().map(Content::Push),
        };
        read.unwrap_or(Content::Broken)
    }

    /// Reads what the list shows of it, from its beginning.
    fn read_head(self, bytes: &[u8]) -> Content {
        match self {
            Self::Mail => {
                let head = mail(MessageParser::default().parse_headers(bytes));
                head.unwrap_or(Content::Broken)
            }
            Self::Sms | Self::Push => self.read(bytes),
        }
    }
}

/// Anything can be read as a mail; one that says nothing about itself is none.
fn mail(message: Option<Message<'_>>) -> Option<Content> {
    let message = message.filter(|message| !message.headers().is_empty())?;
    Some(Content::Mail(Box::new(message.into_owned())))
}

/// Reads the newest messages. A folder that is not there is an empty one: nothing was sent yet.
pub(super) fn list(folder: &Path) -> io::Result<Listing> {
    let mut found = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().into_string();
                found.extend(name.ok().and_then(|name| find(&entry, name)));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    found.sort_unstable_by(|one, other| (other.0, &other.1).cmp(&(one.0, &one.1)));
    let total = found.len();
    let mut rows = Vec::new();
    for (written_at, name, kind) in found.into_iter().take(MOST_LISTED) {
        let most = if kind == Kind::Mail {
            HEADERS
        } else {
            MOST_JSON
        };
        // None: removed since the folder was read.
        if let Some(bytes) = read_some(folder, &name, most)? {
            let content = kind.read_head(&bytes);
            let at = match &content {
                Content::Sms(sms) => sms.at,
                Content::Push(push) => push.at,
                Content::Mail(_) | Content::Broken => written_at,
            };
            rows.push(Row {
                name,
                kind,
                content,
                at,
            });
        }
    }
    rows.sort_by(|one, other| (other.at, &other.name).cmp(&(one.at, &one.name)));
    Ok(Listing { rows, total })
}

/// A message of the folder: when it was sent, as far as that is known without reading it, and what it says it is.
fn find(entry: &DirEntry, name: String) -> Option<(DateTime<Utc>, String, Kind)> {
    let kind = Kind::of(&name)?;
    let at = match time_in(&name) {
        Some(at) => at,
        // An SMS and a push message are named by their ids. They are written when they are sent.
        None => entry.metadata().ok()?.modified().ok()?.into(),
    };
    Some((at, name, kind))
}

/// The time that the name of a mail begins with.
fn time_in(name: &str) -> Option<DateTime<Utc>> {
    let (time, _) = name.split_once('-')?;
    let time = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%.fZ").ok()?;
    Some(time.and_utc())
}

/// Reads one message. None when there is none by that name.
pub(super) fn read(folder: &Path, name: &str) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let Some(kind) = Kind::of(name) else {
        return Ok(None);
    };
    let bytes = read_some(folder, name, MOST_READ)?;
    Ok(bytes.map(|bytes| (kind, bytes)))
}

/// Reads the beginning of a plain file; a link does not count, wherever it leads.
fn read_some(folder: &Path, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
    let path = folder.join(name);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (right, kind) in [
            ("20261122T014501.123456Z-a8f9f1ca37276e33.eml", Kind::Mail),
            ("a.eml", Kind::Mail),
            ("a.b-c.eml", Kind::Mail),
            ("019aa7c0-0000-7000-8000-000000000001.sms.json", Kind::Sms),
            ("delivery_01h455vb4pex5vsknk084sn02q.push.json", Kind::Push),
        ] {
            assert_eq!(Kind::of(right), Some(kind), "{right}");
        }
        for wrong in [
            "",
            ".eml",
            "..eml",
            ".a.eml",
            "a",
            "a.json",
            ".sms.json",
            "..sms.json",
            ".a.push.json",
            "a.sms.json.1-2",
            "../a.push.json",
            "a/b.sms.json",
            "a.eml.1-2",
            "../a.eml",
            "..\\a.eml",
            "a/b.eml",
            "a%2fb.eml",
            "a b.eml",
            "ä.eml",
            "a.eml\0",
            "a.EML",
        ] {
            assert_eq!(Kind::of(wrong), None, "{wrong}");
        }
        assert_eq!(Kind::of(&format!("{}.eml", "a".repeat(300))), None);
    }

    #[test]
    fn the_time_in_a_name() {
        let at = time_in("20261122T014501.123456Z-a8f9f1ca37276e33.eml").unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-22T01:45:01.123456+00:00");
        for none in ["a.eml", "a-b.eml", "20261322T014501.1Z-a.eml", "-.eml"] {
            assert_eq!(time_in(none), None, "{none}");
        }
    }
}
