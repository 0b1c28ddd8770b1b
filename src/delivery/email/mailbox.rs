//! The mailbox: every mail becomes a file in a folder, for the page `/mailbox`. For development, demonstrations and tests.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::crypto::hex;
use crate::delivery::{EmailMessage, Outcome};

/// Makes the names of unfinished files differ when two writers meet.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// A folder that mail is written to.
pub(super) struct MailboxFolder {
    path: PathBuf,
}

impl MailboxFolder {
    /// Does not touch the folder yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the mail. A repeated mail overwrites its file instead of making a second one.
    pub(super) async fn write(&self, message: &EmailMessage, bytes: Vec<u8>) -> Outcome {
        let name = file_name(message);
        let (folder, file) = (self.path.clone(), name.clone());
        match run(move || write_whole(&folder, &file, &bytes)).await {
            Ok(()) => Outcome::Sent { detail: Some(name) },
            Err(error) => {
                let reason = self.in_words(&error);
                if is_setup(&error) {
                    Outcome::Refused { reason }
                } else {
                    Outcome::Retry {
                        after: None,
                        reason,
                    }
                }
            }
        }
    }

    /// Makes the folder.
    pub(super) async fn check(&self) -> Result<(), String> {
        let folder = self.path.clone();
        let made = run(move || fs::create_dir_all(folder)).await;
        made.map_err(|error| self.in_words(&error))
    }

    fn in_words(&self, error: &io::Error) -> String {
        format!("{} cannot be written: {error}", self.path.display())
    }
}

/// The time first, so that names sort by it; then what tells mails of the same moment apart.
fn file_name(message: &EmailMessage) -> String {
    let time = message.date.format("%Y%m%dT%H%M%S%.6fZ");
    format!(
        "{time}-{}.eml",
        hex(&Sha256::digest(&message.message_id)[..8])
    )
}

/// Whether somebody has to change something before writing can work.
fn is_setup(error: &io::Error) -> bool {
    use ErrorKind::{AlreadyExists, NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    matches!(
        error.kind(),
        AlreadyExists | NotADirectory | PermissionDenied | ReadOnlyFilesystem
    )
}

async fn run(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// Writes beside and renames, so that a reader sees the whole file or none.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!(".{name}.{}-{number}", std::process::id()));
    let written = create(&unfinished)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, folder.join(name)));
    if written.is_err() {
        // Best effort: what failed is told, not what could not be tidied up after it.
        drop(fs::remove_file(&unfinished));
        return written;
    }
    // The rename is in the folder, which is kept for itself. Not every system can open a folder.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Only the owner may read: mails hold links that sign people in.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn message() -> EmailMessage {
        EmailMessage {
            message_id: "event.recipient.email@host.example".to_owned(),
            date: DateTime::from_timestamp_micros(1_795_311_901_123_456).unwrap(),
            to_name: String::new(),
            to_address: "ann@example.org".to_owned(),
            subject: String::new(),
            text: String::new(),
            html: String::new(),
        }
    }

    #[tokio::test]
    async fn a_repeated_mail_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = MailboxFolder::new(folder.path().join("new/mailbox"));
        assert_eq!(mailbox.check().await, Ok(()));
        let name = "20261122T014501.123456Z-a8f9f1ca37276e33.eml".to_owned();
        for bytes in [b"first".to_vec(), b"again".to_vec()] {
            let detail = Some(name.clone());
            assert_eq!(
                mailbox.write(&message(), bytes).await,
                Outcome::Sent { detail }
            );
        }
        let files: Vec<_> = fs::read_dir(mailbox.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        assert_eq!(files, [name.as_str()]);
        assert_eq!(fs::read(mailbox.path().join(&name)).unwrap(), b"again");
        let mut other = message();
        other.message_id.push('x');
        assert!(matches!(
            mailbox.write(&other, Vec::new()).await,
            Outcome::Sent { .. }
        ));
        assert_eq!(fs::read_dir(mailbox.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn a_folder_that_is_a_file_is_our_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let mailbox = MailboxFolder::new(path);
            let outcome = mailbox.write(&message(), Vec::new()).await;
            assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
            assert!(mailbox.check().await.is_err());
        }
    }
}
