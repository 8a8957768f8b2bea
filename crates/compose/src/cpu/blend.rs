//! One row of pixels over another: blue, green, red and alpha, colours multiplied by alpha.

use super::simd::fast;

/// Full opacity.
pub(crate) const OPAQUE: u8 = 255;

/// How a row is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blend {
    /// Opaque pixels, whose alpha is not looked at, in place of what was there.
    Replace,
    /// Opaque pixels, whose alpha is not looked at, seen through by this.
    Mix(u8),
    /// Each pixel by its own alpha and by this. Where alpha is full, the same as the others.
    Over(u8),
}

impl Blend {
    /// The same, seen through as if `share` of 255 were there.
    pub(crate) fn faded(self, share: u8) -> Self {
        let less = |opacity: u8| by_255(u32::from(opacity) * u32::from(share)) as u8;
        match self {
            Self::Replace => Self::Mix(share),
            Self::Mix(opacity) => Self::Mix(less(opacity)),
            Self::Over(opacity) => Self::Over(less(opacity)),
        }
    }

    /// Draws `source` on `row`.
    pub(crate) fn draw(self, source: &[u8], row: &mut [u8]) {
        match self {
            Self::Replace => row.copy_from_slice(source),
            Self::Mix(opacity) => mix(source, opacity, row),
            Self::Over(opacity) => over(source, opacity, row),
        }
    }
}

fast! {
    fn mix(source: &[u8], opacity: u8, row: &mut [u8]) {
        let (opacity, beneath) = (u32::from(opacity), u32::from(OPAQUE - opacity));
        for (out, source) in row.iter_mut().zip(source) {
            let (source, under) = (u32::from(*source) * opacity, u32::from(*out) * beneath);
            *out = (by_255(source) + by_255(under)).min(255) as u8;
        }
    }
}

fast! {
    fn over(source: &[u8], opacity: u8, row: &mut [u8]) {
        // Most of a sheet of drawings is empty, and leaves what is beneath as it is.
        const RUN: usize = 128;
        for (source, row) in source.chunks(RUN).zip(row.chunks_mut(RUN)) {
            if source.iter().fold(0, |all, byte| all | byte) == 0 {
                continue;
            }
            for (source, out) in source.as_chunks::<4>().0.iter().zip(row.as_chunks_mut::<4>().0) {
                let source = source.map(|value| by_255(u32::from(value) * u32::from(opacity)));
                let beneath = u32::from(OPAQUE) - source[3];
                for (out, source) in out.iter_mut().zip(source) {
                    // A source may claim more colour than its alpha allows.
                    *out = (source + by_255(u32::from(*out) * beneath)).min(255) as u8;
                }
            }
        }
    }
}

/// `value / 255`, rounded, for values up to 255².
#[inline(always)]
pub(crate) fn by_255(value: u32) -> u32 {
    (value + 128 + ((value + 128) >> 8)) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: [u8; 4], opacity: u8, beneath: [u8; 4], expected: [u8; 4]) {
        let mut row = beneath;
        Blend::Over(opacity).draw(&source, &mut row);
        assert_eq!(row, expected);
        if source[3] == OPAQUE {
            row = beneath;
            Blend::Mix(opacity).draw(&source, &mut row);
            assert_eq!(row[..3], expected[..3]);
        }
    }

    #[test]
    fn division_is_exact() {
        assert!((0..=255 * 255).all(|value| by_255(value) == (value + 127) / 255));
    }

    #[test]
    fn alpha_and_opacity_let_through_what_is_beneath() {
        check([10, 20, 30, 255], OPAQUE, [200, 200, 200, 255], [10, 20, 30, 255]);
        check([0, 0, 0, 0], OPAQUE, [1, 2, 3, 255], [1, 2, 3, 255]);
        check([100, 50, 0, 128], OPAQUE, [200, 100, 50, 255], [200, 100, 25, 255]);
        check([255, 255, 255, 255], 128, [0, 0, 0, 255], [128, 128, 128, 255]);
        check([255, 255, 255, 0], OPAQUE, [255, 255, 255, 255], [255, 255, 255, 255]);
    }
}
