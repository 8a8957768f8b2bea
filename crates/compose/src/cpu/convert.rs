//! BGRX to NV12: 8-bit sRGB values to BT.709 in limited range (ITU-R BT.709-6, 3.2 to 3.5: luma from 16 to 235,
//! colour differences from 16 to 240 around 128), each chroma sample from the mean of two by two pixels. Integers
//! all the way, so a pixel comes out the same whatever is converted beside it.

use super::simd::fast;
use model::Rect;

/// Bits of fraction in the weights.
const BITS: u32 = 16;

const fn weight(value: f64) -> i32 {
    let scaled = value * (1 << BITS) as f64;
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

const KR: f64 = 0.2126;
const KB: f64 = 0.0722;
const KG: f64 = 1.0 - KR - KB;
/// What full scale becomes.
const LUMA: f64 = 219.0 / 255.0;
/// The same for a colour difference, for each of the four pixels it is the mean of.
const CHROMA: f64 = 224.0 / 255.0 / 4.0;

/// Weights of blue, green and red.
const Y: [i32; 3] = [weight(LUMA * KB), weight(LUMA * KG), weight(LUMA * KR)];
const CB: [i32; 3] =
    [weight(CHROMA * 0.5), weight(-CHROMA * 0.5 * KG / (1.0 - KB)), weight(-CHROMA * 0.5 * KR / (1.0 - KB))];
const CR: [i32; 3] =
    [weight(-CHROMA * 0.5 * KB / (1.0 - KR)), weight(-CHROMA * 0.5 * KG / (1.0 - KR)), weight(CHROMA * 0.5)];
const HALF: i32 = 1 << (BITS - 1);

/// Two planes of the same width and stride.
pub(crate) struct Target<'a> {
    pub(crate) stride: usize,
    pub(crate) luma: &'a mut [u8],
    pub(crate) chroma: &'a mut [u8],
}

/// Writes `rect` of the target, even on all sides and within it, from `source`, whose first pixel is the
/// rectangle's first and whose rows lie `source_stride` bytes apart.
pub(crate) fn to_nv12(source: &[u8], source_stride: usize, target: &mut Target<'_>, rect: Rect) {
    let (x, y) = (rect.x as usize, rect.y as usize);
    let (width, height) = (rect.width as usize, rect.height as usize);
    for row in (0..height).step_by(2) {
        let upper = &source[row * source_stride..][..width * 4];
        let lower = &source[(row + 1) * source_stride..][..width * 4];
        let at = (y + row) * target.stride + x;
        luma(upper, &mut target.luma[at..][..width]);
        luma(lower, &mut target.luma[at + target.stride..][..width]);
        let at = (y + row) / 2 * target.stride + x;
        chroma(upper, lower, &mut target.chroma[at..][..width]);
    }
}

fast! {
    fn luma(row: &[u8], out: &mut [u8]) {
        for (pixel, out) in row.as_chunks::<4>().0.iter().zip(out) {
            let sum = weighted(blue_green_red(*pixel), Y);
            *out = ((sum + (16 << BITS) + HALF) >> BITS) as u8;
        }
    }
}

fast! {
    fn chroma(upper: &[u8], lower: &[u8], out: &mut [u8]) {
        let pairs = upper.as_chunks::<8>().0.iter().zip(lower.as_chunks::<8>().0);
        for ((upper, lower), out) in pairs.zip(out.as_chunks_mut::<2>().0) {
            let mut sum = [0; 3];
            for [b, g, r, _, b2, g2, r2, _] in [*upper, *lower] {
                sum[0] += i32::from(b) + i32::from(b2);
                sum[1] += i32::from(g) + i32::from(g2);
                sum[2] += i32::from(r) + i32::from(r2);
            }
            out[0] = ((weighted(sum, CB) + (128 << BITS) + HALF) >> BITS) as u8;
            out[1] = ((weighted(sum, CR) + (128 << BITS) + HALF) >> BITS) as u8;
        }
    }
}

#[inline(always)]
fn blue_green_red([b, g, r, _]: [u8; 4]) -> [i32; 3] {
    [i32::from(b), i32::from(g), i32::from(r)]
}

#[inline(always)]
fn weighted(values: [i32; 3], weights: [i32; 3]) -> i32 {
    values[0] * weights[0] + values[1] * weights[1] + values[2] * weights[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Converts a picture all of one colour; gives Y, Cb and Cr.
    fn converted([red, green, blue]: [u8; 3]) -> [u8; 3] {
        let source = [blue, green, red, 77].repeat(4);
        let (mut luma, mut chroma) = ([0; 4], [0; 2]);
        let mut target = Target { stride: 2, luma: &mut luma, chroma: &mut chroma };
        to_nv12(&source, 8, &mut target, Rect::new(0, 0, 2, 2));
        assert!(luma.iter().all(|&y| y == luma[0]));
        [luma[0], chroma[0], chroma[1]]
    }

    #[test]
    fn colours_are_those_of_the_standard() {
        // 75 % colour bars and full ones, as ITU-R BT.709-6 gives them with 3.2 to 3.5 and rounding.
        for (rgb, expected) in [
            ([255, 255, 255], [235, 128, 128]),
            ([0, 0, 0], [16, 128, 128]),
            ([128, 128, 128], [126, 128, 128]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 255, 0], [173, 42, 26]),
            ([0, 0, 255], [32, 240, 118]),
            ([255, 255, 0], [219, 16, 138]),
            ([0, 255, 255], [188, 154, 16]),
            ([255, 0, 255], [78, 214, 230]),
            ([191, 191, 0], [168, 44, 136]),
            ([0, 191, 191], [145, 147, 44]),
            ([191, 0, 0], [51, 109, 212]),
        ] {
            assert_eq!(converted(rgb), expected, "{rgb:?}");
        }
    }

    #[test]
    fn every_colour_is_the_nearest_one() {
        for rgb in (0..1 << 15).map(|i: u32| [i << 3, i >> 2, i >> 7].map(|v| (v & 0xF8) as u8 | 3)) {
            let [r, g, b] = rgb.map(f64::from);
            let y = KR * r + KG * g + KB * b;
            let exact = [
                16.0 + y * 219.0 / 255.0,
                128.0 + (b - y) / (2.0 * (1.0 - KB)) * 224.0 / 255.0,
                128.0 + (r - y) / (2.0 * (1.0 - KR)) * 224.0 / 255.0,
            ];
            for (exact, got) in exact.into_iter().zip(converted(rgb)) {
                assert!((exact - f64::from(got)).abs() < 0.52, "{rgb:?}: {got}, not {exact}");
            }
        }
    }

    #[test]
    fn chroma_is_the_mean_of_four_pixels() {
        let source: Vec<u8> = [[255, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [255, 0, 0, 0]].concat();
        let (mut luma, mut chroma) = ([0; 4], [0; 2]);
        let mut target = Target { stride: 2, luma: &mut luma, chroma: &mut chroma };
        to_nv12(&source, 8, &mut target, Rect::new(0, 0, 2, 2));
        assert_eq!((luma, chroma), ([32, 16, 16, 32], [184, 123]));
    }

    #[test]
    fn only_the_rectangle_is_written() {
        let (mut luma, mut chroma) = ([1; 8 * 6], [1; 8 * 3]);
        let mut target = Target { stride: 8, luma: &mut luma, chroma: &mut chroma };
        // Exactly the bytes needed: the last row ends with its last pixel.
        to_nv12(&[0; 20 + 8], 20, &mut target, Rect::new(4, 2, 2, 2));
        let written = |plane: &[u8]| (0..plane.len()).filter(|&i| plane[i] != 1).collect::<Vec<_>>();
        assert_eq!(written(&luma), [20, 21, 28, 29]);
        assert_eq!(written(&chroma), [12, 13]);
    }
}
