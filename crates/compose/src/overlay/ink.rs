//! Where a line, a letter or a ring covers the main picture, and how much of each pixel: coverage without a colour.
//! The same shape in the same picture always covers the same, whatever is drawn beside it or when.

use model::{Rect, Size};
use tiny_skia::{FillRule, Mask, Path, Transform};

/// Coverage of the pixels of a rectangle, 255 where a pixel is covered whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ink {
    /// In pixels of the main picture, and within it.
    pub(super) bounds: Rect,
    coverage: Vec<u8>,
}

impl Ink {
    /// Covers nothing.
    pub(super) const NONE: Self =
        Self { bounds: Rect { x: 0, y: 0, width: 0, height: 0 }, coverage: Vec::new() };

    /// What is within these paths in a picture of this size.
    pub(super) fn within(paths: &[Path], picture: Size) -> Self {
        let bounds = paths.iter().filter_map(|path| pixels(path, picture)).reduce(Rect::union);
        let Some(bounds) = bounds else { return Self::NONE };
        let Some(mut mask) = Mask::new(bounds.width, bounds.height) else { return Self::NONE };
        let place = Transform::from_translate(-bounds.x as f32, -bounds.y as f32);
        for path in paths {
            mask.fill_path(path, FillRule::Winding, true, place);
        }
        Self { bounds, coverage: mask.take() }
    }

    /// With the coverage that `of` gives for each pixel's middle.
    pub(super) fn computed(bounds: Rect, picture: Size, of: impl Fn(f32, f32) -> f32) -> Self {
        let Some(bounds) = bounds.intersect(Rect::whole(picture)) else { return Self::NONE };
        let pixels =
            (bounds.y..bounds.bottom()).flat_map(|y| (bounds.x..bounds.right()).map(move |x| (x, y)));
        let coverage =
            pixels.map(|(x, y)| (of(x as f32 + 0.5, y as f32 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8);
        Self { bounds, coverage: coverage.collect() }
    }

    /// How much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.coverage.len()
    }

    /// Some pixels of a row; these must lie within its bounds.
    pub(super) fn row(&self, x: i32, y: i32, width: u32) -> &[u8] {
        let (x, y) = (x.abs_diff(self.bounds.x) as usize, y.abs_diff(self.bounds.y) as usize);
        &self.coverage[y * self.bounds.width as usize + x..][..width as usize]
    }

    /// The smallest rectangle outside of which both cover the same.
    pub(super) fn difference(&self, other: &Self) -> Option<Rect> {
        let all = self.bounds.union(other.bounds);
        let (mut own, mut others) = (vec![0; all.width as usize], vec![0; all.width as usize]);
        let row_difference = |y: i32| {
            self.copy_row(all, y, &mut own);
            other.copy_row(all, y, &mut others);
            if own == others {
                return None;
            }
            let mut differs = own.iter().zip(&others).map(|(own, other)| own != other);
            let first = differs.position(|differs| differs)?;
            let more = differs.rposition(|differs| differs).map_or(0, |more| more + 1);
            Some(Rect::new(all.x.saturating_add_unsigned(first as u32), y, more as u32 + 1, 1))
        };
        (all.y..all.bottom()).filter_map(row_difference).reduce(Rect::union)
    }

    /// The row `y` of `all`, which is as wide as `out`.
    fn copy_row(&self, all: Rect, y: i32, out: &mut [u8]) {
        out.fill(0);
        if let Some(part) = self.bounds.intersect(Rect::new(all.x, y, all.width, 1)) {
            let at = part.x.abs_diff(all.x) as usize;
            out[at..at + part.width as usize].copy_from_slice(self.row(part.x, y, part.width));
        }
    }
}

/// The pixels of the picture that `path` may touch.
fn pixels(path: &Path, picture: Size) -> Option<Rect> {
    let bounds = path.bounds();
    let (left, top) = (bounds.left().floor() as i32, bounds.top().floor() as i32);
    let (right, bottom) = (bounds.right().ceil() as i32, bounds.bottom().ceil() as i32);
    let sides = |from: i32, to: i32| if to > from { from.abs_diff(to) } else { 0 };
    Rect::new(left, top, sides(left, right), sides(top, bottom)).intersect(Rect::whole(picture))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiny_skia::PathBuilder;

    const PICTURE: Size = Size { width: 40, height: 30 };

    fn square(x: f32, y: f32, side: f32) -> Ink {
        let rect = tiny_skia::Rect::from_xywh(x, y, side, side).unwrap();
        Ink::within(&[PathBuilder::from_rect(rect)], PICTURE)
    }

    #[test]
    fn a_pixel_that_is_covered_in_part_counts_in_part() {
        let ink = square(2.5, 3.0, 2.0);
        assert_eq!(ink.bounds, Rect::new(2, 3, 3, 2));
        assert_eq!(ink.row(3, 3, 1), [255]);
        assert!(ink.row(2, 3, 1)[0].abs_diff(128) < 3);
        assert_eq!(square(-5.0, -5.0, 6.0).bounds, Rect::new(0, 0, 1, 1));
        assert_eq!(square(50.0, 0.0, 6.0), Ink::NONE);
    }

    #[test]
    fn the_difference_is_no_larger_than_it_must_be() {
        let (a, b) = (square(5.0, 5.0, 4.0), square(5.0, 5.0, 6.0));
        assert_eq!(a.difference(&a), None);
        assert_eq!(a.difference(&b), Some(Rect::new(5, 5, 6, 6)));
        assert_eq!(a.difference(&square(5.0, 5.0, 4.0)), None);
        assert_eq!(a.difference(&square(6.0, 5.0, 4.0)), Some(Rect::new(5, 5, 5, 4)));
        assert_eq!(a.difference(&Ink::NONE), Some(Rect::new(5, 5, 4, 4)));
    }
}
