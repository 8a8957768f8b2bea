//! What can go wrong with an export, one variant for each reaction.

use media::MediaError;
use std::{io, path::PathBuf};
use store::StoreError;

/// What can go wrong with an export. Whichever it is, nothing is left under the file's name that was not there.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing was recorded in what was asked for, or none of it can be read. Ask for something else.
    #[error("there is nothing to export in this span")]
    Nothing,
    /// Whoever asked no longer wants it.
    #[error("the export was cancelled")]
    Cancelled,
    /// The file does not fit. Free some space, or choose another disk.
    #[error("{} does not fit on its disk: {needed} bytes needed, {free} free", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Its size.
        needed: u64,
        /// What the file system says is left.
        free: u64,
    },
    /// The file cannot be written there. Choose another place.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// Such as "write".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tracks cannot be put into one file.
    #[error(transparent)]
    Media(MediaError),
}

impl From<MediaError> for ExportError {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Nothing => Self::Nothing,
            error => Self::Media(error),
        }
    }
}
