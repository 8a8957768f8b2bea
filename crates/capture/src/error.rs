//! Why a source cannot be had.

use crate::SourceId;

/// One variant for each thing that the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// List the sources and choose another.
    #[error("there is no source {id}; `spool devices` lists those there are")]
    UnknownSource {
        /// What was asked for.
        id: SourceId,
    },
    /// The display or sound server does not answer: start it, or try again later.
    #[error("cannot reach {what}: {message}")]
    Unreachable {
        /// The server, in words.
        what: &'static str,
        /// What it, or the system, said.
        message: String,
    },
    /// It is there and cannot be recorded this way: nothing to retry.
    #[error("cannot record {id}: {message}")]
    Unsupported {
        /// The source.
        id: SourceId,
        /// What is missing.
        message: String,
    },
    /// Ask the user to allow it.
    #[error("not allowed to record {id}: {message}")]
    Denied {
        /// The source.
        id: SourceId,
        /// What the system said.
        message: String,
    },
    /// The device is there and failed: trying again may help.
    #[error("cannot {operation} {id}: {message}")]
    Device {
        /// The source.
        id: SourceId,
        /// What was being done, as a verb.
        operation: &'static str,
        /// What the system said.
        message: String,
    },
}

impl CaptureError {
    /// Whether the same call can succeed later without anybody changing what it asks for.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Device { .. } => true,
            Self::UnknownSource { .. } | Self::Unsupported { .. } | Self::Denied { .. } => false,
        }
    }
}
