//! A folder that messages are written to as files, for the page `/mailbox`. For development, demonstrations and tests.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Outcome;

/// Makes the names of unfinished files differ when two writers meet.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// A folder that need not exist yet.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Does not touch the folder yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, whole or not at all. One of the same name is replaced.
    pub(super) async fn write(&self, name: String, bytes: Vec<u8>) -> Outcome {
        let (folder, file) = (self.path.clone(), name.clone());
        match run(move || write_whole(&folder, &file, &bytes)).await {
            Ok(()) => Outcome::Sent {
                detail: Some(name),
                id: None,
            },
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
    ///
    /// # Errors
    /// What is wrong, in words fit for a log line.
    pub(super) async fn check(&self) -> Result<(), String> {
        let folder = self.path.clone();
        let made = run(move || fs::create_dir_all(folder)).await;
        made.map_err(|error| self.in_words(&error))
    }

    fn in_words(&self, error: &io::Error) -> String {
        format!("{} cannot be written: {error}", self.path.display())
    }
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

/// Only the owner may read: messages hold links and codes that sign people in.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::new(folder.path().join("new/mailbox"));
        assert_eq!(folder.check().await, Ok(()));
        for bytes in [b"first".to_vec(), b"again".to_vec()] {
            let detail = Some("a.eml".to_owned());
            let written = folder.write("a.eml".to_owned(), bytes).await;
            assert_eq!(written, Outcome::Sent { detail, id: None });
        }
        let files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        assert_eq!(files, ["a.eml"]);
        let file = folder.path().join("a.eml");
        assert_eq!(fs::read(&file).unwrap(), b"again");
        #[cfg(unix)]
        {
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn a_folder_that_is_a_file_is_our_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let folder = Folder::new(path);
            let outcome = folder.write("a.eml".to_owned(), Vec::new()).await;
            assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
            assert!(folder.check().await.is_err());
        }
    }
}
