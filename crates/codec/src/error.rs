//! What can go wrong, one variant for each thing that a caller can do about it.

/// Why an encoder, a decoder or a writer did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It cannot be opened like this; ask for something else.
    #[error("cannot {what}: {why}")]
    InvalidConfig {
        /// To encode, decode or write something, with its numbers.
        what: String,
        /// What is wrong with them.
        why: String,
    },
    /// The FFmpeg at hand lacks the encoder or decoder; install one that has it.
    #[error("this FFmpeg was built without {name}; install {package}")]
    MissingCodec {
        /// FFmpeg's name of it.
        name: &'static str,
        /// What brings it.
        package: &'static str,
    },
    /// The sample breaks the promise of `push`: a fault of the caller. The encoder is as it was before.
    #[error("cannot encode the sample at {at}: {why}")]
    InvalidSample {
        /// When it was seen or heard.
        at: model::Timestamp,
        /// What is wrong with it.
        why: String,
    },
    /// The packet cannot be decoded, and gave nothing. Go on: decoding begins again with the next keyframe.
    #[error("cannot decode the packet at {at}: {why}")]
    CorruptPacket {
        /// When it would have been shown or heard.
        at: model::Timestamp,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be written. What there is of it is of no use.
    #[error("{operation} {path} failed: {why}", path = path.display())]
    File {
        /// Which one.
        path: std::path::PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What the system says about it.
        why: String,
    },
    /// FFmpeg failed. This encoder is of no more use; a new one may be.
    #[error("{operation} failed: {why}")]
    Failed {
        /// What was being done.
        operation: &'static str,
        /// What FFmpeg says about it.
        why: String,
    },
}

impl CodecError {
    /// Whether the same may succeed with a new encoder or decoder of the same configuration.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    pub(crate) fn failed(operation: &'static str) -> impl Fn(ffmpeg_next::Error) -> Self {
        move |error| Self::Failed { operation, why: error.to_string() }
    }
}
