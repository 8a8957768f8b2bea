//! What can go wrong, one variant for each thing that a caller can do about it.

use model::{Size, TrackId};

/// Why a picture was not drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Ask for another size.
    #[error("cannot draw a picture of {size}: both sides must be even, from 2 to {max}")]
    InvalidCanvas {
        /// What was asked for.
        size: Size,
        /// The longest side there can be.
        max: u32,
    },
    /// The scene cannot be drawn, whatever its sources show.
    #[error("cannot draw the layer of {track}: {why}")]
    InvalidLayer {
        /// Whose layer.
        track: TrackId,
        /// What is wrong with it.
        why: String,
    },
    /// The source gave a broken picture; others may be whole.
    #[error("cannot draw the picture of {track}: {why}")]
    InvalidFrame {
        /// Whose picture.
        track: TrackId,
        /// What is wrong with it.
        why: String,
    },
}

impl RenderError {
    /// Whether the same scene may be drawn with later pictures.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::InvalidFrame { .. })
    }
}
