//! The files of the mailbox: which there are, and what is in them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use mail_parser::{Message, MessageParser};

/// The most mails a list shows.
const MOST_LISTED: usize = 200;

/// How much of a file is read for the list, in bytes. Headers come first and are short.
const HEADERS: u64 = 16 * 1024;

/// How much of a file is read at all, in bytes. The transport writes nothing near it.
const MOST_READ: u64 = 16 * 1024 * 1024;

/// The newest mails.
pub(super) struct Listing {
    /// The newest first, at most 200.
    pub(super) rows: Vec<Row>,
    /// How many there are.
    pub(super) total: usize,
}

/// One mail of the list.
pub(super) struct Row {
    /// The file.
    pub(super) name: String,
    /// What its headers say. None when the file is no mail.
    pub(super) headers: Option<Message<'static>>,
}

/// Reads the newest mails. A folder that is not there is an empty one: nothing was sent yet.
pub(super) fn list(folder: &Path) -> io::Result<Listing> {
    let mut names = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                let name = entry?.file_name().into_string();
                names.extend(name.ok().filter(|name| is_name(name)));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // A name begins with the time, so the greatest is the newest.
    names.sort_unstable_by(|one, other| other.cmp(one));
    let total = names.len();
    let mut rows = Vec::new();
    for name in names.into_iter().take(MOST_LISTED) {
        // None: removed since the folder was read.
        if let Some(bytes) = read_some(folder, &name, HEADERS)? {
            let headers = MessageParser::default().parse_headers(&bytes);
            let headers = headers.map(Message::into_owned);
            rows.push(Row { name, headers });
        }
    }
    Ok(Listing { rows, total })
}

/// Reads one mail. None when there is none by that name.
pub(super) fn read(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    if is_name(name) {
        read_some(folder, name, MOST_READ)
    } else {
        Ok(None)
    }
}

/// Whether a mail may have this name. Nothing that could lead out of the folder, or to a file that is not finished.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let stem = name.strip_suffix(".eml").unwrap_or_default();
    !stem.is_empty() && !stem.starts_with('.') && name.len() <= 255 && name.bytes().all(is_plain)
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
        for right in [
            "20261122T014501.123456Z-a8f9f1ca37276e33.eml",
            "a.eml",
            "a.b-c.eml",
        ] {
            assert!(is_name(right), "{right}");
        }
        for wrong in [
            "",
            ".eml",
            "..eml",
            ".a.eml",
            "a",
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
            assert!(!is_name(wrong), "{wrong}");
        }
        assert!(!is_name(&format!("{}.eml", "a".repeat(300))));
    }
}
