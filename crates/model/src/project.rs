//! Pictures as values: what is drawn where. No handle, no GPU, no clock.

use crate::{Frame, Rect, Size, Timestamp, TrackId};
use serde::{Deserialize, Serialize};

/// An opaque sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
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
    pub const BLACK: Self = Self::new(0, 0, 0);
    /// The colour of borders that nobody chose.
    pub const WHITE: Self = Self::new(255, 255, 255);

    /// Of these three.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }
}

/// What a layer shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// The picture of a source at the instant that is drawn. Frames may cover only part of the layer (a cursor).
    Track(TrackId),
}

/// The outline of a layer: what of its place is drawn at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outline {
    /// All of it.
    Rectangle,
    /// All but its corners, rounded with this radius in pixels of the canvas; as large as fits.
    Rounded {
        /// Pixels of the canvas.
        radius: u32,
    },
    /// The ellipse that touches its sides: a circle where the place is square.
    Ellipse,
}

/// A line along the outline of a layer, within its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Border {
    /// Pixels of the canvas.
    pub width: u32,
    /// Its colour.
    pub color: Color,
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
    /// What of its place is drawn, with smooth edges.
    pub outline: Outline,
    /// Drawn where the layer has a picture.
    pub border: Option<Border>,
    /// Left and right change places, as in a mirror.
    pub mirrored: bool,
}

impl Layer {
    /// `crop` of a track's picture on `place`, with nothing done to it.
    pub fn plain(track: TrackId, crop: Rect, place: Rect) -> Self {
        Self {
            content: Content::Track(track),
            place,
            crop,
            opacity: 1.0,
            outline: Outline::Rectangle,
            border: None,
            mirrored: false,
        }
    }
}

/// Background and layers at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Seen where no layer is.
    pub background: Color,
    /// Back to front.
    pub layers: Vec<Layer>,
}

impl Scene {
    /// `crop` of one track's picture, and nothing else, all over the canvas.
    pub fn of(track: TrackId, crop: Rect, canvas: Size) -> Self {
        Self { background: Color::BLACK, layers: vec![Layer::plain(track, crop, Rect::whole(canvas))] }
    }
}

/// Where pictures come from: a recording has the newest of each source, an export decodes chunks.
pub trait Frames {
    /// The picture of `track` at `at`, or none if it has not delivered any. Its damage is relative to a picture
    /// that was given here before, or `All`.
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame>;
}
