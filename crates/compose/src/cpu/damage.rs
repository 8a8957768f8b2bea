//! Which rectangles of the canvas are drawn again.

use model::{Rect, Size};

/// More rectangles cost more than the pixels they save.
const RECTS_MAX: usize = 32;
/// Pixels that are rather drawn for nothing than kept apart as a rectangle of their own.
const WASTE_MAX: u64 = 64 * 64;

/// What is damaged so far: rectangles of the canvas with even sides, as chroma is at half resolution.
#[derive(Debug)]
pub(crate) struct Region {
    canvas: Rect,
    rects: Vec<Rect>,
}

impl Region {
    /// Nothing of a canvas, both sides of which are even.
    pub(crate) fn new(canvas: Size) -> Self {
        Self { canvas: Rect::whole(canvas), rects: Vec::new() }
    }

    /// Adds what `rect` covers of the canvas.
    pub(crate) fn add(&mut self, rect: Rect) {
        let Some(mut rect) = rect.intersect(self.canvas).map(even) else { return };
        while let Some(index) = self.rects.iter().position(|&other| is_better_joined(rect, other)) {
            rect = rect.union(self.rects.swap_remove(index));
        }
        if self.rects.len() < RECTS_MAX {
            return self.rects.push(rect);
        }
        let growth = |other: &&mut Rect| rect.union(**other).area() - other.area();
        if let Some(nearest) = self.rects.iter_mut().min_by_key(growth) {
            *nearest = nearest.union(rect);
        }
    }

    /// What was added.
    pub(crate) fn into_rects(self) -> Vec<Rect> {
        self.rects
    }
}

fn is_better_joined(a: Rect, b: Rect) -> bool {
    a.union(b).area() <= a.area() + b.area() + WASTE_MAX
}

/// The smallest rectangle with even sides that covers `rect`, which has no negative ones.
fn even(rect: Rect) -> Rect {
    let (x, y) = (rect.x & !1, rect.y & !1);
    let side = |from: i32, to: i32| from.abs_diff(to).next_multiple_of(2);
    Rect::new(x, y, side(x, rect.right()), side(y, rect.bottom()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rects: &[(i32, i32, u32, u32)], expected: &[(i32, i32, u32, u32)]) {
        let mut region = Region::new(Size::new(1000, 1000));
        for &(x, y, width, height) in rects {
            region.add(Rect::new(x, y, width, height));
        }
        let rects: Vec<_> = region.into_rects().iter().map(|r| (r.x, r.y, r.width, r.height)).collect();
        assert_eq!(rects, expected);
    }

    #[test]
    fn sides_become_even_and_stay_within_the_canvas() {
        check(&[(3, 5, 2, 2)], &[(2, 4, 4, 4)]);
        check(&[(-7, -7, 8, 9)], &[(0, 0, 2, 2)]);
        check(&[(999, 999, u32::MAX, u32::MAX)], &[(998, 998, 2, 2)]);
        check(&[(1000, 0, 5, 5), (0, 0, 0, 5), (i32::MIN, i32::MIN, 9, 9), (i32::MAX, 0, 9, 9)], &[]);
    }

    #[test]
    fn neighbours_become_one() {
        check(&[(0, 0, 500, 10), (0, 10, 500, 10)], &[(0, 0, 500, 20)]);
        check(&[(0, 0, 400, 400), (600, 600, 400, 400)], &[(0, 0, 400, 400), (600, 600, 400, 400)]);
        // The third joins the first two, which were apart.
        check(&[(0, 0, 200, 1000), (800, 0, 200, 1000), (200, 0, 600, 1000)], &[(0, 0, 1000, 1000)]);
    }

    #[test]
    fn many_become_few_and_cover_all() {
        let mut region = Region::new(Size::new(16_000, 16_000));
        let rects: Vec<_> =
            (0..1000).map(|i| Rect::new(i * 7919 % 15_000, i * 104_729 % 15_000, 100, 100)).collect();
        rects.iter().for_each(|&rect| region.add(rect));
        let joined = region.into_rects();
        assert!(joined.len() <= RECTS_MAX);
        assert!(rects.iter().all(|&rect| joined.iter().any(|joined| joined.intersect(rect) == Some(rect))));
    }
}
