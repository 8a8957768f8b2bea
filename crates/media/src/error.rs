//! What can go wrong with chunks, one variant for each reaction.

use model::{Timestamp, TrackId};
use std::time::Duration;

/// What can go wrong with chunks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// A chunk can only begin with a keyframe. The packet was dropped: ask the encoder for a keyframe.
    #[error("{track}: the packet at {at} cannot begin a chunk, a keyframe is needed")]
    NeedsKeyframe {
        /// Whose packet it was.
        track: TrackId,
        /// When it would have been shown.
        at: Timestamp,
    },
    /// A packet without bytes, or larger than a part can be. It was dropped: go on with the next.
    #[error("{track}: the packet at {at} has {size} bytes")]
    PacketSize {
        /// Whose packet it was.
        track: TrackId,
        /// When it would have been shown.
        at: Timestamp,
        /// Its bytes.
        size: usize,
    },
    /// A chunk length that is not allowed. Tell who chose it.
    #[error("a chunk of {chunk:?} is not allowed: 2 s to 10 s, a multiple of 250 ms")]
    ChunkLength {
        /// What was asked for.
        chunk: Duration,
    },
    /// A codec configuration that cannot be written. The track fails.
    #[error("{track}: {what}")]
    Codec {
        /// Whose it is.
        track: TrackId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Bytes that are no init segment of ours. The chunks that need it cannot be played.
    #[error("{track}: not an init segment: {what}")]
    Init {
        /// Whose it was thought to be.
        track: TrackId,
        /// What is missing or wrong.
        what: &'static str,
    },
    /// There is nothing in what was asked for. Tell who asked.
    #[error("there is nothing recorded in this span")]
    Nothing,
}
