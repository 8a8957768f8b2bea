//! The pointer, where the compositor tells of it apart from the picture. Pure; tested below.

use super::buffer::{point, word};
use bytes::Bytes;
use model::{InputEvent, Point, PointerShape, Rect, Size};
use pipewire::spa::sys;

/// Larger ones are not pointers.
const SIDE_MAX: u32 = 1024;

/// What is known of the pointer, and what was said about it.
#[derive(Default)]
pub(super) struct Pointer {
    shape: Option<PointerShape>,
    /// Where its tip is, in pixels of the whole picture.
    tip: Option<Point>,
    reshaped: bool,
    told: Option<Point>,
}

impl Pointer {
    /// Notes what PipeWire's `spa_meta_cursor` says.
    pub fn note(&mut self, told: &[u8]) {
        let Some(id) = word(told, 0) else { return };
        // Zero: it is somewhere else.
        self.tip = point(told, 8).filter(|_| id != 0);
        let has_shape = |at: &u32| id != 0 && *at as usize >= size_of::<sys::spa_meta_cursor>();
        let Some(bitmap) = word(told, 24).filter(has_shape).and_then(|at| told.get(at as usize..)) else {
            return;
        };
        let shape = point(told, 16).and_then(|hot| shape(bitmap, hot));
        if shape != self.shape {
            self.shape = shape;
            self.reshaped = true;
        }
    }

    /// What there is to say since the last time, of a picture that is this part of the whole one.
    pub fn look(&mut self, area: Rect) -> Vec<InputEvent> {
        let mut events = Vec::new();
        if std::mem::take(&mut self.reshaped) {
            events.extend(self.shape.clone().map(InputEvent::PointerShape));
        }
        let seen = self.shape.as_ref().zip(self.tip).and_then(|(shape, tip)| {
            let tip = Point { x: tip.x.saturating_sub(area.x), y: tip.y.saturating_sub(area.y) };
            let covered = Rect::new(tip.x, tip.y, shape.size.width, shape.size.height);
            let covered = covered.shifted(shape.hot.x.saturating_neg(), shape.hot.y.saturating_neg());
            covered.intersect(Rect::whole(area.size())).map(|_| tip)
        });
        match seen {
            Some(tip) if self.told != Some(tip) => {
                self.told = Some(tip);
                events.push(InputEvent::Pointer(tip));
            }
            None if self.told.take().is_some() => events.push(InputEvent::PointerGone),
            _ => {}
        }
        events
    }
}

/// A `spa_meta_bitmap` and the pixels that it speaks of; none where it is hidden or in a format that no pointer has.
fn shape(bitmap: &[u8], hot: Point) -> Option<PointerShape> {
    let size = Size::new(word(bitmap, 4)?, word(bitmap, 8)?);
    let sides = [size.width, size.height];
    let row = 4 * size.width as usize;
    let stride = usize::try_from(word(bitmap, 12)?.cast_signed()).ok().filter(|stride| *stride >= row)?;
    let pixels = bitmap.get(word(bitmap, 16)? as usize..)?;
    if !sides.iter().all(|side| (1..=SIDE_MAX).contains(side)) {
        return None;
    }
    // Blue, green, red and alpha. Compositors multiply colours by alpha.
    let order = match word(bitmap, 0)? {
        sys::SPA_VIDEO_FORMAT_BGRA => [0, 1, 2, 3],
        sys::SPA_VIDEO_FORMAT_RGBA => [2, 1, 0, 3],
        sys::SPA_VIDEO_FORMAT_ARGB => [3, 2, 1, 0],
        sys::SPA_VIDEO_FORMAT_ABGR => [1, 2, 3, 0],
        _ => return None,
    };
    let mut bgra = Vec::with_capacity(row * size.height as usize);
    for y in 0..size.height as usize {
        let row = pixels.get(stride * y..)?.get(..row)?;
        bgra.extend(row.chunks_exact(4).flat_map(|pixel| order.map(|place| pixel[place])));
    }
    Some(PointerShape { size, hot, pixels: Bytes::from(bgra) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Rect = Rect { x: 10, y: 20, width: 100, height: 100 };

    /// As a compositor would say it, with a shape of 2×1 pixels unless it stays as it was.
    fn told(id: u32, (x, y): (i32, i32), format: Option<u32>) -> Vec<u8> {
        let offset = if format.is_some() { 28 } else { 0 };
        let mut words = vec![id, 0, x.cast_unsigned(), y.cast_unsigned(), 1, 0, offset];
        words.extend(format.into_iter().flat_map(|format| [format, 2, 1, 8, 20]));
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
        bytes.extend(if format.is_some() { vec![1, 2, 3, 4, 5, 6, 7, 8] } else { Vec::new() });
        bytes
    }

    #[test]
    fn a_pointer_comes_moves_and_goes() {
        let mut pointer = Pointer::default();
        let mut look = |bytes: &[u8]| {
            pointer.note(bytes);
            pointer.look(AREA)
        };
        let shape = PointerShape {
            size: Size::new(2, 1),
            hot: Point { x: 1, y: 0 },
            pixels: Bytes::from_static(&[3, 2, 1, 4, 7, 6, 5, 8]),
        };
        let at = |x, y| InputEvent::Pointer(Point { x, y });
        let rgba = Some(sys::SPA_VIDEO_FORMAT_RGBA);
        assert_eq!(look(&told(1, (15, 25), rgba)), [InputEvent::PointerShape(shape), at(5, 5)]);
        assert_eq!(look(&told(1, (15, 25), rgba)), []);
        assert_eq!(look(&told(1, (10, 20), None)), [at(0, 0)]);
        assert_eq!(look(&told(1, (8, 20), None)), [InputEvent::PointerGone], "it is beside the picture");
        assert_eq!(look(&told(0, (0, 0), None)), []);
        assert_eq!(look(&told(1, (15, 25), None)), [at(5, 5)]);
    }

    #[test]
    fn what_is_broken_is_no_pointer() {
        let whole = told(1, (15, 25), Some(sys::SPA_VIDEO_FORMAT_BGRA));
        for length in 0..whole.len() {
            let mut pointer = Pointer::default();
            pointer.note(&whole[..length]);
            assert_eq!(pointer.look(AREA), [], "{length} bytes");
        }
        for at in (0..48).step_by(4) {
            for bad in [u32::MAX, 0x7fff_ffff, 0x8000_0000, 0] {
                let mut bytes = whole.clone();
                bytes[at..at + 4].copy_from_slice(&bad.to_ne_bytes());
                let mut pointer = Pointer::default();
                pointer.note(&bytes);
                pointer.look(AREA);
            }
        }
    }
}
