//! What can go wrong with an export, one variant for each reaction.

use codec::CodecError;
use compose::RenderError;
use media::MediaError;
use std::{
    io,
    path::{Path, PathBuf},
};
use store::StoreError;

/// What can go wrong with an export. Whichever it is, nothing is left under the file's name that was not there.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing was recorded in what was asked for, or none of it can be read. Ask for something else.
    #[error("there is nothing to export in this span")]
    Nothing,
    /// The plan makes no sense. Ask for something else.
    #[error("{why}")]
    Invalid {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The plan takes encoding, and it says that nothing may be encoded. Allow it, or ask for what was recorded.
    #[error("this cannot be had without encoding the recording again")]
    NeedsEncoding,
    /// Whoever asked no longer wants it.
    #[error("the export was cancelled")]
    Cancelled,
    /// The file does not fit. Free some space, or choose another disk.
    #[error("{} does not fit on its disk: {needed} bytes needed, {free} free", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Its size, or what of it is known.
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
    /// An encoder or a decoder failed, or is not installed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The pictures cannot be drawn.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl ExportError {
    /// The error of a file that calls for the right reaction. `needed` are the bytes that were to be written, if
    /// that is known.
    pub(crate) fn io(operation: &'static str, path: &Path, needed: u64, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                let free = fs4::available_space(folder_of(path)).unwrap_or(0);
                Self::DiskFull { path: path.to_owned(), needed, free }
            }
            _ => Self::Io { operation, path: path.to_owned(), source },
        }
    }
}

impl From<MediaError> for ExportError {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Nothing => Self::Nothing,
            error => Self::Media(error),
        }
    }
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
