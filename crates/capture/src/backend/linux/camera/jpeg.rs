//! Motion-JPEG: each picture a JPEG of its own, read as it was written, without a detour over red, green and blue.
//!
//! Owns: what cameras make of JPEG. Many leave out the Huffman tables, which the standard suggests and everybody knows;
//! some leave out the mark of the end; and some pictures do end in the middle, which must not be shown. Pure; tested below on pictures that another encoder wrote.

use super::convert::{Broken, Planes, mean};
use model::Size;
use zune_jpeg::{
    JpegDecoder, PlaneInfo, RawImcuRowStatus,
    zune_core::{bytestream::ZCursor, options::DecoderOptions},
};

/// Rows in a block, and how many rows of blocks a step has at most.
const BLOCK: usize = 8;
const BLOCKS_MAX: usize = 2;

/// An empty segment of AVI's kind of Motion-JPEG. A decoder that finds it fills in the tables that are missing.
const KNOWN_TABLES: [u8; 18] = *b"\xff\xe0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0";
/// After so many pictures without an end that is how this camera sends them.
const HABIT: u32 = 5;
const MARKERS: u8 = 0xff;
const START: [u8; 2] = [0xff, 0xd8];
const END: [u8; 2] = [0xff, 0xd9];
const TABLES: u8 = 0xc4;
const SCAN: u8 = 0xda;

/// Reads pictures, and keeps the memory that it takes.
#[derive(Default)]
pub(super) struct Jpeg {
    completed: Vec<u8>,
    /// Pictures in turn that had no end.
    endless: u32,
    /// A step of each component.
    rows: [Vec<u8>; 3],
}

impl Jpeg {
    /// Fills `target` with a picture that has this size.
    pub fn decode(&mut self, picture: &[u8], size: Size, target: &mut Planes<'_>) -> Result<(), Broken> {
        let (has_tables, has_end) = (has_tables(picture).ok_or(Broken)?, has_end(picture));
        self.endless = if has_end { 0 } else { self.endless.saturating_add(1) };
        if (1..=HABIT).contains(&self.endless) {
            return Err(Broken);
        }
        let picture = match (has_tables, has_end) {
            (true, true) => picture,
            (has_tables, _) => complete(picture, has_tables, &mut self.completed),
        };
        let options =
            DecoderOptions::default().set_max_width(size.width as usize).set_max_height(size.height as usize);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(picture), options);
        decoder.decode_headers().map_err(|_| Broken)?;
        let info = decoder.info().ok_or(Broken)?;
        if Size::new(info.width.into(), info.height.into()) != size {
            return Err(Broken);
        }
        let mut steps = decoder.raw_output();
        let layout = steps.layout().ok_or(Broken)?;
        let [luma, cb, cr] = [layout[0], layout[1], layout[2]];
        let shape = Shape::new(steps.num_components().ok_or(Broken)?, luma, cb, cr).ok_or(Broken)?;
        let strides = [luma, cb, cr].map(|plane| plane.stride.max(1));
        for (rows, stride) in self.rows.iter_mut().zip(strides) {
            rows.resize(stride * BLOCK * BLOCKS_MAX, 0);
        }
        let (mut luma_done, mut chroma_done) = (0, 0);
        loop {
            let mut planes = self.rows.each_mut().map(Vec::as_mut_slice);
            match steps.decode_next_imcu_row(&mut planes[..shape.components], &strides[..shape.components]) {
                Ok(RawImcuRowStatus::RowReady { rows_written }) => {
                    let [y, cb, cr] = &self.rows;
                    put_luma(y, strides[0], rows_written[0], &mut luma_done, target);
                    let rows = rows_written[1].min(rows_written[2]);
                    shape.put_chroma([cb, cr], strides[1], rows, &mut chroma_done, target);
                }
                Ok(RawImcuRowStatus::Complete) => break,
                _ => return Err(Broken),
            }
        }
        if shape.components == 1 {
            target.chroma.fill(128);
        }
        // All rows were there: an odd last one has no place.
        (luma_done >= size.height as usize & !1).then_some(()).ok_or(Broken)
    }
}

/// How many samples of chroma become one of NV12's.
struct Shape {
    components: usize,
    across: usize,
    down: usize,
}

impl Shape {
    /// None for what no camera sends.
    fn new(components: usize, luma: PlaneInfo, cb: PlaneInfo, cr: PlaneInfo) -> Option<Self> {
        if components == 1 {
            return Some(Self { components, across: 1, down: 1 });
        }
        let of = |plane: PlaneInfo| (plane.horizontal_sampling_factor, plane.vertical_sampling_factor);
        let ((width, height), (cb, cr)) = (of(luma), (of(cb), of(cr)));
        let is_plain = components == 3 && cb == cr && cb == (1, 1) && height <= BLOCKS_MAX && width <= 2;
        (is_plain && width > 0 && height > 0).then_some(Self {
            components,
            across: 3 - width,
            down: 3 - height,
        })
    }

    /// Makes chroma of one step into rows of NV12.
    fn put_chroma(
        &self,
        [cb, cr]: [&[u8]; 2],
        stride: usize,
        rows: usize,
        done: &mut usize,
        target: &mut Planes<'_>,
    ) {
        for y in (0..rows).step_by(self.down) {
            let Some(row) = target.chroma.chunks_exact_mut(target.width).nth(*done) else { return };
            *done += 1;
            let [cb, cr] = [cb, cr].map(|plane| {
                let above = &plane[y * stride..][..stride];
                let below =
                    if y + 1 < rows && self.down == 2 { &plane[(y + 1) * stride..][..stride] } else { above };
                (above, below)
            });
            match self.across {
                1 => join(row, cb, cr),
                _ => join_wide(row, cb, cr),
            }
        }
    }
}

fn put_luma(y: &[u8], stride: usize, rows: usize, done: &mut usize, target: &mut Planes<'_>) {
    for source in y.chunks_exact(stride).take(rows) {
        if let Some(row) = target.luma.chunks_exact_mut(target.width).nth(*done) {
            row.copy_from_slice(&source[..target.width]);
        }
        *done += 1;
    }
}

type TwoRows<'a> = (&'a [u8], &'a [u8]);

/// Chroma that has half the width already.
fn join(row: &mut [u8], cb: TwoRows<'_>, cr: TwoRows<'_>) {
    let (cb, cr) = (cb.0.iter().zip(cb.1), cr.0.iter().zip(cr.1));
    for ((pair, cb), cr) in row.as_chunks_mut::<2>().0.iter_mut().zip(cb).zip(cr) {
        *pair = [mean(*cb.0, *cb.1), mean(*cr.0, *cr.1)];
    }
}

/// Chroma for each pixel.
fn join_wide(row: &mut [u8], cb: TwoRows<'_>, cr: TwoRows<'_>) {
    let four = |(above, below): TwoRows<'_>, x: usize| {
        let sum: u16 = [above[x], above[x + 1], below[x], below[x + 1]].into_iter().map(u16::from).sum();
        ((sum + 2) / 4) as u8
    };
    for (x, pair) in row.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        *pair = [four(cb, 2 * x), four(cr, 2 * x)];
    }
}

/// Whether a picture brings its Huffman tables; none where there is no picture.
fn has_tables(picture: &[u8]) -> Option<bool> {
    let mut rest = picture.strip_prefix(&START)?;
    loop {
        let [MARKERS, marker, after @ ..] = rest else { return None };
        match *marker {
            TABLES => return Some(true),
            SCAN => return Some(false),
            // Any number of these may stand before a marker.
            MARKERS => rest = &rest[1..],
            _ => {
                let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
                rest = after.get(length..)?;
            }
        }
    }
}

/// Whether nothing but padding comes after its end.
fn has_end(picture: &[u8]) -> bool {
    let end = picture.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    picture[..end].ends_with(&END)
}

/// The picture with its end, and with a word to the decoder to fill in its tables.
fn complete<'a>(picture: &[u8], has_tables: bool, completed: &'a mut Vec<u8>) -> &'a [u8] {
    completed.clear();
    completed.extend(START);
    if !has_tables {
        completed.extend(KNOWN_TABLES);
    }
    completed.extend(&picture[START.len()..]);
    // After another end this one is not looked at.
    completed.extend(END);
    completed
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    fn sample(x: usize, y: usize, plane: usize) -> u8 {
        // Smooth, so that what is lost in compression is little.
        let wave = |value: usize, period: f64| (value as f64 / period).sin() * 50.0;
        (128.0 + wave(x + 9 * plane, 17.0) + wave(y + 5 * plane, 23.0)) as u8
    }

    fn encode(size: Size, sampling: SamplingFactor, color: ColorType) -> Vec<u8> {
        let (width, height) = (size.width as usize, size.height as usize);
        let planes = if color == ColorType::Luma { 1 } else { 3 };
        let pixels: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| (0..planes).map(move |plane| sample(x, y, plane))))
            .collect();
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 98);
        encoder.set_sampling_factor(sampling);
        encoder.encode(&pixels, width as u16, height as u16, color).unwrap();
        bytes
    }

    fn decode(jpeg: &mut Jpeg, bytes: &[u8], size: Size) -> Result<Vec<u8>, Broken> {
        let (width, height) = (size.width as usize & !1, size.height as usize & !1);
        let mut target = vec![0; width * height / 2 * 3];
        let (luma, chroma) = target.split_at_mut(width * height);
        jpeg.decode(bytes, size, &mut Planes { width, luma, chroma }).map(|()| target)
    }

    /// Every sample is what was encoded, but for what compression and averaging change.
    fn check(size: Size, sampling: SamplingFactor) {
        let bytes = encode(size, sampling, ColorType::Ycbcr);
        let got = decode(&mut Jpeg::default(), &bytes, size).unwrap();
        let (width, height) = (size.width as usize & !1, size.height as usize & !1);
        for (place, got) in got.iter().enumerate() {
            let (y, x) = (place / width, place % width);
            let want = match y.checked_sub(height) {
                None => sample(x, y, 0),
                Some(y) => sample(x & !1, 2 * y, 1 + x % 2),
            };
            assert!(got.abs_diff(want) <= 6, "{got} for {want} at {x},{y} of {size} {sampling:?}");
        }
    }

    #[test]
    fn every_sampling_and_size_is_read() {
        for size in
            [Size::new(640, 360), Size::new(320, 240), Size::new(66, 50), Size::new(35, 27), Size::new(2, 2)]
        {
            use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2};
            [F_1_1, F_1_2, F_2_1, F_2_2].into_iter().for_each(|sampling| check(size, sampling));
        }
    }

    #[test]
    fn a_gray_picture_has_no_colour() {
        let size = Size::new(64, 48);
        let got = decode(&mut Jpeg::default(), &encode(size, SamplingFactor::F_1_1, ColorType::Luma), size)
            .unwrap();
        assert!(got[64 * 48..].iter().all(|chroma| *chroma == 128));
        assert!(got[70].abs_diff(sample(6, 1, 0)) <= 6);
    }

    /// Without its segments of Huffman tables.
    fn bare(bytes: &[u8]) -> Vec<u8> {
        let mut bare = START.to_vec();
        let mut rest = &bytes[2..];
        while rest[1] != SCAN {
            let length = 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            if rest[1] != TABLES {
                bare.extend(&rest[..length]);
            }
            rest = &rest[length..];
        }
        bare.extend(rest);
        bare
    }

    #[test]
    fn tables_that_everybody_knows_may_be_missing() {
        let size = Size::new(320, 240);
        let whole = encode(size, SamplingFactor::F_2_1, ColorType::Ycbcr);
        let bare = bare(&whole);
        assert_eq!((has_tables(&whole), has_tables(&bare)), (Some(true), Some(false)));
        let mut jpeg = Jpeg::default();
        let read = decode(&mut jpeg, &bare, size).unwrap();
        assert!(decode(&mut Jpeg::default(), &whole, size) == Ok(read));
    }

    #[test]
    fn a_picture_that_ends_early_is_broken() {
        let size = Size::new(160, 120);
        let whole = encode(size, SamplingFactor::F_2_1, ColorType::Ycbcr);
        let mut jpeg = Jpeg::default();
        for length in (0..whole.len() - 2).step_by(7) {
            assert!(decode(&mut jpeg, &whole[..length], size) == Err(Broken), "{length} of {}", whole.len());
            assert!(decode(&mut jpeg, &whole, size).is_ok());
        }
        let read = decode(&mut Jpeg::default(), &whole, size);
        let mut padded = whole.clone();
        padded.extend([0; 500]);
        assert!(decode(&mut jpeg, &padded, size) == read, "some send all of their buffer");
        assert_eq!(
            decode(&mut jpeg, &whole, Size::new(160, 128)),
            Err(Broken),
            "another size than agreed upon"
        );
        assert_eq!(decode(&mut jpeg, &whole, Size::new(80, 60)), Err(Broken));
    }

    #[test]
    fn a_camera_may_never_mark_the_end() {
        let size = Size::new(160, 120);
        let whole = encode(size, SamplingFactor::F_2_1, ColorType::Ycbcr);
        let (read, mut jpeg) = (decode(&mut Jpeg::default(), &whole, size), Jpeg::default());
        let mut filled = whole.clone();
        filled.extend([7; 50]);
        for endless in [&whole[..whole.len() - 2], &filled] {
            for _ in 0..HABIT {
                assert!(decode(&mut jpeg, endless, size) == Err(Broken), "it may be that it was cut off");
            }
            assert!(decode(&mut jpeg, endless, size) == read);
            assert!(decode(&mut jpeg, &whole, size) == read);
        }
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let size = Size::new(96, 64);
        let mut jpeg = Jpeg::default();
        for (sampling, seed) in [(SamplingFactor::F_2_1, 1_u32), (SamplingFactor::F_2_2, 77)] {
            let whole = encode(size, sampling, ColorType::Ycbcr);
            let (mut random, mut broken) = (seed, 0);
            for _ in 0..4000 {
                let mut bytes = whole.clone();
                for _ in 0..3 {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = random as usize / 7 % bytes.len();
                    bytes[at] = (random >> 24) as u8;
                }
                // Some of it can be read, and some cannot.
                broken += u32::from(decode(&mut jpeg, &bytes, size).is_err());
            }
            assert!(broken > 500, "{broken} of 4000 pictures were known to be broken");
            assert!(decode(&mut jpeg, &whole, size).is_ok());
        }
    }
}
