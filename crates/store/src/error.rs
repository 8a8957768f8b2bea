//! What can go wrong in the store: one variant for each way to react.

use model::{ChunkId, KeyId, SessionId, TrackId};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing more fits. Finalize early, or free some space and try the same again.
    #[error("the disk is full: {needed} bytes needed, {free} free")]
    DiskFull {
        /// At least this many bytes were to be written.
        needed: u64,
        /// What the file system says is left.
        free: u64,
    },
    /// The file system failed. What was asked for has not happened, and may be tried again.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// Such as "write".
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process works in this folder.
    #[error("another engine{} is using {}", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), dir.display())]
    InUse {
        /// The data folder.
        dir: PathBuf,
        /// That process, where it is known.
        pid: Option<u32>,
    },
    /// The index was written by a newer Spool. Nothing was changed.
    #[error("this library has format {found}, this Spool reads up to {supported}: update Spool to open it")]
    Newer {
        /// The library's format.
        found: u32,
        /// The newest that this code reads.
        supported: u32,
    },
    /// There is nothing by that name.
    #[error("there is no {what}")]
    NotFound {
        /// Such as "recording 0199".
        what: String,
    },
    /// The beginning of an id fits several.
    #[error("{prefix} could be any of {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// The ids that begin like that.
        candidates: Vec<String>,
    },
    /// A chunk's bytes are not the ones that were recorded.
    #[error("chunk {chunk} is damaged")]
    Damaged {
        /// Which one.
        chunk: ChunkId,
    },
    /// A chunk's file is gone.
    #[error("the file of chunk {chunk} is missing")]
    Missing {
        /// Which one.
        chunk: ChunkId,
    },
    /// What is asked for is encrypted, and its key is not here. Nothing is wrong with it.
    #[error(
        "it is encrypted, and its key {key} is not here: unlock the keychain, or load it with `spool key load`"
    )]
    Locked {
        /// Which key.
        key: KeyId,
    },
    /// The index is damaged. The next opening rebuilds it from the files.
    #[error("the index of the library is damaged; it is rebuilt when the engine starts again")]
    IndexDamaged,
    /// SQLite failed in a way that is neither the disk's nor the file's fault.
    #[error("the index failed: {0}")]
    Index(rusqlite::Error),
    /// A session of this id is already there.
    #[error("session {session} is already there")]
    Exists {
        /// Which one.
        session: SessionId,
    },
    /// The session is being written, so it can neither be deleted nor put into the trash.
    #[error("session {session} is being recorded: stop it first")]
    Live {
        /// Which one.
        session: SessionId,
    },
    /// The session was finalized, so nothing more can be written.
    #[error("session {session} is closed")]
    Closed {
        /// Which one.
        session: SessionId,
    },
    /// A piece does not follow the one before it. The caller lost or repeated one.
    #[error("track {track} got a piece out of order: {reason}")]
    OutOfOrder {
        /// The track.
        track: TrackId,
        /// What does not fit.
        reason: &'static str,
    },
    /// The file of settings cannot be read as such. It is left as it is, for whoever wrote it to mend.
    #[error("{} is not a list of settings: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A text is too long to be kept.
    #[error("the {what} is longer than {limit} characters")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Characters.
        limit: usize,
    },
    /// There is more of something than can be kept.
    #[error("there are more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// As many can be kept.
        limit: usize,
    },
}

impl StoreError {
    /// Whether the very same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::DiskFull { .. }
                | Self::Io { .. }
                | Self::InUse { .. }
                | Self::Live { .. }
                | Self::Locked { .. }
        )
    }

    /// The variant that a failure to `operation` at `path`, with `needed` bytes to write, calls for.
    pub(crate) fn io(operation: &'static str, path: &Path, needed: u64, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let free = path.parent().and_then(|folder| fs4::available_space(folder).ok()).unwrap_or(0);
                Self::DiskFull { needed, free }
            }
            _ => Self::Io { operation, path: path.to_owned(), source },
        }
    }

    pub(crate) fn no_session(session: SessionId) -> Self {
        Self::NotFound { what: format!("session {session}") }
    }
}

/// Says of a failed file operation what it was and where.
pub(crate) trait At<T> {
    /// It needed no space that counts.
    fn at(self, operation: &'static str, path: &Path) -> Result<T, StoreError>;
    /// It was to write this many bytes.
    fn at_sized(self, operation: &'static str, path: &Path, bytes: usize) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T, StoreError> {
        self.at_sized(operation, path, 0)
    }

    fn at_sized(self, operation: &'static str, path: &Path, bytes: usize) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::io(operation, path, bytes as u64, error))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode, ffi};
        if let Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..) = error
        {
            return Self::IndexDamaged;
        }
        // The file ends within a page: whatever the disk does, it will not give the rest.
        if error.sqlite_error().is_some_and(|found| found.extended_code == ffi::SQLITE_IOERR_SHORT_READ) {
            return Self::IndexDamaged;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { needed: 0, free: 0 },
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::Io {
                    operation: "use",
                    path: crate::layout::DATABASE.into(),
                    source: io::Error::other(error),
                }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::IndexDamaged,
            _ => Self::Index(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn sqlite(code: i32) -> StoreError {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let path = Path::new("/nowhere/x");
        let full = StoreError::io("write", path, 7, io::ErrorKind::StorageFull.into());
        assert!(matches!(full, StoreError::DiskFull { needed: 7, .. }), "{full:?}");
        let broken = StoreError::io("write", path, 7, io::Error::from_raw_os_error(5));
        assert!(matches!(broken, StoreError::Io { operation: "write", .. }), "{broken:?}");
        assert!(full.is_retryable() && broken.is_retryable());
    }

    #[test]
    fn sqlite_errors_get_the_same_variants() {
        assert!(matches!(sqlite(ffi::SQLITE_FULL), StoreError::DiskFull { .. }));
        assert!(matches!(sqlite(ffi::SQLITE_IOERR), StoreError::Io { .. }));
        assert!(matches!(sqlite(ffi::SQLITE_IOERR_SHORT_READ), StoreError::IndexDamaged));
        assert!(matches!(sqlite(ffi::SQLITE_CORRUPT), StoreError::IndexDamaged));
        assert!(matches!(sqlite(ffi::SQLITE_NOTADB), StoreError::IndexDamaged));
        assert!(!sqlite(ffi::SQLITE_MISUSE).is_retryable());
    }
}
