//! Between NV12, which everything here draws and shows, and the three planes that libvpx, libaom and all decoders work
//! with: chroma taken apart and put together.

use crate::{CodecError, ffmpeg};
use bytes::Bytes;
use ffmpeg_next::{Packet, encoder::video::Encoder, format::Pixel, frame, picture};
use model::{Matrix, Nv12, PixelFormat, Planes, Size};

/// Sends a copy of `picture` to the encoder and gives the encoder back.
pub(crate) fn encode(
    mut encoder: Encoder,
    picture: Nv12<'_>,
    pts: i64,
    kind: picture::Type,
) -> Result<Encoder, CodecError> {
    let mut frame = planar(&picture)
        .ok_or(CodecError::Failed { operation: "encoding a picture", why: "no memory".into() })?;
    frame.set_pts(Some(pts));
    frame.set_kind(kind);
    encoder.send_frame(&frame).map_err(CodecError::failed("encoding a picture"))?;
    Ok(encoder)
}

/// The packet of one grey picture of this size; empty if there is none yet.
pub(crate) fn encode_grey(mut encoder: Encoder, size: Size) -> Result<Bytes, CodecError> {
    const ENCODING: &str = "encoding a picture";
    let mut frame = frame::Video::new(Pixel::YUV420P, size.width, size.height);
    for plane in 0..frame.planes() {
        frame.data_mut(plane).fill(128);
    }
    frame.set_pts(Some(0));
    encoder.send_frame(&frame).map_err(CodecError::failed(ENCODING))?;
    let mut encoded = Packet::empty();
    ffmpeg::receive(&mut encoder, &mut encoded, ENCODING)?;
    Ok(Bytes::copy_from_slice(encoded.data().unwrap_or_default()))
}

/// Whether both sides are even and the planes hold all rows.
pub(crate) fn is_whole(picture: &Nv12<'_>) -> bool {
    let (width, height) = (picture.size.width as usize, picture.size.height as usize);
    let holds = |plane: &[u8], rows: usize| {
        let needed = picture.stride.checked_mul(rows - 1).and_then(|bytes| bytes.checked_add(width));
        needed.is_some_and(|needed| plane.len() >= needed)
    };
    let is_even = |side: usize| side > 0 && side.is_multiple_of(2);
    is_even(width)
        && is_even(height)
        && picture.stride >= width
        && i32::try_from(picture.stride).is_ok()
        && holds(picture.luma, height)
        && holds(picture.chroma, height / 2)
}

fn planar(picture: &Nv12<'_>) -> Option<frame::Video> {
    let Size { width, height } = picture.size;
    let mut frame = frame::Video::new(Pixel::YUV420P, width, height);
    if frame.planes() != 3 {
        return None;
    }
    let (width, half) = (width as usize, width as usize / 2);
    let (luma_stride, blue_stride, red_stride) = (frame.stride(0), frame.stride(1), frame.stride(2));
    let rows = frame.data_mut(0).chunks_mut(luma_stride).zip(picture.luma.chunks(picture.stride));
    for (to, from) in rows {
        to[..width].copy_from_slice(&from[..width]);
    }
    // One plane after the other, since only one of them can be borrowed to write.
    for (index, stride) in [(1, blue_stride), (2, red_stride)] {
        let rows = frame.data_mut(index).chunks_mut(stride).zip(picture.chroma.chunks(picture.stride));
        for (to, from) in rows {
            for (to, from) in to[..half].iter_mut().zip(from.chunks_exact(2)) {
                *to = from[index - 1];
            }
        }
    }
    Some(frame)
}

/// A decoded picture as NV12; none if it is no 8-bit 4:2:0 picture of this size.
pub(crate) fn nv12(frame: &frame::Video, size: Size) -> Option<Planes> {
    let fits = (frame.width(), frame.height()) == (size.width, size.height);
    let (width, height) = (size.width as usize, size.height as usize);
    if !fits || !width.is_multiple_of(2) || !height.is_multiple_of(2) || frame.planes() != 3 {
        return None;
    }
    // Rows may also lie upside down in memory, but not of what is decoded here.
    let upright = |index: usize, width: usize| (width..=i32::MAX as usize).contains(&frame.stride(index));
    let known = matches!(frame.format(), Pixel::YUV420P | Pixel::YUVJ420P);
    if !known || !upright(0, width) || !upright(1, width / 2) || !upright(2, width / 2) {
        return None;
    }
    let mut bytes = Vec::with_capacity(width * height * 3 / 2);
    for row in frame.data(0).chunks(frame.stride(0)).take(height) {
        bytes.extend_from_slice(row.get(..width)?);
    }
    let rows = |index| frame.data(index).chunks(frame.stride(index)).take(height / 2);
    for (blue, red) in rows(1).zip(rows(2)) {
        let pairs = blue.get(..width / 2)?.iter().zip(red.get(..width / 2)?);
        bytes.extend(pairs.flat_map(|(blue, red)| [*blue, *red]));
    }
    let complete = bytes.len() == width * height * 3 / 2;
    complete.then(|| Planes {
        format: PixelFormat::Nv12(Matrix::Bt709),
        size,
        stride: width,
        bytes: Bytes::from(bytes),
    })
}
