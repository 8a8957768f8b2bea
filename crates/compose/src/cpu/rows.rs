//! The rows of a layer as they come on the canvas, one at a time: lent by the source, or scaled, or scaled plane by
//! plane and only then made colours of, which is cheaper since a camera's picture is rather made smaller.

use super::{
    scale::{Pixels, Scaling},
    simd::fast,
    ycbcr,
};
use model::Matrix;
use std::ops::Range;

/// Memory to work in, kept from one picture to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    middle: Vec<i16>,
    luma: Vec<u8>,
    chroma: Vec<u8>,
    /// The row and columns that `chroma` is of.
    chroma_of: Option<(u32, Range<u32>)>,
    spread: Vec<u8>,
    row: Vec<u8>,
}

impl Memory {
    /// What is made from now on is of another picture.
    pub(crate) fn begin(&mut self) {
        self.chroma_of = None;
    }
}

/// How rows are made.
#[derive(Debug)]
pub(crate) enum Rows<'a> {
    /// Canvas and source pixels are the same.
    Lent {
        /// Where they are.
        pixels: Pixels<'a>,
        /// The canvas column and row of the first.
        first: (u32, u32),
    },
    /// From blue, green, red and alpha.
    Scaled(Scaling<'a, 4>),
    /// From luma and from chroma at half the resolution.
    Planes {
        /// What they mean.
        matrix: Matrix,
        /// Luma.
        luma: Scaling<'a, 1>,
        /// Cb and Cr.
        chroma: Scaling<'a, 2>,
        /// Pixels, across and down, that share one value of chroma: 1 or 2.
        step: u32,
    },
}

impl Rows<'_> {
    /// Some pixels of a row. Columns and rows are counted in the layer's place, before it is mirrored.
    pub(crate) fn row<'m>(&'m self, row: u32, columns: Range<u32>, memory: &'m mut Memory) -> &'m [u8] {
        let Memory { middle, luma: y, chroma: cbcr, chroma_of, spread, row: out } = memory;
        match self {
            Self::Lent { pixels, first: (left, top) } => {
                let at = (row - top) as usize * pixels.stride + (columns.start - left) as usize * 4;
                return &pixels.bytes[at..][..columns.len() * 4];
            }
            Self::Scaled(scaling) => scaling.row(row, columns, middle, out),
            Self::Planes { matrix, luma, chroma, step } => {
                let shared = (row / step, columns.start / step..columns.end.div_ceil(*step));
                if chroma_of.as_ref() != Some(&shared) {
                    chroma.row(shared.0, shared.1.clone(), middle, cbcr);
                    *chroma_of = Some(shared);
                }
                let mut cbcr = &cbcr[..];
                if *step == 2 {
                    spread.resize(cbcr.len() * 2, 0);
                    double(cbcr, spread);
                    cbcr = &spread[(columns.start as usize & 1) * 2..];
                }
                out.resize(columns.len() * 4, 0);
                luma.row(row, columns, middle, y);
                ycbcr::to_bgra(*matrix, y, cbcr, out);
            }
        }
        out
    }
}

fast! {
    /// Each pair of bytes twice.
    fn double(pairs: &[u8], out: &mut [u8]) {
        for (pair, out) in pairs.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<4>().0) {
            *out = [pair[0], pair[1], pair[0], pair[1]];
        }
    }
}
