//! A picture given to FFmpeg without a copy of its three megabytes.
//!
//! FFmpeg holds pictures by counted references. Here they refer to memory that is only borrowed, so all of them
//! must be gone before the borrow ends; [`encode`] sees to it.

use crate::CodecError;
use ffmpeg_next::{encoder::video::Encoder, ffi, format::Pixel, frame, picture};
use model::Nv12;
use std::ptr;

/// Sends `picture` to the encoder and gives the encoder back. When this returns, FFmpeg reads no byte of the
/// picture any more. x264 copies what it gets, so that is no more than a check; an encoder that kept it is closed.
pub(crate) fn encode(
    mut encoder: Encoder,
    picture: Nv12<'_>,
    pts: i64,
    kind: picture::Type,
) -> Result<Encoder, CodecError> {
    let mut lent = Lent::new(picture)?;
    lent.frame.set_pts(Some(pts));
    lent.frame.set_kind(kind);
    let sent = encoder.send_frame(&lent.frame);
    // The frame within `lent` has one reference to each plane.
    if lent.references() > 1 {
        drop(encoder);
        return Err(CodecError::Failed {
            operation: "encoding a picture",
            why: "the encoder kept it".into(),
        });
    }
    sent.map_err(CodecError::failed("encoding a picture"))?;
    Ok(encoder)
}

/// FFmpeg's view of a borrowed picture. Private to this module: what it refers to is not tied to its lifetime.
struct Lent {
    frame: frame::Video,
}

impl Lent {
    fn new(picture: Nv12<'_>) -> Result<Self, CodecError> {
        let mut frame = frame::Video::empty();
        frame.set_format(Pixel::NV12);
        frame.set_width(picture.size.width);
        frame.set_height(picture.size.height);
        for (index, plane) in [picture.luma, picture.chroma].into_iter().enumerate() {
            // FFmpeg's types lack `const`; the read-only flag stands for it.
            let data = plane.as_ptr().cast_mut();
            let stride = i32::try_from(picture.stride).unwrap_or(i32::MAX);
            #[expect(unsafe_code, reason = "the binding can only copy")]
            // SAFETY: `data` has `plane.len()` readable bytes for as long as the borrow lasts. The caller has
            // checked that `stride` and the size stay within them, so the conversion of `stride` is exact. The
            // buffer is read-only, so FFmpeg does not write to it, and its `free` does nothing. `encode` alone
            // uses this type, and it does not return before every other reference is gone.
            unsafe {
                let buffer = ffi::av_buffer_create(
                    data,
                    plane.len() as _,
                    Some(keep),
                    ptr::null_mut(),
                    ffi::AV_BUFFER_FLAG_READONLY as _,
                );
                if buffer.is_null() {
                    return Err(CodecError::Failed {
                        operation: "encoding a picture",
                        why: "no memory".into(),
                    });
                }
                let raw = frame.as_mut_ptr();
                (*raw).buf[index] = buffer;
                (*raw).data[index] = data;
                (*raw).linesize[index] = stride;
            }
        }
        Ok(Self { frame })
    }

    /// How many references there are to the plane that has the most.
    fn references(&self) -> i32 {
        #[expect(unsafe_code, reason = "the binding has no way to read it")]
        // SAFETY: `new` has put a buffer into the first two places, and nothing takes them out.
        unsafe {
            let buf = (*self.frame.as_ptr()).buf;
            ffi::av_buffer_get_ref_count(buf[0]).max(ffi::av_buffer_get_ref_count(buf[1]))
        }
    }
}

#[expect(unsafe_code, reason = "FFmpeg calls it through a pointer")]
/// The owner of the memory is the one who lent it.
unsafe extern "C" fn keep(_opaque: *mut std::ffi::c_void, _data: *mut u8) {}
