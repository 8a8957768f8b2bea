//! Pixels: sizes, points and rectangles.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Size {
    /// `width` across, `height` down.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// The largest size of the same shape that fits into `limit`, both even (4:2:0 needs it), never larger than
    /// this, never below 2×2.
    pub fn fit_even(self, limit: Self) -> Self {
        let (width, height) = (u64::from(self.width.max(1)), u64::from(self.height.max(1)));
        // Compare limit/size across and down without fractions; the smaller ratio binds.
        let (num, den) = if u64::from(limit.width) * height <= u64::from(limit.height) * width {
            (u64::from(limit.width), width)
        } else {
            (u64::from(limit.height), height)
        };
        let scaled = |side: u64| if num >= den { side } else { (side * num + den / 2) / den };
        let even = |side: u64, limit: u32| u32::try_from(side).unwrap_or(limit).min(limit).max(2) & !1;
        Self::new(even(scaled(width), limit.width.max(2)), even(scaled(height), limit.height.max(2)))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A place in pixels, from the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Point {
    /// Pixels to the right.
    pub x: i32,
    /// Pixels down.
    pub y: i32,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Rect {
    /// With its top left corner at (`x`, `y`).
    pub fn new(x: i32, y: i32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// All of a picture of this size.
    pub fn whole(size: Size) -> Self {
        Self::new(0, 0, size.width, size.height)
    }

    /// Its size alone.
    pub fn size(self) -> Size {
        Size::new(self.width, self.height)
    }

    /// First column to the right of it.
    pub fn right(self) -> i32 {
        self.x.saturating_add_unsigned(self.width)
    }

    /// First row below it.
    pub fn bottom(self) -> i32 {
        self.y.saturating_add_unsigned(self.height)
    }

    /// Whether it holds no pixel.
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Its area in pixels.
    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// What both cover, if anything.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        (x < right && y < bottom).then(|| Self::new(x, y, x.abs_diff(right), y.abs_diff(bottom)))
    }

    /// The smallest rectangle that covers both; an empty one adds nothing.
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self::new(x, y, x.abs_diff(right), y.abs_diff(bottom))
    }

    /// Moved by `x` and `y`.
    pub fn shifted(self, x: i32, y: i32) -> Self {
        Self { x: self.x.saturating_add(x), y: self.y.saturating_add(y), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitted_sizes_are_even_and_keep_their_shape() {
        let hd = Size::new(1280, 720);
        assert_eq!(Size::new(1920, 1080).fit_even(hd), hd);
        assert_eq!(Size::new(1920, 1200).fit_even(hd), Size::new(1152, 720));
        assert_eq!(Size::new(1367, 768).fit_even(Size::new(1920, 1080)), Size::new(1366, 768));
        assert_eq!(Size::new(1, 5000).fit_even(hd), Size::new(2, 720));
        assert_eq!(Size::new(0, 0).fit_even(hd), Size::new(2, 2));
    }

    #[test]
    fn rectangles_meet_and_join() {
        let (a, b) = (Rect::new(0, 0, 10, 10), Rect::new(5, -5, 10, 10));
        assert_eq!(a.intersect(b), Some(Rect::new(5, 0, 5, 5)));
        assert_eq!(a.union(b), Rect::new(0, -5, 15, 15));
        assert_eq!(a.intersect(Rect::new(10, 0, 1, 1)), None);
    }
}
