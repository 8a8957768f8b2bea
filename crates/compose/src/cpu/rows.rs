//! The rows of a layer as they come on the canvas, one at a time: lent by the source, or scaled, or scaled plane by
//! plane and only then made colours of, which is cheaper since a camera's picture is rather made smaller.

use super::{
    scale::{Pixels, Scaling},
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
    row: Vec<u8>,
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
    },
}

impl Rows<'_> {
    /// Some pixels of a row. Columns and rows are counted in the layer's place, before it is mirrored.
    pub(crate) fn row<'m>(&'m self, row: u32, columns: Range<u32>, memory: &'m mut Memory) -> &'m [u8] {
        let Memory { middle, luma: y, chroma: cbcr, row: out } = memory;
        match self {
            Self::Lent { pixels, first: (left, top) } => {
                let at = (row - top) as usize * pixels.stride + (columns.start - left) as usize * 4;
                return &pixels.bytes[at..][..columns.len() * 4];
            }
            Self::Scaled(scaling) => scaling.row(row, columns, middle, out),
            Self::Planes { matrix, luma, chroma } => {
                out.resize(columns.len() * 4, 0);
                luma.row(row, columns.clone(), middle, y);
                chroma.row(row, columns, middle, cbcr);
                ycbcr::to_bgra(*matrix, y, cbcr, out);
            }
        }
        out
    }
}
