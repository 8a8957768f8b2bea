//! What MP4 says of a VP9 stream (VP Codec ISO Media File Format Binding 1.0). VP9 itself has no such record, so it is
//! made from what the encoder was told.

use bytes::Bytes;
use model::Size;

/// Levels: ten times their number, the most luma samples a second, the most in a picture.
const LEVELS: [(u8, u64, u64); 14] = [
    (10, 829_440, 36_864),
    (11, 2_764_800, 73_728),
    (20, 4_608_000, 122_880),
    (21, 9_216_000, 245_760),
    (30, 20_736_000, 552_960),
    (31, 36_864_000, 983_040),
    (40, 83_558_400, 2_228_224),
    (41, 160_432_128, 2_228_224),
    (50, 311_951_360, 8_912_896),
    (51, 588_251_136, 8_912_896),
    (52, 1_176_502_272, 8_912_896),
    (60, 1_176_502_272, 35_651_584),
    (61, 2_353_004_544, 35_651_584),
    (62, 4_706_009_088, 35_651_584),
];
/// Profile 0: 8 bits, 4:2:0.
const PROFILE: u8 = 0;
const BITS: u8 = 8;
/// Chroma lies at luma's left: the nearest of what VP9 can say.
const CHROMA: u8 = 1;
const LIMITED_RANGE: u8 = 0;
const BT709: u8 = 1;

/// The VPCodecConfigurationRecord of such pictures, `fps` a second at most.
pub(crate) fn decoder_configuration(size: Size, fps: u32) -> Bytes {
    let picture = u64::from(size.width) * u64::from(size.height);
    let fits = |level: &&(u8, u64, u64)| picture * u64::from(fps) <= level.1 && picture <= level.2;
    let level = LEVELS.iter().find(fits).map_or(62, |level| level.0);
    let format = BITS << 4 | CHROMA << 1 | LIMITED_RANGE;
    Bytes::from(vec![PROFILE, level, format, BT709, BT709, BT709, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_the_lowest_that_holds_the_pictures() {
        let level = |width, height, fps| decoder_configuration(Size::new(width, height), fps)[1];
        assert_eq!(level(320, 180, 30), 11);
        assert_eq!(level(1920, 1080, 30), 40);
        assert_eq!(level(1920, 1080, 60), 41);
        assert_eq!(level(16_384, 16_384, 1000), 62);
    }
}
