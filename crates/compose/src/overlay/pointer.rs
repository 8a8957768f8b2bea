//! The pointer's picture in the size that is asked for, scaled once for each shape.

use crate::cpu::scaled;
use bytes::Bytes;
use model::{PixelFormat, Planes, Point, PointerShape, Size};

/// Larger pictures of a pointer are not drawn.
const SIDE_MAX: u32 = 512;

/// A picture and the pixel of it that points.
#[derive(Debug, Clone)]
pub(super) struct Pointer {
    pub(super) picture: Planes,
    pub(super) hot: Point,
}

impl Pointer {
    /// `shape` made `times` as large; none if it is broken.
    pub(super) fn new(shape: &PointerShape, times: f32) -> Option<Self> {
        let Size { width, height } = shape.size;
        let sides = 1..=SIDE_MAX;
        let is_whole = sides.contains(&width) && sides.contains(&height);
        if !is_whole || shape.pixels.len() < width as usize * height as usize * 4 {
            return None;
        }
        let times = if times.is_finite() { times.clamp(0.25, 4.0) } else { 1.0 };
        let side = |side: u32| ((side as f32 * times).round() as u32).max(1);
        let size = Size::new(side(width), side(height));
        let bytes = match size == shape.size {
            true => shape.pixels.clone(),
            false => Bytes::from(scaled(&shape.pixels, shape.size, size)),
        };
        // The middle of the pixel that points stays where it is.
        let hot = |hot: i32| (((hot as f32 + 0.5) * times - 0.5).round() as i32).clamp(-65_536, 65_536);
        Some(Self {
            picture: Planes {
                format: PixelFormat::BgraPremultiplied,
                size,
                stride: size.width as usize * 4,
                bytes,
            },
            hot: Point { x: hot(shape.hot.x), y: hot(shape.hot.y) },
        })
    }
}
