//! Pictures to JPEG (ITU-T T.81 in a JFIF file), for those that are looked at one by one: previews and stills.
//!
//! Owns the way from BT.709 in limited range, which everything here draws, to BT.601 in full range, which is what JFIF
//! means by its numbers. Tested by decoding and comparing colours.

use crate::{CodecError, ffmpeg, planar};
use ffmpeg_next::{Packet, codec, encoder::video::Encoder, format::Pixel, frame};
use model::{Nv12, Size};

/// From 2, the best, to 31. At 4 letters on a screen have no fringes that anybody sees.
const QUANTIZER: i32 = 4;
/// As the standard allows, and FFmpeg with it.
const SIDE_MAX: u32 = 65_500;
const ENCODING: &str = "encoding a JPEG";

/// `picture` as the bytes of a JPEG file.
pub fn jpeg(picture: Nv12<'_>) -> Result<Vec<u8>, CodecError> {
    let Size { width, height } = picture.size;
    if width.max(height) > SIDE_MAX || !planar::is_whole(&picture) {
        let what = format!("encode a JPEG of {}", picture.size);
        return Err(CodecError::InvalidConfig { what, why: "it is too large, odd or cut short".into() });
    }
    let frame =
        full_range(&picture).ok_or(CodecError::Failed { operation: ENCODING, why: "no memory".into() })?;
    let mut encoder = open(picture.size)?;
    encoder.send_frame(&frame).map_err(CodecError::failed(ENCODING))?;
    let mut encoded = Packet::empty();
    if !ffmpeg::receive(&mut encoder, &mut encoded, ENCODING)? {
        return Err(CodecError::Failed { operation: ENCODING, why: "nothing came of it".into() });
    }
    Ok(encoded.data().unwrap_or_default().to_vec())
}

/// Opened for each picture, since that costs next to nothing.
fn open(size: Size) -> Result<Encoder, CodecError> {
    let library = ffmpeg::find_encoder("mjpeg", "an FFmpeg with mjpeg")?;
    let mut video =
        codec::Context::new_with_codec(library).encoder().video().map_err(CodecError::failed(ENCODING))?;
    video.set_width(size.width);
    video.set_height(size.height);
    video.set_format(Pixel::YUVJ420P);
    video.set_aspect_ratio((1, 1));
    video.set_time_base((1, 1));
    // Whatever its rate control wants: the quality is always the same.
    video.set_qmin(QUANTIZER);
    video.set_qmax(QUANTIZER);
    let options = ffmpeg::options(&[("huffman", "default"), ("flags", "+bitexact")]);
    video.open_as_with(library, options).map_err(CodecError::failed(ENCODING))
}

/// How much of each difference from grey goes into brightness and colours, in 1/16384: limited to full range, and
/// BT.709 to BT.601 by way of what both make of red, green and blue.
const LUMA: i32 = 19_077;
const LUMA_FROM: (i32, i32) = (1_895, 3_657);
const BLUE_FROM: (i32, i32) = (18_462, -2_064);
const RED_FROM: (i32, i32) = (-1_352, 18_342);
const BITS: i32 = 14;
const HALF: i32 = 1 << (BITS - 1);

fn full_range(picture: &Nv12<'_>) -> Option<frame::Video> {
    let (width, height) = (picture.size.width as usize, picture.size.height as usize);
    let mut frame = frame::Video::new(Pixel::YUVJ420P, picture.size.width, picture.size.height);
    if frame.planes() != 3 {
        return None;
    }
    frame.set_pts(Some(0));
    let strides = [frame.stride(0), frame.stride(1), frame.stride(2)];
    // One plane after the other, since only one of them can be borrowed to write.
    let chroma = || picture.chroma.chunks(picture.stride).map(|row| &row[..width]);
    let luma = picture.luma.chunks(picture.stride).map(|row| &row[..width]);
    let both = luma.zip(chroma().flat_map(|row| [row, row])).take(height);
    for (to, (luma, chroma)) in frame.data_mut(0).chunks_mut(strides[0]).zip(both) {
        brighten(&mut to[..width], luma, chroma);
    }
    for (plane, from) in [(1, BLUE_FROM), (2, RED_FROM)] {
        let rows = frame.data_mut(plane).chunks_mut(strides[plane]).zip(chroma());
        for (to, chroma) in rows.take(height / 2) {
            for (to, pair) in to[..width / 2].iter_mut().zip(chroma.as_chunks::<2>().0) {
                *to = byte(128 + mixed(pair, from));
            }
        }
    }
    Some(frame)
}

fn brighten(to: &mut [u8], luma: &[u8], chroma: &[u8]) {
    let pairs = to.as_chunks_mut::<2>().0.iter_mut().zip(luma.as_chunks::<2>().0);
    for ((to, luma), pair) in pairs.zip(chroma.as_chunks::<2>().0) {
        let shift = i32::from(pair[0]) - 128;
        let other = i32::from(pair[1]) - 128;
        let color = shift * LUMA_FROM.0 + other * LUMA_FROM.1 + HALF;
        to[0] = byte(((i32::from(luma[0]) - 16) * LUMA + color) >> BITS);
        to[1] = byte(((i32::from(luma[1]) - 16) * LUMA + color) >> BITS);
    }
}

fn mixed(pair: &[u8; 2], (blue, red): (i32, i32)) -> i32 {
    ((i32::from(pair[0]) - 128) * blue + (i32::from(pair[1]) - 128) * red + HALF) >> BITS
}

fn byte(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffmpeg_next::{codec as codecs, decoder};

    /// What a decoder makes of a JPEG: the planes in BT.601, full range.
    fn decoded(bytes: &[u8]) -> frame::Video {
        ffmpeg::be_quiet();
        let library = decoder::find(codecs::Id::MJPEG).unwrap();
        let mut decoder = codecs::Context::new_with_codec(library).decoder().open_as(library).unwrap();
        decoder.send_packet(&Packet::copy(bytes)).unwrap();
        decoder.send_eof().unwrap();
        let mut frame = frame::Video::empty();
        decoder.receive_frame(&mut frame).unwrap();
        frame
    }

    /// ITU-R BT.709, limited range.
    fn nv12_of([red, green, blue]: [f64; 3]) -> [u8; 3] {
        let luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        let (cb, cr) = ((blue - luma) / 1.8556, (red - luma) / 1.5748);
        [16.0 + 219.0 * luma, 128.0 + 224.0 * cb, 128.0 + 224.0 * cr].map(|value| value.round() as u8)
    }

    /// JFIF's formulas.
    fn rgb_of([luma, blue, red]: [u8; 3]) -> [f64; 3] {
        let (luma, cb, cr) = (f64::from(luma), f64::from(blue) - 128.0, f64::from(red) - 128.0);
        [luma + 1.402 * cr, luma - 0.344_136 * cb - 0.714_136 * cr, luma + 1.772 * cb]
    }

    #[test]
    fn colours_are_as_they_were() {
        let size = Size::new(34, 18);
        for color in [
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
            [1.0, 1.0, 1.0],
            [0.0, 0.0, 0.0],
            [0.9, 0.45, 0.1],
            [0.2, 0.5, 0.7],
        ] {
            let [luma, blue, red] = nv12_of(color);
            let (lumas, chromas) = (vec![luma; 40 * 18], [blue, red].repeat(20 * 9));
            let bytes = jpeg(Nv12 { size, stride: 40, luma: &lumas, chroma: &chromas }).unwrap();
            assert!(bytes.starts_with(&[0xFF, 0xD8]) && bytes[6..10] == *b"JFIF", "{:x?}", &bytes[..12]);
            let frame = decoded(&bytes);
            assert_eq!((frame.width(), frame.height()), (34, 18));
            for (x, y) in [(0, 0), (33, 17), (16, 8)] {
                let at = |plane: usize, x: usize, y: usize| frame.data(plane)[y * frame.stride(plane) + x];
                let seen = rgb_of([at(0, x, y), at(1, x / 2, y / 2), at(2, x / 2, y / 2)]);
                let near = seen.iter().zip(color).all(|(seen, color)| (seen - color * 255.0).abs() < 6.0);
                assert!(near, "{color:?} became {seen:?} at {x}, {y}");
            }
        }
    }

    #[test]
    fn pictures_that_are_none_are_refused() {
        let refused = |width, height, luma: &[u8], chroma: &[u8]| {
            jpeg(Nv12 { size: Size::new(width, height), stride: width as usize, luma, chroma }).is_err()
        };
        assert!(refused(0, 0, &[], &[]));
        assert!(refused(3, 2, &[0; 6], &[0; 6]));
        assert!(refused(4, 4, &[0; 15], &[0; 8]));
        assert!(refused(4, 4, &[0; 16], &[0; 7]));
        assert!(refused(70_000, 2, &[0; 140_000], &[0; 70_000]));
        assert!(!refused(4, 4, &[0; 16], &[0; 8]));
    }
}
