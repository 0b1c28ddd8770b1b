//! One process a SQLite file: two would each hold a writer, a worker and a bus that the other does
//! not hear.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// An exclusive lock on `<database>.lock`, released when the process ends in whatever way.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "another taskflow process{} is using the database next to {path}: stop it, or set DATABASE_URL to another file (or to PostgreSQL, which serves many processes)",
        .pid.as_deref().map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    Taken {
        /// The lock file.
        path: PathBuf,
        /// The process that wrote itself into it.
        pid: Option<String>,
    },
    /// The file could not be made or locked.
    #[error("cannot lock {path}: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl LockFile {
    /// Takes the lock that belongs to a database file.
    pub fn acquire(database: &Path) -> Result<Self, LockError> {
        // The file itself, whatever links lead to it.
        let database = database
            .canonicalize()
            .unwrap_or_else(|_| database.to_owned());
        let mut path = database.into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let io = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Best effort: the number only makes the message more useful.
                let pid = file
                    .read_to_string(&mut pid)
                    .ok()
                    .map(|_| pid.trim().to_owned());
                return Err(LockError::Taken {
                    path,
                    pid: pid.filter(|pid| !pid.is_empty()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
