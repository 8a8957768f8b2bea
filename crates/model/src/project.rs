//! Pictures as values: what is drawn where. No handle, no GPU, no clock.

use crate::{Frame, Rect, Timestamp, TrackId};

/// An opaque sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

impl Color {
    /// What is seen where nothing is drawn.
    pub const BLACK: Self = Self { red: 0, green: 0, blue: 0 };
}

/// What a layer shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// The picture of a source at the instant that is drawn. Frames may cover only part of the layer (a cursor).
    Track(TrackId),
}

/// One thing drawn. Layer space is the source's own pixels: `crop` of it lands on `place`.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// What it shows.
    pub content: Content,
    /// Where it lands, in pixels of the canvas; even on all sides, since chroma is at half resolution.
    pub place: Rect,
    /// The part of layer space that is shown.
    pub crop: Rect,
    /// From 0, not seen, to 1.
    pub opacity: f32,
}

/// Background and layers at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Seen where no layer is.
    pub background: Color,
    /// Back to front.
    pub layers: Vec<Layer>,
}

/// Where pictures come from: a recording has the newest of each source, an export decodes chunks.
pub trait Frames {
    /// The picture of `track` at `at`, or none if it has not delivered any. Its damage is relative to a picture
    /// that was given here before, or `All`.
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame>;
}
