//! Samples: raw pictures and raw sound, in session time.

use crate::{Point, Rect, Size, Timestamp};
use bytes::Bytes;
use std::time::Duration;

/// How the pixels of a picture lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// 8-bit sRGB, four bytes a pixel: blue, green, red, and one that is ignored (opaque).
    Bgrx,
    /// 8-bit sRGB, four bytes a pixel: blue, green, red, alpha; colours multiplied by alpha.
    BgraPremultiplied,
    /// A luma plane, then a plane of interleaved chroma at half the resolution each way.
    Nv12(Matrix),
}

/// How luma and chroma make colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// ITU-R BT.709, limited range: what we encode, and what players expect of pictures this large.
    Bt709,
    /// ITU-R BT.601, limited range: most cameras.
    Bt601,
    /// ITU-R BT.601, full range: JPEG (JFIF), so cameras that send it.
    Bt601Full,
}

/// The pixels of a picture. Rows lie `stride` bytes apart; NV12's chroma plane begins after `height` luma rows
/// and has the same stride. Shared, never written to again.
#[derive(Debug, Clone)]
pub struct Planes {
    /// How to read `bytes`.
    pub format: PixelFormat,
    /// Visible pixels. NV12 needs both even.
    pub size: Size,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// All planes. Capture back ends put shared memory in here (`Bytes::from_owner`), so nothing is copied.
    pub bytes: Bytes,
}

/// A picture ready to be encoded, borrowed: BT.709, limited range. Both sides of `size` are even.
#[derive(Debug, Clone, Copy)]
pub struct Nv12<'a> {
    /// Visible pixels.
    pub size: Size,
    /// Bytes from one row to the next, in both planes.
    pub stride: usize,
    /// `size.height` rows.
    pub luma: &'a [u8],
    /// Half as many rows of interleaved Cb and Cr.
    pub chroma: &'a [u8],
}

/// What changed in a picture since an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// Anything may have.
    All,
    /// Only what these rectangles cover, in pixels of the picture. None: it is the same picture.
    Rects(Vec<Rect>),
}

impl Damage {
    /// What changed if first this changed and then `later`.
    pub fn union(self, later: &Self) -> Self {
        match (self, later) {
            (Self::Rects(mut rects), Self::Rects(more)) => {
                rects.extend(more.iter().filter(|rect| !rect.is_empty()));
                Self::Rects(rects)
            }
            _ => Self::All,
        }
    }
}

/// One picture of one source.
#[derive(Debug, Clone)]
pub struct Frame {
    /// When it was seen.
    pub at: Timestamp,
    /// Its pixels.
    pub picture: Planes,
    /// Where its top left pixel lies in the layer: zero for a screen, the pointer's place for a cursor.
    pub origin: Point,
    /// Grows by at least one with each picture of the source, never zero.
    pub serial: u64,
    /// The picture that `damage` is relative to: 0 if none.
    pub since: u64,
    /// What changed since the picture whose serial is `since`.
    pub damage: Damage,
}

/// A run of sound from one source, without a gap within.
#[derive(Debug, Clone)]
pub struct AudioBlock {
    /// When its first sample was heard.
    pub at: Timestamp,
    /// Samples a second, per channel.
    pub rate: u32,
    /// Channels, interleaved in `samples`.
    pub channels: u16,
    /// Full scale is ±1.
    pub samples: Vec<f32>,
}

impl AudioBlock {
    /// How many samples each channel has.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels.max(1))
    }

    /// How long it lasts, to the nearest nanosecond.
    pub fn duration(&self) -> Duration {
        Timestamp::from_ticks(self.frames() as i64, self.rate.max(1)).saturating_since(Timestamp::ZERO)
    }
}
