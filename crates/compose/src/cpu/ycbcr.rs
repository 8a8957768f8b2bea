//! Luma and chroma back to blue, green and red: the inverse of ITU-R BT.709-6 and of BT.601-7, the latter also with
//! the full range of JPEG (ITU-T T.871). Only the matrix is undone; primaries are taken as sRGB's.

use super::{blend::OPAQUE, simd::fast};
use model::Matrix;

/// Bits of fraction in the weights.
const BITS: u32 = 16;
const HALF: i32 = 1 << (BITS - 1);

/// What each value counts, in parts of `1 << BITS`.
#[derive(Debug, Clone, Copy)]
struct Weights {
    /// The luma of black.
    black: i32,
    luma: i32,
    blue_cb: i32,
    green_cb: i32,
    green_cr: i32,
    red_cr: i32,
}

const fn weight(value: f64) -> i32 {
    (value * (1 << BITS) as f64 + if value < 0.0 { -0.5 } else { 0.5 }) as i32
}

impl Weights {
    /// From the shares of red and blue in luma, and from the steps that full luma and full chroma have.
    const fn new(red: f64, blue: f64, black: i32, luma: f64, chroma: f64) -> Self {
        let green = 1.0 - red - blue;
        Self {
            black,
            luma: weight(255.0 / luma),
            blue_cb: weight(2.0 * (1.0 - blue) * 255.0 / chroma),
            green_cb: weight(-2.0 * (1.0 - blue) * blue / green * 255.0 / chroma),
            green_cr: weight(-2.0 * (1.0 - red) * red / green * 255.0 / chroma),
            red_cr: weight(2.0 * (1.0 - red) * 255.0 / chroma),
        }
    }

    const fn of(matrix: Matrix) -> Self {
        match matrix {
            Matrix::Bt709 => const { Self::new(0.2126, 0.0722, 16, 219.0, 224.0) },
            Matrix::Bt601 => const { Self::new(0.299, 0.114, 16, 219.0, 224.0) },
            Matrix::Bt601Full => const { Self::new(0.299, 0.114, 0, 255.0, 255.0) },
        }
    }
}

/// A row of luma, with Cb and Cr for each pixel of it, as opaque BGRA.
pub(crate) fn to_bgra(matrix: Matrix, luma: &[u8], chroma: &[u8], out: &mut [u8]) {
    convert(Weights::of(matrix), luma, chroma, out);
}

fast! {
    fn convert(weights: Weights, luma: &[u8], chroma: &[u8], out: &mut [u8]) {
        let pixels = luma.iter().zip(chroma.as_chunks::<2>().0);
        for ((&y, &[cb, cr]), out) in pixels.zip(out.as_chunks_mut::<4>().0) {
            let y = (i32::from(y) - weights.black) * weights.luma + HALF;
            let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
            let byte = |sum: i32| (sum >> BITS).clamp(0, 255) as u8;
            *out = [
                byte(y + weights.blue_cb * cb),
                byte(y + weights.green_cb * cb + weights.green_cr * cr),
                byte(y + weights.red_cr * cr),
                OPAQUE,
            ];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(matrix: Matrix, ycbcr: [u8; 3], [red, green, blue]: [u8; 3]) {
        let mut out = [0; 4];
        to_bgra(matrix, &ycbcr[..1], &ycbcr[1..], &mut out);
        assert_eq!(out, [blue, green, red, 255], "{matrix:?} {ycbcr:?}");
    }

    #[test]
    fn bars_have_the_colours_of_their_standards() {
        check(Matrix::Bt709, [235, 128, 128], [255, 255, 255]);
        check(Matrix::Bt709, [63, 102, 240], [255, 1, 0]);
        check(Matrix::Bt709, [173, 42, 26], [0, 255, 1]);
        check(Matrix::Bt601, [16, 128, 128], [0, 0, 0]);
        check(Matrix::Bt601, [81, 90, 240], [254, 0, 0]);
        check(Matrix::Bt601, [41, 240, 110], [0, 0, 255]);
        check(Matrix::Bt601Full, [255, 128, 128], [255, 255, 255]);
        check(Matrix::Bt601Full, [76, 85, 255], [254, 0, 0]);
        check(Matrix::Bt601Full, [150, 44, 21], [0, 255, 1]);
        // Beyond black and white there is nothing.
        check(Matrix::Bt709, [0, 128, 128], [0, 0, 0]);
        check(Matrix::Bt709, [255, 255, 0], [49, 255, 255]);
    }

    #[test]
    fn every_value_is_the_nearest_one() {
        for (matrix, kr, kb, black, steps, differences) in [
            (Matrix::Bt709, 0.2126, 0.0722, 16.0, 219.0, 224.0),
            (Matrix::Bt601, 0.299, 0.114, 16.0, 219.0, 224.0),
            (Matrix::Bt601Full, 0.299, 0.114, 0.0, 255.0, 255.0),
        ] {
            for i in 0..1u32 << 15 {
                let [y, cb, cr] = [i << 3, i >> 2, i >> 7].map(|v| (v & 0xF8) as u8 | 3);
                let mut out = [0; 4];
                to_bgra(matrix, &[y], &[cb, cr], &mut out);
                let luma = (f64::from(y) - black) / steps;
                let [cb, cr] = [cb, cr].map(|c| (f64::from(c) - 128.0) / differences);
                let (blue, red) = (luma + 2.0 * (1.0 - kb) * cb, luma + 2.0 * (1.0 - kr) * cr);
                let green = (luma - kb * blue - kr * red) / (1.0 - kb - kr);
                for (exact, got) in [blue, green, red].into_iter().zip(out) {
                    let exact = exact.clamp(0.0, 1.0) * 255.0;
                    assert!((exact - f64::from(got)).abs() < 0.52, "{matrix:?}: {got}, not {exact}");
                }
            }
        }
    }
}
