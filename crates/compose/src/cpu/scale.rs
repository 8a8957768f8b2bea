//! THE scaling kernel: a triangle as wide as two pixels of whichever is coarser, source or canvas, down and then
//! across. A pixel of the canvas depends on nothing but its place and the source, so drawing a part of a picture gives
//! the same as drawing all of it.

use super::simd::fast;
use model::Size;
use std::ops::Range;

/// Bits of fraction in the weights of taps.
const TAP_BITS: u32 = 14;
/// Bits of fraction between the two passes: what is left of an `i16` beside eight bits and a sign.
const MIDDLE_BITS: u32 = 6;

/// For each pixel along one side of the canvas, which pixels of the source make it, and in what shares.
#[derive(Debug)]
pub(crate) struct Taps {
    /// Taps of each pixel.
    count: usize,
    /// First source pixel of each.
    starts: Vec<u32>,
    /// Shares in parts of `1 << TAP_BITS`, which each pixel's sum up to.
    weights: Vec<i16>,
}

impl Taps {
    /// From `source` pixels to `canvas` pixels; neither may be zero.
    pub(crate) fn new(source: u32, canvas: u32) -> Self {
        let scale = f64::from(source) / f64::from(canvas);
        let radius = scale.max(1.0);
        // An interval of length 2r has at most this many whole numbers inside.
        let count = ((2.0 * radius).ceil() as usize).min(source as usize);
        let last_start = source as usize - count;
        let mut taps = Self { count, starts: Vec::new(), weights: Vec::new() };
        let mut shares = vec![0.0; count];
        for i in 0..canvas {
            let centre = (f64::from(i) + 0.5) * scale - 0.5;
            let first = (centre - radius).floor() as i64 + 1;
            let start = usize::try_from(first).unwrap_or(0).min(last_start);
            shares.fill(0.0);
            for k in first..=(centre + radius).ceil() as i64 - 1 {
                // What lies beyond an edge is as the edge.
                let at = usize::try_from(k).unwrap_or(0).clamp(start, start + count - 1);
                shares[at - start] += (1.0 - (k as f64 - centre).abs() / radius).max(0.0);
            }
            taps.starts.push(start as u32);
            taps.weights.extend(whole_weights(&shares));
        }
        taps
    }

    /// The source pixels that these canvas pixels need.
    pub(crate) fn sources(&self, canvas: Range<u32>) -> Range<u32> {
        let (first, last) = (self.starts[canvas.start as usize], self.starts[canvas.end as usize - 1]);
        first..last + self.count as u32
    }

    /// The canvas pixels that need any of these source pixels.
    pub(crate) fn reached_by(&self, sources: Range<u32>) -> Range<u32> {
        let first = self.starts.partition_point(|&start| start + self.count as u32 <= sources.start);
        let end = self.starts.partition_point(|&start| start < sources.end);
        first as u32..(end as u32).max(first as u32)
    }

    fn of(&self, canvas: u32) -> (u32, &[i16]) {
        let at = canvas as usize;
        (self.starts[at], &self.weights[at * self.count..][..self.count])
    }
}

/// Shares as whole numbers whose sum is exact: each is the difference of two rounded running sums.
fn whole_weights(shares: &[f64]) -> impl Iterator<Item = i16> {
    let total: f64 = shares.iter().sum();
    let mut so_far = 0.0;
    let mut given = 0;
    shares.iter().map(move |share| {
        so_far += share;
        let due = (so_far / total * f64::from(1 << TAP_BITS)).round() as i16;
        let weight = due - given;
        given = due;
        weight
    })
}

/// Pixels in rows `stride` bytes apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pixels<'a> {
    pub(crate) stride: usize,
    pub(crate) bytes: &'a [u8],
}

/// A picture of `C` bytes a pixel on its way to the canvas.
#[derive(Debug)]
pub(crate) struct Scaling<'a, const C: usize> {
    /// Where the pixels are.
    pub(crate) source: Pixels<'a>,
    /// The source column and row of the first.
    pub(crate) first: (u32, u32),
    /// How columns are made.
    pub(crate) across: &'a Taps,
    /// How rows are made.
    pub(crate) down: &'a Taps,
}

impl<const C: usize> Scaling<'_, C> {
    /// Puts some canvas pixels of a row into `out`. The source must hold what [`Taps::sources`] says for them.
    /// `middle` is memory to work in.
    pub(crate) fn row(&self, row: u32, columns: Range<u32>, middle: &mut Vec<i16>, out: &mut Vec<u8>) {
        let Self { source: Pixels { stride, bytes }, first: (left, top), across, down } = *self;
        let needed = across.sources(columns.clone());
        let (start, weights) = down.of(row);
        middle.resize(needed.len() * C, 0);
        out.resize(columns.len() * C, 0);
        let at = (start - top) as usize * stride + (needed.start - left) as usize * C;
        blend_rows(&bytes[at..], stride, weights, middle);
        blend_columns::<C>(middle, needed.start, across, columns, out);
    }
}

/// All of a picture of four bytes a pixel, rows without gaps, in another size; neither may be empty.
pub(crate) fn scaled(source: &[u8], from: Size, to: Size) -> Vec<u8> {
    let (across, down) = (&Taps::new(from.width, to.width), &Taps::new(from.height, to.height));
    let source = Pixels { stride: from.width as usize * 4, bytes: source };
    let scaling = Scaling::<4> { source, first: (0, 0), across, down };
    let (mut middle, mut row, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for y in 0..to.height {
        scaling.row(y, 0..to.width, &mut middle, &mut row);
        out.extend_from_slice(&row);
    }
    out
}

fast! {
    fn blend_rows(source: &[u8], stride: usize, weights: &[i16], out: &mut [i16]) {
        // With their number known, all taps of a pixel stay in registers.
        match *weights {
            [a] => blend_some_rows(source, stride, [a], out),
            [a, b] => blend_some_rows(source, stride, [a, b], out),
            [a, b, c] => blend_some_rows(source, stride, [a, b, c], out),
            [a, b, c, d] => blend_some_rows(source, stride, [a, b, c, d], out),
            [a, b, c, d, e] => blend_some_rows(source, stride, [a, b, c, d, e], out),
            [a, b, c, d, e, f] => blend_some_rows(source, stride, [a, b, c, d, e, f], out),
            _ => blend_many_rows(source, stride, weights, out),
        }
    }
}

const ROUND_MIDDLE: i32 = 1 << (TAP_BITS - MIDDLE_BITS - 1);

#[inline(always)]
fn blend_some_rows<const N: usize>(source: &[u8], stride: usize, weights: [i16; N], out: &mut [i16]) {
    let rows: [&[u8]; N] = std::array::from_fn(|k| &source[k * stride..][..out.len()]);
    for (i, out) in out.iter_mut().enumerate() {
        let mut sum = ROUND_MIDDLE;
        for (row, weight) in rows.iter().zip(weights) {
            sum += i32::from(row[i]) * i32::from(weight);
        }
        *out = (sum >> (TAP_BITS - MIDDLE_BITS)) as i16;
    }
}

#[inline(always)]
fn blend_many_rows(source: &[u8], stride: usize, weights: &[i16], out: &mut [i16]) {
    const LANES: usize = 32;
    for (block, out) in out.chunks_mut(LANES).enumerate() {
        let mut sums = [ROUND_MIDDLE; LANES];
        for (k, &weight) in weights.iter().enumerate() {
            let bytes = &source[k * stride + block * LANES..][..out.len()];
            for (sum, &byte) in sums.iter_mut().zip(bytes) {
                *sum += i32::from(byte) * i32::from(weight);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = (sum >> (TAP_BITS - MIDDLE_BITS)) as i16;
        }
    }
}

fast! {
    fn blend_columns<const C: usize>(middle: &[i16], first: u32, taps: &Taps, columns: Range<u32>, out: &mut [u8]) {
        match taps.count {
            1 => blend_some_columns::<C, 1>(middle, first, taps, columns, out),
            2 => blend_some_columns::<C, 2>(middle, first, taps, columns, out),
            3 => blend_some_columns::<C, 3>(middle, first, taps, columns, out),
            4 => blend_some_columns::<C, 4>(middle, first, taps, columns, out),
            5 => blend_some_columns::<C, 5>(middle, first, taps, columns, out),
            6 => blend_some_columns::<C, 6>(middle, first, taps, columns, out),
            _ => blend_many_columns::<C>(middle, first, taps, columns, out),
        }
    }
}

const ROUND_LAST: i32 = 1 << (TAP_BITS + MIDDLE_BITS - 1);

#[inline(always)]
fn blend_some_columns<const C: usize, const N: usize>(
    middle: &[i16],
    first: u32,
    taps: &Taps,
    columns: Range<u32>,
    out: &mut [u8],
) {
    let columns = columns.start as usize..columns.end as usize;
    let (pixels, starts) = (middle.as_chunks::<C>().0, &taps.starts[columns.clone()]);
    let weights = &taps.weights.as_chunks::<N>().0[columns];
    for ((start, weights), out) in starts.iter().zip(weights).zip(out.as_chunks_mut::<C>().0) {
        let pixels = &pixels[(start - first) as usize..][..N];
        let mut sums = [ROUND_LAST; C];
        for (pixel, &weight) in pixels.iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value) * i32::from(weight);
            }
        }
        *out = sums.map(|sum| (sum >> (TAP_BITS + MIDDLE_BITS)) as u8);
    }
}

#[inline(always)]
fn blend_many_columns<const C: usize>(
    middle: &[i16],
    first: u32,
    taps: &Taps,
    columns: Range<u32>,
    out: &mut [u8],
) {
    let pixels = middle.as_chunks::<C>().0;
    for (column, out) in columns.zip(out.as_chunks_mut::<C>().0) {
        let (start, weights) = taps.of(column);
        let mut sums = [ROUND_LAST; C];
        for (pixel, &weight) in pixels[(start - first) as usize..].iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value) * i32::from(weight);
            }
        }
        *out = sums.map(|sum| (sum >> (TAP_BITS + MIDDLE_BITS)) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: u32, canvas: u32, pixel: u32, start: u32, weights: &[i16]) {
        assert_eq!(Taps::new(source, canvas).of(pixel), (start, weights));
    }

    #[test]
    fn taps_are_a_triangle_that_sums_up_to_one() {
        check(4, 4, 2, 2, &[16384, 0]);
        check(4, 4, 3, 2, &[0, 16384]);
        // Twice as large: three quarters of the nearer, one of the farther; at the edge, the edge.
        check(4, 8, 3, 1, &[12288, 4096]);
        check(4, 8, 0, 0, &[16384, 0]);
        // Half as large: four pixels as 1 3 3 1.
        check(8, 4, 1, 1, &[2048, 6144, 6144, 2048]);
        check(1, 3, 1, 0, &[16384]);
    }

    #[test]
    fn taps_stay_within_the_source_and_leave_out_none() {
        for (source, canvas) in
            [(1, 1), (1, 7), (7, 1), (2, 3), (1080, 720), (720, 1080), (5000, 3), (3, 5000)]
        {
            let taps = Taps::new(source, canvas);
            let mut used = vec![false; source as usize];
            for i in 0..canvas {
                let (start, weights) = taps.of(i);
                assert_eq!(weights.iter().map(|&w| i32::from(w)).sum::<i32>(), 1 << TAP_BITS);
                assert!(weights.iter().all(|&w| w >= 0));
                for (k, &weight) in weights.iter().enumerate() {
                    used[start as usize + k] |= weight > 0;
                }
            }
            assert!(used.iter().all(|&used| used), "{source} to {canvas}");
        }
    }

    #[test]
    fn what_reaches_is_what_is_needed() {
        for (source, canvas) in [(7, 7), (10, 33), (33, 10), (1080, 720)] {
            let taps = Taps::new(source, canvas);
            for at in 0..source {
                let reached = taps.reached_by(at..at + 1);
                for i in 0..canvas {
                    let needs = taps.sources(i..i + 1).contains(&at);
                    assert_eq!(needs, reached.contains(&i), "{source} to {canvas}: {at} and {i}");
                }
            }
            assert_eq!(taps.sources(0..canvas), 0..source);
        }
    }
}
