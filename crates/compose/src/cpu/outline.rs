//! Which pixels of a layer's place its outline covers, and how much of each: a table of rows, made once. All outlines
//! are convex, so a row has one run of pixels that are covered whole, and some at either end that are in part.

use model::{Outline, Size};
use std::ops::Range;

/// Lines that a row of pixels is cut into. Across, coverage is exact.
const LINES: u32 = 16;

/// The coverage of one row.
#[derive(Debug, Clone)]
struct Row {
    /// All pixels that are covered at all.
    outer: Range<u32>,
    /// Those that are covered whole, within `outer`.
    inner: Range<u32>,
    /// Where the coverage of the others begins.
    edges: usize,
}

/// An outline as pixels. Takes memory for each row and for each pixel on its edge.
#[derive(Debug)]
pub(crate) struct Cover {
    rows: Vec<Row>,
    edges: Vec<u8>,
}

impl Cover {
    /// Of `outline` in a place of `size`, made smaller by `inset` pixels on all sides.
    pub(crate) fn new(outline: Outline, size: Size, inset: u32) -> Self {
        let shape = Shape::new(outline, size, inset);
        let mut cover = Self { rows: Vec::with_capacity(size.height as usize), edges: Vec::new() };
        (0..size.height).for_each(|row| cover.push(&shape, row, size.width));
        cover
    }

    fn push(&mut self, shape: &Shape, row: u32, width: u32) {
        let line = |i: u32| shape.line(f64::from(row) + (f64::from(i) + 0.5) / f64::from(LINES));
        let lines: [(f64, f64); LINES as usize] = std::array::from_fn(|i| line(i as u32));
        let column = |x: f64| (x as u32).min(width);
        let least = |side: fn(&(f64, f64)) -> f64| lines.iter().map(side).fold(f64::INFINITY, f64::min);
        let most = |side: fn(&(f64, f64)) -> f64| lines.iter().map(side).fold(0.0, f64::max);
        let outer = column(least(|line| line.0).floor())..column(most(|line| line.1).ceil());
        let outer = outer.start.min(outer.end)..outer.end;
        let start = column(most(|line| line.0).ceil()).clamp(outer.start, outer.end);
        let inner = start..column(least(|line| line.1).floor()).clamp(start, outer.end);
        let edges = self.edges.len();
        for x in (outer.start..inner.start).chain(inner.end..outer.end).map(f64::from) {
            let covered = |&(left, right): &(f64, f64)| (right.min(x + 1.0) - left.max(x)).max(0.0);
            let share = lines.iter().map(covered).sum::<f64>() / f64::from(LINES);
            self.edges.push((share * 255.0).round() as u8);
        }
        self.rows.push(Row { outer, inner, edges });
    }

    /// The pixels of a row that are covered at all.
    pub(crate) fn outer(&self, row: u32) -> Range<u32> {
        self.rows[row as usize].outer.clone()
    }

    /// Those of `columns` that are covered at all.
    pub(crate) fn within(&self, row: u32, columns: &Range<u32>) -> Range<u32> {
        let Range { start, end } = self.outer(row);
        start.max(columns.start)..end.min(columns.end)
    }

    /// The pixels of a row that are covered whole.
    pub(crate) fn inner(&self, row: u32) -> Range<u32> {
        self.rows[row as usize].inner.clone()
    }

    /// The pixels of a row that are covered in part, from left to right, and how much of 255.
    pub(crate) fn edges(&self, row: u32) -> impl Iterator<Item = (u32, u8)> {
        let Row { outer, inner, edges } = self.rows[row as usize].clone();
        (outer.start..inner.start).chain(inner.end..outer.end).zip(self.edges[edges..].iter().copied())
    }

    /// Whether each pixel of these rows and columns, of which there are some, is covered whole.
    pub(crate) fn is_whole(&self, columns: &Range<u32>, rows: &Range<u32>) -> bool {
        [rows.start, rows.end - 1].into_iter().all(|row| {
            let inner = self.inner(row);
            inner.start <= columns.start && columns.end <= inner.end
        })
    }
}

/// An outline as lengths.
struct Shape {
    width: f64,
    height: f64,
    inset: f64,
    /// The radii of its corners across and down.
    corner: (f64, f64),
}

impl Shape {
    fn new(outline: Outline, size: Size, inset: u32) -> Self {
        let (width, height, inset) = (f64::from(size.width), f64::from(size.height), f64::from(inset));
        let corner = match outline {
            Outline::Rectangle => (0.0, 0.0),
            Outline::Rounded { radius } => {
                let radius = f64::from(radius).min(width / 2.0).min(height / 2.0);
                (radius, radius)
            }
            Outline::Ellipse => (width / 2.0, height / 2.0),
        };
        Self { width, height, inset, corner: ((corner.0 - inset).max(0.0), (corner.1 - inset).max(0.0)) }
    }

    /// From where to where it reaches along the line at `y`; to before where it comes from, if not at all.
    fn line(&self, y: f64) -> (f64, f64) {
        let (top, bottom) = (self.inset, self.height - self.inset);
        if y < top || y > bottom || self.inset * 2.0 >= self.width {
            return (self.width, 0.0);
        }
        let (across, down) = self.corner;
        let into = (top + down - y).max(y - (bottom - down)).max(0.0);
        let curve = if down > 0.0 { across * (1.0 - (into / down).powi(2)).max(0.0).sqrt() } else { across };
        (self.inset + across - curve, self.width - self.inset - across + curve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coverage of all pixels, as characters from ` ` to `#`.
    #[track_caller]
    fn check(outline: Outline, (width, height): (u32, u32), inset: u32, expected: &[&str]) {
        let cover = Cover::new(outline, Size::new(width, height), inset);
        let drawn: Vec<String> = (0..height)
            .map(|y| {
                let mut row = vec![' '; width as usize];
                cover.inner(y).for_each(|x| row[x as usize] = '#');
                for (x, share) in cover.edges(y) {
                    assert!(cover.outer(y).contains(&x) && !cover.inner(y).contains(&x));
                    row[x as usize] = [' ', '.', ':', '+', '#'][usize::from(share).div_ceil(64).min(4)];
                }
                row.into_iter().collect()
            })
            .collect();
        assert_eq!(drawn, expected);
    }

    #[test]
    fn outlines_are_what_they_are_called() {
        check(Outline::Rectangle, (4, 2), 0, &["####", "####"]);
        check(Outline::Rectangle, (4, 3), 1, &["    ", " ## ", "    "]);
        check(Outline::Rectangle, (2, 2), 1, &["  ", "  "]);
        check(Outline::Rounded { radius: 2 }, (6, 5), 0, &[":####:", "######", "######", "######", ":####:"]);
        check(Outline::Rounded { radius: u32::MAX }, (2, 2), 0, &["##", "##"]);
        check(Outline::Ellipse, (6, 6), 0, &[".+##+.", "+####+", "######", "######", "+####+", ".+##+."]);
    }

    #[test]
    fn areas_are_those_of_geometry() {
        for (outline, size, inset, area) in [
            (Outline::Ellipse, Size::new(270, 270), 0, 135.0 * 135.0 * std::f64::consts::PI),
            (Outline::Ellipse, Size::new(270, 90), 5, 130.0 * 40.0 * std::f64::consts::PI),
            (
                Outline::Rounded { radius: 30 },
                Size::new(200, 100),
                0,
                2e4 - (4.0 - std::f64::consts::PI) * 900.0,
            ),
            (
                Outline::Rounded { radius: 30 },
                Size::new(200, 100),
                10,
                144e2 - (4.0 - std::f64::consts::PI) * 400.0,
            ),
        ] {
            let cover = Cover::new(outline, size, inset);
            let row = |y| {
                let partly: f64 = cover.edges(y).map(|(_, share)| f64::from(share) / 255.0).sum();
                cover.inner(y).len() as f64 + partly
            };
            let covered: f64 = (0..size.height).map(row).sum();
            assert!((covered - area).abs() < area / 2000.0, "{outline:?}: {covered}, not {area}");
        }
    }

    #[test]
    fn whole_is_what_has_no_edge_in_it() {
        let cover = Cover::new(Outline::Ellipse, Size::new(100, 100), 0);
        assert!(cover.is_whole(&(20..80), &(20..80)));
        assert!(!cover.is_whole(&(8..80), &(20..80)));
        assert!(!cover.is_whole(&(20..80), &(20..95)));
    }
}
